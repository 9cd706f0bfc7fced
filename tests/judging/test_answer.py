"""What a source says of a whole claim: the five answers, and a sentence to quote."""

from dataclasses import replace

import pytest

from harness.core.claim import StatementRecord
from harness.core.verdict import Component, Verdict
from harness.judging.answer import answers
from tests.judging.making import CLAIM

FIRST, SECOND, THIRD = "A > B on all of d, e", "A > B on average over d, e", "A > B on d"
STATED = replace(
    CLAIM,
    statements=(
        StatementRecord(FIRST, "the quoted sentence", "A is better than B everywhere"),
        StatementRecord(SECOND, "q", "A is better than B on average", material="public weights in place of JFT"),
        StatementRecord(THIRD, "q", "A is better than B on d"),
    ),
)


def verdict(hypothesis, name, source="published", **changed):
    plain = {
        "kind": "Better", "dataset": "d", "reason": "because", "estimate": 1.0, "low": -0.5, "high": 2.5, "level": 0.95
    }  # fmt: skip
    return Verdict("c", hypothesis, source=source, verdict=name, **plain | changed)


def answered(*verdicts):
    (found,) = answers(STATED, verdicts)
    return found


@pytest.mark.parametrize(
    "first, second, expected",
    [
        ("REPRODUCED", "REPRODUCED", "SUPPORTED"),
        ("REPRODUCED", "INCONCLUSIVE", "SUPPORTED"),
        ("REPRODUCED", "NOT RUN", "SUPPORTED"),
        ("REPRODUCED", "REFUTED", "MIXED"),
        ("REFUTED", "REFUTED", "CONTRADICTED"),
        ("REFUTED", "INCONCLUSIVE", "CONTRADICTED"),
        ("REFUTED", "REPRODUCED", "MIXED"),
        # The first that the source can judge decides; what comes later does not stand in for it.
        ("INCONCLUSIVE", "REPRODUCED", "OPEN"),
        ("INCONCLUSIVE", "REFUTED", "OPEN"),
        ("INCONCLUSIVE", "INCONCLUSIVE", "OPEN"),
        ("NOT VERIFIABLE", "REPRODUCED", "SUPPORTED"),
        ("NOT RUN", "REFUTED", "CONTRADICTED"),
        ("NOT RUN", "NOT VERIFIABLE", "NOT TESTED"),
    ],
)
def test_the_first_statement_that_can_be_judged_decides(first, second, expected):
    found = answered(verdict(FIRST, first), verdict(SECOND, second))
    assert found.answer == expected
    # In whatever order the verdicts came in.
    assert answered(verdict(SECOND, second), verdict(FIRST, first)).answer == expected


def test_two_that_contradict_each_other_behind_an_open_one_are_mixed():
    found = answered(verdict(FIRST, "INCONCLUSIVE"), verdict(SECOND, "REPRODUCED"), verdict(THIRD, "REFUTED"))
    assert found.answer == "MIXED"
    assert found.hypotheses == (FIRST, SECOND, THIRD)


@pytest.mark.parametrize("words, expected", [("AGREES", "SUPPORTED"), ("DISAGREES", "CONTRADICTED"), ("OPEN", "OPEN")])
def test_the_micro_study_answers_in_its_own_words_for_its_own_networks(words, expected):
    found = answered(verdict(SECOND, words, "micro", about="micro-a > micro-b on digits"))
    assert found.answer == expected
    assert "on its own networks" in found.sentence
    assert '"micro-a > micro-b on digits"' in found.sentence
    assert "JFT" not in found.sentence  # it has its own material, which the names say


def test_a_sentence_says_what_of_what_material_with_figures():
    found = answered(verdict(SECOND, "REPRODUCED", low=0.25, level=0.99166))
    assert found.sentence == (
        'Published figures support the claim: "A is better than B on average" (public weights in place of JFT) holds'
        " (+1.00 points, 99.17 % interval +0.25 to +2.50)."
    )
    both = answered(verdict(FIRST, "REFUTED"), verdict(THIRD, "INCONCLUSIVE")).sentence
    assert both.startswith('Published figures contradict the claim: "A is better than B everywhere" does not hold (')
    assert '; "A is better than B on d" is open (' in both


def test_figures_of_compounds_costs_and_of_none():
    parts = tuple(Component(str(at), 1.0, 0.5, 1.5, 0.01, holds) for at, holds in enumerate((True, True, False, None)))
    assert "(2 of 4 parts hold, 1 do not)" in answered(verdict(FIRST, "INCONCLUSIVE", components=parts)).sentence
    costs = verdict(FIRST, "REPRODUCED", kind="Ratio", estimate=0.068687, low=None, high=None, level=None)
    assert "holds (ratio 0.0687)" in answered(costs).sentence
    effects = tuple(Component(str(at), value, None, None, None, None) for at, value in enumerate((-0.5, 1.0, 2.0)))
    curve = verdict(FIRST, "OPEN", "micro", kind="Robust", components=effects)
    assert "is open (median +1.00 points, above 0 in 2 of 3 specifications)" in answered(curve).sentence
    nothing = verdict(FIRST, "INCONCLUSIVE", estimate=None, low=None, high=None)
    assert "is open (because)" in answered(nothing).sentence


CONDITIONS = ("one run of each side", "the authors' own weights, evaluated again: a check of the pipeline")


@pytest.mark.parametrize("condition", CONDITIONS)
def test_what_is_conditional_carries_no_answer_alone(condition):
    on_condition = verdict(FIRST, "REPRODUCED", conditional=condition)
    found = answered(on_condition)
    assert found.answer == "OPEN"
    assert f"holds, {condition} (" in found.sentence
    # It neither decides nor contradicts; and it does not hand on to the next statement.
    assert answered(on_condition, verdict(SECOND, "REPRODUCED")).answer == "OPEN"
    assert answered(verdict(FIRST, "REFUTED"), verdict(SECOND, "REPRODUCED", conditional=condition)).answer == (
        "CONTRADICTED"
    )


def test_what_was_never_released_is_part_of_every_protocols_answer():
    never = verdict(FIRST, "NOT VERIFIABLE", "gpu", reason="JFT-300M: never released")
    later = verdict(SECOND, "NOT RUN", "gpu/paper", reason="no accelerator here")
    found = {each.source: each for each in answers(STATED, [never, later, replace(later, source="gpu/notebook@jax")])}
    assert list(found) == ["gpu/paper", "gpu/notebook@jax"]
    assert {each.answer for each in found.values()} == {"NOT TESTED"}
    # What lacks here can be brought; what was never released can't.
    assert {each.sentence for each in found.values()} == {"Not tested: no accelerator here."}
    decided = [never, verdict(SECOND, "REPRODUCED", "gpu/paper")]
    (found,) = answers(STATED, decided)
    assert (found.source, found.answer, found.hypotheses) == ("gpu/paper", "SUPPORTED", (SECOND,))
    assert found.sentence.startswith("Runs on released checkpoints support the claim")


def test_what_was_never_released_is_an_answer_by_itself_where_nothing_else_is_asked():
    (found,) = answers(STATED, [verdict(FIRST, "NOT VERIFIABLE", "gpu", reason="JFT-300M: never released")])
    assert (found.source, found.answer, found.hypotheses) == ("gpu", "NOT TESTED", ())


def test_each_source_answers_for_itself():
    found = answers(
        STATED,
        [verdict(FIRST, "REPRODUCED"), verdict(FIRST, "DISAGREES", "micro"), verdict(FIRST, "AGREES", "micro@jax")],
    )
    assert [(each.source, each.answer) for each in found] == [
        ("published", "SUPPORTED"), ("micro", "CONTRADICTED"), ("micro@jax", "SUPPORTED")
    ]  # fmt: skip
    assert {each.claim for each in found} == {"c"}


def test_that_frameworks_agree_is_no_answer_to_the_claim():
    refuted = [verdict(FIRST, "REFUTED", source) for source in ("gpu/paper", "gpu/paper@jax")]
    found = answers(
        STATED, [*refuted, verdict(FIRST, "REPRODUCED", "gpu/paper@both"), verdict(FIRST, "AGREES", "micro@both")]
    )
    assert [(each.source, each.answer) for each in found] == [
        ("gpu/paper", "CONTRADICTED"), ("gpu/paper@jax", "CONTRADICTED")
    ]  # fmt: skip


def test_what_is_no_statement_is_no_part_of_an_answer():
    assert answers(STATED, [verdict("A > C on d", "REFUTED")]) == ()
    assert answers(CLAIM, [verdict(FIRST, "REFUTED")]) == ()
    assert answered(verdict(FIRST, "REPRODUCED"), verdict("A > C on d", "REFUTED")).answer == "SUPPORTED"
