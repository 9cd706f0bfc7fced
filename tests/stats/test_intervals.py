"""Statistics against scipy.stats, statsmodels, closed forms and exact enumeration."""

import math
from dataclasses import dataclass

import numpy as np
import pytest
from scipy import integrate, stats
from statsmodels.stats import contingency_tables, proportion, weightstats

from harness.stats import intervals as st
from harness.stats.estimate import Undefined

DIFFERENCES = [0.012, -0.004, 0.021, 0.008, 0.015, 0.002, 0.011, 0.007]


@dataclass(frozen=True)
class Accuracy:
    value: float
    variance: float | None


@pytest.mark.parametrize("correct, n", [(0, 10), (10, 10), (1, 2), (9905, 10_000), (3421, 3669)])
@pytest.mark.parametrize("level", [0.8, 0.95, 0.99])
def test_wilson_agrees_with_statsmodels(correct, n, level):
    expected = proportion.proportion_confint(correct, n, alpha=1 - level, method="wilson")
    found = st.wilson(correct, n, level)
    assert (found.low, found.high) == pytest.approx(expected, abs=1e-12)


def test_wilson_ends_are_exact_at_the_extremes():
    assert st.wilson(0, 7).low == 0
    assert st.wilson(7, 7).high == 1


@pytest.mark.parametrize("only_a, only_b", [(0, 0), (3, 3), (0, 5), (12, 4), (4, 12), (130, 171), (9_000, 9_400)])
def test_mcnemar_agrees_with_binomial_test_and_statsmodels(only_a, only_b):
    found = st.mcnemar(only_a, only_b)
    table = [[50, only_a], [only_b, 7]]
    if only_a + only_b:
        assert found == pytest.approx(stats.binomtest(only_a, only_a + only_b, 0.5).pvalue, rel=1e-9)
        assert found == pytest.approx(contingency_tables.mcnemar(table, exact=True).pvalue, rel=1e-9)
    else:
        assert found == 1


def test_paired_examples_is_the_wald_interval_of_examples_plus_half_a_count_per_cell():
    both, only_a, only_b, neither = 70, 12, 5, 13
    found = st.paired_examples(both, only_a, only_b, neither, level=0.9)
    weights = np.array([both, only_a, only_b, neither]) + 0.5
    moments = weightstats.DescrStatsW(np.array([0, 1, -1, 0]), weights=weights, ddof=0)
    error = moments.std / math.sqrt(weights.sum())
    half = stats.norm.isf(0.05) * error
    assert found.value == pytest.approx((82 - 75) / 100)
    assert found.standard_error == pytest.approx(error)
    assert (found.low, found.high) == pytest.approx((moments.mean - half, moments.mean + half))
    assert found.p == pytest.approx(stats.binomtest(5, 17).pvalue)


def exact_coverage(interval, n, p_a, p_b):
    """Probability, by enumerating every outcome, that the interval holds the true difference."""
    covered = 0.0
    for only_a in range(n + 1):
        for only_b in range(n + 1 - only_a):
            low, high = interval(only_a, only_b, n - only_a - only_b)
            if low <= p_a - p_b <= high:
                outcome = [only_a, only_b, n - only_a - only_b]
                covered += stats.multinomial.pmf(outcome, n, [p_a, p_b, 1 - p_a - p_b])
    return covered


def adjusted(only_a, only_b, alike):
    found = st.paired_examples(alike, only_a, only_b, 0, 0.95)
    return found.low, found.high


def unadjusted(only_a, only_b, alike):
    n = only_a + only_b + alike
    gap = (only_a - only_b) / n
    half = stats.norm.isf(0.025) * math.sqrt(((only_a + only_b) / n - gap * gap) / n)
    return gap - half, gap + half


@pytest.mark.parametrize("p_a, p_b", [(0.02, 0.02), (0.05, 0.01), (0.15, 0.05), (0.2, 0.2), (0.4, 0.1)])
def test_paired_examples_covers_the_true_difference(p_a, p_b):
    assert 0.94 <= exact_coverage(adjusted, 40, p_a, p_b) <= 1


def test_the_half_counts_are_needed():
    assert exact_coverage(unadjusted, 40, 0.05, 0.01) < 0.87


def test_paired_t_agrees_with_scipy():
    a = np.array(DIFFERENCES) + 0.9
    expected = stats.ttest_rel(a, np.full(8, 0.9))
    found = st.paired_t(DIFFERENCES, 0.95)
    interval = expected.confidence_interval(0.95)
    assert (found.low, found.high, found.p) == pytest.approx((*interval, expected.pvalue))
    assert (found.df, found.standard_error) == pytest.approx((7, stats.sem(DIFFERENCES)))


def test_paired_t_covers_at_eight_seeds():
    rng = np.random.default_rng(0)
    samples = rng.normal(0.01, 0.02, size=(4_000, 8))
    found = [st.paired_t(list(sample)) for sample in samples]
    covered = np.mean([e.low <= 0.01 <= e.high for e in found])
    # Four binomial standard errors of 4,000 trials at 0.95 are 0.014.
    assert covered == pytest.approx(0.95, abs=0.014)


@pytest.mark.parametrize("function", [st.paired_t, st.mean_t])
@pytest.mark.parametrize("values", [[], [0.1], [0.1, 0.1, 0.1], [0.3 - 0.2, 0.2 - 0.1, 0.1]])
def test_no_spread_is_undefined(function, values):
    # The last case differs only by binary rounding, which must not count as a tiny spread.
    with pytest.raises(Undefined):
        function(values)


def test_mean_t_agrees_with_scipy_and_stays_an_accuracy():
    values = [0.91, 0.93, 0.925, 0.94]
    expected = stats.t.interval(0.9, 3, loc=np.mean(values), scale=stats.sem(values))
    found = st.mean_t(values, 0.9)
    assert (found.low, found.high) == pytest.approx(expected)
    assert found.p is None
    assert st.mean_t([0.96, 1.0]).high == 1
    with pytest.raises(Undefined, match="fractions"):
        st.mean_t([91.0, 93.0])


def test_unpaired_agrees_with_the_unpooled_z_interval():
    n_a, n_b, p_a, p_b = 3669, 10_000, 0.947, 0.9391
    a, b = (Accuracy(p, st.binomial_variance(p, n)) for p, n in ((p_a, n_a), (p_b, n_b)))
    found = st.unpaired(a, b, 0.95)
    expected = proportion.confint_proportions_2indep(p_a * n_a, n_a, p_b * n_b, n_b, method="wald", compare="diff")
    assert (found.low, found.high) == pytest.approx(expected)
    z = (p_a - p_b) / math.hypot(math.sqrt(a.variance), math.sqrt(b.variance))
    assert found.p == pytest.approx(2 * stats.norm.sf(z))


@pytest.mark.parametrize("variances", [(None, 0.1), (0.1, None), (0.0, 0.0)])
def test_unpaired_without_uncertainty_is_undefined(variances):
    with pytest.raises(Undefined):
        st.unpaired(Accuracy(0.9, variances[0]), Accuracy(0.8, variances[1]))


@pytest.mark.parametrize("p", [0.0, 1.0])
def test_binomial_variance_at_the_extremes_is_that_of_four_more_examples(p):
    n = 50
    successes = round(p * n) + 2
    assert st.binomial_variance(p, n) == pytest.approx(stats.binom.var(n + 4, successes / (n + 4)) / (n + 4) ** 2)
    assert st.binomial_variance(0.3, n) == pytest.approx(stats.binom.var(n, 0.3) / n**2)


@pytest.mark.parametrize("n", sorted(st.RANGE_TO_SD))
def test_range_constants_are_the_expected_range_of_normal_values(n):
    d2, _ = integrate.quad(lambda x: 1 - stats.norm.sf(x) ** n - stats.norm.cdf(x) ** n, -np.inf, np.inf)
    assert st.seed_sd_from_range(0.9, 0.9 + d2, n) == pytest.approx(1, abs=1e-5)


@pytest.mark.parametrize("n", sorted(st.MEDIAN_VARIANCE))
def test_median_constants_are_the_variance_of_the_median_of_normal_values(n):
    def density(x):
        # The median of n uniform values is Beta((n + 1) / 2, (n + 1) / 2).
        return stats.beta.pdf(stats.norm.cdf(x), (n + 1) / 2, (n + 1) / 2) * stats.norm.pdf(x)

    variance, _ = integrate.quad(lambda x: x * x * density(x), -10, 10)
    assert st.centre_variance(1, n, "median") == pytest.approx(variance, abs=1e-5)
    assert st.centre_variance(2, n, "mean") == pytest.approx(4 / n)


def test_median_variance_without_a_table_entry_is_an_upper_bound():
    medians = np.median(np.random.default_rng(1).normal(size=(40_000, 6)), axis=1)
    assert 1.05 * medians.var() < st.centre_variance(1, 6, "median") < 1.35 * medians.var()


@pytest.mark.parametrize(
    "call",
    [
        lambda: st.wilson(0, 0),
        lambda: st.wilson(5, 4),
        lambda: st.wilson(1, 4, level=95),
        lambda: st.mcnemar(-1, 2),
        lambda: st.paired_examples(0, 0, 0, 0),
        lambda: st.binomial_variance(93.2, 100),
        lambda: st.binomial_variance(0.5, 0),
        lambda: st.seed_sd_from_range(0.8, 0.9, 1),
        lambda: st.seed_sd_from_range(0.9, 0.8, 5),
        lambda: st.centre_variance(0.1, 1, "mean"),
    ],
)
def test_what_does_not_exist_raises(call):
    with pytest.raises(Undefined):
        call()
