"""Predictions of others: the judgement says what the pure functions say, and refuses what are no scores."""

import json

import numpy as np
import pytest
from scipy import stats

from harness.core.errors import ClaimsError
from harness.stats.crossed import Group, crossed
from harness.stats.predictions import judge_scores
from harness.stats.seeds import SideScores

RNG = np.random.default_rng(11)
HARD = RNG.random(600)
A = RNG.random((5, 600)) < 0.9 * HARD + 0.1
B = RNG.random((4, 600)) < 0.8 * HARD + 0.1


def test_the_record_is_that_of_the_crossed_estimate():
    found = judge_scores(A, B, margin=0.2, level=0.9)
    expected = crossed([Group((SideScores(A), SideScores(B, -1.0)))], 0.9)
    record = json.loads(json.dumps(found.record(), allow_nan=False))
    assert record["estimate"] == pytest.approx(A.mean() - B.mean())
    assert (record["low"], record["high"], record["p"]) == (expected.low, expected.high, expected.p)
    assert record["level"] == 0.9
    assert "crossed over 4 to 5 seeds and 600 examples" in record["method"]
    assert record["standard_errors"]["seeds"] == expected.se_seeds
    assert record["standard_errors"]["examples"] == expected.se_examples
    assert record["equivalence"]["verdict"] == "equivalent"
    assert record["means"] == pytest.approx([A.mean(), B.mean()])
    assert (record["seeds"], record["examples"]) == ([5, 4], 600)


def test_seeds_alone_are_welchs_test_and_examples_alone_the_paired_one():
    found = judge_scores(A * 1.5, B * 1.5)
    welch = stats.ttest_ind(1.5 * A.mean(1), 1.5 * B.mean(1), equal_var=False).confidence_interval()
    paired = stats.ttest_rel(1.5 * A.mean(0), 1.5 * B.mean(0)).confidence_interval()
    assert (found.over_seeds.low, found.over_seeds.high) == pytest.approx(welch)
    assert (found.over_examples.low, found.over_examples.high) == pytest.approx(paired)
    sides = (A.mean(1), B.mean(1))
    expected = stats.permutation_test(
        sides, lambda x, y: abs(x.mean() - y.mean()), n_resamples=200, alternative="greater"
    )
    assert found.permutation_p == pytest.approx(expected.pvalue)


@pytest.mark.parametrize("dtype", [bool, np.uint8, np.int64, np.float16, np.float32, list])
def test_every_type_of_number_means_the_same(dtype):
    cast = (lambda x: x.astype(int).tolist()) if dtype is list else (lambda x: x.astype(dtype))
    assert judge_scores(cast(A), cast(B)).record() == judge_scores(A, B).record()


def test_one_run_of_each_side():
    found = judge_scores(A[:1], B[:1])
    record = found.record()
    assert record["conditional"]
    assert record["over_seeds"] is record["standard_errors"]["seeds"] is record["permutation_p"] is None
    assert record["seeds_for_power"] is None
    assert record["over_examples"] == [record["low"], record["high"]]
    fixed = judge_scores(A[:1], B[:1], deterministic=(True, True)).record()
    assert not fixed["conditional"]
    assert fixed["standard_errors"]["seeds"] == 0


def test_a_side_with_one_run_is_conditional():
    record = judge_scores(A, B[:1]).record()
    assert record["conditional"]
    assert record["over_seeds"] is None
    assert "conditional on one run of a side" in record["method"]


def test_the_margin_decides_both_ways():
    assert judge_scores(A, A[::-1], margin=0.1).verdict == "equivalent"
    assert judge_scores(A, A & (HARD > 0.5), margin=0.1).verdict == "different"
    assert judge_scores(A, B, margin=abs(A.mean() - B.mean())).verdict == "undecided"
    assert judge_scores(A, B).verdict == ""
    assert "equivalence" not in judge_scores(A, B).record()


def test_a_bad_seed_is_flagged_and_kept():
    a = RNG.random((6, 3_000)) < 0.97
    a[4] = RNG.random(3_000) < 0.6
    found = judge_scores(a, RNG.random((6, 3_000)) < 0.97)
    assert found.outliers == ((4,), ())
    assert found.means[0] == pytest.approx(a.mean())


def test_predictions_that_all_agree_are_not_called_certain():
    record = judge_scores(np.ones((3, 100)), np.ones((3, 100)), margin=0.05).record()
    assert record["low"] < 0 < record["high"]
    assert record["p"] == 1
    assert json.dumps(record, allow_nan=False)


@pytest.mark.parametrize(
    "a, b, options, words",
    [
        (np.ones(5), np.ones((1, 5)), {}, "a: expected the shape (seeds, examples), found (5,); one run is (1, 5)"),
        (np.ones((1, 5)), np.ones((1, 2, 5)), {}, "b: expected the shape"),
        (np.ones((1, 5)), np.ones((1, 4)), {}, "found 5 examples of a and 4 of b"),
        (np.ones((0, 5)), np.ones((1, 5)), {}, "at least one seed"),
        (np.array([[1, np.nan]]), np.ones((1, 2)), {}, "1 of 2 that are not, the first nan at seed 0, example 1"),
        (np.array([[1, -np.inf]]), np.ones((1, 2)), {}, "the first -inf"),
        (np.array([["x", "y"]]), np.ones((1, 2)), {}, "a: expected 0/1, bool or real numbers"),
        (np.array([[1 + 2j, 1]]), np.ones((1, 2)), {}, "complex128"),
        ([[1, 0], [1]], np.ones((1, 2)), {}, "a: expected an array"),
        (np.full((2, 9), 0.5), np.full((3, 9), 0.25), {}, "no spread"),
        (A, B, {"level": 95}, "level: expected a fraction between 0 and 1"),
        (A, B, {"level": float("nan")}, "level"),
        (A, B, {"margin": 0.0}, "margin: expected a positive number"),
        (A, B, {"margin": float("nan")}, "margin"),
        (A, B, {"margin": 0.1, "level": 0.4}, "more than 0.5"),
    ],
)
def test_what_are_no_scores_is_one_line(a, b, options, words):
    with pytest.raises(ClaimsError) as error:
        judge_scores(a, b, **options)
    assert words in str(error.value)
    assert "\n" not in str(error.value)


@pytest.mark.parametrize("seeds", [1, 4])
def test_the_p_of_equivalence_does_not_depend_on_the_level_and_is_where_the_interval_reaches_the_margin(seeds):
    a, b = A[:seeds], B[:seeds]
    margin = abs(float(a.mean() - b.mean())) + 0.05
    found = [judge_scores(a, b, margin, level) for level in (0.8, 0.95, 0.99, 0.9999)]
    p = found[0].equivalence.p
    assert [one.equivalence.p for one in found] == pytest.approx([p] * 4, rel=1e-9)
    assert 0 < p < 0.5
    for alpha, inside in ((p * 1.001, True), (p * 0.999, False)):
        tested = judge_scores(a, b, margin, 1 - alpha).equivalence
        assert tested.inside == (-margin < tested.interval.low and tested.interval.high < margin) == inside
