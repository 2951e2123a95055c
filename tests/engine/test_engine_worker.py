import asyncio
import threading
from collections.abc import Callable, Sequence

import pytest

from bot.engine.local.generation import Job
from bot.engine.local.scoring import ScoreJob
from bot.engine.local.worker import EngineThread, Event, Load
from bot.engine.types import Chunk
from bot.errors import EngineStoppedError, ModelUnavailableError
from tests.engine.engine_reading import ask


class FakeCore:
    """Answers each job with one event, after a step."""

    def __init__(self) -> None:
        self.jobs: list[int] = []
        self.cancelled: list[int] = []
        self.steps = 0
        self.threads: set[int] = set()
        self.failure: BaseException | None = None

    @property
    def has_work(self) -> bool:
        return bool(self.jobs)

    @property
    def load(self) -> Load:
        return Load(waiting=len(self.jobs), active=0)

    def submit(self, job: Job | ScoreJob) -> list[Event]:
        self.threads.add(threading.get_ident())
        self.jobs.append(job.id)
        return []

    def cancel(self, job_id: int) -> list[Event]:
        self.cancelled.append(job_id)
        return [Event(job_id, Chunk(text="cancelled"))]

    def step(self) -> list[Event]:
        self.steps += 1
        if self.failure is not None:
            raise self.failure
        return [Event(self.jobs.pop(0), Chunk(text="done"))]


class Listener:
    def __init__(self) -> None:
        self.events: asyncio.Queue[Event] = asyncio.Queue()
        self.ended = asyncio.Event()

    def hear(self, events: Sequence[Event]) -> None:
        for event in events:
            self.events.put_nowait(event)

    def thread(self, build: Callable[[], FakeCore]) -> EngineThread:
        return EngineThread(build, deliver=self.hear, on_end=self.ended.set)


def job(number: int) -> Job:
    return Job(id=number, request=ask(), prompt_ids=(1,))


async def test_commands_are_carried_out_in_one_thread_and_events_come_back() -> None:
    core, listener = FakeCore(), Listener()
    thread = listener.thread(lambda: core)
    await thread.start()
    for number in (1, 2):
        thread.submit(job(number))
        event = await listener.events.get()
        assert (event.id, event.content) == (number, Chunk(text="done"))
    thread.cancel(2)
    assert (await listener.events.get()).content == Chunk(text="cancelled")
    assert await thread.close(5.0)
    assert core.threads.isdisjoint({threading.get_ident()})
    assert len(core.threads) == 1
    assert listener.ended.is_set()
    assert not thread.is_running


async def test_idle_it_does_nothing() -> None:
    core, listener = FakeCore(), Listener()
    thread = listener.thread(lambda: core)
    await thread.start()
    thread.submit(job(1))
    await listener.events.get()
    assert core.steps == 1
    assert thread.load == Load()
    assert await thread.close(5.0)
    assert core.steps == 1


async def test_a_failed_build_is_heard_by_whoever_waits() -> None:
    def build() -> FakeCore:
        raise ModelUnavailableError(model="m", reason="r")

    listener = Listener()
    thread = listener.thread(build)
    with pytest.raises(ModelUnavailableError):
        await thread.start()
    assert await thread.close(5.0)
    with pytest.raises(EngineStoppedError):
        thread.submit(job(1))


@pytest.mark.parametrize("failure", [RuntimeError("broken"), SystemExit()])
async def test_a_dying_thread_says_so(
    failure: BaseException, caplog: pytest.LogCaptureFixture
) -> None:
    core, listener = FakeCore(), Listener()
    core.failure = failure
    thread = listener.thread(lambda: core)
    await thread.start()
    thread.submit(job(1))
    await asyncio.wait_for(listener.ended.wait(), 5.0)
    assert not thread.is_running
    assert thread.load.last_error == type(failure).__name__
    assert "died" in caplog.text
    assert await thread.close(5.0)


async def test_closing_does_not_wait_for_ever() -> None:
    release = threading.Event()

    def build() -> FakeCore:
        release.wait(10.0)
        return FakeCore()

    listener = Listener()
    thread = listener.thread(build)
    starting = asyncio.create_task(thread.start())
    await asyncio.sleep(0)
    assert not await thread.close(0.01)
    release.set()
    await starting
    assert await thread.close(5.0)


def test_it_outlives_its_loop_quietly() -> None:
    hold = threading.Event()
    core = FakeCore()

    async def begin() -> threading.Thread:
        thread = Listener().thread(lambda: core)
        await thread.start()

        def step() -> list[Event]:
            hold.wait(10.0)
            raise RuntimeError

        core.step = step  # type: ignore[method-assign]  # a step that waits
        thread.submit(job(1))
        return thread._thread

    running = asyncio.run(begin())
    hold.set()
    running.join(5.0)
    assert not running.is_alive()
