"""What the simulation says, as figures.

Invariant: plain numbers; a share is 0 to 1.
"""

import statistics
from collections.abc import Callable
from dataclasses import dataclass
from functools import cache, partial
from typing import Final, Self

from bot.bench.costs import Costs, Fit
from bot.bench.figures import percentile
from bot.bench.machine import Machine
from bot.bench.simulation import Installation, Outcome, Simulation
from bot.bench.workload import TOKENS_PER_WORD, Workload

FIRST_GOALS_S: Final = (2.0, 10.0)
"""How long the first word may take in 95 of 100 passages."""
READING_WORDS_S: Final = 5.0
"""How fast a text must grow so that 95 of 100 passages keep a reader waiting for nothing."""
_REFUSED_SHARE = 0.01  # with more, nobody would say that the channels are carried
_WARM_UP_TURNS = 2  # of each channel: until stories and cache are as they will be
_LEAST_TURNS = 6  # of each channel that are counted


@dataclass(frozen=True, slots=True, kw_only=True)
class Row:
    """What so many channels see.

    Attributes:
        channels: at once.
        first_p50_s: from asking to the first word.
        first_p95_s: the same.
        whole_p50_s: from asking to the last word.
        whole_p95_s: the same.
        words_s_p50: how fast a reader sees the text grow.
        words_s_p5: the same; 95 of 100 passages are faster.
        passages_s: written in a second, of all channels together.
        busy_share: of the time, while the engine computes.
        cached_share: of the prompts' tokens, what had not to be computed.
        refused_share: of the requests, what found the queue full.
    """

    channels: int
    first_p50_s: float
    first_p95_s: float
    whole_p50_s: float
    whole_p95_s: float
    words_s_p50: float
    words_s_p5: float
    passages_s: float
    busy_share: float
    cached_share: float
    refused_share: float

    @classmethod
    def of(cls, channels: int, outcome: Outcome) -> Self:
        """Summarise a run that counted one passage at least."""
        seen = outcome.seen
        first = [each.first_s for each in seen]
        whole = [each.whole_s for each in seen]
        speeds = [speed / TOKENS_PER_WORD for each in seen if (speed := each.tokens_s)] or [0.0]
        return cls(
            channels=channels,
            first_p50_s=percentile(first, 0.5),
            first_p95_s=percentile(first, 0.95),
            whole_p50_s=percentile(whole, 0.5),
            whole_p95_s=percentile(whole, 0.95),
            words_s_p50=percentile(speeds, 0.5),
            words_s_p5=percentile(speeds, 0.05),
            passages_s=len(seen) / outcome.seconds,
            busy_share=min(1.0, outcome.busy_s / outcome.seconds),
            cached_share=sum(each.cached_tokens for each in seen)
            / sum(each.prompt_tokens for each in seen),
            refused_share=outcome.refused / (outcome.refused + len(seen)),
        )

    def keeps_first(self, limit_s: float) -> bool:
        """Whether the first word comes in time, and nobody to speak of is refused."""
        return self.first_p95_s < limit_s and self._is_open

    @property
    def keeps_reading(self) -> bool:
        """Whether readers wait for nothing once the text has begun, and nobody is refused."""
        return self.words_s_p5 >= READING_WORDS_S and self._is_open

    @property
    def _is_open(self) -> bool:
        return self.refused_share <= _REFUSED_SHARE


@dataclass(frozen=True, slots=True, kw_only=True)
class Limits:
    """The largest numbers of channels; 0 where one is too many already.

    Attributes:
        first: by the goals for the first word.
        reading: with readers who wait for nothing.
        most: more than these were not simulated.
    """

    first: tuple[int, ...]
    reading: int
    most: int


@dataclass(frozen=True, slots=True, kw_only=True)
class Scenario:
    """One installation, simulated.

    Attributes:
        installation: its settings.
        rows: by the number of channels.
        limits: of it.
    """

    installation: Installation
    rows: tuple[Row, ...]
    limits: Limits

    def knee(self, think_s: float) -> float:
        """Return where waiting begins by the plain formula, in channels.

        N* = X (R + Z): X passages a second are the most that all channels together get, R
        seconds one takes alone, Z seconds are thought. It is where the two asymptotes of a closed
        queue cross (Denning and Buzen 1978, "The Operational Analysis of Queueing Network
        Models"): with fewer channels nobody needs to wait, with more somebody must.
        """
        most = max(row.passages_s / row.busy_share for row in self.rows)
        return most * (self.rows[0].whole_p50_s + think_s)


@dataclass(frozen=True, slots=True, kw_only=True)
class Checked:
    """The real engine beside the simulation, medians.

    Attributes:
        channels: at once.
        passages: that were written on the engine.
        real_first_s: from asking to the first word.
        first_s: the same, simulated.
        real_whole_s: from asking to the last word.
        whole_s: the same, simulated.
        real_tokens_s: how fast the text grew.
        tokens_s: the same, simulated.
        real_cached_share: of the prompts' tokens, what had not to be computed.
        cached_share: the same, simulated.
        others_share: of the processors' time that other processes took meanwhile.
    """

    channels: int
    passages: int
    real_first_s: float
    first_s: float
    real_whole_s: float
    whole_s: float
    real_tokens_s: float
    tokens_s: float
    real_cached_share: float
    cached_share: float
    others_share: float

    @classmethod
    def of(
        cls, channels: int, real: Outcome, simulated: Outcome, *, others_share: float = 0.0
    ) -> Self:
        """Compare two runs of the same turns."""
        (real_first, real_whole, real_speed, real_share) = _medians(real)
        (first, whole, speed, share) = _medians(simulated)
        return cls(
            channels=channels,
            passages=len(real.seen),
            real_first_s=real_first,
            first_s=first,
            real_whole_s=real_whole,
            whole_s=whole,
            real_tokens_s=real_speed,
            tokens_s=speed,
            real_cached_share=real_share,
            cached_share=share,
            others_share=others_share,
        )

    @property
    def errors(self) -> tuple[float, float, float]:
        """Of the first word, the whole passage and the speed, as shares of the real ones."""
        return (
            self.first_s / self.real_first_s - 1,
            self.whole_s / self.real_whole_s - 1,
            self.tokens_s / self.real_tokens_s - 1,
        )


def _medians(outcome: Outcome) -> tuple[float, float, float, float]:
    seen = outcome.seen
    return (
        statistics.median(each.first_s for each in seen),
        statistics.median(each.whole_s for each in seen),
        statistics.median([speed for each in seen if (speed := each.tokens_s)] or [0.0]),
        sum(each.cached_tokens for each in seen) / sum(each.prompt_tokens for each in seen),
    )


@dataclass(frozen=True, slots=True, kw_only=True)
class ModelCapacity:
    """All that was found about one model.

    Attributes:
        name: of the model.
        precision: that the engine chose.
        parameters: number of weights.
        fit: of the step's costs.
        workload: that was simulated.
        scenarios: the operator's own settings first.
        checks: on the real engine; none where it was not asked for.
        check_think_s: mean think time of the check.
    """

    name: str
    precision: str
    parameters: int
    fit: Fit
    workload: Workload
    scenarios: tuple[Scenario, ...]
    checks: tuple[Checked, ...]
    check_think_s: float


@dataclass(frozen=True, slots=True, kw_only=True)
class Capacity:
    """One run.

    Attributes:
        machine: what it ran on.
        busy_share: of the processors' time that other processes took meanwhile.
        models: in the order of measurement.
    """

    machine: Machine
    busy_share: float
    models: tuple[ModelCapacity, ...]


def simulate(
    costs: Costs, installation: Installation, workload: Workload, *, passages: int, most: int
) -> Scenario:
    """Simulate one installation with 1, 2, 4 … channels, and find how many it carries.

    Args:
        costs: of the engine's steps.
        installation: its settings.
        workload: what the channels do.
        passages: that each run counts, or more where the channels are many.
        most: channels.
    """

    @cache
    def row(channels: int) -> Row:
        run = Simulation(costs, installation, workload, channels)
        outcome = run.run(
            passages=max(passages, _LEAST_TURNS * channels), warm_up=_WARM_UP_TURNS * channels
        )
        return Row.of(channels, outcome)

    def in_time(channels: int, *, limit_s: float) -> bool:
        return row(channels).keeps_first(limit_s)

    counts = [1 << power for power in range(most.bit_length())]
    rows = tuple(row(channels) for channels in counts)
    return Scenario(
        installation=installation,
        rows=rows,
        limits=Limits(
            first=tuple(
                largest(partial(in_time, limit_s=limit_s), most) for limit_s in FIRST_GOALS_S
            ),
            reading=largest(lambda channels: row(channels).keeps_reading, most),
            most=most,
        ),
    )


def largest(holds: Callable[[int], bool], most: int) -> int:
    """Return the largest number up to ``most`` for which a claim holds; 0 where there is none.

    What does not hold for a number must not hold for a larger one.
    """
    low, high = 0, most + 1
    at = 1
    while at < high:  # doubling first: those numbers are simulated anyhow
        if not holds(at):
            high = at
            break
        low, at = at, at * 2
    while high - low > 1:
        middle = (low + high) // 2
        if holds(middle):
            low = middle
        else:
            high = middle
    return low
