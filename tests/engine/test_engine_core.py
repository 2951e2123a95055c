"""The engine without its thread: what one request does to others, and what a cache changes."""

import dataclasses
from collections.abc import Callable, Sequence
from itertools import count
from pathlib import Path
from typing import Any

import pytest
import torch
from transformers import AutoModelForCausalLM

from bot.engine.local.core import EngineCore
from bot.engine.local.errors import TooSlowError
from bot.engine.local.generation import Job
from bot.engine.local.kv_cache import CacheUse
from bot.engine.local.loader import LoadedModel, load_model
from bot.engine.local.packed.build import ALL_WAYS, Way
from bot.engine.local.runner import Row, StepModel
from bot.engine.local.scheduler import CHUNK_TOKENS
from bot.engine.local.scoring import ScoreJob
from bot.engine.local.serial import SerialModel
from bot.engine.local.worker import Event
from bot.engine.types import (
    Action,
    Chunk,
    FinishReason,
    GenerationRequest,
    Score,
    ScoreRequest,
    Verdict,
)
from bot.errors import EngineError, QueueFullError
from tests.engine.engine_reading import GREEDY, PROMPT, Reading, Watch, ask
from tests.support.tiny_model import Arch, write_tiny_model

Honest = Callable[[], torch.Tensor]
Through = Callable[[Sequence[Row[Any]], Honest], torch.Tensor]


class Altered:
    """A model whose steps go through a function of the test."""

    def __init__(self, model: StepModel[Any], through: Through) -> None:
        self._model = model
        self._through = through
        self.cache_use = model.cache_use
        self.is_packed = model.is_packed

    def new_cache(self) -> Any:
        return self._model.new_cache()

    def forward(self, rows: Sequence[Row[Any]], /) -> torch.Tensor:
        return self._through(rows, lambda: self._model.forward(rows))


def alter(loaded: LoadedModel, through: Through) -> LoadedModel:
    return dataclasses.replace(loaded, model=Altered(loaded.model, through))


class Desk:
    """Submits requests to a core and gathers what they hear."""

    def __init__(self, loaded: LoadedModel, **options: int) -> None:
        self.now_s = 0.0
        self.core = EngineCore(loaded, clock=lambda: self.now_s, **options)
        self.loaded = loaded
        self.readings: dict[int, Reading] = {}
        self.errors: dict[int, EngineError] = {}
        self._ids = count(1)

    def submit(self, request: GenerationRequest) -> int:
        number = next(self._ids)
        text = "".join(part.text for part in request.prompt)
        prompt = self.loaded.tokenizer.encode(text)
        exempt = {token for word in request.exempt for token in self.loaded.tokenizer.encode(word)}
        self.readings[number] = Reading()
        self.hear(
            self.core.submit(
                Job(
                    id=number,
                    request=request,
                    prompt_ids=tuple(prompt),
                    exempt_ids=frozenset(exempt),
                    submitted_at_s=self.now_s,
                )
            )
        )
        return number

    def hear(self, events: list[Event]) -> None:
        for event in events:
            assert event.id not in self.errors
            if isinstance(event.content, EngineError):
                self.errors[event.id] = event.content
            elif isinstance(event.content, Chunk):
                self.readings[event.id].add(event.content)

    def step(self) -> None:
        self.hear(self.core.step())

    def run(self) -> None:
        while self.core.has_work:
            self.step()

    def write(self, **options: Any) -> Reading:
        number = self.submit(ask(**options))
        self.run()
        return self.readings[number]


KINDS: dict[str, tuple[Arch, tuple[Way, ...]]] = {
    "lean gpt2": ("gpt2", (Way.LEAN,)),
    "lean llama": ("llama", (Way.LEAN,)),
    "generic gpt2": ("gpt2", (Way.GENERIC,)),
    "generic llama": ("llama", (Way.GENERIC,)),
    "serial": ("gpt2", (Way.SERIAL,)),
    "sliding": ("mistral", ALL_WAYS),
}


@dataclasses.dataclass
class Kind:
    """A model, computed in some way, and a folder to load it from again."""

    path: Path
    loaded: LoadedModel
    uncached: LoadedModel
    plain: Any


@pytest.fixture(scope="module", params=KINDS)
def kind(request: pytest.FixtureRequest, tmp_path_factory: pytest.TempPathFactory) -> Kind:
    arch, ways = KINDS[request.param]
    path = write_tiny_model(tmp_path_factory.mktemp("models") / arch, arch=arch, n_positions=512)
    loaded = load_model(path, precision="fp32", ways=ways, threads=1)
    if request.param != "sliding":
        assert (loaded.way,) == ways
    plain: Any = AutoModelForCausalLM.from_pretrained(path)
    plain.eval()
    uncached = dataclasses.replace(loaded, model=SerialModel(plain, CacheUse.NOT_AT_ALL))
    return Kind(path, loaded, uncached, plain)


@pytest.fixture
def any_model(kind: Kind) -> LoadedModel:
    return kind.loaded


LONG = PROMPT + " Mira went to the river and found a silver key in the old tower." * 6


@pytest.mark.parametrize("prompt", [PROMPT, LONG])
def test_greedy_text_is_that_of_plain_transformers(kind: Kind, prompt: str) -> None:
    any_model = kind.loaded
    ids = any_model.tokenizer(prompt, return_tensors="pt")
    with torch.inference_mode():
        plain = kind.plain.generate(
            **ids, max_new_tokens=24, do_sample=False, pad_token_id=0, eos_token_id=0
        )
    new = plain[0, ids["input_ids"].shape[1] :].tolist()
    reading = Desk(any_model).write(prompt=prompt, sampling=GREEDY, max_tokens=24)
    assert list(reading.token_ids) == new[: len(reading.token_ids)]
    assert len(reading.token_ids) > 10


def test_cached_and_uncached_write_the_same(kind: Kind) -> None:
    desk = Desk(kind.loaded)
    story = LONG
    for _ in range(3):
        cached = desk.write(prompt=story, sampling=GREEDY, max_tokens=12, cache_key="story")
        fresh = desk.write(prompt=story, sampling=GREEDY, max_tokens=12)
        uncached = Desk(kind.uncached).write(prompt=story, sampling=GREEDY, max_tokens=12)
        assert cached.token_ids == fresh.token_ids == uncached.token_ids
        story += cached.text + " Then"
    if kind.loaded.model.cache_use is CacheUse.CROPPED:
        assert cached.usage.cached_tokens >= 96
        assert cached.usage.cached_tokens < cached.usage.prompt_tokens
    else:
        assert cached.usage.cached_tokens == 0
    assert fresh.usage.cached_tokens == 0


def test_a_text_does_not_depend_on_what_its_story_has_in_memory(loaded: LoadedModel) -> None:
    kept = Desk(loaded)
    story = LONG
    for turn in range(6):
        asked: dict[str, Any] = {"prompt": story, "seed": turn, "max_tokens": 40}
        cached = kept.write(**asked, cache_key="story")
        # As after a restart, or where others needed the room.
        assert Desk(loaded).write(**asked, cache_key="story").token_ids == cached.token_ids
        assert bool(turn) is bool(cached.usage.cached_tokens)
        story += cached.text + " Then"


def test_a_retry_computes_the_last_part_of_its_prompt_again(loaded: LoadedModel) -> None:
    desk = Desk(loaded)
    first = desk.write(prompt=LONG, seed=1, max_tokens=8, cache_key="story")
    again = desk.write(prompt=LONG, seed=2, max_tokens=8, cache_key="story")
    prompt_tokens = again.usage.prompt_tokens
    assert again.usage.cached_tokens == (prompt_tokens - 1) // CHUNK_TOKENS * CHUNK_TOKENS
    assert first.text != again.text


def test_a_rewound_text_is_the_same_whatever_the_cache_does(kind: Kind) -> None:
    def write(model: LoadedModel) -> Reading:
        marks = iter((5, 9, 9))
        mark = [next(marks)]

        def judge(text: str, tokens: int, at_end: bool) -> Verdict:
            if tokens == mark[0]:
                mark[0] = next(marks, 0)
                return Verdict(Action.REWIND, len(text) // 2)
            return Verdict()

        return Desk(model).write(prompt=LONG, sampling=GREEDY, max_tokens=14, monitor=Watch(judge))

    first = write(kind.loaded)
    second = write(kind.uncached)
    assert first.usage.rewinds == 3
    assert first.token_ids == second.token_ids
    assert first.text == second.text
    assert sum(chunk.retract for chunk in first.chunks) > 0


def test_a_text_does_not_depend_on_who_else_is_served(any_model: LoadedModel) -> None:
    requests = [
        ask(f"{PROMPT} {'and ' * 17 * number}", seed=number, max_tokens=12, owner=str(number % 3))
        for number in range(6)
    ]
    alone: list[str] = []
    for request in requests:
        desk = Desk(any_model)
        number = desk.submit(request)
        desk.run()
        alone.append(desk.readings[number].text)
    desk = Desk(any_model, max_active=4)
    numbers: list[int] = []
    for request in requests:
        numbers.append(desk.submit(request))
        desk.step()
    desk.run()
    assert [desk.readings[number].text for number in numbers] == alone


def test_one_prefill_serves_several_continuations(kind: Kind) -> None:
    computed: list[int] = []

    def through(rows: Sequence[Row[Any]], honest: Honest) -> torch.Tensor:
        computed.extend(len(row.tokens) for row in rows)
        return honest()

    requests = [ask(LONG * 3, seed=seed, max_tokens=6, cache_key="story") for seed in range(4)]
    alone = []
    for request in requests:
        desk = Desk(kind.loaded)
        number = desk.submit(request)
        desk.run()
        alone.append(desk.readings[number])
    desk = Desk(alter(kind.loaded, through))
    numbers = [desk.submit(request) for request in requests]
    desk.run()
    together = [desk.readings[number] for number in numbers]
    assert [reading.text for reading in together] == [reading.text for reading in alone]
    assert len({reading.text for reading in together}) == 4
    prompt = together[0].usage.prompt_tokens
    if kind.loaded.model.cache_use is CacheUse.CROPPED:
        shared = (prompt - 1) // CHUNK_TOKENS * CHUNK_TOKENS
        assert [reading.usage.cached_tokens for reading in together] == [0, shared, shared, shared]
        assert sum(computed) < prompt + 4 * (CHUNK_TOKENS + 6)
    else:
        assert sum(computed) >= 4 * prompt


def score_of(model: LoadedModel, prompt: list[int], text: list[int], **options: Any) -> Score:
    desk = Desk(model)
    desk.core.submit(
        ScoreJob(
            id=99,
            request=ScoreRequest(prompt=[], text="", **options),
            prompt_ids=tuple(prompt),
            text_ids=tuple(text),
        )
    )
    desk.submit(ask(max_tokens=12))
    found: list[Score] = []
    while desk.core.has_work:
        contents = [event.content for event in desk.core.step()]
        found += [content for content in contents if isinstance(content, Score)]
    assert len(found) == 1
    return found[0]


@pytest.mark.parametrize("length", [1, 2, 70])
def test_a_text_is_as_likely_as_plain_transformers_says(kind: Kind, length: int) -> None:
    prompt = kind.loaded.tokenizer.encode(LONG)[:77]
    text = [(7 * at) % 700 for at in range(length)]
    with torch.inference_mode():
        logits = kind.plain(input_ids=torch.tensor([prompt + text])).logits[0]
    expected = torch.log_softmax(logits.double(), 1)[
        torch.arange(len(prompt) - 1, len(prompt) + length - 1), text
    ].sum()
    score = score_of(kind.loaded, prompt, text)
    assert score.tokens == length
    assert score.log_likelihood == pytest.approx(float(expected), rel=1e-3)


def test_scores_of_one_prompt_share_its_prefill(loaded: LoadedModel) -> None:
    computed: list[int] = []

    def through(rows: Sequence[Row[Any]], honest: Honest) -> torch.Tensor:
        computed.extend(len(row.tokens) for row in rows)
        return honest()

    prompt = tuple(loaded.tokenizer.encode(LONG * 3)[:300])
    core = EngineCore(alter(loaded, through))
    scores: dict[int, Score] = {}
    for number in range(1, 9):
        request = ScoreRequest(prompt=[], text="", cache_key="card")
        ids = (number, number + 1, 3)
        core.submit(ScoreJob(id=number, request=request, prompt_ids=prompt, text_ids=ids))
    while core.has_work:
        for event in core.step():
            assert isinstance(event.content, Score)
            scores[event.id] = event.content
    assert len(scores) == 8
    assert sum(computed) < 300 + 8 * (CHUNK_TOKENS + 3)
    alone = score_of(loaded, list(prompt), [5, 6, 3])
    assert scores[5].log_likelihood == pytest.approx(alone.log_likelihood, rel=1e-5)


def test_a_score_that_comes_too_late_is_an_error(loaded: LoadedModel) -> None:
    now_s = 0.0
    core = EngineCore(loaded, clock=lambda: now_s)
    request = ScoreRequest(prompt=[], text="", timeout_s=1.0)
    core.submit(ScoreJob(id=1, request=request, prompt_ids=(1, 2), text_ids=(3,)))
    now_s = 2.0
    (event,) = core.step()
    assert isinstance(event.content, TooSlowError)
    assert not core.has_work


def test_whoever_follows_a_cancelled_request_computes_for_itself(loaded: LoadedModel) -> None:
    desk = Desk(loaded)
    leader = desk.submit(ask(LONG * 4, max_tokens=6, cache_key="story"))
    follower = desk.submit(ask(LONG * 4, seed=7, max_tokens=6, cache_key="story"))
    desk.step()
    desk.hear(desk.core.cancel(leader))
    desk.run()
    assert (
        desk.readings[follower].text
        == Desk(loaded).write(prompt=LONG * 4, seed=7, max_tokens=6).text
    )


def test_requests_are_refused_when_too_many_wait_and_hear_their_place(loaded: LoadedModel) -> None:
    desk = Desk(loaded, max_active=1, max_waiting=2)
    numbers = [desk.submit(ask(max_tokens=3, owner=owner)) for owner in "abcd"]
    assert isinstance(desk.errors[numbers[3]], QueueFullError)
    desk.run()
    assert [desk.readings[number].places for number in numbers] == [[], [1], [2, 1], []]
    assert all(desk.readings[number].text for number in numbers[:3])


def test_cancelling_while_a_long_prompt_is_computed_ends_it_at_once(loaded: LoadedModel) -> None:
    desk = Desk(loaded)
    number = desk.submit(ask(LONG * 4, max_tokens=5, cache_key="story"))
    desk.step()
    desk.hear(desk.core.cancel(number))
    assert desk.readings[number].finish is FinishReason.CANCELLED
    assert not desk.core.has_work
    assert desk.core.cancel(number) == []
    # What was computed until then is not lost.
    again = desk.write(prompt=LONG * 4, max_tokens=2, cache_key="story")
    assert 0 < again.usage.cached_tokens < again.usage.prompt_tokens - 1
    assert again.usage.cached_tokens % CHUNK_TOKENS == 0


def test_a_deadline_ends_what_waits_and_what_is_written(loaded: LoadedModel) -> None:
    desk = Desk(loaded, max_active=1)
    writing = desk.submit(ask(max_tokens=400, timeout_s=5.0))
    waiting = desk.submit(ask(max_tokens=5, timeout_s=2.0))
    patient = desk.submit(ask(max_tokens=5))
    desk.step()
    desk.step()
    desk.now_s = 3.0
    desk.step()
    assert desk.readings[waiting].finish is FinishReason.DEADLINE
    assert desk.readings[writing].finish is None
    desk.now_s = 6.0
    desk.run()
    assert desk.readings[writing].finish is FinishReason.DEADLINE
    assert desk.readings[writing].text
    assert desk.readings[patient].finish is FinishReason.LENGTH
    assert desk.readings[waiting].usage.queued_s == 3.0


def run_beside(
    model: LoadedModel, victim: GenerationRequest, other: GenerationRequest
) -> tuple[Desk, int]:
    """Run both; the other must write what it writes alone."""
    desk = Desk(model)
    first, second = desk.submit(victim), desk.submit(other)
    desk.run()
    assert second not in desk.errors
    assert desk.readings[second].finish is FinishReason.LENGTH
    return desk, first


def test_not_a_number_fails_its_request_alone(loaded: LoadedModel) -> None:
    def through(rows: Sequence[Row[Any]], honest: Honest) -> torch.Tensor:
        logits = honest().clone()
        wanted = [row for row in rows if row.wanted]
        for row, values in zip(wanted, logits, strict=True):
            if len(row.tokens) == 30:
                values.fill_(torch.nan)
        return logits

    prompt = " the" * 30
    desk, victim = run_beside(alter(loaded, through), ask(prompt), ask(max_tokens=4))
    assert isinstance(desk.errors[victim], EngineError)
    assert desk.core.load.last_error == "engine.not_a_number"


def test_a_failing_step_costs_its_request_and_its_cache_only(loaded: LoadedModel) -> None:
    is_broken = True

    def through(rows: Sequence[Row[Any]], honest: Honest) -> torch.Tensor:
        logits = honest()
        if is_broken and any(len(row.tokens) == 30 for row in rows):
            raise RuntimeError("no memory")  # after the cache was changed
        return logits

    prompt = " the" * 30
    desk, victim = run_beside(
        alter(loaded, through), ask(prompt, cache_key="story"), ask(max_tokens=4)
    )
    assert isinstance(desk.errors[victim], EngineError)
    is_broken = False
    again = desk.write(prompt=prompt, sampling=GREEDY, max_tokens=6, cache_key="story")
    assert again.usage.cached_tokens == 0
    assert again.text == Desk(loaded).write(prompt=prompt, sampling=GREEDY, max_tokens=6).text


def test_a_failing_monitor_fails_its_request_alone(loaded: LoadedModel) -> None:
    def judge(text: str, tokens: int, at_end: bool) -> Verdict:
        raise ZeroDivisionError

    desk, victim = run_beside(loaded, ask(monitor=Watch(judge)), ask(max_tokens=4))
    assert isinstance(desk.errors[victim], EngineError)


def test_no_text_is_logged_when_something_fails(
    loaded: LoadedModel, caplog: pytest.LogCaptureFixture
) -> None:
    def judge(text: str, tokens: int, at_end: bool) -> Verdict:
        raise ZeroDivisionError

    with caplog.at_level("DEBUG"):
        run_beside(loaded, ask(" Zanzibar", monitor=Watch(judge)), ask(max_tokens=2))
    assert caplog.records
    assert "Zanzibar" not in caplog.text


def test_nothing_is_written_where_nothing_was_asked_for(loaded: LoadedModel) -> None:
    reading = Desk(loaded).write(max_tokens=0)
    assert (reading.text, reading.finish) == ("", FinishReason.LENGTH)


def test_names_and_punctuation_are_exempt_from_repetition_control(loaded: LoadedModel) -> None:
    strict = dataclasses.replace(GREEDY, repetition_penalty=2.0)
    free = Desk(loaded).write(sampling=strict, max_tokens=30)
    words = frozenset(free.text.replace(".", " ").replace(",", " ").split())
    named = Desk(loaded).write(
        sampling=strict, max_tokens=30, exempt=words | {f" {word}" for word in words}
    )
    assert len(set(named.token_ids)) < len(set(free.token_ids))


def test_function_words_are_not_held_against_a_text(loaded: LoadedModel) -> None:
    strict = dataclasses.replace(GREEDY, presence_penalty=2.0, frequency_penalty=2.0)
    free = Desk(loaded).write(sampling=strict, max_tokens=30)
    words = frozenset(free.text.casefold().replace(".", " ").replace(",", " ").split())
    usual = Desk(loaded).write(sampling=strict, max_tokens=30, function_words=words)
    assert len(set(usual.token_ids)) < len(set(free.token_ids))


def test_a_text_ends_at_the_end_of_text_but_not_before_its_shortest_length(
    loaded: LoadedModel,
) -> None:
    end = next(iter(loaded.end_ids))

    def through(rows: Sequence[Row[Any]], honest: Honest) -> torch.Tensor:
        logits = honest().clone()
        logits[:, end] = 1e4
        return logits

    model = alter(loaded, through)
    assert Desk(model).write().finish is FinishReason.END_OF_TEXT
    reading = Desk(model).write(min_tokens=7)
    assert (reading.finish, len(reading.token_ids)) == (FinishReason.END_OF_TEXT, 7)


def test_slots_are_freed_within_the_limit(loaded: LoadedModel) -> None:
    desk = Desk(loaded, kv_cache_bytes=1)
    desk.write(prompt=LONG, max_tokens=2, cache_key="story")
    assert desk.write(prompt=LONG, max_tokens=2, cache_key="story").usage.cached_tokens == 0
