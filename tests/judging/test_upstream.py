"""Rows of scores: a pre-trained network is one unit however often it is fine-tuned."""

import numpy as np
import pytest

from harness.core.verdict import RecipeUsed
from harness.judging.evidence import DivergedRun, RunsSide
from harness.judging.scoring import Scored
from harness.judging.upstream import score_rows


def side(*runs, upstream=()):
    made = tuple(
        DivergedRun(f"r{i}", i, "not finite") if run is None else Scored(f"r{i}", tuple(map(bool, run)), "digest")
        for i, run in enumerate(runs)
    )
    return RunsSide("A (X) as a", made, RecipeUsed("a", "r"), upstream=tuple(upstream))


def test_runs_of_one_network_are_averaged_where_there_are_several_networks():
    found = score_rows(side((1, 0, 1), (1, 1, 0), (0, 0, 0), (1, 0, 0), upstream=("n", "n", "n-2", "n-2")))
    assert found.unit == "upstream network"
    assert found.networks == ("n", "n-2")
    np.testing.assert_array_equal(found.scores, [[1.0, 0.5, 0.5], [0.5, 0.0, 0.0]])


def test_runs_need_not_be_in_the_order_of_their_networks():
    found = score_rows(side((1, 1), (0, 0), (0, 1), upstream=("n", "n-2", "n")))
    np.testing.assert_array_equal(found.scores, [[0.5, 1.0], [0.0, 0.0]])


@pytest.mark.parametrize("upstream", [("n", "n"), ()])
def test_runs_are_the_rows_of_a_network_that_was_pre_trained_once(upstream):
    found = score_rows(side((1, 0), (1, 1), upstream=upstream))
    assert found.unit == "run"
    assert len(found.networks) == 1
    np.testing.assert_array_equal(found.scores, [[1, 0], [1, 1]])


def test_a_run_that_diverged_has_no_row():
    found = score_rows(side((1, 0), None, (0, 0), None, upstream=("n", "n", "n-2", "n-3")))
    np.testing.assert_array_equal(found.scores, [[1, 0], [0, 0]])
    assert found.networks == ("n", "n-2")
    with pytest.raises(ValueError, match=r"A \(X\) as a: expected runs with predictions, found none"):
        score_rows(side(None))


def test_rows_of_networks_spread_as_their_means_do():
    # Fine-tunings of one network that agree are no evidence on another: nine runs of three networks are three rows.
    rng = np.random.default_rng(0)
    networks = rng.random((3, 400)) < rng.random((3, 1))
    runs = [row for row in networks for _ in range(3)]
    found = score_rows(side(*runs, upstream=[f"n-{i // 3}" for i in range(9)]))
    assert found.scores.shape == (3, 400)
    assert found.scores.mean(axis=1).var(ddof=1) == pytest.approx(networks.mean(axis=1).var(ddof=1))
