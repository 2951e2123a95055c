"""One way after another: what is compared, what is refused."""

from collections.abc import Iterator, Sequence
from contextlib import contextmanager
from dataclasses import replace
from pathlib import Path
from typing import Any

import pytest

from bot.bench import engine, measuring
from bot.bench.child import Here
from bot.bench.ctranslate import open_ctranslate2
from bot.bench.errors import ShortTextError, WindowTooShortError
from bot.bench.figures import equal_share
from bot.bench.llama_cpp import open_llama_cpp
from bot.bench.models import BenchModel, read_model
from bot.bench.plain import open_plain
from bot.bench.plan import Plan
from bot.bench.ways import Group, Ids, NotAvailableError, Way
from bot.engine.backend import Backend
from tests.support.tiny_model import Arch, write_tiny_model


class Fake:
    """Writes ones, as many as it wants to."""

    keeps_stories = True

    def __init__(self, name: str, *, lacks: int = 0) -> None:
        self.name = name
        self.asked: list[tuple[tuple[int, ...], str | None]] = []
        self._lacks = lacks

    def batches(self, plan: Plan) -> tuple[int, ...]:
        return plan.batches

    def write(
        self, prompts: Sequence[Ids], new_tokens: int, *, story: str | None = None
    ) -> list[list[int]]:
        self.asked += [(tuple(prompt), story) for prompt in prompts]
        return [[1] * (new_tokens - self._lacks) for _ in prompts]


def group_of(*ways: Way) -> Group:
    @contextmanager
    def open_fakes(bench_model: BenchModel, plan: Plan) -> Iterator[Sequence[Way]]:
        yield ways

    return Group(tuple(way.name for way in ways), open_fakes)


def no_group(name: str) -> Group:
    @contextmanager
    def refuse(bench_model: BenchModel, plan: Plan) -> Iterator[Sequence[Way]]:
        if name:
            raise NotAvailableError("it is not here")
        yield ()

    return Group((name,), refuse)


def use_groups(monkeypatch: pytest.MonkeyPatch, groups: Sequence[Group]) -> None:
    monkeypatch.setattr(measuring, "groups_of", lambda _: groups)


@pytest.fixture
def speed_only(plan: Plan) -> Plan:
    return replace(plan, channels=())


def test_a_way_that_is_not_there_is_named_with_its_reason(
    monkeypatch: pytest.MonkeyPatch, tiny: BenchModel, speed_only: Plan
) -> None:
    use_groups(monkeypatch, [group_of(Fake("snippet")), no_group("other")])
    told: list[str] = []
    found = measuring.measure_model(tiny, speed_only, measurements=Here(), report=told.append)
    assert found.missing == {"other": "it is not here"}
    assert {each.way for each in found.throughput} == {"snippet"}
    assert found.load is None
    assert "tiny: opening other" in told


def test_no_prompt_is_measured_twice_but_for_a_story_that_goes_on(
    monkeypatch: pytest.MonkeyPatch, tiny: BenchModel, speed_only: Plan
) -> None:
    fake = Fake("other")
    use_groups(monkeypatch, [group_of(Fake("snippet"), fake)])
    measuring.measure_model(tiny, speed_only, measurements=Here(), report=lambda _: None)
    prompts = [prompt for prompt, _ in fake.asked if len(prompt) > speed_only.prompt_tokens]
    assert len(set(prompts)) == len(prompts)
    going_on = [prompt for prompt, story in fake.asked if story is not None]
    assert len(going_on) == speed_only.repeats + 1
    assert len({prompt[: speed_only.cached_tokens] for prompt in going_on}) == 1


def test_a_way_that_writes_too_little_is_no_measurement(
    monkeypatch: pytest.MonkeyPatch, tiny: BenchModel, speed_only: Plan
) -> None:
    use_groups(monkeypatch, [group_of(Fake("snippet", lacks=1))])
    with pytest.raises(ShortTextError, match="snippet wrote 7 tokens where 8 were asked for"):
        measuring.measure_model(tiny, speed_only, measurements=Here(), report=lambda _: None)


def test_a_window_that_is_too_short_is_refused_before_anything_is_loaded(
    tiny: BenchModel, plan: Plan
) -> None:
    with pytest.raises(WindowTooShortError, match="tiny takes 256 tokens, and 301 are measured"):
        measuring.measure_model(
            tiny,
            replace(plan, first_tokens=(300,)),
            measurements=Here(),
            report=lambda _: None,
        )


@pytest.mark.parametrize(
    ("library", "opened"), [("ctranslate2", open_ctranslate2), ("llama_cpp", open_llama_cpp)]
)
@pytest.mark.parametrize("arch", ["gpt2", "llama"])
def test_other_engines_write_nearly_the_same_where_they_are_installed(
    library: str, opened: Any, arch: Arch, tmp_path: Path, plan: Plan
) -> None:
    pytest.importorskip(library)
    folder = write_tiny_model(tmp_path / arch, arch=arch, n_positions=256)
    tiny = read_model(folder, arch)
    prompts = tiny.prompts(3, 20)
    with open_plain(tiny, plan) as (snippet, *_):
        expected = snippet.write(prompts, 6)
        longer = [*prompts[0], *expected[0]]
        expected += snippet.write([longer], 4)
    with opened(tiny, plan) as (way,):
        written = way.write(prompts, 6)
        assert way.write(prompts[:1], 6, story="x") == written[:1]
        written += way.write([longer], 4, story="x")
    assert [len(text) for text in written] == [6, 6, 6, 4]
    # They round to 8 bits; what is wrong with a position or a layout makes all of it other.
    tokens, _ = equal_share(written, expected)
    assert tokens >= 0.6


def test_a_library_that_is_not_installed_is_said(
    monkeypatch: pytest.MonkeyPatch, tiny: BenchModel, plan: Plan
) -> None:
    monkeypatch.setitem(__import__("sys").modules, "ctranslate2", None)
    monkeypatch.setitem(__import__("sys").modules, "llama_cpp", None)
    with pytest.raises(NotAvailableError, match="ctranslate2"), open_ctranslate2(tiny, plan):
        pass
    with pytest.raises(NotAvailableError, match="llama-cpp"), open_llama_cpp(tiny, plan):
        pass


def test_a_precision_that_the_engine_does_not_take_is_not_measured_under_its_name(
    monkeypatch: pytest.MonkeyPatch, tiny: BenchModel, plan: Plan
) -> None:
    open_real = engine.open_backend

    async def fall_back(bench_model: BenchModel, _: object, **options: Any) -> Backend:
        return await open_real(bench_model, "fp32", **options)

    monkeypatch.setattr(engine, "open_backend", fall_back)
    group = engine.engine_group("bf16")
    with (
        pytest.raises(NotAvailableError, match="the engine chose fp32 instead"),
        group.open(tiny, plan),
    ):
        pass
