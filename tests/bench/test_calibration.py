"""What is calibrated is what judges: the fast copy agrees with crossed() on tables of scores."""

import numpy as np
import pytest

from bench.calibration import Cell, binary_draws, figure_draws, half_widths, homogeneity, normal_draws
from harness.stats.crossed import Group, crossed
from harness.stats.seeds import SideScores, pool, seed_variance


@pytest.mark.parametrize("seeds", [3, 4, 6])
@pytest.mark.parametrize("seed_sd", [0.0, 0.01])
@pytest.mark.parametrize("level", [0.95, 0.9958])
def test_the_fast_copy_is_crossed(seeds, seed_sd, level):
    tables = []
    cell = Cell(797, seeds, 0.1, seed_sd, effect=0.01)
    draws = binary_draws(cell, np.random.default_rng(seeds), 4, keep=tables)
    alone, pooled = (half_widths(draws, level, analysis) for analysis in ("alone", "pooled"))
    for family in range(4):
        groups = [Group((SideScores(a), SideScores(b, -1.0))) for a, b in tables[3 * family : 3 * family + 3]]
        together = pool([seed_variance(group.sides) for group in groups])
        assert homogeneity(draws)[family] == pytest.approx(together.p_homogeneity)
        for number, group in enumerate(groups):
            for halves, given in ((alone, None), (pooled, together)):
                expected = crossed([group], level, given)
                assert draws.value[family, number] == pytest.approx(expected.value)
                assert halves[family, number] == pytest.approx(
                    (expected.high - expected.low) / 2, rel=1e-3
                )  # quantiles are interpolated


def test_both_simulators_have_the_moments_that_were_asked_for():
    cell = Cell(3_669, 5, 0.1, 0.005, effect=0.01)
    for simulate, families in ((binary_draws, 1_500), (normal_draws, 4_000)):
        draws = simulate(cell, np.random.default_rng(1), families)
        variance = 2 * (0.005**2 + cell.noise) / 5 + (cell.discordance - cell.within) / cell.n
        assert draws.value.mean() == pytest.approx(0.01, abs=5 * (variance / draws.value.size) ** 0.5)
        assert draws.value.var() == pytest.approx(variance, rel=0.07)
        assert draws.mean_square.mean() == pytest.approx(0.005**2 + cell.noise, rel=0.04)
        assert draws.noise.mean() == pytest.approx(cell.noise, rel=0.03)
        assert draws.examples.mean() == pytest.approx((0.1 - 0.8 * 0.06) / 3_669, rel=0.03)


def test_shared_effects_cancel():
    draws = normal_draws(Cell(3_669, 5, 0.02, 0.01, shared=True), np.random.default_rng(2), 2_000)
    assert draws.value.std() < 0.003
    assert draws.mean_square.mean() == pytest.approx(1e-4, rel=0.1)


@pytest.mark.parametrize("seeds", [3, 6])
def test_a_side_against_its_true_accuracy_has_the_variance_asked_for(seeds):
    draws = figure_draws(Cell(797, seeds, 0.04, 0.003), np.random.default_rng(3), 3_000, accuracy=0.9)
    wrong = 0.1 - 0.024
    each = 0.048 * 0.5**2 + (1 - wrong - 0.048) - 0.9**2  # variance of an example's expected score: 1/2, 1 or 0
    variance = 0.003**2 / seeds + 0.012 / 797 / seeds + each / 797
    assert draws.value.mean() == pytest.approx(0, abs=0.0005)
    assert draws.value.var() == pytest.approx(variance, rel=0.07)
