"""Verdicts follow from intervals, the same way for every source of evidence."""

import math
from dataclasses import replace

import pytest
import scipy.stats
from harness.judging.compare import Comparison

from harness.core.claim import Claim
from harness.core.hypotheses import Better, Close, Contender, Expected, Increasing
from harness.core.source import Source
from harness.core.verdict import RecipeUsed, Searched
from harness.judging.evidence import (
    Accuracy,
    DivergedRun,
    Evidence,
    LearningRateSearch,
    Missing,
    PipelineCheck,
    PublishedSide,
    RunsSide,
)
from harness.judging.judge import conclude, judge
from harness.judging.question import Question
from harness.judging.scoring import Scored
from harness.stats.intervals import Estimate, Undefined

CLAIM = Claim(id="c", title="t", quote="q", source="s")
A, B, C = (Contender(name, "ImageNet-21k") for name in "ABC")


def estimate(value, half, p=0.01):
    return Estimate(value / 100, (value - half) / 100, (value + half) / 100, p, half / 196, None, 0.95, "test")


def asked(hypothesis, source="micro"):
    return Question(CLAIM, hypothesis, Source.parse(source), alpha=0.05)


def concluded(hypothesis, *estimates, tolerance=None, needed=None):
    return conclude(asked(hypothesis), [Comparison(each, needed) for each in estimates], tolerance)


def in_percent(conclusion):
    found = conclusion.estimate
    return tuple(100 * part for part in (found.value, found.low, found.high))


@pytest.mark.parametrize(
    "value, half, expected",
    [(1, 0.9, "REPRODUCED"), (1, 1.1, "INCONCLUSIVE"), (-1, 1.1, "INCONCLUSIVE"), (-1, 0.9, "REFUTED")],
)
def test_better_is_decided_by_which_side_of_zero_the_interval_lies(value, half, expected):
    found = concluded(Better(A, than=B, on="d"), estimate(value, half))
    assert found.verdict == expected
    assert in_percent(found) == pytest.approx((value, value - half, value + half))


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
    found = concluded(Increasing((A, B, C), on="d"), *(estimate(*step) for step in steps))
    assert found.verdict == expected
    assert 100 * found.estimate.value == pytest.approx(shown)
    at = [step[0] for step in steps].index(shown)
    assert found.reason.startswith([f"{B} minus {A}", f"{C} minus {B}"][at])


@pytest.mark.parametrize(
    "value, error, expected",
    [(0.1, 0.1, "REPRODUCED"), (0.1, 0.4, "INCONCLUSIVE"), (0.6, 0.3, "INCONCLUSIVE"), (1.5, 0.3, "REFUTED")],
)
def test_close_is_two_one_sided_tests_against_the_tolerance(value, error, expected):
    given = replace(estimate(value, 1), standard_error=error / 100)
    found = concluded(Close(A, to=90, on="d", within={"code": 0.5}), given, tolerance=0.5)
    low, high = scipy.stats.norm.interval(0.90, value, error)
    assert in_percent(found)[1:] == pytest.approx((low, high))
    inside = low > -0.5 and high < 0.5
    outside = low > 0.5 or high < -0.5
    assert ("REPRODUCED" if inside else "REFUTED" if outside else "INCONCLUSIVE") == expected
    assert found.verdict == expected


def test_what_cannot_be_estimated_is_inconclusive_with_the_reason():
    found = concluded(Better(A, than=B, on="d"), Undefined("no spread"))
    assert (found.verdict, found.reason, found.estimate) == ("INCONCLUSIVE", "no spread", None)


def test_an_undefined_step_leaves_a_rise_open_but_does_not_hide_a_fall():
    rise, fall, nothing = estimate(1, 0.5), estimate(-1, 0.5), Undefined("no spread")
    increasing = Increasing((A, B, C), on="d")
    assert concluded(increasing, rise, nothing).verdict == "INCONCLUSIVE"
    assert concluded(increasing, nothing, fall).verdict == "REFUTED"


def test_an_open_comparison_says_how_many_seeds_would_decide_it():
    found = concluded(Better(A, than=B, on="d"), estimate(1, 2), needed=23)
    assert found.reason.endswith("about 23 seeds would decide it")
    found = concluded(Better(A, than=B, on="d"), estimate(1, 2), needed=math.inf)
    assert found.reason.endswith("more seeds would not decide it soon (over 10,000)")
    # Compared on the examples of one run each, or published: no number of seeds is known, so none is claimed.
    found = concluded(Better(A, than=B, on="d"), estimate(1, 2), needed=None)
    assert found.reason.endswith("; the interval contains 0")


def test_missing_evidence_is_not_run_or_not_verifiable_in_one_line():
    question = asked(Better(A, than=B, on="d"), "gpu/paper@jax")
    found = judge(question, Missing("none of 2 sources gave it:\n  hub:a/b: 404\n  gs://c: refused"))
    assert (found.verdict, found.reason) == (
        "NOT RUN",
        "none of 2 sources gave it: hub:a/b: 404; gs://c: refused",
    )
    assert (found.source, found.backend, found.sides, found.estimate) == ("gpu/paper@jax", "jax", (), None)
    found = judge(question, Missing("never released", "not verifiable"))
    assert (found.verdict, found.reason, found.backend) == ("NOT VERIFIABLE", "never released", "")


def published(value, seeds=1):
    return PublishedSide("x", Accuracy(value, 0.001**2), 1000, seeds)


def test_a_verdict_shows_sides_citations_the_figure_and_what_is_on_record():
    close = Close(A, to=90, on="d", within={"code": 0.5}, expected={"published/p": Expected("REFUTED", "r")})
    found = judge(asked(close, "published/p"), Evidence({A: published(0.95)}, tolerance=0.5, citations=("c",)))
    half = 100 * 0.001 * scipy.stats.norm.ppf(0.975)
    (side,) = found.sides
    assert (side.name, side.n, side.seeds) == ("x", 1000, 1)
    assert (side.accuracy, side.low, side.high) == pytest.approx((95, 95 - half, 95 + half))
    assert (found.verdict, found.published, found.tolerance, found.known) == ("REFUTED", 90, 0.5, "REFUTED")
    assert (found.citations, found.backend, found.runs) == (("c",), "", ())
    assert found.estimate == pytest.approx(5)


def runs_side(name, *hits):
    runs = tuple(
        Scored(f"{name}{seed}", tuple(i < right for i in range(100)), "labels")
        if right is not None
        else DivergedRun(f"{name}{seed}", seed, "the loss was not finite")
        for seed, right in enumerate(hits)
    )
    return RunsSide(name, runs, RecipeUsed(name, "quick"))


def test_runs_recipes_searches_and_remarks_are_in_the_verdict():
    rates = (Searched("x", 0.01, 80.0, False), Searched("x", 0.03, 90.0, True))
    found = judge(
        asked(Better(A, than=B, on="d")),
        Evidence(
            {A: runs_side("a", 90, 91, 93), B: runs_side("b", 50, 52, 55)},
            task="t",
            searches=(LearningRateSearch(A, rates),),
            pipeline_checks=(PipelineCheck("vit", "w", "imagenet", 85.1), PipelineCheck("bit", "v", "imagenet", None)),
            caveats=("other data",),
        ),
    )
    assert found.verdict == "REPRODUCED"
    assert found.reason.endswith(
        "; mind: other data; the evaluation of bit networks is unchecked, for imagenet or v is not here"
    )
    assert found.runs == ("a0", "a1", "a2", "b0", "b1", "b2")
    assert found.recipes == (RecipeUsed("a", "quick"), RecipeUsed("b", "quick"))
    assert (found.searched, found.task, found.backend) == (rates, "t", "torch")


def test_runs_that_diverged_leave_it_open():
    sides = {A: runs_side("a", 90, None, None), B: runs_side("b", 50, None, 55)}
    found = judge(asked(Better(A, than=B, on="d")), Evidence(sides))
    assert found.verdict == "INCONCLUSIVE"
    assert found.reason == (
        f"{A} diverged with seed 1 (and 2 more runs), so there is no accuracy: the loss was not finite"
    )
    assert (found.sides, found.estimate, len(found.runs)) == ((), None, 6)


def test_a_grid_on_which_every_rate_diverged_leaves_it_open():
    rates = (Searched("x", 0.01, None, False), Searched("x", 0.03, None, False))
    unchecked = PipelineCheck("bit", "v", "imagenet", None)
    evidence = Evidence({}, searches=(LearningRateSearch(B, rates),), pipeline_checks=(unchecked,))
    found = judge(asked(Better(A, than=B, on="d")), evidence)
    assert (found.verdict, found.reason) == ("INCONCLUSIVE", f"{B}: every learning rate of the grid diverged")
    assert (found.searched, found.runs) == (rates, ())
