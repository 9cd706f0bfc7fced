"""Random effects against statsmodels and closed forms; what they cover, by simulation."""

import math

import numpy as np
import pytest
from scipy import optimize, stats
from statsmodels.stats.meta_analysis import combine_effects

from harness.stats.intervals import Undefined, equivalence
from harness.stats.synthesis import Effect, between_variance, sum_of, synthesise

# Thirteen trials of BCG vaccination (Colditz et al. 1994, JAMA 271): tuberculosis and none, vaccinated and not.
BCG = np.array(
    [
        (4, 119, 11, 128),
        (6, 300, 29, 274),
        (3, 228, 11, 209),
        (62, 13536, 248, 12619),
        (33, 5036, 47, 5761),
        (180, 1361, 372, 1079),
        (8, 2537, 10, 619),
        (505, 87886, 499, 87892),
        (29, 7470, 45, 7232),
        (17, 1699, 65, 1600),
        (186, 50448, 141, 27197),
        (5, 2493, 3, 2338),
        (27, 16886, 29, 17825),
    ],
    dtype=float,
)
A, B, C, D = BCG.T
LOG_RISK_RATIO = np.log(A / (A + B)) - np.log(C / (C + D))
ITS_VARIANCE = 1 / A - 1 / (A + B) + 1 / C - 1 / (C + D)

CASES = {
    "bcg": (LOG_RISK_RATIO, ITS_VARIANCE),
    "three": (np.array([0.012, -0.004, 0.021]), np.array([4e-6, 9e-6, 2.5e-5])),
    "two": (np.array([0.0096, -0.0081]), np.array([5.2e-6, 5.4e-6])),
    "alike": (np.array([0.0101, 0.0100, 0.0102, 0.0099]), np.array([4e-6, 5e-6, 6e-6, 7e-6])),
}


def together(values, variances, level=0.95, clusters=None):
    effects = [Effect(float(value), float(variance)) for value, variance in zip(values, variances, strict=True)]
    return synthesise(effects, clusters or [str(i) for i in range(len(effects))], level)


@pytest.mark.parametrize("name", CASES)
@pytest.mark.parametrize("level", [0.9, 0.95, 0.995])
def test_random_effects_agree_with_statsmodels(name, level):
    values, variances = CASES[name]
    found = together(values, variances, level)
    expected = combine_effects(
        values, variances, method_re="iterated", use_t=True, alpha=1 - level, atol=1e-14, maxiter=1_000
    )
    assert found.tau**2 == pytest.approx(expected.tau2, abs=1e-9)
    assert (found.value, found.q, found.i2) == pytest.approx(
        (expected.mean_effect_re, expected.q, max(0, expected.i2)), abs=1e-9
    )
    # statsmodels has no safeguard: its Hartung-Knapp error shrinks where publications agree by chance.
    error = max(expected.sd_eff_w_re_hksj, 1 / math.sqrt(np.sum(1 / (variances + expected.tau2))))
    assert found.standard_error == pytest.approx(error, abs=1e-9)
    ends = stats.t.interval(level, len(values) - 1, expected.mean_effect_re, error)
    assert (found.low, found.high) == pytest.approx(ends, abs=1e-9)
    assert found.weights == pytest.approx(expected.weights_rel_re, abs=1e-9)


def test_published_results_of_the_bcg_trials_come_out():
    # metafor's documentation of rma (Viechtbauer 2010, Journal of Statistical Software 36) analyses these trials:
    # Q = 152.2330 on 12 degrees of freedom.
    found = together(LOG_RISK_RATIO, ITS_VARIANCE)
    assert found.q == pytest.approx(152.2330, abs=5e-5)
    assert found.publications == 13


@pytest.mark.parametrize("name", CASES)
def test_tau_solves_paule_and_mandels_equation(name):
    values, variances = CASES[name]

    def excess(tau2):
        mean = np.average(values, weights=1 / (variances + tau2))
        return np.sum((values - mean) ** 2 / (variances + tau2)) - (len(values) - 1)

    expected = optimize.brentq(excess, 0, 10, xtol=1e-16, rtol=1e-14) if excess(0) > 0 else 0.0
    assert between_variance(values, variances) == pytest.approx(expected, rel=1e-9, abs=1e-15)


def test_two_publications_of_equal_variance_have_a_closed_form():
    found = together([0.03, 0.01], [1e-5, 1e-5])
    # Their difference of 0.02 has variance 2 (tau^2 + v).
    assert found.tau**2 == pytest.approx(0.02**2 / 2 - 1e-5)
    assert found.standard_error == pytest.approx(0.01)
    assert (found.low, found.high) == pytest.approx(stats.cauchy.interval(0.95, 0.02, 0.01))
    assert (found.df, found.prediction) == (1, None)
    assert found.method.endswith("t with 1 degree of freedom: two publications say little of how they differ")


def test_publications_that_agree_are_no_surer_than_their_variances():
    found = together([0.01, 0.01, 0.01], [3e-6, 3e-6, 3e-6])
    assert (found.tau, found.i2, found.q) == pytest.approx((0, 0, 0))
    assert found.standard_error == pytest.approx(1e-3)
    assert found.high - 0.01 == pytest.approx(stats.t.ppf(0.975, 2) * 1e-3)


def test_the_prediction_interval_holds_tau():
    values, variances = CASES["bcg"]
    found = together(values, variances)
    half = stats.t.ppf(0.975, 11) * math.hypot(found.tau, found.standard_error)
    assert (found.prediction.low, found.prediction.high) == pytest.approx((found.value - half, found.value + half))
    assert found.prediction.low < found.low


def test_a_cluster_counts_once_with_the_variance_of_one_member():
    alone = together([0.01, 0.03], [4e-6, 5e-6])
    found = together([0.009, 0.01, 0.011, 0.03], [4e-6, 4e-6, 4e-6, 5e-6], clusters=["a", "a", "a", "b"])
    assert found.publications == 2
    assert (found.value, found.low, found.high, found.p) == pytest.approx((alone.value, alone.low, alone.high, alone.p))
    assert found.weights == pytest.approx([alone.weights[0] / 3] * 3 + [alone.weights[1]])


def test_a_cluster_of_unequal_members_is_as_unsure_as_full_correlation_makes_it():
    found = together([0.02, 0.02], [1e-6, 9e-6], clusters=["a", "a"])
    assert found.standard_error == pytest.approx(2e-3)  # sd of the mean of two fully correlated: (1 + 3) / 2


def test_one_publication_is_its_own_estimate():
    found = together([0.0022], [4e-6], level=0.9)
    assert (found.low, found.high) == pytest.approx(stats.norm.interval(0.9, 0.0022, 2e-3))
    assert found.p == pytest.approx(2 * stats.norm.sf(1.1))
    assert found.p_greater == pytest.approx(stats.norm.sf(1.1))
    assert found.p_less == pytest.approx(stats.norm.cdf(1.1))
    assert (found.tau, found.prediction, found.publications, found.weights) == (0, None, 1, (1.0,))
    assert found.method == "one report, normal approximation"


def test_one_publication_of_few_seeds_has_welch_degrees_of_freedom():
    # ViT paper, table 2, VTAB-1k on JFT-300M: 76.28 +- 0.46 and 76.29 +- 1.70 over three runs.
    variance, df = sum_of([(0.0046**2 / 3, 2), (0.0170**2 / 3, 2)])
    given = stats.ttest_ind_from_stats(0.7628, 0.0046, 3, 0.7629, 0.0170, 3, equal_var=False)
    found = synthesise([Effect(-0.0001, variance, df)], ["a"], level=1 - 0.05 / 7)
    assert found.value / found.standard_error == pytest.approx(given.statistic)
    assert found.p == pytest.approx(given.pvalue)
    assert df == pytest.approx(2.2913, abs=5e-5)
    # The normal quantile would give 2.74 points at this level.
    assert 100 * (found.high - found.value) == pytest.approx(9.5, abs=0.05)
    assert stats.norm.ppf(1 - 0.025 / 7) * 100 * found.standard_error == pytest.approx(2.74, abs=0.01)


def test_known_variances_add_no_uncertainty_of_their_own():
    assert sum_of([(2e-6, None), (3e-6, None)]) == (pytest.approx(5e-6), None)
    variance, df = sum_of([(2e-6, None), (3e-6, 2)])
    assert (variance, df) == pytest.approx((5e-6, 25 / 9 * 2))


def test_p_values_belong_to_the_interval():
    for level in (0.8, 0.95, 0.99):
        found = together(*CASES["three"], level=level)
        assert (found.low > 0 or found.high < 0) == (found.p < 1 - level)
        assert found.p_greater + found.p_less == pytest.approx(1)
        assert found.p == pytest.approx(2 * min(found.p_greater, found.p_less))


def test_a_synthesis_can_be_tested_for_equivalence():
    found = together(*CASES["alike"])
    tested = equivalence(found.estimate, margin=0.02)
    expected = stats.t.sf((0.02 - found.value) / found.standard_error, 3)
    assert tested.p == pytest.approx(expected)
    assert tested.inside == (expected < 0.05)


@pytest.mark.parametrize("variance", [None, 0.0, -1.0, math.inf, math.nan])
def test_an_effect_without_a_variance_is_refused(variance):
    with pytest.raises(Undefined, match="no uncertainty is known"):
        synthesise([Effect(0.1, 1e-6), Effect(0.1, variance)], ["a", "b"])


def test_rows_need_clusters():
    with pytest.raises(Undefined, match="as many clusters as effects"):
        synthesise([Effect(0.1, 1e-6)], [])
    with pytest.raises(Undefined, match="as many clusters as effects"):
        synthesise([], [])


@pytest.mark.parametrize("k", [2, 3, 5])
@pytest.mark.parametrize("tau", [0.0, 0.004])
def test_intervals_hold_the_mean_effect_as_often_as_they_say(k, tau):
    rng = np.random.default_rng(20_260_101)
    variances = np.linspace(4e-6, 8e-6, k)
    runs = 1500
    effects = rng.normal(0.01, np.sqrt(tau**2 + variances), size=(runs, k))
    found = [together(values, variances) for values in effects]
    covered = sum(each.low <= 0.01 <= each.high for each in found) / runs
    # Three standard errors of a share of 95 % over 1500 runs are 1.7 points; the safeguard adds coverage at tau 0.
    assert covered > 0.95 - 0.017
    if tau and k == 5:
        assert covered < 0.95 + 0.03
    if k >= 3:
        fresh = rng.normal(0.01, tau, size=runs)
        held = sum(e.prediction.low <= x <= e.prediction.high for e, x in zip(found, fresh, strict=True)) / runs
        assert held > 0.95 - 0.03
