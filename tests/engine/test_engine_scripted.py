import asyncio
from contextlib import aclosing

import pytest

from bot.engine.scripted import Script, ScriptedBackend, tokenize
from bot.engine.types import Action, FinishReason, ScoreRequest, Verdict
from bot.errors import EngineError, EngineStoppedError, PromptTooLongError, QueueFullError
from tests.engine.engine_reading import Watch, ask, read


async def test_it_writes_word_by_word_what_it_was_told() -> None:
    backend = ScriptedBackend([" One two.\n\nThree ", " Last."])
    first, second, third = [await read(backend, ask()) for _ in range(3)]
    assert [chunk.text for chunk in first.chunks] == [" One", " two.", "\n\nThree", " ", ""]
    assert (first.text, first.finish) == (" One two.\n\nThree ", FinishReason.END_OF_TEXT)
    assert (second.text, third.text) == (" Last.", " Last.")
    assert len(backend.requests) == 3
    assert first.usage.completion_tokens == 4


async def test_it_answers_by_a_function_of_the_request() -> None:
    backend = ScriptedBackend(lambda request: f" seed {request.seed}")
    assert (await read(backend, ask(seed=5))).text == " seed 5"


async def test_stop_strings_and_length_end_it() -> None:
    backend = ScriptedBackend([" One two STOP three"])
    stopped = await read(backend, ask(stop=(" STOP", "")))
    assert (stopped.text, stopped.finish) == (" One two", FinishReason.STOP_STRING)
    short = await read(backend, ask(max_tokens=2))
    assert (short.text, short.finish) == (" One two", FinishReason.LENGTH)


async def test_the_beginning_of_a_stop_string_is_held_back() -> None:
    backend = ScriptedBackend([" One two three"])
    reading = await read(backend, ask(stop=(" two tree",)))
    assert [chunk.text for chunk in reading.chunks] == [" One", " two three", ""]


async def test_the_monitor_stops_it() -> None:
    watch = Watch(
        lambda text, tokens, at_end: Verdict(Action.STOP, 4) if tokens == 2 else Verdict()
    )
    reading = await read(ScriptedBackend([" One two three"]), ask(monitor=watch))
    assert (reading.text, reading.finish) == (" One", FinishReason.MONITOR)


async def test_the_monitor_rewinds_it_past_the_rejected_word() -> None:
    watch = Watch(
        lambda text, tokens, at_end: Verdict(Action.REWIND, 4) if "bad" in text else Verdict()
    )
    reading = await read(ScriptedBackend([" One bad two"]), ask(monitor=watch))
    assert (reading.text, reading.usage.rewinds) == (" One two", 1)
    given_up = await read(ScriptedBackend([" One bad bad two"]), ask(monitor=watch, max_rewinds=1))
    assert (given_up.text, given_up.finish) == (" One", FinishReason.GAVE_UP)


async def test_at_the_end_the_monitor_has_the_last_word() -> None:
    stop = Watch(lambda text, tokens, at_end: Verdict(Action.STOP, 4) if at_end else Verdict())
    reading = await read(ScriptedBackend([" One two"]), ask(monitor=stop))
    assert (reading.text, reading.finish) == (" One", FinishReason.END_OF_TEXT)
    again = Watch(
        lambda text, tokens, at_end: (
            Verdict(Action.REWIND, 4) if at_end and "two" in text else Verdict()
        )
    )
    assert (await read(ScriptedBackend([" One two"]), ask(monitor=again))).text == " One"


async def test_retractions_take_words_back_and_write_them_again() -> None:
    script = Script(text=" One two three", retractions={2: 1}, places=(2, 1))
    reading = await read(ScriptedBackend([script]), ask())
    assert reading.text == " One two three"
    assert reading.places == [2, 1]
    assert any(chunk.retract == 4 for chunk in reading.chunks)


async def test_a_gate_holds_it_at_a_word() -> None:
    gate = asyncio.Event()
    gate_passed = asyncio.Event()
    gate_passed.set()
    backend = ScriptedBackend([Script(text=" One two", gates={0: gate_passed, 1: gate})])
    stream = backend.stream(ask())
    assert (await anext(stream)).text == " One"
    rest = asyncio.create_task(anext(stream))
    await asyncio.sleep(0)
    assert not rest.done()
    gate.set()
    assert (await rest).text == " two"
    await stream.aclose()
    assert backend.cancelled == 1


async def test_cancelling_the_reader_closes_the_stream() -> None:
    backend = ScriptedBackend([Script(text=" One two", gates={1: asyncio.Event()})])
    task = asyncio.create_task(read(backend, ask()))
    await backend.started.wait()
    assert backend.health().active == 1
    task.cancel()
    with pytest.raises(asyncio.CancelledError):
        await task
    assert (backend.active, backend.cancelled) == (0, 1)


async def test_failures_come_when_told() -> None:
    failing = Script(text=" One two", fails_after=1, error=EngineError(reason="x"))
    backend = ScriptedBackend([failing, QueueFullError(waiting=3)])
    async with aclosing(backend.stream(ask())) as stream:
        assert (await anext(stream)).text == " One"
        with pytest.raises(EngineError):
            await anext(stream)
    with pytest.raises(QueueFullError):
        await read(backend, ask())


async def test_window_and_queue_are_bounded() -> None:
    gate = asyncio.Event()
    backend = ScriptedBackend([Script(text=" One", gates={1: gate})], max_open=1)
    with pytest.raises(PromptTooLongError):
        await read(backend, ask(max_tokens=2000))
    async with aclosing(backend.stream(ask())) as stream:
        await anext(stream)
        with pytest.raises(QueueFullError):
            await read(backend, ask())


async def test_closing_it_ends_all_streams() -> None:
    backend = ScriptedBackend([Script(text=" One two", gates={1: asyncio.Event()})])
    task = asyncio.create_task(read(backend, ask()))
    await backend.started.wait()
    assert backend.health().is_ok
    await backend.aclose()
    with pytest.raises(EngineStoppedError):
        await task
    assert not backend.health().is_ok
    with pytest.raises(EngineStoppedError):
        await read(backend, ask())


def test_tokens_joined_are_the_text() -> None:
    text = "  Once upon\n\na 🦊 time \n"
    assert "".join(tokenize(text)) == text
    backend = ScriptedBackend()
    assert backend.count_tokens(ask(text).prompt) == len(tokenize(text))
    assert backend.info.name == "scripted"


async def test_scores_are_as_told() -> None:
    backend = ScriptedBackend(score=lambda request: -float(len(request.text)))
    score = await backend.score(ScoreRequest(prompt=[], text="two words"))
    assert (score.log_likelihood, score.tokens, score.mean) == (-9.0, 2, -4.5)
    await backend.aclose()
    with pytest.raises(EngineStoppedError):
        await backend.score(ScoreRequest(prompt=[], text="x"))
