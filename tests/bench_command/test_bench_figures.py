"""Statistics, by values that are known."""

import pytest
from hypothesis import given
from hypothesis import strategies as st

from bot.bench.engine import Written
from bot.bench.figures import Sample, equal_share, line, percentile
from bot.bench.load import gaps_within
from bot.bench.plan import FULL, QUICK, Plan
from bot.bench.steps import step_ms
from bot.bench.ticking import Lag


def test_a_sample_has_median_and_spread() -> None:
    sample = Sample.of([4.0, 1.0, 2.0])
    assert (sample.median, sample.low, sample.high, sample.repeats) == (2.0, 1.0, 4.0, 3)
    assert sample.spread == 1.5
    assert Sample.of([1.0, 2.0]).median == 1.5
    assert Sample.of([0.0]).spread == 0.0


def test_percentiles_are_those_of_nearest_rank() -> None:
    values = [float(value) for value in range(100, 0, -1)]
    assert percentile(values, 0.5) == 50
    assert percentile(values, 0.99) == 99
    assert percentile(values, 1.0) == 100
    assert percentile([7.0], 0.01) == 7
    with pytest.raises(ValueError, match="nothing"):
        percentile([], 0.5)


@given(st.lists(st.floats(0, 1e6), min_size=1), st.floats(0.01, 1.0))
def test_a_percentile_is_not_exceeded_by_its_share(values: list[float], share: float) -> None:
    found = percentile(values, share)
    assert found in values
    assert sum(value <= found for value in values) >= share * len(values)


def test_agreement_counts_tokens_in_their_places_and_whole_texts() -> None:
    reference = [[1, 2, 3, 4], [5, 6, 7, 8]]
    assert equal_share(reference, reference) == (1.0, 1.0)
    assert equal_share([[1, 2, 3, 4], [5, 6, 0, 0]], reference) == (0.75, 0.5)
    # The last character was not whole, and its token is not part of the text.
    assert equal_share([[1, 2, 3], [5, 6, 7, 8]], reference) == (1.0, 1.0)
    # More texts than there are references: those are compared that can be.
    assert equal_share([*reference, [9, 9, 9, 9]], reference) == (1.0, 1.0)
    with pytest.raises(ValueError, match="nothing"):
        equal_share([[]], [[]])


def test_a_line_through_points() -> None:
    slope, intercept = line([(0.0, 1.0), (10.0, 21.0)]) or (0.0, 0.0)
    assert slope == pytest.approx(2.0)
    assert intercept == pytest.approx(1.0)
    assert line([(3.0, 1.0), (3.0, 2.0)]) is None


def test_a_lag_is_told_in_milliseconds() -> None:
    lag = Lag.of([0.001] * 98 + [0.004, 0.05])
    assert (lag.p50_ms, lag.p99_ms, lag.max_ms) == (1.0, 4.0, 50.0)


def test_only_gaps_that_overlap_the_disturbance_count() -> None:
    arrivals_s = [0.0, 1.0, 2.0, 5.0, 5.5, 6.0]
    assert gaps_within(arrivals_s, 1.5, 5.2) == [1.0, 3.0, 0.5]
    assert gaps_within(arrivals_s, 10.0, 11.0) == []


def test_a_step_is_timed_while_all_rows_are_under_way() -> None:
    # The second row begins at 2 and the first ends at 5: three steps of one second, of which the
    # second row has shown two by then.
    rows = [
        Written(0.0, [1.0, 2.0, 3.0, 4.0, 5.0], [1, 2, 3, 4, 5]),
        Written(0.0, [2.0, 4.0, 6.0], [1, 3, 5]),  # whose words were gathered
    ]
    assert step_ms(rows) == pytest.approx(1000 * 3 * 2 / 5)
    apart = [Written(0.0, [1.0, 2.0], [1, 2]), Written(0.0, [3.0, 4.0], [1, 2])]
    assert step_ms(apart) is None


@pytest.mark.parametrize("plan", [FULL, QUICK])
def test_a_plan_fits_the_window_of_gpt2(plan: Plan) -> None:
    assert plan.window_tokens <= 1024
    channels = [plan.context_of(channel, 8) for channel in range(8)]
    assert (channels[0], channels[-1]) == (100, 900)
    assert channels == sorted(channels)
    assert plan.context_of(0, 1) == 500
