"""How much seeds differ in the ViT paper's record: pooled by hand, and what it does to an effect of single runs."""

import math
from collections import defaultdict

import numpy as np
import pytest

from harness.core.hypotheses import Contender
from harness.evidence.published import load, rows, seed_spread
from harness.stats.synthesis import synthesise

K21, JFT = "ImageNet-21k", "JFT-300M"


@pytest.mark.parametrize(
    "dataset, low, high",
    [("cifar10", 0.02, 0.08), ("cifar100", 0.06, 0.2), ("pets", 0.1, 0.25), ("flowers102", 0.01, 0.1)],
)
def test_spreads_are_of_the_size_that_publications_give(dataset, low, high):
    assert low < 100 * seed_spread(dataset).sd < high


def test_the_spread_on_imagenet_is_pooled_by_degrees_of_freedom():
    variances, df = [], []
    repeated = defaultdict(list)
    for figure in load():
        if figure.dataset != "imagenet" or figure.metric != "top1":
            continue
        if figure.source in ("vit-readme-2021-05", "vit-readme-2020-10-29"):
            repeated[figure.source, figure.architecture].append(figure.value)
        elif figure.std is not None:
            variances.append(figure.std**2)
            df.append(figure.seeds - 1)
        elif figure.source == "big-vision":
            variances.append(((figure.range[1] - figure.range[0]) / 2.32593) ** 2)
            df.append(4)
    for values in repeated.values():
        variances.append(np.var(values, ddof=1))
        df.append(1)
    found = seed_spread("imagenet")
    assert (found.df, found.configurations) == (sum(df), len(df))
    assert 100 * found.sd == pytest.approx(math.sqrt(np.average(variances, weights=df)))


def test_no_spread_is_none():
    assert seed_spread("imagenet_real") is not None  # table 2 has some
    assert seed_spread("nothing") is None


def test_single_runs_vary_by_the_spread_and_evaluations_do_not():
    spread = seed_spread("imagenet")
    found = rows([Contender("R50+ViT-B/16", K21), Contender("ViT-B/16", K21)], "imagenet")
    for row in found:
        alone, together = row.effect((1, -1)), row.effect((1, -1), spread=spread)
        added = together.variance - alone.variance
        if row.source == "vit-readme":
            assert added == pytest.approx(2 * spread.variance)
            expected = together.variance**2 / ((2 * spread.variance) ** 2 / spread.df)
            assert together.df == pytest.approx(expected)
        else:  # two runs with a spread of their own, and weights that were evaluated
            assert (added, together.df) == (0, alone.df)


def test_a_published_spread_of_its_own_is_kept():
    [row] = rows([Contender("ViT-L/16", JFT), Contender("BiT-R152x4", JFT)], "pets")
    assert row.effect((1, -1), spread=seed_spread("pets")) == row.effect((1, -1))


def test_one_report_of_single_runs_is_less_sure_with_the_spread():
    found = rows([Contender("R50+ViT-B/16", JFT), Contender("ViT-B/16", JFT)], "cifar100")
    clusters = [row.cluster for row in found]
    alone = synthesise([row.effect((1, -1)) for row in found], clusters)
    wider = synthesise([row.effect((1, -1), spread=seed_spread("cifar100")) for row in found], clusters)
    assert alone.df is None
    assert wider.df > 20
    assert wider.high - wider.low > alone.high - alone.low
