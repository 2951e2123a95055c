"""Many requests one after the other, with everything that may end them early."""

import random
from itertools import count

import psutil

from bot.engine.local.core import EngineCore
from bot.engine.local.generation import Job
from bot.engine.local.loader import LoadedModel
from bot.engine.local.worker import Event
from bot.engine.types import Chunk, FinishReason, GenerationRequest, PromptPart
from bot.errors import EngineError, QueueFullError

REQUESTS = 10_000
WARM = 2_000  # after which memory must not grow any more
GROWTH_BYTES = 24 * 2**20
KV_BYTES = 4 * 2**20


def test_ten_thousand_requests_each_end_once_and_memory_does_not_grow(
    loaded: LoadedModel,
) -> None:
    chance = random.Random(5)
    core = EngineCore(loaded, max_active=8, max_waiting=24, kv_cache_bytes=KV_BYTES)
    process = psutil.Process()
    numbers = count(1)
    open_jobs: set[int] = set()
    ends: dict[FinishReason | str, int] = {}
    submitted = 0
    warm_bytes = 0

    def hear(events: list[Event]) -> None:
        for event in events:
            content = event.content
            if isinstance(content, EngineError):
                reason: FinishReason | str | None = type(content).__name__
            else:
                assert isinstance(content, Chunk)
                reason = content.finish
            if reason is not None:
                open_jobs.remove(event.id)  # raises where a job ends twice
                ends[reason] = ends.get(reason, 0) + 1

    while submitted < REQUESTS or core.has_work:
        for _ in range(chance.randrange(6)):
            if submitted == REQUESTS:
                break
            submitted += 1
            number = next(numbers)
            open_jobs.add(number)
            story = chance.randrange(40)
            request = GenerationRequest(
                prompt=[PromptPart("")],
                seed=number,
                max_tokens=chance.randrange(1, 5),
                owner=str(story),
                group=str(story % 5),
                cache_key=f"story {story}" if chance.random() < 0.8 else None,
            )
            ids = tuple((story * 31 + at * 7) % 700 for at in range(chance.randrange(1, 60)))
            hear(core.submit(Job(id=number, request=request, prompt_ids=ids)))
        if open_jobs and chance.random() < 0.2:
            hear(core.cancel(chance.choice(sorted(open_jobs))))
        hear(core.step())
        if submitted >= WARM and not warm_bytes:
            warm_bytes = process.memory_info().rss
    assert not open_jobs
    assert sum(ends.values()) == REQUESTS
    assert ends[FinishReason.CANCELLED] > 200
    assert ends[FinishReason.LENGTH] > 5_000
    assert ends.get(QueueFullError.__name__, 0) < REQUESTS // 2
    assert (core.load.waiting, core.load.active) == (0, 0)
    assert process.memory_info().rss - warm_bytes < GROWTH_BYTES
