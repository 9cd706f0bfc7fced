"""Accuracies are compared by seeds, or by examples, or as published figures."""

import pytest
import scipy.stats
from harness.judging.compare import compare, compare_results, compare_sides, comparisons, side_of

from harness.core.hypotheses import Better, Close, Contender, Increasing
from harness.core.result import Result
from harness.core.verdict import RecipeUsed
from harness.judging.evidence import Accuracy, PublishedSide, RunsSide
from harness.judging.scoring import scored
from harness.stats.intervals import Undefined

A, B, C = (Contender(name, "ImageNet-21k") for name in "ABC")


def result(hits, n=200):
    return scored(Result("x", tuple(int(i >= hits) for i in range(n)), (0,) * n, (), 1.0, 1.0, 1, ()))


def test_three_seeds_or_more_are_compared_by_paired_t():
    a, b = [result(h) for h in (150, 160, 155, 171)], [result(h) for h in (149, 150, 151, 152)]
    found = compare_results(a, b, level=0.99)
    differences = [(x.correct - y.correct) / 200 for x, y in zip(a, b, strict=True)]
    expected = scipy.stats.ttest_1samp(differences, 0)
    assert found.estimate.p == pytest.approx(expected.pvalue)
    assert (found.estimate.low, found.estimate.high) == pytest.approx(tuple(expected.confidence_interval(0.99)))
    assert found.seeds_needed > 4


def test_fewer_seeds_are_compared_on_the_examples_and_it_is_said():
    found = compare_results([result(150)], [result(130)], level=0.95)
    assert found.seeds_needed is None  # nothing is said of how many seeds would decide it
    assert found.estimate.p == pytest.approx(scipy.stats.binomtest(0, 20).pvalue)
    assert "conditional on one run of each side" in found.estimate.method


def test_a_side_is_its_mean_over_seeds():
    side = side_of("x", [result(100), result(110), result(120)])
    low, high = scipy.stats.t.interval(0.95, 2, 55, 5 / 3**0.5)
    assert (side.accuracy, side.low, side.high, side.seeds, side.n) == pytest.approx((55, low, high, 3, 200))


def test_comparisons_of_each_kind():
    assert comparisons(Better(A, than=B, on="d")) == ((A, B),)
    assert comparisons(Increasing((A, B, C), on="d")) == ((B, A), (C, B))
    assert comparisons(Close(A, to=1, on="d", within=())) == ((A, None),)


def test_published_sides_are_compared_by_their_variances():
    a, b = (PublishedSide(name, Accuracy(value, variance), 1000, 1)
            for name, value, variance in (("a", 0.9, 0.0004), ("b", 0.8, 0.0005)))  # fmt: skip
    (found,) = compare(Better(A, than=B, on="d"), {A: a, B: b}, 0.95)
    low, high = scipy.stats.norm.interval(0.95, 0.1, 0.03)
    assert (found.estimate.low, found.estimate.high) == pytest.approx((low, high))
    unknown = PublishedSide("c", Accuracy(0.7, None), None, 1)
    assert isinstance(compare_sides(a, unknown, 0.95).estimate, Undefined)


def test_each_side_of_a_figure_is_compared_with_it():
    side = RunsSide("a", (result(150), result(160), result(152)), RecipeUsed("a", "quick"))
    (found,) = compare(Close(A, to=70, on="d", within=()), {A: side}, 0.95)
    expected = scipy.stats.ttest_1samp([0.75, 0.80, 0.76], 0.7).confidence_interval(0.95)
    assert (found.estimate.low, found.estimate.high) == pytest.approx((expected.low - 0.7, expected.high - 0.7))


def test_a_published_side_is_not_compared_with_runs():
    side = RunsSide("a", (result(150),), RecipeUsed("a", "quick"))
    with pytest.raises(TypeError, match="expected two sides of one source"):
        compare_sides(side, PublishedSide("b", Accuracy(0.9), 1000, 1), 0.95)
