"""The figures as tables for people.

Invariant: a cell that was not measured is empty, never a zero.
"""

from collections.abc import Iterable, Sequence

from rich.console import Group, RenderableType
from rich.table import Table
from rich.text import Text

from bot.bench.figures import Sample
from bot.bench.goals import RATIO, Goal, Verdict
from bot.bench.machine import Machine
from bot.bench.results import ModelFigures, Results
from bot.locales import N_, Words

_QUIET_SHARE = 0.05
_SIGNS = {
    Verdict.STRETCH: ("★", "bold green", N_("stretch")),
    Verdict.MET: ("✓", "green", N_("met")),
    Verdict.MISSED: ("✗", "red", N_("missed")),
    Verdict.UNMEASURED: ("", "dim", N_("not measured")),
}


def tables(results: Results, goals: Sequence[Goal], words: Words) -> RenderableType:
    """Return everything that people want to see of a run."""
    parts: list[RenderableType] = [_machine(results.machine, words)]
    for model in results.models:
        parts += [
            Text(),
            Text(
                words(
                    N_("{model}, {parameters} million weights"),
                    model=model.name,
                    parameters=round(model.parameters / 1e6),
                ),
                style="bold",
            ),
            _speeds(model, words),
            _first_tokens(model, words),
            *_agreement(model, words),
            *_load(model, words),
            *_steps(model, words),
            *(Text(f"{way}: {why}", style="dim") for way, why in model.missing.items()),
        ]
    parts += [Text(), _goals(goals, words)]
    if results.busy_share > _QUIET_SHARE:
        parts.append(
            Text(
                words(
                    N_(
                        "Other processes took {share} % of the processors meanwhile: the figures are those of a busy machine."
                    ),
                    share=round(100 * results.busy_share),
                ),
                style="yellow",
            )
        )
    parts.append(
        Text(
            words(N_("Measured in {minutes} min {seconds} s."), **_minutes(results.took_s)),
            style="dim",
        )
    )
    return Group(*parts)


def _minutes(took_s: float) -> dict[str, int]:
    minutes, seconds = divmod(round(took_s), 60)
    return {"minutes": minutes, "seconds": seconds}


def _machine(machine: Machine, words: Words) -> Text:
    hardware = words(
        N_("{processor}, {processors} processors, {threads} threads, {memory} GB, {isa}"),
        processor=machine.processor,
        processors=machine.processors,
        threads=machine.threads,
        memory=round(machine.memory_mib / 1024),
        isa=machine.isa,
    )
    extensions = f" ({', '.join(machine.extensions)})" if machine.extensions else ""
    versions = ", ".join(f"{name} {version}" for name, version in machine.versions.items())
    return Text(f"{hardware}{extensions}\n{machine.system}; {versions}")


def _cell(sample: Sample, ratio: float | None, digits: int) -> str:
    spread = f" ±{50 * sample.spread:.0f} %" if sample.repeats > 1 else ""
    factor = f"  {ratio:.1f}{RATIO}" if ratio is not None else ""
    return f"{sample.median:.{digits}f}{spread}{factor}"


def _table(title: str, headings: Iterable[str]) -> Table:
    table = Table(title=title, title_justify="left", title_style="", box=None, pad_edge=False)
    table.min_width = len(title)
    for number, heading in enumerate(headings):
        table.add_column(heading, justify="right" if number else "left", no_wrap=True)
    return table


def _speeds(model: ModelFigures, words: Words) -> Table:
    batches = sorted({each.batch for each in model.throughput})
    table = _table(
        words(N_("Tokens a second, by texts at once")), ["", *(f"{batch}" for batch in batches)]
    )
    for way in dict.fromkeys(each.way for each in model.throughput):
        found = [model.speed(way, batch) for batch in batches]
        table.add_row(way, *(_cell(each.tokens_s, each.ratio, 0) if each else "" for each in found))
    return table


def _first_tokens(model: ModelFigures, words: Words) -> Table:
    shapes = list(dict.fromkeys((each.prompt, each.cached) for each in model.first_token))
    table = _table(
        words(N_("Time to the first token in ms, by tokens of the prompt")),
        ["", *(f"{cached} + {prompt}" if cached else f"{prompt}" for prompt, cached in shapes)],
    )
    for way in dict.fromkeys(each.way for each in model.first_token):
        found = [model.first(way, prompt, cached) for prompt, cached in shapes]
        table.add_row(way, *(_cell(each.ms, each.ratio, 0) if each else "" for each in found))
    return table


def _agreement(model: ModelFigures, words: Words) -> Iterable[Table]:
    if not model.agreement:
        return
    table = _table(
        words(N_("Greedy text that is that of plain transformers in fp32")),
        ["", words(N_("tokens")), words(N_("whole texts"))],
    )
    for each in model.agreement:
        texts = f"{round(each.texts * each.compared)}/{each.compared}"
        table.add_row(each.way, f"{100 * each.tokens:.1f} %", texts)
    yield table


def _load(model: ModelFigures, words: Words) -> Iterable[RenderableType]:
    load = model.load
    if load is None:
        return
    table = _table(
        words(
            N_("Channels that stream stories of different lengths, {precision}"),
            precision=load["precision"],
        ),
        [
            *("", words(N_("tokens/s"))),
            *(words(N_("first token p50, p99")), words(N_("continued p50, p99"))),
            words(N_("loop lag p50, p99, max")),
        ],
    )
    for each in load["channels"]:
        table.add_row(
            f"{each['channels']}",
            f"{each['tokens_s']:.0f}",
            _many([each["first_ms_p50"], each["first_ms_p99"]], 0),
            _many([each["continued_ms_p50"], each["continued_ms_p99"]], 0),
            _many([each["lag"][name] for name in ("p50_ms", "p99_ms", "max_ms")], 1),
        )
    yield table
    whole, serving = (
        _many([load[kind][name] for name in ("p50_ms", "p99_ms", "max_ms")], 1)
        for kind in ("loading_lag", "serving_lag")
    )
    yield Text(
        words(
            N_(
                "Loading took {seconds} s; loop lag {lag}; once only weights were left, when the bot enters Discord, {serving}."
            ),
            seconds=f"{load['loading_s']:.1f}",
            lag=whole,
            serving=serving,
        )
    )
    disturbance = load["disturbance"]
    if disturbance:
        yield Text(
            words(
                N_(
                    "While {tokens} tokens were prefilled for another ({first} ms), {readers} streams saw gaps of {gaps} (p50, p99, max)."
                ),
                tokens=disturbance["prompt_tokens"],
                first=f"{disturbance['first_ms']:.0f}",
                readers=disturbance["readers"],
                gaps=_many([disturbance[f"gap_ms_{name}"] for name in ("p50", "p99", "max")], 0),
            )
        )
    memory = {name: f"{value:.0f}" for name, value in load["memory"].items()}
    yield Text(
        words(
            N_(
                "Memory: {peak} MiB at most, of which libraries {libraries}, weights {weights}, key-value cache {kv_cache}; {above} above. While loading {loading_peak}."
            ),
            **memory,
            above=f"{load['above_mib']:.0f}",
        )
    )


def _many(values: Iterable[float | None], digits: int) -> str:
    known = [value for value in values if value is not None]
    return ", ".join(f"{value:.{digits}f}" for value in known) + " ms" if known else ""


def _steps(model: ModelFigures, words: Words) -> Iterable[Table]:
    if not model.steps:
        return
    shapes = list(
        dict.fromkeys(
            (step.batch, step.context, step.sampling)
            for times in model.steps.values()
            for step in times.decode
        )
    )
    table = _table(
        words(N_("Steps in ms: decode by batch (context), and prefill of a token")),
        [
            "",
            *(
                f"{batch} ({context})" + ("" if sampling == "default" else f" {sampling}")
                for batch, context, sampling in shapes
            ),
            words(N_("prefill")),
        ],
    )
    for precision, times in model.steps.items():
        by_shape = {(step.batch, step.context, step.sampling): step for step in times.decode}
        cells = [
            f"{by_shape[shape].ms.median:.1f}" if shape in by_shape else "" for shape in shapes
        ]
        slope = times.prefill_ms_per_token
        table.add_row(precision, *cells, "" if slope is None else f"{slope:.2f}")
    yield table


def _goals(goals: Sequence[Goal], words: Words) -> Table:
    table = _table(
        words(N_("What is to be reached")),
        [
            *("", words(N_("model")), words(N_("precision")), words(N_("must"))),
            *(words(N_("stretch")), words(N_("measured")), ""),
        ],
    )
    for goal in goals:
        sign, style, word = _SIGNS[goal.verdict]
        table.add_row(
            words(goal.name),
            goal.model,
            goal.precision,
            _bound(goal.must, goal.unit),
            _bound(goal.stretch, goal.unit),
            _bound(goal.figure, goal.unit),
            Text(f"{sign} {words(word)}".strip(), style=style),
        )
    return table


def _bound(value: float | None, unit: str) -> str:
    if value is None:
        return ""
    if unit == RATIO:
        return f"{value:.1f}{unit}"
    return f"{value:.{1 if value >= 1 else 2}f} {unit}"
