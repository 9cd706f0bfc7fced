"""How much seeds differ: pooled by hand, and what it does to an effect of single runs."""

import numpy as np
import pytest

from harness.core.hypotheses import Contender
from harness.evidence.published import rows, seed_spread
from harness.stats.synthesis import synthesise

K21, JFT = "ImageNet-21k", "JFT-300M"


def test_the_spread_is_pooled_by_degrees_of_freedom():
    # Three standard deviations over three runs each, and two runs that are published one by one.
    variances = [0.05**2, 0.1**2, 0.1**2, np.var([92.3, 92.7], ddof=1)]
    found = seed_spread("cifar100")
    assert (found.df, found.configurations) == (7, 4)
    assert 1e4 * found.variance == pytest.approx(np.average(variances, weights=[2, 2, 2, 1]))
    assert found.sd**2 == pytest.approx(found.variance)


def test_a_range_of_five_runs_counts_as_the_deviation_that_gives_it():
    # 2.326 is the mean range of five normal values with standard deviation 1.
    variances = [0.2**2, 0.1**2, 0.05**2, (0.4 / 2.326) ** 2]
    found = seed_spread("pets")
    assert (found.df, found.configurations) == (10, 4)
    assert 1e4 * found.variance == pytest.approx(np.average(variances, weights=[2, 2, 2, 4]), rel=1e-3)


def test_no_spread_is_none():
    assert seed_spread("flowers102") is None  # single runs alone
    assert seed_spread("nothing") is None


def test_the_mean_over_tasks_has_the_spread_of_its_own_metric():
    assert 1e4 * seed_spread("vtab1k").variance == pytest.approx((0.5**2 + 1.0**2) / 2)


def test_single_runs_vary_by_the_spread():
    spread = seed_spread("imagenet")
    for row in rows([Contender("R50+ViT-B/16", K21), Contender("ViT-B/16", K21)], "imagenet"):
        alone, together = row.effect((1, -1)), row.effect((1, -1), spread=spread)
        assert together.variance - alone.variance == pytest.approx(2 * spread.variance)
        assert together.df == pytest.approx(together.variance**2 / ((2 * spread.variance) ** 2 / spread.df))


def test_weights_that_were_only_evaluated_have_no_seeds():
    for row in rows([Contender("ViT-L/16", K21), Contender("BiT-R152x4", K21)], "imagenet"):
        assert row.effect((1, -1), spread=seed_spread("imagenet")) == row.effect((1, -1))


def test_a_published_spread_of_its_own_is_kept():
    [row] = rows([Contender("ViT-L/16", JFT), Contender("BiT-R152x4", JFT)], "pets")
    assert row.effect((1, -1), spread=seed_spread("pets")) == row.effect((1, -1))


def test_one_report_of_single_runs_is_less_sure_with_the_spread():
    [row] = rows([Contender("ViT-L/16", K21), Contender("BiT-R152x4", K21)], "pets")
    alone = synthesise([row.effect((1, -1))], [row.cluster])
    wider = synthesise([row.effect((1, -1), spread=seed_spread("pets"))], [row.cluster])
    assert alone.df is None
    assert wider.df > 10
    assert wider.high - wider.low > alone.high - alone.low
