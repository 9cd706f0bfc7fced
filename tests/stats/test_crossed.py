"""Contrasts over seeds and examples against formulas written out, scipy, and the exact tests of one run."""

import time
from dataclasses import replace

import numpy as np
import pytest
from scipy import stats

from harness.stats.crossed import Group, crossed
from harness.stats.equivalence import equivalence
from harness.stats.estimate import Undefined
from harness.stats.intervals import binomial_variance, paired_examples
from harness.stats.seeds import PooledSeeds, SideScores, pool, seed_variance

RNG = np.random.default_rng(20)
N = 300
EXAMPLES = RNG.normal(size=N)


def real(k, mean=0.0, seed_sd=0.05):
    return mean + EXAMPLES + seed_sd * RNG.normal(size=(k, 1)) + 0.5 * RNG.normal(size=(k, N))


def difference(a, b, **options):
    return crossed([Group((SideScores(a, 1.0), SideScores(b, -1.0)))], **options)


def terms(scores):
    """Return the variance of seed means and the part of it that is noise, by definition."""
    k, n = scores.shape
    residual = scores - scores.mean(1, keepdims=True) - scores.mean(0) + scores.mean()
    return scores.mean(1).var(ddof=1), (residual**2).sum() / ((k - 1) * (n - 1)) / n


def test_a_difference_of_real_scores_is_the_formula():
    a, b = real(6, 0.2), real(8)
    found = difference(a, b)
    contrast = a.mean(0) - b.mean(0)
    (m_a, r_a), (m_b, r_b) = terms(a), terms(b)
    examples = contrast.var(ddof=1) / N
    seeds, noise = m_a / 6 + m_b / 8, r_a / 6 + r_b / 8

    def welch(x, y):
        return (x + y) ** 2 / (x**2 / 5 + y**2 / 7)

    df = welch(m_a / 6, m_b / 8)
    df = min(df, (df + welch((m_a - r_a) / 6, (m_b - r_b) / 8)) / 2)
    for level in (0.95, 0.9958):
        found = difference(a, b, level=level)
        t_examples, t_seeds = (stats.t.isf((1 - level) / 2, each) for each in (N - 1, df))
        half = (t_examples**2 * (examples - noise) + t_seeds**2 * seeds) ** 0.5
        assert (found.low, found.high) == pytest.approx((contrast.mean() - half, contrast.mean() + half))
        assert stats.t.isf((1 - level) / 2, found.df) * found.standard_error == pytest.approx(half)
    assert found.standard_error == pytest.approx((examples + seeds - noise) ** 0.5)
    assert found.p_greater + found.p_less == pytest.approx(1)
    assert found.p == pytest.approx(2 * min(found.p_greater, found.p_less))
    assert found.se_examples == pytest.approx(examples**0.5)
    assert found.se_seeds == pytest.approx(seeds**0.5)
    assert not found.conditional
    assert "6 to 8 seeds and 300 examples" in found.method


@pytest.mark.parametrize("pooled", [None, PooledSeeds(2e-3, 3e-3, 12, 6, True, 0.5)])
def test_the_p_value_is_one_less_the_level_that_reaches_zero(pooled):
    a, b = real(4, 0.1), real(4)
    p = difference(a, b, pooled=pooled).p
    assert difference(a, b, level=1 - p, pooled=pooled).low == pytest.approx(0, abs=1e-9)


def test_seeds_are_not_paired():
    a, b = real(5, seed_sd=0.5), real(5, seed_sd=0.5)
    first, second = difference(a, b), difference(a, b[::-1])
    assert (first.low, first.high) == pytest.approx((second.low, second.high))


def test_examples_are_paired():
    a, b = real(5), real(5)
    assert difference(a, b[:, ::-1]).standard_error > 2 * difference(a, b).standard_error


def test_a_bootstrap_over_examples_and_many_seeds_agrees():
    a, b = real(40, seed_sd=0.2), real(40, seed_sd=0.2)
    found = difference(a, b)
    rng = np.random.default_rng(3)
    drawn = []
    for _ in range(3_000):
        at = rng.integers(N, size=N)
        drawn.append(a[rng.integers(40, size=40)].mean(0)[at].mean() - b[rng.integers(40, size=40)].mean(0)[at].mean())
    assert found.standard_error == pytest.approx(np.std(drawn), rel=0.06)


def test_pooled_variance_takes_the_place_of_the_sides_own():
    a, b = real(3), real(3)
    family = PooledSeeds(4e-4, 6e-4, 20, 10, True, 0.5)
    found = difference(a, b, pooled=family)
    examples = (a.mean(0) - b.mean(0)).var(ddof=1) / N
    variance = examples + 2 * 4e-4 / 3
    half = (stats.t.isf(0.025, N - 1) ** 2 * examples + stats.t.isf(0.025, 20) ** 2 * 2 * 4e-4 / 3) ** 0.5
    assert found.standard_error == pytest.approx(variance**0.5)
    assert found.high - found.low == pytest.approx(2 * half)
    assert found.pooled
    assert "pooled over 10 sides" in found.method


def test_variance_that_is_not_homogeneous_is_not_used():
    a, b = real(3), real(3)
    found = difference(a, b, pooled=PooledSeeds(4e-4, 6e-4, 20, 10, False, 1e-4))
    assert found == difference(a, b)
    assert not found.pooled


def test_sides_that_stand_out_in_their_family_are_judged_by_themselves():
    wild = [SideScores(real(4, seed_sd=0.5), weight) for weight in (1.0, -1.0)]
    calm = [SideScores(real(4, seed_sd=0.05), weight) for weight in (1.0, -1.0, 1.0, -1.0)]
    family = pool([seed_variance([*wild, *calm])])
    family = replace(family, homogeneous=True)  # as it would be with fewer seeds
    assert not crossed([Group(tuple(wild))], pooled=family).pooled
    assert crossed([Group(tuple(calm[:2]))], pooled=family).pooled


def test_a_family_of_its_own_pools_to_equal_variances():
    sides = [SideScores(real(4), weight) for weight in (1.0, -1.0)]
    family = pool([seed_variance(sides)])
    found = crossed([Group(tuple(sides))], pooled=family)
    shares = [terms(side.scores)[0] for side in sides]
    assert family.mean_square == pytest.approx(np.mean(shares))
    assert found.se_seeds == pytest.approx(np.sqrt(2 * np.mean(shares) / 4))


def test_one_run_of_each_side_is_the_exact_test_of_today():
    a, b = RNG.random((1, 500)) < 0.9, RNG.random((1, 500)) < 0.8
    found = difference(a, b)
    cells = [int((x & y).sum()) for x, y in ((a, b), (a, ~b), (~a, b), (~a, ~b))]
    expected = paired_examples(*cells)
    for name in ("value", "low", "high", "p", "standard_error", "df"):
        assert getattr(found, name) == getattr(expected, name)
    assert found.p_greater == pytest.approx(
        stats.binomtest(cells[1], cells[1] + cells[2], alternative="greater").pvalue
    )
    assert found.p_less == pytest.approx(stats.binomtest(cells[1], cells[1] + cells[2], alternative="less").pvalue)
    assert found.conditional
    assert found.se_seeds is None
    assert "conditional on one run" in found.method


def test_predictions_in_which_nothing_is_random_are_not_conditional():
    a, b = RNG.random((1, 500)) < 0.9, RNG.random((1, 500)) < 0.8
    found = crossed([Group((SideScores(a, 1.0, True), SideScores(b, -1.0, True)))])
    assert (found.conditional, found.se_seeds) == (False, 0.0)
    assert found.low == difference(a, b).low


def test_one_run_of_real_scores_is_the_paired_t_over_examples():
    a, b = real(1), real(1)
    expected = stats.ttest_rel(a[0], b[0])
    found = difference(a, b)
    assert found.p == pytest.approx(expected.pvalue)
    assert (found.low, found.high) == pytest.approx(expected.confidence_interval())


def test_a_deterministic_side_adds_no_seed_variance():
    a, b = real(5, seed_sd=0.3), real(1)
    found = crossed([Group((SideScores(a, 1.0), SideScores(b, -1.0, deterministic=True)))])
    assert found.se_seeds == pytest.approx((terms(a)[0] / 5) ** 0.5)
    assert not found.conditional
    assert difference(a, b).conditional
    assert not difference(a, b, pooled=PooledSeeds(0.09, 0.1, 20, 6, True, 0.5)).conditional


def test_against_a_figure():
    a = RNG.random((5, 400)) < 0.8
    found = crossed([Group((SideScores(a),), target=0.75)])
    assert found.value == pytest.approx(a.mean() - 0.75)
    one = crossed([Group((SideScores(a[:1]),), target=0.75)])
    assert one.standard_error == pytest.approx(binomial_variance(a[0].mean(), 400) ** 0.5)
    assert one.low >= -0.75


def test_seeds_that_agree_by_chance_do_not_make_the_interval_narrow():
    scores = [real(3, seed_sd=0.0) for _ in range(2)]
    scores = [table - table.mean(1, keepdims=True) for table in scores]
    found = difference(*scores)
    assert found.se_seeds == pytest.approx(0, abs=1e-12)
    assert found.standard_error == pytest.approx(found.se_examples)
    assert found.low == pytest.approx(-stats.t.isf(0.025, N - 1) * found.se_examples)


def test_an_interaction_is_the_difference_of_differences():
    tables = [real(5) for _ in range(4)]
    weights = (1.0, -1.0, -1.0, 1.0)
    found = crossed([Group(tuple(map(SideScores, tables, weights)))])
    expected = sum(w * t.mean() for w, t in zip(weights, tables, strict=True))
    assert found.value == pytest.approx(expected)
    seeds = sum(terms(t)[0] / 5 for t in tables)
    assert found.se_seeds == pytest.approx(seeds**0.5)


def test_an_average_over_datasets_adds_independent_variances():
    pairs = [(real(5, 0.1), real(5)) for _ in range(3)]
    groups = [Group((SideScores(a, 1 / 3), SideScores(b, -1 / 3))) for a, b in pairs]
    found = crossed(groups)
    each = [difference(a, b) for a, b in pairs]
    assert found.value == pytest.approx(np.mean([e.value for e in each]))
    assert found.se_examples == pytest.approx(np.sqrt(sum(e.se_examples**2 for e in each)) / 3)
    assert found.se_seeds == pytest.approx(np.sqrt(sum(e.se_seeds**2 for e in each)) / 3)


@pytest.mark.parametrize("k", [1, 3])
@pytest.mark.parametrize("right", [True, False])
def test_sides_that_agree_on_everything_have_a_finite_interval(k, right):
    found = difference(np.full((k, 200), right), np.full((k, 200), right))
    assert found.value == 0
    assert -0.02 < found.low < -0.003
    assert found.high == pytest.approx(-found.low)
    assert found.p == 1


def test_accuracy_one_against_a_figure_claims_no_certainty():
    found = crossed([Group((SideScores(np.ones((4, 200))),), target=0.5)])
    assert found.value == found.high == 0.5
    assert 0.48 < found.low < 0.497


def test_scores_and_intervals_have_bounds():
    a, b = np.ones((3, 4), bool), np.zeros((3, 4), bool)
    found = difference(a, b)
    assert found.value == found.high == 1
    assert found.low < 1


def test_scale_does_not_matter():
    a, b = real(5, 0.1), real(5)
    one, other = difference(a, b), difference(1e-9 * a, 1e-9 * b)
    assert other.p == pytest.approx(one.p)
    assert other.low == pytest.approx(1e-9 * one.low)


@pytest.mark.parametrize(
    "groups, word",
    [
        (lambda: [], "test set"),
        (lambda: [Group(())], "same examples"),
        (lambda: [Group((SideScores(np.ones((1, 3))), SideScores(np.ones((1, 4)))))], "3, 4"),
        (lambda: [Group((SideScores(np.full((2, 3), 0.5)), SideScores(np.full((2, 3), 0.7), -1.0)))], "no spread"),
        (lambda: [Group((SideScores(np.full((1, 3), 0.5)), SideScores(np.full((1, 3), 0.7), -1.0)))], "no spread"),
        (lambda: [Group((SideScores(np.full((2, 1), 0.5)), SideScores(np.full((2, 1), 0.7), -1.0)))], "one example"),
    ],
)
def test_no_spread_is_undefined(groups, word):
    with pytest.raises(Undefined, match=word):
        crossed(groups())


def test_equivalence_takes_a_crossed_estimate():
    found = difference(real(5), real(5))
    assert equivalence(found, margin=10 * found.standard_error).inside


def test_three_hundred_and_fifty_questions_take_seconds():
    tables = [RNG.random((5, 10_000)) < 0.98 for _ in range(10)]
    started = time.perf_counter()
    for question in range(350):
        difference(tables[question % 10], tables[(question + 1) % 10])
    assert time.perf_counter() - started < 10
