"""Which number of threads is chosen, on processors that others want too."""

from collections.abc import Callable

import pytest

from bot.engine.local.threads import ThreadGovernor


class Machine:
    """Takes so long for a step with so many threads."""

    def __init__(self, took: Callable[[int, int], float], most: int = 2) -> None:
        self.took = took
        self.threads = most
        self.used: list[int] = []
        self.governor = ThreadGovernor(most, most, self.use)

    def use(self, threads: int) -> None:
        self.threads = threads
        self.used.append(threads)

    def run(self, steps: int, rows: int = 8) -> float:
        """Return the time of the steps, beside what the better choice would have taken."""
        took = best = 0.0
        for _ in range(steps):
            step = self.took(self.threads, rows)
            best += min(self.took(1, rows), self.took(2, rows))
            took += step
            self.governor.observe(rows, step)
        return took / best


def test_a_quiet_machine_keeps_all_threads_and_tries_seldom() -> None:
    machine = Machine(lambda threads, rows: rows * (1.0 if threads == 2 else 1.5))
    assert machine.run(5000) < 1.02
    assert machine.governor.current == 2


def test_a_busy_machine_gets_one_thread_soon() -> None:
    machine = Machine(lambda threads, rows: 4.0 if threads == 2 else 1.5)
    assert machine.run(100) < 2.0
    assert machine.governor.current == 1
    assert machine.run(2000) < 1.1


def test_a_change_is_seen_within_a_few_steps() -> None:
    busy = False
    machine = Machine(lambda threads, rows: (4.0 if busy else 1.0) if threads == 2 else 1.5)
    machine.run(3000)
    busy = True
    machine.run(60)
    assert machine.governor.current == 1
    busy = False
    machine.run(200)
    assert machine.governor.current == 2


def test_steps_of_other_sizes_are_not_compared() -> None:
    machine = Machine(lambda threads, rows: rows * (1.0 if threads == 2 else 1.5))
    for _ in range(300):
        machine.run(3, rows=2)
        machine.run(3, rows=16)
    assert machine.governor.current == 2
    assert not machine.used


def test_a_trial_that_is_broken_off_goes_back() -> None:
    machine = Machine(lambda threads, rows: 1.0 if threads == 2 else 0.1)
    while machine.threads == 2:
        machine.run(1)
    machine.run(2, rows=3)
    assert machine.threads == machine.governor.current == 2


@pytest.mark.parametrize("most", [1])
def test_one_thread_leaves_no_choice(most: int) -> None:
    machine = Machine(lambda threads, rows: 1.0, most=most)
    machine.run(2000)
    assert not machine.used
