"""Verdicts follow from intervals, the same way for every source of evidence."""

import math
from dataclasses import replace

import pytest
import scipy.stats

from harness.core.claim import Better, Claim, Close, Contender, Expected, Increasing
from harness.core.errors import ClaimsError
from harness.core.specs import Result
from harness.evidence.published.judge import answer, publications
from harness.judging.judge import Evidence, Question, compare_results, comparisons, judge, side_of
from harness.judging.scoring import scored
from harness.stats.intervals import Estimate, Undefined

CLAIM = Claim(id="c", title="t", quote="q", source="s")
A, B, C = (Contender(name, "ImageNet-21k") for name in "ABC")


def estimate(value, half, p=0.01):
    return Estimate(value / 100, (value - half) / 100, (value + half) / 100, p, half / 196, None, 0.95, "test")


def verdict(hypothesis, *estimates, tolerance=None, needed=()):
    question = Question(CLAIM, hypothesis, "micro", alpha=0.05)
    return judge(question, Evidence(estimates, (), needed=needed, tolerance=tolerance))


@pytest.mark.parametrize(
    "value, half, expected",
    [(1, 0.9, "REPRODUCED"), (1, 1.1, "INCONCLUSIVE"), (-1, 1.1, "INCONCLUSIVE"), (-1, 0.9, "REFUTED")],
)
def test_better_is_decided_by_which_side_of_zero_the_interval_lies(value, half, expected):
    found = verdict(Better(A, than=B, on="d"), estimate(value, half))
    assert found.verdict == expected
    assert (found.estimate, found.low, found.high) == pytest.approx((value, value - half, value + half))


@pytest.mark.parametrize(
    "steps, expected, shown",
    [
        ([(1, 0.5), (2, 0.5)], "REPRODUCED", 1),
        ([(1, 0.5), (2, 3)], "INCONCLUSIVE", 1),
        ([(1, 0.5), (-2, 3)], "INCONCLUSIVE", -2),
        ([(1, 0.5), (-2, 0.5)], "REFUTED", -2),
        # The wider of two falls is no refutation; the narrower is, and is the one shown.
        ([(-2, 3), (-1, 0.5)], "REFUTED", -1),
    ],
)
def test_increasing_needs_every_step_and_is_refuted_by_one(steps, expected, shown):
    found = verdict(Increasing((A, B, C), on="d"), *(estimate(*step) for step in steps))
    assert found.verdict == expected
    assert found.estimate == pytest.approx(shown)
    at = [step[0] for step in steps].index(shown)
    assert found.reason.startswith([f"{B} minus {A}", f"{C} minus {B}"][at])


@pytest.mark.parametrize(
    "value, error, expected",
    [(0.1, 0.1, "REPRODUCED"), (0.1, 0.4, "INCONCLUSIVE"), (0.6, 0.3, "INCONCLUSIVE"), (1.5, 0.3, "REFUTED")],
)
def test_close_is_two_one_sided_tests_against_the_tolerance(value, error, expected):
    given = replace(estimate(value, 1), standard_error=error / 100)
    found = verdict(Close(A, to=90, on="d", within={"code": 0.5}), given, tolerance=0.5)
    low, high = scipy.stats.norm.interval(0.90, value, error)
    assert (found.low, found.high) == pytest.approx((low, high))
    inside = low > -0.5 and high < 0.5
    outside = low > 0.5 or high < -0.5
    assert ("REPRODUCED" if inside else "REFUTED" if outside else "INCONCLUSIVE") == expected
    assert found.verdict == expected
    assert found.published == 90


def test_what_cannot_be_estimated_is_inconclusive_with_the_reason():
    found = verdict(Better(A, than=B, on="d"), Undefined("no spread"))
    assert (found.verdict, found.reason, found.estimate) == ("INCONCLUSIVE", "no spread", None)


def test_an_undefined_step_leaves_a_rise_open_but_does_not_hide_a_fall():
    rise, fall, nothing = estimate(1, 0.5), estimate(-1, 0.5), Undefined("no spread")
    increasing = Increasing((A, B, C), on="d")
    assert verdict(increasing, rise, nothing).verdict == "INCONCLUSIVE"
    assert verdict(increasing, nothing, fall).verdict == "REFUTED"


def test_an_open_comparison_says_how_many_seeds_would_decide_it():
    found = verdict(Better(A, than=B, on="d"), estimate(1, 2), needed=(23,))
    assert found.reason.endswith("about 23 seeds would decide it")
    found = verdict(Better(A, than=B, on="d"), estimate(1, 2), needed=(math.inf,))
    assert found.reason.endswith("more seeds would not decide it soon (over 10,000)")
    # Compared on the examples of one run each, or published: no number of seeds is known, so none is claimed.
    found = verdict(Better(A, than=B, on="d"), estimate(1, 2), needed=(None,))
    assert found.reason.endswith("; the interval contains 0")


def result(hits, n=200):
    return scored(Result("x", tuple(int(i >= hits) for i in range(n)), (0,) * n, (), 1.0, 1.0, 1, ()))


def test_three_seeds_or_more_are_compared_by_paired_t():
    a, b = [result(h) for h in (150, 160, 155, 171)], [result(h) for h in (149, 150, 151, 152)]
    found, needed = compare_results(a, b, level=0.99)
    differences = [(x.correct - y.correct) / 200 for x, y in zip(a, b, strict=True)]
    expected = scipy.stats.ttest_1samp(differences, 0)
    assert found.p == pytest.approx(expected.pvalue)
    assert (found.low, found.high) == pytest.approx(tuple(expected.confidence_interval(0.99)))
    assert needed > 4


def test_fewer_seeds_are_compared_on_the_examples_and_it_is_said():
    found, needed = compare_results([result(150)], [result(130)], level=0.95)
    assert needed is None  # nothing is said of how many seeds would decide it
    assert found.p == pytest.approx(scipy.stats.binomtest(0, 20).pvalue)
    assert "conditional on one run of each side" in found.method


def test_a_side_is_its_mean_over_seeds():
    side = side_of("x", [result(100), result(110), result(120)])
    low, high = scipy.stats.t.interval(0.95, 2, 55, 5 / 3**0.5)
    assert (side.accuracy, side.low, side.high, side.seeds, side.n) == pytest.approx((55, low, high, 3, 200))


def test_published_better_combines_test_set_and_seed_uncertainty():
    # ViT paper, table 2, ImageNet, JFT-300M: 87.76 ± 0.03 and 87.54 ± 0.02 over three runs, 50,000 images.
    hypothesis = Better(Contender("ViT-L/16", "JFT-300M"), than=Contender("BiT-R152x4", "JFT-300M"), on="imagenet")
    assert publications(hypothesis) == ("vit-paper/table-2",)
    found = answer(Question(CLAIM, hypothesis, "published/vit-paper/table-2", alpha=0.05))
    variance = 0.8776 * 0.1224 / 50_000 + 0.0003**2 / 3 + 0.8754 * 0.1246 / 50_000 + 0.0002**2 / 3
    low, high = scipy.stats.norm.interval(0.95, 0.22, 100 * variance**0.5)
    assert found.verdict == "INCONCLUSIVE"
    assert (found.estimate, found.low, found.high) == pytest.approx((0.22, low, high))
    assert "Table 2" in found.citations[0]
    assert found.runs == ()


def test_a_publication_that_lacks_a_side_gives_no_verdict_and_several_give_one_each():
    better = Better(Contender("ViT-L/16", "ImageNet-21k"), than=Contender("BiT-R152x4", "ImageNet-21k"), on="imagenet")
    assert "vit-paper/table-2" not in publications(better)
    assert {"course", "timm-2021-01/384-vs-480"} < set(publications(better))
    assert publications(replace(better, than=Contender("Nobody", "JFT-300M"))) == ()


def test_close_is_not_judged_by_the_paper_itself_nor_by_a_recipe_without_a_tolerance():
    close = Close(Contender("ViT-L/16", "ImageNet-21k"), to=99.16, on="cifar10", within={"code": 0.5})
    assert publications(close)
    assert not any(p.startswith(("vit-paper", "course")) for p in publications(close))
    with_notebook = replace(close, within=(("notebook", 1.0),))
    assert publications(with_notebook) == ("course",)
    found = answer(Question(CLAIM, with_notebook, "published/course", alpha=0.05))
    assert found.tolerance == 1.0


def test_comparisons_of_each_kind():
    assert comparisons(Better(A, than=B, on="d")) == ((A, B),)
    assert comparisons(Increasing((A, B, C), on="d")) == ((B, A), (C, B))
    assert comparisons(Close(A, to=1, on="d", within=())) == ((A, None),)


def test_a_hypothesis_stated_twice_is_refused():
    with pytest.raises(ClaimsError, match="c: a hypothesis is stated twice"):
        CLAIM.hypotheses(
            [Better(A, than=B, on="d"), Better(A, than=B, on="d", expected={"micro": Expected("REFUTED", "r")})]
        )
