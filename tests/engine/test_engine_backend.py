import asyncio
import shutil
import threading
from collections.abc import AsyncIterator, Callable
from contextlib import aclosing
from pathlib import Path
from typing import Any

import pytest

from bot.engine.local import backend as backend_module
from bot.engine.local import loader
from bot.engine.local.backend import LocalBackend
from bot.engine.local.core import EngineCore
from bot.engine.local.errors import EmptyTextToScoreError
from bot.engine.local.loader import LoadedModel, load_model
from bot.engine.local.scheduler import CHUNK_TOKENS
from bot.engine.local.tokenizer import load_tokenizer
from bot.engine.local.worker import Event
from bot.engine.types import Action, FinishReason, PromptPart, PromptStyle, ScoreRequest, Verdict
from bot.errors import (
    EngineStoppedError,
    ModelUnavailableError,
    PromptTooLongError,
    QueueFullError,
)
from tests.engine.engine_reading import GREEDY, PROMPT, Opened, Watch, ask, read


@pytest.fixture
async def backend(opened: Opened) -> AsyncIterator[LocalBackend]:
    async with opened() as backend:
        yield backend


class Hold:
    """A monitor that stops the engine's thread after a token until it is let go."""

    def __init__(self) -> None:
        self.reached = asyncio.Event()
        self._loop = asyncio.get_running_loop()
        self._go = threading.Event()

    def check(self, text: str, tokens: int, *, at_end: bool) -> Verdict:
        self._loop.call_soon_threadsafe(self.reached.set)
        self._go.wait(10.0)
        return Verdict()

    def let_go(self) -> None:
        self._go.set()


async def test_the_same_request_gives_the_same_text_and_another_seed_another(
    backend: LocalBackend,
) -> None:
    texts = [(await read(backend, ask(seed=seed, max_tokens=20))).text for seed in (1, 1, 2)]
    assert texts[0] == texts[1] != texts[2]


async def test_it_streams_while_it_writes_and_tells_the_ids_at_the_end(
    backend: LocalBackend,
) -> None:
    reading = await read(backend, ask(max_tokens=12))
    assert len(reading.chunks) > 6
    assert reading.finish is FinishReason.LENGTH
    assert len(reading.token_ids) == 12
    assert all(not chunk.token_ids for chunk in reading.chunks[:-1])


async def test_a_continued_story_is_taken_from_the_cache_by_its_ids(backend: LocalBackend) -> None:
    opening = PROMPT * 4
    first = await read(backend, ask(opening, max_tokens=20, cache_key="story"))
    parts = [
        PromptPart(opening),
        PromptPart(first.text, first.token_ids, backend.info.tokenizer_hash),
        PromptPart(" Then Mira"),
    ]
    cached = await read(backend, ask(parts, max_tokens=10, cache_key="story", sampling=GREEDY))
    fresh = await read(backend, ask(parts, max_tokens=10, sampling=GREEDY))
    # What the model wrote is computed again, as a prompt is.
    prompt_tokens = backend.count_tokens(parts[:1])
    assert cached.usage.cached_tokens == prompt_tokens // CHUNK_TOKENS * CHUNK_TOKENS > 0
    assert cached.text == fresh.text


async def test_many_at_once_write_what_each_writes_alone(backend: LocalBackend) -> None:
    requests = [
        ask(f"{PROMPT} number {number}", seed=number, max_tokens=10, owner=str(number))
        for number in range(10)
    ]
    alone = [(await read(backend, request)).text for request in requests]
    together = await asyncio.gather(*(read(backend, request) for request in requests))
    assert [reading.text for reading in together] == alone


async def test_the_window_is_held_at_submission(backend: LocalBackend) -> None:
    window = backend.info.window_tokens
    prompt = [PromptPart(" the" * (window - 8))]
    assert backend.count_tokens(prompt) == window - 8
    reading = await read(backend, ask(prompt, max_tokens=8))
    assert reading.usage.prompt_tokens + reading.usage.sampled_tokens <= window
    with pytest.raises(PromptTooLongError) as refusal:
        await read(backend, ask(prompt, max_tokens=9))
    assert refusal.value.data == {"tokens": window + 1, "limit": window}


@pytest.mark.parametrize(
    "prompt", [[], [PromptPart("")], [PromptPart(" \n\u200b\x07 🦊 村 \ud83e")]]
)
async def test_odd_prompts_are_continued(backend: LocalBackend, prompt: list[PromptPart]) -> None:
    assert (await read(backend, ask(prompt, max_tokens=3))).text


async def test_who_waits_hears_the_place_and_too_many_are_refused(opened: Opened) -> None:
    async with opened(max_active=1, max_waiting=1) as backend:
        hold = Hold()
        first = asyncio.create_task(read(backend, ask(max_tokens=3, monitor=hold)))
        await hold.reached.wait()
        second = asyncio.create_task(read(backend, ask(max_tokens=3)))
        third = asyncio.create_task(read(backend, ask(max_tokens=3)))
        await asyncio.sleep(0)
        hold.let_go()
        with pytest.raises(QueueFullError):
            await third
        assert (await second).places == [1]
        assert (await first).places == []


async def test_closing_a_stream_frees_its_place_within_a_token(opened: Opened) -> None:
    async with opened(max_active=1) as backend:
        async with aclosing(backend.stream(ask(max_tokens=400))) as stream:
            await anext(stream)
        assert (await read(backend, ask(max_tokens=2))).usage.queued_s < 5.0
        assert backend.health().active == 0


async def test_cancelling_the_reader_cancels_the_request(opened: Opened) -> None:
    async with opened(max_active=1) as backend:
        hold = Hold()
        task = asyncio.create_task(read(backend, ask(max_tokens=400, monitor=hold)))
        await hold.reached.wait()
        task.cancel()
        with pytest.raises(asyncio.CancelledError):
            await task
        hold.let_go()
        assert (await read(backend, ask(max_tokens=2))).finish is FinishReason.LENGTH


async def test_the_monitor_stops_and_rewinds(backend: LocalBackend) -> None:
    stop = Watch(
        lambda text, tokens, at_end: (
            Verdict(Action.STOP, text.index(".") + 1) if "." in text else Verdict()
        )
    )
    reading = await read(backend, ask(max_tokens=200, monitor=stop))
    assert (reading.text[-1], reading.finish) == (".", FinishReason.MONITOR)
    assert reading.token_ids
    rewind = Watch(
        lambda text, tokens, at_end: (
            Verdict(Action.REWIND, text.index(".")) if "." in text else Verdict()
        )
    )
    clean = await read(backend, ask(max_tokens=40, monitor=rewind, max_rewinds=40))
    assert "." not in clean.text
    assert clean.usage.rewinds > 0


async def test_a_model_with_a_template_takes_roles(
    opened: Opened, tiny_llama: Path, tmp_path: Path
) -> None:
    folder = shutil.copytree(tiny_llama, tmp_path / "chat")
    (folder / "chat_template.jinja").write_text(
        "{% for message in messages %}[{{ message['role'] }}]{{ message['content'] }}\n{% endfor %}"
    )
    async with opened(folder, style=PromptStyle.PREFILL) as backend:
        assert backend.info.style is PromptStyle.PREFILL


async def test_what_it_says_of_itself(opened: Opened, tiny_llama: Path) -> None:
    async with opened(
        tiny_llama, name="a/b", revision="c", style=PromptStyle.CHAT, window_tokens=128
    ) as backend:
        info = backend.info
        assert (info.name, info.revision) == ("a/b", "c")
        # It was never taught roles: there is no template to put them in.
        assert info.style is PromptStyle.COMPLETION
        assert (info.window_tokens, info.precision) == (128, "fp32")
        health = backend.health()
        assert (health.is_ok, health.detail, health.waiting) == (True, "ready", 0)
    assert not backend.health().is_ok


async def test_it_says_when_only_weights_are_left(
    opened: Opened, monkeypatch: pytest.MonkeyPatch
) -> None:
    steps: list[str] = []

    def noted(name: str, work: Callable[..., Any]) -> Callable[..., Any]:
        def note(*arguments: Any, **more: Any) -> Any:
            steps.append(name)
            return work(*arguments, **more)

        return note

    monkeypatch.setattr(loader, "load_tokenizer", noted("tokenizer", load_tokenizer))
    monkeypatch.setattr(backend_module, "load_tokenizer", noted("tokenizer", load_tokenizer))
    monkeypatch.setattr(loader, "read_weights", noted("weights", loader.read_weights))
    calm = asyncio.Event()
    async with opened(on_calm=calm.set):
        assert steps == ["tokenizer", "tokenizer", "weights"]
        assert calm.is_set()


async def test_counting_a_window_of_text_again_costs_nothing(backend: LocalBackend) -> None:
    parts = [PromptPart(f"{PROMPT} {number}.") for number in range(50)]
    first = backend.count_tokens(parts)
    assert backend.count_tokens(parts) == first
    assert first > 500


async def test_closing_ends_every_stream_and_is_safe_to_repeat(opened: Opened) -> None:
    async with opened() as backend:
        hold = Hold()
        task = asyncio.create_task(read(backend, ask(monitor=hold)))
        await hold.reached.wait()
        closing = asyncio.create_task(backend.aclose())
        with pytest.raises(EngineStoppedError):
            await task
        hold.let_go()
        await closing
        await backend.aclose()
        with pytest.raises(EngineStoppedError):
            await read(backend, ask())


async def test_a_dead_thread_ends_every_stream_and_turns_health_red(
    opened: Opened, monkeypatch: pytest.MonkeyPatch
) -> None:
    async with opened() as backend:
        honest = EngineCore.step
        steps = 0

        def step(core: EngineCore) -> list[Event]:
            nonlocal steps
            steps += 1
            if steps > 3:
                raise SystemError
            return honest(core)

        monkeypatch.setattr(EngineCore, "step", step)
        results = await asyncio.gather(
            *(read(backend, ask(owner=owner)) for owner in "abc"), return_exceptions=True
        )
        assert all(isinstance(result, EngineStoppedError) for result in results)
        health = backend.health()
        assert not health.is_ok
        assert health.last_error == "SystemError"
        with pytest.raises(EngineStoppedError):
            await read(backend, ask())


async def test_a_folder_that_is_no_model_is_refused(tmp_path: Path) -> None:
    with pytest.raises(ModelUnavailableError):
        await LocalBackend.open(tmp_path)


async def test_giving_up_a_load_ends_it_in_order(
    tiny_gpt2: Path, monkeypatch: pytest.MonkeyPatch
) -> None:
    loading, go_on = asyncio.Event(), threading.Event()
    loop = asyncio.get_running_loop()
    honest = load_model

    def slow(path: Path, **options: object) -> LoadedModel:
        loop.call_soon_threadsafe(loading.set)
        go_on.wait(10.0)
        return honest(path, **options)  # type: ignore[arg-type]  # passed on as they came

    monkeypatch.setattr("bot.engine.local.backend.load_model", slow)
    task = asyncio.create_task(LocalBackend.open(tiny_gpt2, threads=1))
    await loading.wait()
    task.cancel()
    await asyncio.sleep(0)
    go_on.set()
    with pytest.raises(asyncio.CancelledError):
        await task
    assert not any(thread.name == "engine" for thread in threading.enumerate())


async def test_nothing_can_be_asked_before_the_model_is_there() -> None:
    backend = LocalBackend(lambda: pytest.fail("never started"))
    with pytest.raises(EngineStoppedError):
        _ = backend.info
    with pytest.raises(EngineStoppedError):
        backend.count_tokens([])


async def test_the_loop_stays_free_while_many_write(backend: LocalBackend) -> None:
    """Not a measurement: other tasks get their turns between chunks."""
    turns = 0

    async def tick() -> None:
        nonlocal turns
        while True:
            await asyncio.sleep(0)
            turns += 1

    ticking = asyncio.create_task(tick())
    await asyncio.gather(*(read(backend, ask(max_tokens=20, owner=owner)) for owner in "abcd"))
    ticking.cancel()
    assert turns > 20


async def test_a_likely_text_scores_higher_and_errors_are_said(opened: Opened) -> None:
    async with opened() as backend:
        prompt = [PromptPart(PROMPT)]
        texts = (" the wolf walked.", " zq!zq!zq")
        scores = await asyncio.gather(
            *(backend.score(ScoreRequest(prompt=prompt, text=text)) for text in texts)
        )
        assert scores[0].mean > scores[1].mean
        assert scores[0].log_likelihood < 0.0
        assert (await backend.score(ScoreRequest(prompt=[], text="the"))).tokens >= 1
        with pytest.raises(EmptyTextToScoreError):
            await backend.score(ScoreRequest(prompt=prompt, text=""))
        with pytest.raises(PromptTooLongError):
            await backend.score(ScoreRequest(prompt=prompt, text=" the" * 600))
    with pytest.raises(EngineStoppedError):
        await backend.score(ScoreRequest(prompt=prompt, text="x"))
