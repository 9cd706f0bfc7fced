"""Smallest differences and numbers of seeds against scipy's noncentral t and direct search."""

import math

import numpy as np
import pytest
from scipy import optimize, stats

from harness.stats.crossed import Group, crossed
from harness.stats.estimate import Undefined
from harness.stats.power import (
    Design,
    expected_error,
    independent_discordance,
    planned,
    power_of,
    seeds_for_power,
    smallest_detectable,
    units_needed,
)
from harness.stats.seeds import SideScores, pool, seed_variance


@pytest.mark.parametrize("df", [1.3, 2, 4.6, 18, 300])
@pytest.mark.parametrize("level", [0.95, 1 - 0.05 / 12])
def test_smallest_detectable_has_the_power_by_the_noncentral_t(df, level):
    found = smallest_detectable(0.003, df, level)
    assert stats.nct.sf(stats.t.isf((1 - level) / 2, df), df, found / 0.003) == pytest.approx(0.8, abs=1e-5)


def test_smallest_detectable_by_normal_approximation():
    expected = 0.002 * (stats.norm.isf(0.025) + stats.norm.isf(0.1))
    assert smallest_detectable(0.002, None, power=0.9) == pytest.approx(expected)
    assert smallest_detectable(0.002, 5_000, power=0.9) == pytest.approx(expected, rel=1e-3)


def test_three_paired_seeds_of_one_point_find_sixteen_points():
    # A family of 12 comparisons, sd 1 point on each side, two degrees of freedom.
    assert smallest_detectable(math.sqrt(2 / 3), 2, 1 - 0.05 / 12) == pytest.approx(16, abs=0.1)


def test_a_plan_meets_simulated_power():
    # Differences of seed means in normal theory, seed variance pooled over six sides.
    design = Design(n=3_669, seeds=5, seed_sd=0.0017, discordance=0.07, within=0.04, pooled_sides=6)
    target = planned(design)
    rng = np.random.default_rng(3)
    mean_square = 0.0017**2 + 0.02 / 3_669
    examples = 0.07 - 0.8 * 0.04
    value = rng.normal(target, math.sqrt(examples / 3_669 + 2 * 0.0017**2 / 5), 40_000)
    spread = mean_square * rng.chisquare(24, 40_000) / 24
    component = np.maximum(spread - 0.02 / 3_669, 0)
    half = stats.norm.isf(0.025) ** 2 * examples / 3_669 + stats.t.isf(0.025, 24) ** 2 * 2 * component / 5
    pooled = np.mean(value > half**0.5)
    own = stats.norm.isf(0.025) ** 2 * (0.07 - 0.04) / 3_669 + stats.t.isf(0.025, 6) ** 2 * 2 * 2 * mean_square / 5
    power = 0.9 * pooled + 0.1 * np.mean(value > own**0.5)
    assert power == pytest.approx(0.8, abs=0.01)


def test_one_seed_speaks_of_examples_alone():
    assert planned(Design(10_000, 1, 0.5, 0.01)) == smallest_detectable(0.001, None)


def test_the_default_protocol_finds_what_it_should():
    # Published spreads of seeds: 0.05 points on CIFAR-10, 0.17 on Pets.
    assert planned(Design(10_000, 5, 0.0005, independent_discordance(0.99, 0.99), pooled_sides=6)) < 0.0045
    assert planned(Design(10_000, 5, 0.0005, 0.012, pooled_sides=6)) < 0.0035
    assert planned(Design(3_669, 5, 0.0017, 0.07, pooled_sides=6)) < 0.013


def test_independent_errors_differ_as_two_coins_do():
    assert independent_discordance(0.9, 0.8) == pytest.approx(0.9 * 0.2 + 0.1 * 0.8)


@pytest.mark.parametrize("sides, df", [(None, 1.5), (6, 6)])
def test_seeds_for_power_is_the_first_number_with_the_power(sides, df):
    design = Design(10_000, 3, 0.003, 0.02, 0.01, pooled_sides=sides)
    found = seeds_for_power(0.005, design)

    def power(seeds):
        part = 2 * 0.003**2 / seeds + 0.01 / 10_000 / seeds
        variance = 0.01 / 10_000 + part
        t = stats.t.isf(0.025, df * (seeds - 1))
        half = (stats.norm.isf(0.025) ** 2 * 0.01 / 10_000 + t**2 * part) ** 0.5
        both = optimize.brentq(lambda df: stats.t.isf(0.025, df) - half / variance**0.5, 0.9, 1e6)
        pooled = stats.nct.sf(half / variance**0.5, both, 0.005 / variance**0.5)
        if sides is None:
            return pooled
        own = stats.norm.isf(0.025) ** 2 * 1e-6 + stats.t.isf(0.025, 1.5 * (seeds - 1)) ** 2 * 2 * part
        return 0.9 * pooled + 0.1 * stats.norm.sf((own**0.5 - 0.005) / variance**0.5)

    assert found == next(seeds for seeds in range(2, 100) if power(seeds) >= 0.8)


def test_examples_can_be_too_few_for_any_number_of_seeds():
    assert seeds_for_power(0.005, Design(797, 3, 0.003, 0.05)) is None
    assert seeds_for_power(0.0, Design(50_000, 3, 0.003, 0.02)) is None


def test_a_projection_to_the_seeds_at_hand_gives_the_present_error():
    rng = np.random.default_rng(1)
    level = rng.normal(size=400)
    sides = [
        SideScores(0.5 * level + rng.normal(size=(6, 1)) + rng.normal(size=(6, 400)), weight) for weight in (1.0, -1.0)
    ]
    found = crossed([Group(tuple(sides))])
    projected = expected_error(found.projection, 6)
    assert projected.standard_error == pytest.approx(found.standard_error, rel=1e-9)
    assert expected_error(found.projection, 24).standard_error < 0.6 * found.standard_error


@pytest.mark.parametrize("pooling", [False, True], ids=["own", "pooled"])
def test_a_side_with_no_more_runs_keeps_its_variance_whatever_the_seeds_of_the_other(pooling):
    rng = np.random.default_rng(2)
    level = rng.normal(size=400)
    scores = [0.5 * level + rng.normal(size=(3, 1)) + rng.normal(size=(3, 400)) for _ in range(2)]
    sides = [SideScores(scores[0], 1.0), SideScores(scores[1], -1.0, no_more=True)]
    pooled = pool([seed_variance(sides)]) if pooling else None
    found = crossed([Group(tuple(sides))], pooled=pooled)
    assert expected_error(found.projection, 3).standard_error == pytest.approx(found.standard_error, rel=1e-9)
    # With ever more seeds on one side the other's three runs are left, and the examples.
    (known,) = seed_variance(sides[1:]).sides
    variance = known.mean_square if pooled is None else pooled.variance + known.noise
    contrast = scores[0].mean(axis=0) - scores[1].mean(axis=0)
    noise = sum(each.noise for each in seed_variance(sides).sides) / 3
    least = variance / 3 + contrast.var(ddof=1) / 400 - noise
    assert expected_error(found.projection, 10**9).standard_error == pytest.approx(np.sqrt(least), rel=1e-4)
    free = crossed([Group((sides[0], SideScores(scores[1], -1.0)))], pooled=pooled)
    assert (free.value, free.standard_error, free.p) == (found.value, found.standard_error, found.p)
    assert expected_error(free.projection, 12).standard_error < expected_error(found.projection, 12).standard_error


def test_power_below_half_of_alpha_is_undefined():
    assert power_of(0.0, 5, stats.t.isf(0.025, 5)) == pytest.approx(0.025)
    with pytest.raises(Undefined):
        smallest_detectable(1.0, 5, 0.95, power=0.02)


@pytest.mark.parametrize(
    "call",
    [
        lambda: smallest_detectable(0.0, 5),
        lambda: smallest_detectable(1.0, 5, 0.95, 1.0),
        lambda: Design(0, 3, 0.1, 0.1),
        lambda: Design(100, 0, 0.1, 0.1),
        lambda: Design(100, 3, -0.1, 0.1),
        lambda: Design(100, 3, 0.1, 0.1, within=0.2),
        lambda: independent_discordance(99.0, 0.5),
    ],
)
def test_what_does_not_exist_raises(call):
    with pytest.raises(Undefined):
        call()


@pytest.mark.parametrize("level", [0.9, 0.99])
@pytest.mark.parametrize("mean", [0.001, -0.004, 0.05])
def test_units_needed_is_the_first_number_of_seeds_that_decides(mean, level):
    differences = [mean - 0.01, mean, mean + 0.01]
    expected = next(n for n in range(2, 10_001) if stats.t.interval(level, n - 1, abs(mean), 0.01 / n**0.5)[0] > 0)
    assert units_needed(differences, level) == expected


def test_units_needed_gives_up_where_seeds_decide_nothing():
    assert units_needed([-0.01, 0.0, 0.01]) is None
    assert units_needed([-0.01 + 1e-5, 1e-5, 0.01 + 1e-5]) is None


@pytest.mark.parametrize("values", [[], [0.1], [0.1, 0.1, 0.1]])
def test_units_needed_needs_a_spread(values):
    with pytest.raises(Undefined):
        units_needed(values)
