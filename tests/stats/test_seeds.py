"""Seed components against a two-way analysis of variance, and the tests on seeds against scipy and enumeration."""

from itertools import combinations

import numpy as np
import pytest
from scipy import stats

from harness.stats.estimate import Undefined
from harness.stats.seeds import (
    PooledSeeds,
    SeedComponent,
    SeedComponents,
    SideScores,
    homogeneity,
    outliers,
    own_p,
    permutation_p,
    pool,
    seed_component,
    seed_variance,
)


def anova(scores):
    """Return MS of seeds and MS of the residual, from the definition."""
    k, n = scores.shape
    rows, columns, all_ = scores.mean(1), scores.mean(0), scores.mean()
    residual = scores - rows[:, None] - columns[None, :] + all_
    return n * ((rows - all_) ** 2).sum() / (k - 1), (residual**2).sum() / ((k - 1) * (n - 1))


@pytest.mark.parametrize("binary", [True, False])
def test_components_are_those_of_a_two_way_analysis_of_variance(binary):
    rng = np.random.default_rng(2)
    scores = rng.normal(size=(4, 1)) * 0.1 + rng.normal(size=150) + 0.5 * rng.normal(size=(4, 150))
    scores = (scores > 0).astype(bool) if binary else scores
    found = seed_component(SideScores(scores))
    of_seeds, residual = anova(scores.astype(float))
    assert found.mean_square == pytest.approx(of_seeds / 150)
    assert found.noise == pytest.approx(residual / 150)
    assert found.df == 3


def test_a_side_with_one_run_has_no_component():
    one = SideScores(np.array([[1, 0, 1]]), deterministic=True)
    assert seed_component(one) is None
    assert seed_variance([one]) == SeedComponents(())
    with pytest.raises(Undefined, match="two runs or more"):
        pool([seed_variance([one])])


def test_pooling_weighs_by_degrees_of_freedom():
    sides = SeedComponents((SeedComponent(4e-6, 1e-6, 2),)), SeedComponents((SeedComponent(1e-6, 0.4e-6, 7),))
    found = pool(sides)
    assert found.mean_square == pytest.approx((2 * 4e-6 + 7 * 1e-6) / 9)
    assert found.variance == pytest.approx((2 * 3e-6 + 7 * 0.6e-6) / 9)
    assert (found.df, found.sides) == (9, 2)


def test_seeds_that_agree_better_than_chance_have_no_negative_variance():
    assert pool([SeedComponents((SeedComponent(1e-7, 1e-6, 4),))]).variance == 0.0


def draw(rng, variances, df):
    return [SeedComponent(v * rng.chisquare(df) / df, 0.0, df) for v in variances]


@pytest.mark.parametrize("df", [2, 4, 7])
def test_equal_variances_are_rejected_as_often_as_stated(df):
    rng = np.random.default_rng(df)
    p = np.array([homogeneity(draw(rng, [1e-6] * 6, df)) for _ in range(4_000)])
    assert (p < 0.05).mean() == pytest.approx(0.05, abs=0.012)
    assert (p < 0.01).mean() == pytest.approx(0.01, abs=0.006)


def test_one_wild_side_is_noticed():
    rng = np.random.default_rng(1)
    rejected = [not pool([SeedComponents(tuple(draw(rng, [1e-6] * 5 + [100e-6], 4)))]).homogeneous for _ in range(400)]
    assert np.mean(rejected) > 0.9


def test_brown_and_forsythes_test_would_not_notice_it_with_three_seeds():
    rng = np.random.default_rng(2)
    noticed = {"cochran": 0, "brown-forsythe": 0}
    for _ in range(150):
        runs = rng.normal(size=(6, 3)) * np.array([10, 1, 1, 1, 1, 1])[:, None]
        noticed["cochran"] += homogeneity([SeedComponent(row.var(ddof=1), 0.0, 2) for row in runs]) < 0.01
        noticed["brown-forsythe"] += stats.levene(*runs, center="median").pvalue < 0.01
    assert noticed["cochran"] > 115
    assert noticed["brown-forsythe"] < 3


def test_identical_runs_everywhere_are_homogeneous():
    found = pool([SeedComponents((SeedComponent(0.0, 0.0, 2), SeedComponent(0.0, 0.0, 2)))])
    assert (found.variance, found.homogeneous, found.p_homogeneity) == (0.0, True, 1.0)


def test_sides_that_vary_more_than_the_rest_are_noticed_by_an_f_test():
    sides = [SeedComponent(square, 0.0, 4) for square in (9e-6, 7e-6, 1e-6, 2e-6, 1e-6, 3e-6)]
    family = pool([SeedComponents(tuple(sides))])
    f = np.mean([9e-6, 7e-6]) / np.mean([1e-6, 2e-6, 1e-6, 3e-6])
    assert own_p(sides[:2], family) == pytest.approx(stats.f.sf(f, 8, 16))
    assert own_p(sides[2:4], family) > 0.5
    assert own_p(sides, family) == own_p([], family) == 1.0


def test_outliers_are_those_of_grubbs():
    values = np.array([0.981, 0.982, 0.9815, 0.9822, 0.9808, 0.9741])
    k = len(values)
    g = abs(values - values.mean()).max() / values.std(ddof=1)
    t = stats.t.isf(0.01 / (2 * k), k - 2)
    assert g > (k - 1) / k**0.5 * (t * t / (k - 2 + t * t)) ** 0.5  # Grubbs' critical value
    assert outliers(values) == (5,)
    assert outliers(values[:5]) == ()


def test_few_outliers_are_found_where_there_are_none():
    rng = np.random.default_rng(4)
    family = PooledSeeds(1.0, 1.0, 40, 10, True, 0.5)
    for k in (3, 8):
        assert np.mean([bool(outliers(rng.normal(size=k))) for _ in range(1_000)]) < 0.02
        assert np.mean([bool(outliers(rng.normal(size=k), family)) for _ in range(1_000)]) < 0.02


def test_with_three_seeds_a_bad_one_is_seen_by_the_familys_spread():
    values = [0.981, 0.9812, 0.95]
    family = PooledSeeds(1e-6, 1e-6, 12, 6, True, 0.5)
    assert outliers(values, step=1e-4) == ()  # two that agree say little
    assert outliers(values, family) == (2,)
    assert outliers([0.98, 0.97], family) == ()


def test_seeds_that_agree_to_the_digit_make_no_outlier_of_the_next():
    assert outliers([0.9812, 0.9812, 0.9812, 0.9813], step=1e-4) == ()
    assert outliers([0.9812, 0.9812, 0.9812, 0.9513], step=1e-4) == (3,)
    assert outliers([0.5, 0.5, 0.5]) == ()


@pytest.mark.parametrize("sizes", [(3, 3), (3, 5), (5, 4)])
def test_permutation_p_is_that_of_full_enumeration(sizes):
    rng = np.random.default_rng(sum(sizes))
    for shift in (0.0, 1.5):
        a, b = rng.normal(size=sizes[0]) + shift, rng.normal(size=sizes[1])
        values = np.concatenate([a, b])
        seen = abs(a.mean() - b.mean())
        gaps = []
        for chosen in combinations(range(len(values)), len(a)):
            rest = np.delete(values, chosen)
            gaps.append(abs(values[list(chosen)].mean() - rest.mean()) >= seen - 1e-12)
        assert permutation_p(a, b) == pytest.approx(np.mean(gaps))


def test_permutation_p_of_twelve_seeds_agrees_with_scipy_and_ties_count():
    rng = np.random.default_rng(0)
    a, b = rng.normal(0.8, 1, 12), rng.normal(0, 1, 12)
    found = permutation_p(a, b)
    sampled = stats.permutation_test(
        (a, b), lambda x, y, axis: x.mean(axis) - y.mean(axis), n_resamples=20_000, rng=np.random.default_rng(1)
    )
    assert found == pytest.approx(sampled.pvalue, abs=0.01)
    assert permutation_p([0.9] * 3, [0.9] * 4) == 1.0
    assert permutation_p([1, 1, 1], [0, 0, 0]) == pytest.approx(0.1)


@pytest.mark.parametrize("sizes", [(2, 5), (30, 30)])
def test_permutation_needs_three_seeds_and_not_too_many(sizes):
    with pytest.raises(Undefined):
        permutation_p(np.arange(sizes[0]), np.arange(sizes[1]))


@pytest.mark.parametrize(
    "scores, deterministic, word",
    [
        (np.zeros(3), False, "shape"),
        (np.zeros((2, 0)), False, "shape"),
        (np.array([[1.0, np.nan]]), False, "finite"),
        (np.array([["1", "0"]]), False, "finite"),
        (np.zeros((2, 3)), True, "one run"),
    ],
)
def test_scores_that_are_no_scores_are_refused(scores, deterministic, word):
    with pytest.raises(Undefined, match=word):
        SideScores(scores, deterministic=deterministic)
