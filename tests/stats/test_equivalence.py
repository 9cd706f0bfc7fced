"""Two one-sided tests against statsmodels."""

import numpy as np
import pytest
from scipy import stats
from statsmodels.stats import weightstats

from harness.stats.equivalence import equivalence
from harness.stats.estimate import Estimate, Undefined
from harness.stats.intervals import paired_t

DIFFERENCES = [0.012, -0.004, 0.021, 0.008, 0.015, 0.002, 0.011, 0.007]


@pytest.mark.parametrize("margin", [0.004, 0.012, 0.02])
@pytest.mark.parametrize("target", [0.0, 0.01])
def test_equivalence_agrees_with_statsmodels_tost(margin, target):
    estimate = paired_t(DIFFERENCES)
    found = equivalence(estimate, margin, alpha=0.05, target=target)
    descr = weightstats.DescrStatsW(np.array(DIFFERENCES))
    p, *_ = descr.ttost_mean(target - margin, target + margin)
    assert found.p == pytest.approx(p)
    assert found.inside == (p < 0.05)
    assert (found.interval.low, found.interval.high) == pytest.approx(descr.tconfint_mean(alpha=0.1))


@pytest.mark.parametrize(
    "value, inside, outside",
    [(0.0, True, False), (0.004, False, False), (0.006, False, False), (0.009, False, True), (-0.009, False, True)],
)
def test_equivalence_by_normal_approximation(value, inside, outside):
    # Standard error 0.002: the 90 % interval is value +- 0.00329.
    estimate = Estimate(value, value - 0.00392, value + 0.00392, None, 0.002, None, 0.95, "")
    found = equivalence(estimate, 0.005, alpha=0.05)
    assert (found.inside, found.outside) == (inside, outside)
    assert found.interval.high - found.interval.low == pytest.approx(2 * stats.norm.isf(0.05) * 0.002)


@pytest.mark.parametrize("margin, alpha", [(0.0, 0.05), (-0.1, 0.05), (0.1, 0.5), (0.1, 0.0)])
def test_no_margin_or_no_level_is_undefined(margin, alpha):
    with pytest.raises(Undefined):
        equivalence(paired_t(DIFFERENCES), margin, alpha)
