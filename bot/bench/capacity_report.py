"""What the simulation says, as Markdown: for a terminal, and for docs/capacity.md."""

from collections.abc import Iterable, Sequence

from bot.bench.capacity_figures import (
    FIRST_GOALS_S,
    READING_WORDS_S,
    Capacity,
    Checked,
    Limits,
    ModelCapacity,
    Scenario,
)
from bot.bench.costs import Fit
from bot.bench.simulation import Installation
from bot.bench.workload import Workload
from bot.locales import N_, Words


def markdown(capacity: Capacity, words: Words) -> str:
    """Return everything that was found."""
    machine = capacity.machine
    parts = [
        words(
            N_(
                "{processor}, {threads} threads, torch {torch}; {share} % of the processors' time went to other processes."
            ),
            processor=machine.processor,
            threads=machine.threads,
            torch=machine.versions.get("torch", "-"),
            share=round(100 * capacity.busy_share),
        )
    ]
    for model in capacity.models:
        parts += _model(model, words)
    return "\n\n".join(parts) + "\n"


def _model(model: ModelCapacity, words: Words) -> Iterable[str]:
    yield words(
        N_("### {model}, {parameters} million weights, {precision}"),
        model=model.name,
        parameters=round(model.parameters / 1e6),
        precision=model.precision,
    )
    yield _costs(model.fit, words)
    yield _workload(model.workload, words)
    yield words(
        N_(
            "So many channels are carried, with the first word in time for 95 of 100 passages, or growing at {speed} words/s or more for as many:"
        ),
        speed=f"{READING_WORDS_S:g}",
    )
    yield _limits(model.scenarios, model.workload.think_s, words)
    for scenario in model.scenarios:
        yield f"{_installation(scenario.installation, words)}:"
        yield _rows(scenario, words)
    if model.checks:
        yield words(
            N_(
                "The same on the real engine ({settings}), with {think} s of thought on average; medians, real / simulated:"
            ),
            settings=_installation(model.scenarios[0].installation, words),
            think=f"{model.check_think_s:g}",
        )
        yield _checks(model.checks, words)


def _costs(fit: Fit, words: Words) -> str:
    costs, budget = fit.costs, fit.costs.budget
    return words(
        N_(
            "A step takes {fixed} ms, {decode} ms more for each passage, {context} ms for each 1,000 tokens that these attend to and {prefill} ms for each token of a prompt; the fit is off by {median} % (median; {worst} % at worst). At such costs the engine computes {budget} prompt tokens a step beside readers and {alone} without."
        ),
        fixed=f"{1000 * costs.fixed_s:.1f}",
        decode=f"{1000 * costs.decode_s:.2f}",
        context=f"{1e6 * costs.context_s:.2f}",
        prefill=f"{1000 * costs.prefill_s:.3f}",
        median=f"{100 * fit.median_error:.0f}",
        worst=f"{100 * fit.worst_error:.0f}",
        budget=budget.budget_tokens,
        alone=budget.budget_alone_tokens,
    )


def _workload(workload: Workload, words: Words) -> str:
    return words(
        N_(
            "Each channel thinks for {think} s on average, adds {added} tokens to a context of at most {limit}, and gets {passage} tokens."
        ),
        think=f"{workload.think_s:g}",
        added=_span(workload.turn_tokens),
        limit=workload.limit_tokens,
        passage=_span(workload.passage_tokens),
    )


def _span(bounds: tuple[int, int]) -> str:
    return f"{bounds[0]}–{bounds[1]}"  # noqa: RUF001 -- from one to the other


def _installation(installation: Installation, words: Words) -> str:
    return words(
        N_("{active} at once, {cache} MiB for stories"),
        active=installation.max_active,
        cache=f"{installation.kv_cache_bytes // 2**20:,}",
    )


def _limits(scenarios: Sequence[Scenario], think_s: float, words: Words) -> str:
    headings = [
        words(N_("settings")),
        *(words(N_("first word in {limit} s"), limit=f"{limit:g}") for limit in FIRST_GOALS_S),
        words(N_("reading speed")),
        words(N_("waiting begins (N*)")),
    ]
    return _table(
        headings,
        (
            [
                _installation(each.installation, words),
                *(_limit(number, each.limits) for number in each.limits.first),
                _limit(each.limits.reading, each.limits),
                f"{each.knee(think_s):.0f}",
            ]
            for each in scenarios
        ),
    )


def _limit(number: int, limits: Limits) -> str:
    return f"≥ {number}" if number == limits.most else f"{number}"


def _rows(scenario: Scenario, words: Words) -> str:
    headings = [
        words(N_("channels")),
        words(N_("first word p50 / p95, s")),
        words(N_("whole passage p50 / p95, s")),
        words(N_("words/s p50 / p5")),
        words(N_("engine busy")),
        words(N_("prompt from cache")),
        words(N_("refused")),
    ]
    return _table(
        headings,
        (
            [
                f"{row.channels}",
                f"{row.first_p50_s:.2f} / {row.first_p95_s:.2f}",
                f"{row.whole_p50_s:.1f} / {row.whole_p95_s:.1f}",
                f"{row.words_s_p50:.0f} / {row.words_s_p5:.0f}",
                _percent(row.busy_share),
                _percent(row.cached_share),
                _percent(row.refused_share),
            ]
            for row in scenario.rows
        ),
    )


def _checks(checks: Sequence[Checked], words: Words) -> str:
    headings = [
        words(N_("channels")),
        words(N_("passages")),
        words(N_("first word, s")),
        words(N_("whole passage, s")),
        words(N_("tokens/s of a reader")),
        words(N_("prompt from cache")),
        words(N_("errors")),
        words(N_("other processes")),
    ]
    return _table(
        headings,
        (
            [
                f"{each.channels}",
                f"{each.passages}",
                f"{each.real_first_s:.2f} / {each.first_s:.2f}",
                f"{each.real_whole_s:.2f} / {each.whole_s:.2f}",
                f"{each.real_tokens_s:.1f} / {each.tokens_s:.1f}",
                f"{_percent(each.real_cached_share)} / {_percent(each.cached_share)}",
                ", ".join(f"{100 * error:+.0f} %" for error in each.errors),
                _percent(each.others_share),
            ]
            for each in checks
        ),
    )


def _percent(share: float) -> str:
    return f"{100 * share:.0f} %"


def _table(headings: Sequence[str], rows: Iterable[Sequence[str]]) -> str:
    return "\n".join(
        f"| {' | '.join(cells)} |" for cells in (headings, ["---"] * len(headings), *rows)
    )
