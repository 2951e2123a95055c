import asyncio
import threading

import pytest

from bot.engine.local.store.bounded import Pulse, StalledError, while_alive, within


async def test_a_result_and_an_error_come_back() -> None:
    assert await within(5, lambda: 7) == 7
    with pytest.raises(ZeroDivisionError):
        await within(5, lambda: 1 // 0)


async def test_a_call_that_hangs_is_left_behind() -> None:
    release = threading.Event()
    with pytest.raises(TimeoutError):
        await within(0.05, lambda: release.wait(30))
    release.set()


async def test_a_call_that_beats_is_waited_for() -> None:
    pulse = Pulse()
    steps = threading.Semaphore(0)

    def work() -> str:
        for _ in range(3):
            steps.acquire()
            pulse.beat()
        return "done"

    task = asyncio.create_task(while_alive(0.2, pulse, work))
    for _ in range(3):
        steps.release()
    assert await task == "done"


async def test_a_call_that_stops_beating_is_ended_at_its_next_beat() -> None:
    pulse = Pulse()
    release = threading.Event()
    ended = threading.Event()

    def work() -> None:
        release.wait(30)
        try:
            pulse.beat()
        except InterruptedError:
            ended.set()
            raise

    with pytest.raises(StalledError):
        await while_alive(0.03, pulse, work)
    release.set()
    assert await asyncio.to_thread(ended.wait, 10)


def test_a_thread_that_outlives_the_loop_harms_nobody() -> None:
    release = threading.Event()
    threads: list[threading.Thread] = []

    def work() -> None:
        threads.append(threading.current_thread())
        release.wait(30)

    async def leave() -> None:
        with pytest.raises(TimeoutError):
            await within(0.05, work)

    asyncio.run(leave())
    release.set()
    threads[0].join(10)
    assert not threads[0].is_alive()
