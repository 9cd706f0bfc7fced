"""Two sources of error against each alone, against scipy, and against a simulated mean of two samples."""

import math

import numpy as np
import pytest
from scipy import stats

from harness.stats.sources import TwoSources


def test_one_source_alone_is_students_t():
    examples, seeds = TwoSources(4e-6, 17.0), TwoSources(0.0, None, 4e-6, 3.0)
    for level in (0.9, 0.99):
        assert examples.half(level) == pytest.approx(stats.t.isf((1 - level) / 2, 17) * 0.002)
        assert seeds.half(level) == pytest.approx(stats.t.isf((1 - level) / 2, 3) * 0.002)
        assert seeds.df(level) == pytest.approx(3)
    assert examples.p(0.005) == pytest.approx(2 * stats.t.sf(2.5, 17))
    assert seeds.p(-0.005) == pytest.approx(2 * stats.t.sf(2.5, 3))
    assert TwoSources(4e-6, None).p(0.005) == pytest.approx(2 * stats.norm.sf(2.5))
    assert TwoSources(4e-6, None).df(0.95) is None


def test_half_widths_add_up_as_squares():
    found = TwoSources(4e-6, 17.0, 9e-6, 3.0, 1e-6)
    careful = TwoSources(4e-6, 17.0, 9e-6, 3.0, 1e-6, careful=True)
    t_examples, t_seeds = stats.t.isf(0.025, 17), stats.t.isf(0.025, 3)
    assert found.half(0.95) == pytest.approx(math.hypot(t_examples * 0.002, t_seeds * math.sqrt(8e-6)))
    assert careful.half(0.95) ** 2 == pytest.approx(t_examples**2 * 3e-6 + t_seeds**2 * 9e-6)
    assert found.standard_error == careful.standard_error == pytest.approx(math.sqrt(12e-6))


@pytest.mark.parametrize("level", [0.5, 0.95, 0.9958, 1 - 1e-9])
def test_p_and_df_belong_to_the_interval(level):
    found = TwoSources(4e-6, 17.0, 9e-6, 3.3, 1e-6, careful=True)
    half = found.half(level)
    assert found.p(half) == pytest.approx(1 - level, rel=1e-6)
    assert stats.t.isf((1 - level) / 2, found.df(level)) * found.standard_error == pytest.approx(half)


def test_the_sum_of_two_means_is_covered():
    rng = np.random.default_rng(6)
    for df, ratio in ((2, 0.3), (2, 1.0), (2, 3.0), (7, 1.0)):
        value = rng.normal(0, math.sqrt(1 + ratio), 20_000)
        spread = ratio * rng.chisquare(df, 20_000) / df
        for level, worst in ((0.95, 1.1), (0.9958, 1.25)):
            half = np.sqrt(stats.norm.isf((1 - level) / 2) ** 2 + stats.t.isf((1 - level) / 2, df) ** 2 * spread)
            assert half[0] == pytest.approx(TwoSources(1.0, None, spread[0], df).half(level))
            assert np.mean(abs(value) > half) < worst * (1 - level)


def test_certainty_far_out_and_none_at_zero():
    found = TwoSources(1e-6, None, 1e-6, 30.0)
    assert found.p(0.0) == 1.0
    assert found.p(1.0) < 1e-20
