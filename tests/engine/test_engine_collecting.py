"""A request's text as a whole, and a backend before another one."""

import asyncio
from collections.abc import AsyncGenerator

import pytest

from bot.engine.collecting import Collected, collect
from bot.engine.relay import Relay
from bot.engine.scripted import ScriptedBackend
from bot.engine.types import Chunk, FinishReason, GenerationRequest, PromptPart
from bot.errors import EngineError

REQUEST = GenerationRequest(prompt=[PromptPart("Once")])


class Told(Relay):
    """Gives chunks, and knows whether its stream was closed."""

    def __init__(self, *chunks: Chunk | Exception) -> None:
        super().__init__(ScriptedBackend([]))
        self.chunks = chunks
        self.is_closed = False

    async def stream(self, request: GenerationRequest) -> AsyncGenerator[Chunk, None]:
        try:
            for chunk in self.chunks:
                if isinstance(chunk, Exception):
                    raise chunk
                yield chunk
        finally:
            self.is_closed = True


async def test_the_text_is_what_is_left_after_every_change() -> None:
    told = Told(
        Chunk(text=" A fox and a fox"),
        Chunk(retract=10, text="."),
        Chunk(retract=0, finish=FinishReason.MONITOR),
    )
    found = await collect(told, REQUEST)
    assert found == Collected(" A fox.", Chunk(finish=FinishReason.MONITOR))
    assert told.is_closed


async def test_a_place_in_the_queue_is_told() -> None:
    places: list[int] = []

    async def queued(place: int) -> None:
        places.append(place)

    told = Told(Chunk(queue_place=2), Chunk(queue_place=1), Chunk(text="A fox."))
    assert await collect(told, REQUEST, queued=queued) == Collected("A fox.", Chunk())
    assert places == [2, 1]


async def test_a_stream_that_fails_or_is_given_up_is_closed() -> None:
    told = Told(Chunk(text="A"), EngineError(reason="it broke"))
    with pytest.raises(EngineError):
        await collect(told, REQUEST)
    assert told.is_closed

    async def wait(place: int) -> None:
        await asyncio.Event().wait()

    waits = Told(Chunk(queue_place=1))
    task = asyncio.create_task(collect(waits, REQUEST, queued=wait))
    await asyncio.sleep(0)
    await asyncio.sleep(0)
    task.cancel()
    with pytest.raises(asyncio.CancelledError):
        await task
    assert waits.is_closed


async def test_a_relay_hands_on_what_it_does_not_take_up() -> None:
    inner = ScriptedBackend([" The door opened."])
    relay = Relay(inner)
    assert relay.info is inner.info
    assert relay.count_tokens([PromptPart("a b c")]) == inner.count_tokens([PromptPart("a b c")])
    assert relay.health() == inner.health()
    assert (await collect(relay, REQUEST)).text == " The door opened."
    await relay.aclose()
    assert not inner.health().is_ok
