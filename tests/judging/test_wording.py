"""Reasons are one line each, in the reader's units."""

import math

import pytest

from harness.core.hypotheses import Close, Contender
from harness.judging import wording
from harness.stats.intervals import Estimate


def test_a_reason_is_one_line_though_a_fetch_names_what_each_source_lacks_in_its_own():
    said = "x/weights: none of 2 sources gave it; or correct what a source lacks:\n  hub:a/b: 404\n  gs://c: refused\n"
    assert wording.one_line(said) == (
        "x/weights: none of 2 sources gave it; or correct what a source lacks: hub:a/b: 404; gs://c: refused"
    )


def test_differences_are_in_percentage_points():
    estimate = Estimate(0.0123, -0.0004, 0.025, 0.06, 0.006, None, 0.995, "test")
    assert wording.difference("a", "b", estimate) == "a minus b: +1.23 points [-0.04, +2.50] at 99.50 %"


@pytest.mark.parametrize(
    "seeds, said",
    [
        (23, "about 23 seeds would decide it"),
        (math.inf, "more seeds would not decide it soon (over 10,000)"),
        (None, "the interval contains 0"),
    ],
)
def test_what_would_settle_an_open_comparison(seeds, said):
    assert wording.still_open(seeds) == said


def test_a_recipe_without_a_tolerance_names_those_with_one():
    close = Close(Contender("A", "X"), to=99.16, on="d", within={"paper": 0.5, "code": 0.5})
    assert wording.recipe_without_tolerance(close, "short") == (
        "a run by the recipe short is not judged by the published 99.16 %, which means something for paper, code;"
        " choose one with --recipe"
    )
