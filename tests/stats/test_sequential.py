"""Boundaries against published ones and simulated paths; conditional power against simulation."""

import numpy as np
import pytest
from scipy import stats

from harness.stats.estimate import Undefined
from harness.stats.sequential import LOOKS, boundaries, conditional_power, could_be_decided, crossing, spent


def test_four_equal_looks_have_the_published_bounds():
    # Lan and DeMets' O'Brien-Fleming-like bounds, two-sided 5 %, as in R's ldbounds and Jennison and Turnbull (2000).
    z = stats.norm.isf(np.array(boundaries((1, 2, 3, 4))) / 2)
    assert z == pytest.approx([4.333, 2.963, 2.359, 2.014], abs=5e-4)


def test_one_look_spends_everything():
    assert boundaries((5,), 0.05) == pytest.approx((0.05,))
    assert spent(1.0, 0.05) == pytest.approx(0.05)


def test_simulated_paths_cross_as_often_as_alpha():
    rng = np.random.default_rng(7)
    runs = rng.normal(size=(100_000, LOOKS[-1])).cumsum(axis=1)
    for drift, low, high in ((0.0, 0.048, 0.052), (0.8, 0.70, 0.85)):
        z = np.stack([(runs[:, look - 1] + drift * look) / look**0.5 for look in LOOKS], axis=1)
        bounds = stats.norm.isf(np.array(boundaries()) / 2)
        share = (abs(z) > bounds).any(axis=1).mean()
        exact = crossing(bounds, [look / LOOKS[-1] for look in LOOKS], drift * LOOKS[-1] ** 0.5)
        assert low < share < high
        assert share == pytest.approx(exact, abs=0.004)


def test_looking_without_bounds_errs_three_times_as_often():
    found = crossing([stats.norm.isf(0.025)] * 4, [look / LOOKS[-1] for look in LOOKS])
    assert found > 0.11


def test_examples_that_stay_the_same_only_make_errors_rarer():
    rng = np.random.default_rng(8)
    runs = rng.normal(size=(100_000, LOOKS[-1])).cumsum(axis=1)
    examples = rng.normal(size=100_000)
    z = np.stack([(runs[:, look - 1] / look + examples * 0.4) / (1 / look + 0.16) ** 0.5 for look in LOOKS], axis=1)
    share = (abs(z) > stats.norm.isf(np.array(boundaries()) / 2)).any(axis=1).mean()
    assert 0.03 < share < 0.0505


def test_conditional_power_is_the_share_that_is_decided_in_the_end():
    rng = np.random.default_rng(9)
    value, error, last, alpha = 0.004, 0.003, 0.0018, 0.046
    # With information 1 / error^2 the later estimate is a weighted mean of this one and what comes.
    weight = (last / error) ** 2
    rest = rng.normal(value, (1 / (1 / last**2 - 1 / error**2)) ** 0.5, 200_000)
    decided = abs((weight * value + (1 - weight) * rest) / last) > stats.norm.isf(alpha / 2)
    assert conditional_power(value, error, last, alpha) == pytest.approx(decided.mean(), abs=0.005)


def test_what_can_not_be_decided_is_told():
    assert could_be_decided(0.004, 0.003, 0.0018, 0.046)
    assert not could_be_decided(0.0004, 0.003, 0.0018, 0.046)
    assert not could_be_decided(0.003, 0.002, 0.002, 0.046)
    assert could_be_decided(0.005, 0.002, 0.002, 0.046)


@pytest.mark.parametrize(
    "call",
    [
        lambda: boundaries(()),
        lambda: boundaries((0, 3)),
        lambda: boundaries((3, 3)),
        lambda: boundaries((3, 5), alpha=1.5),
        lambda: spent(0.0),
        lambda: conditional_power(0.1, 0.0, 0.1, 0.05),
    ],
)
def test_what_does_not_exist_raises(call):
    with pytest.raises(Undefined):
        call()
