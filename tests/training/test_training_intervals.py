"""Intervals and tests, against distributions that are known."""

import math
import statistics

import numpy as np
import pytest

from bot.training.intervals import (
    band,
    bootstrap,
    paired,
    permutation_p,
    ratio,
    student,
)


def test_the_bootstrap_of_independent_values_is_as_wide_as_the_normal_interval() -> None:
    values = np.random.default_rng(1).normal(10.0, 2.0, size=400)
    clusters = {str(at): [float(value)] for at, value in enumerate(values)}
    found = bootstrap(clusters, draws=4000)
    error = statistics.stdev(values.tolist()) / math.sqrt(400)
    assert found.mean == pytest.approx(float(values.mean()))
    assert found.low == pytest.approx(found.mean - 1.96 * error, abs=0.02)
    assert found.high == pytest.approx(found.mean + 1.96 * error, abs=0.02)
    assert found.n == 400


def test_the_bootstrap_covers_the_true_mean_about_as_often_as_it_says() -> None:
    chance = np.random.default_rng(2)
    covered = 0
    for _ in range(200):
        # Thirty clusters of five values that share most of their luck.
        shared = chance.normal(0.0, 1.0, size=(30, 1)) + chance.normal(0.0, 0.3, size=(30, 5))
        found = bootstrap({str(at): row.tolist() for at, row in enumerate(shared)}, draws=400)
        covered += found.low <= 0.0 <= found.high
    assert 0.89 <= covered / 200 <= 0.98


def test_values_of_one_source_count_together() -> None:
    alone = {str(at): [float(at % 2)] for at in range(100)}
    together = {str(part): [float(part % 2)] * 10 for part in range(10)}
    narrow, wide = bootstrap(alone, draws=1000), bootstrap(together, draws=1000)
    assert narrow.mean == wide.mean == 0.5
    assert wide.high - wide.low > 2 * (narrow.high - narrow.low)


def test_one_source_has_a_mean_and_no_interval() -> None:
    found = bootstrap({"a": [1.0, 2.0], "b": []}, draws=10)
    assert (found.mean, found.n) == (1.5, 2)
    assert math.isnan(found.low)
    assert found.as_json() == {"mean": 1.5, "low": None, "high": None, "n": 2}
    assert bootstrap({}, draws=10).n == 0


def test_pairs_find_a_small_difference_that_the_spread_hides() -> None:
    levels = np.random.default_rng(3).normal(0.0, 5.0, size=40)
    one = {str(at): [float(level)] for at, level in enumerate(levels)}
    other = {str(at): [float(level) + 0.1 + 0.01 * (at % 2)] for at, level in enumerate(levels)}
    found = paired(one, other | {"only here": [99.0]}, draws=1000)
    assert found.mean == pytest.approx(0.105)
    assert 0.1 <= found.low <= found.mean <= found.high <= 0.11
    assert paired(one, {"elsewhere": [1.0]}, draws=10).n == 0


def test_students_interval_is_that_of_the_table() -> None:
    found = student([1.0, 2.0, 3.0, 4.0])
    half = 3.182 * statistics.stdev([1.0, 2.0, 3.0, 4.0]) / 2
    assert [found.low, found.high] == pytest.approx([2.5 - half, 2.5 + half])
    assert math.isnan(student([1.0]).low)
    assert student([]).n == 0


def test_a_ratio_is_that_of_the_sums() -> None:
    found = ratio({"a": 2.0, "b": 6.0}, {"a": 1.0, "b": 3.0}, draws=100)
    assert (found.mean, found.low, found.high) == (2.0, 2.0, 2.0)
    assert ratio({"a": 1.0, "b": 9.0}, {"a": 1.0, "b": 1.0}, draws=500).low == 1.0


UNITS = [str(number) for number in range(40)]


def test_guesses_without_knowledge_are_no_better_than_chance() -> None:
    chance = np.random.default_rng(4)
    ps = []
    for _ in range(60):
        truth = [str(each) for each in chance.integers(0, 4, size=40)]
        guesses = [str(each) for each in chance.integers(0, 4, size=40)]
        ps.append(permutation_p(truth, guesses, units=UNITS, draws=199))
    assert sum(p <= 0.05 for p in ps) <= 9
    assert 0.35 <= statistics.fmean(ps) <= 0.75  # ties push it above one half


def test_guesses_with_knowledge_are() -> None:
    truth = ["a", "b"] * 10
    assert permutation_p(truth, truth, units=UNITS[:20], draws=999) <= 0.002


def test_many_pieces_of_few_tales_are_little_evidence() -> None:
    truth = ["a"] * 50 + ["b"] * 50
    tales = [str(number // 25) for number in range(100)]
    found = permutation_p(truth, truth, units=tales, draws=999)
    assert 0.1 < found < 0.25  # four tales can be named in six ways, and in one of them all agree


def test_the_band_leaves_out_the_tails() -> None:
    assert list(band([float(each) for each in range(1001)])) == pytest.approx([25, 975])
