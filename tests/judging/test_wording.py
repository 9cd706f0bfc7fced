"""Reasons are one line each, in the reader's units."""

from dataclasses import replace

import pytest

from harness.core.claim import All
from harness.core.hypotheses import Close, Contender
from harness.core.verdict import Component, Verdict
from harness.judging import wording
from harness.stats.estimate import Estimate
from tests.judging.making import better


def test_a_reason_is_one_line_though_a_fetch_names_what_each_source_lacks_in_its_own():
    said = "x/weights: none of 2 sources gave it; or correct what a source lacks:\n  hub:a/b: 404\n  gs://c: refused\n"
    assert wording.one_line(said) == (
        "x/weights: none of 2 sources gave it; or correct what a source lacks: hub:a/b: 404; gs://c: refused"
    )


def test_differences_are_in_percentage_points():
    estimate = Estimate(0.0123, -0.0004, 0.025, 0.06, 0.006, None, 0.995, "test")
    assert wording.difference("a", "b", estimate) == "a minus b: +1.23 points [-0.04, +2.50] at 99.50 %"


def test_names_are_replaced_whole_and_longest_first():
    names = (("A (X)", "micro-a"), ("A (X, augreg)", "micro-b"), ("d", "digits"))
    assert wording.renamed("A (X, augreg) > A (X) on d and decided", names) == "micro-b > micro-a on digits and decided"
    assert wording.renamed("as it is", ()) == "as it is"


VERDICT = Verdict("c", "h", "Better", "d", "gpu/p", "INCONCLUSIVE", "r", smallest_detectable=1.234)


@pytest.mark.parametrize(
    "changed, said",
    [
        ({"negligible": True}, ["no difference that matters"]),
        ({}, ["too little data: a difference of 1.23 would be found (80 % power)"]),
        (
            {"seeds_needed": 23},
            [
                "too little data: a difference of 1.23 would be found (80 % power)",
                "23 seeds would find the difference seen",
            ],
        ),
        ({"negligible": True, "conditional": "checked"}, ["no difference that matters", "checked"]),
        (
            {"negligible": True, "conditional": "one run", "se_examples": 0.1},
            ["no difference that matters", "conditional on one run"],
        ),
        (
            {"negligible": True, "outliers": ("r1", "r2")},
            [
                "no difference that matters",
                "stands out among its seeds, and is counted as the others: r1, r2",
            ],
        ),
    ],
)
def test_how_sure_a_verdict_is(changed, said):
    assert wording.how_sure(replace(VERDICT, **changed), "INCONCLUSIVE") == said


def test_what_is_decided_needs_no_more_data():
    assert wording.how_sure(replace(VERDICT, seeds_needed=3), "REPRODUCED") == []


def test_parts_are_counted_and_the_one_that_decides_is_named():
    both = All((better("d"), better("e")))
    parts = (Component("x", 1.0, 0.5, 1.5, 0.01, True), Component("y", -1.0, -3.0, 1.0, 0.5, None))
    assert wording.parts(both, parts, parts[1], "") == (
        "1 of 2 hold, 0 do not, 1 are open; hinges on y: -1.00 points [-3.00, +1.00]"
    )
    assert wording.parts(both, parts, None, "no spread") == "1 of 2 hold, 0 do not, 1 are open; no spread"


def test_a_family_is_named_with_its_procedure():
    assert wording.family(1, "test_f") == "by itself"
    assert wording.family(4, "test_f", "look 1 of 4, 3 seeds") == "4 in test_f, Holm; look 1 of 4, 3 seeds"
    assert wording.rule(2, 4, "test_f") == "rules 2; 4 in test_f, Holm"


def test_a_recipe_without_a_tolerance_names_those_with_one():
    close = Close(Contender("A", "X"), to=99.16, on="d", within={"paper": 0.5, "code": 0.5})
    assert wording.recipe_without_tolerance(close, "short") == (
        "a run by the recipe short is not judged by the published 99.16 %, which means something for paper, code;"
        " choose one with --recipe"
    )
