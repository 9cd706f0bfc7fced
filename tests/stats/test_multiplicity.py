"""Holm against statsmodels; partial conjunctions against their definition by intersection tests."""

from itertools import combinations

import numpy as np
import pytest
from statsmodels.stats import multitest

from harness.stats.estimate import Undefined
from harness.stats.multiplicity import all_hold, at_least, holm, refutes

P_VALUES = [0.004, 0.3, 0.012, 0.04, 0.012]


@pytest.mark.parametrize("p_values", [[], [0.04], [0.01, 0.04, 0.03, 0.005], [0.5, 0.9, 0.02, 0.02, 1.0]])
def test_holm_agrees_with_statsmodels(p_values):
    expected = multitest.multipletests(p_values, method="holm")[1] if p_values else []
    assert holm(p_values) == pytest.approx(list(expected))


@pytest.mark.parametrize("k", range(1, 6))
def test_at_least_is_the_worst_intersection_test(k):
    # k hypotheses hold unless some m - k + 1 of them all fail: each such set is tested by Bonferroni's method.
    m = len(P_VALUES)
    worst = max(min(1, (m - k + 1) * min(chosen)) for chosen in combinations(P_VALUES, m - k + 1))
    assert at_least(k, P_VALUES) == pytest.approx(worst)


def test_all_needs_no_division():
    assert all_hold(P_VALUES) == at_least(5, P_VALUES) == 0.3
    assert all_hold([0.02]) == 0.02


def test_two_of_three_is_refuted_by_two_that_go_the_other_way():
    assert refutes(2, [0.001, 0.9, 0.02]) == pytest.approx(2 * 0.02)
    assert refutes(1, [0.001, 0.9, 0.02]) == 0.9
    assert refutes(3, [0.001, 0.9, 0.02]) == pytest.approx(3 * 0.001)


def test_errors_stay_below_alpha_where_one_too_few_hold():
    # Two of four hold for certain (p = 0), "at least three" is false: it may be claimed in 5 % of cases at most.
    p = np.random.default_rng(5).random((20_000, 2))
    claimed = [at_least(3, [0.0, 0.0, *pair]) < 0.05 for pair in p]
    assert 0.045 < np.mean(claimed) < 0.055


@pytest.mark.parametrize(
    "call",
    [
        lambda: holm([0.2, 1.2]),
        lambda: at_least(0, P_VALUES),
        lambda: at_least(6, P_VALUES),
        lambda: at_least(1, []),
        lambda: refutes(1, [-0.1]),
        lambda: all_hold([]),
    ],
)
def test_what_does_not_exist_raises(call):
    with pytest.raises(Undefined):
        call()
