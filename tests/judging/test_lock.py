"""What became of a verdict on record: nothing, a note, or a failure with one line."""

from dataclasses import replace

import pytest

from harness.core.hypotheses import Expected
from harness.core.verdict import Verdict
from harness.judging.lock import Change, changed

ROWS = ("p: 90 ± 0.5000, 80 ± 0.5000, paper, on d", "q: 91 ± 0.5000, 80 ± 0.5000, replication, on d")
RUNS = ("0a0a aaaa", "0b0b bbbb", "0c0c cccc")
RULE = "rules 2; 4 in test_f, Holm"
HERE, THERE = "this processor", "another processor"


def verdict(name="REPRODUCED", source="published", evidence=ROWS, digest="d1", rule=RULE, **more):
    plain = {"kind": "Better", "dataset": "d", "reason": "+1.00 points"}
    return Verdict(
        "c", "A > B on d", source=source, verdict=name, evidence=evidence, digest=digest, rule=rule, **plain | more
    )


def on_record(found, machine=""):
    return Expected(found.verdict, "was so", found.digest, found.rule, found.evidence, machine, "2026-01-02")


def fails(expected, found, machine=HERE):
    """Return the line of a change that fails."""
    change = changed(expected, found, machine)
    assert change.fails
    assert "\n" not in change.line
    return change.line


PUBLISHED, MICRO = verdict(), verdict("AGREES", "micro", RUNS)


@pytest.mark.parametrize("found", [PUBLISHED, MICRO, verdict("REFUTED"), verdict("OPEN", "micro", RUNS)])
def test_what_is_as_recorded_is_no_change(found):
    assert changed(on_record(found, HERE), found, HERE) == Change()
    assert changed(None, found, HERE) == Change()


def test_another_verdict_fails_and_says_what_was_and_is_and_which_figure():
    found = verdict("INCONCLUSIVE", evidence=("p: 85 ± 0.5000, 80 ± 0.5000, paper, on d", ROWS[1]))
    assert fails(on_record(PUBLISHED), found) == (
        "published: was REPRODUCED (was so), is INCONCLUSIVE, because the evidence changed:"
        f" {ROWS[0]} is now p: 85 ± 0.5000, 80 ± 0.5000, paper, on d"
    )


def test_a_figure_lowered_fails_though_the_verdict_is_the_same():
    found = verdict(evidence=("p: 89 ± 0.5000, 80 ± 0.5000, paper, on d", ROWS[1]))
    line = fails(on_record(PUBLISHED), found)
    assert line.startswith("published: still REPRODUCED, because the evidence changed: p: 90 ± 0.5000")
    assert "is now p: 89 ± 0.5000" in line


def test_a_publication_more_or_less_fails():
    assert fails(on_record(PUBLISHED), verdict(evidence=(*ROWS, "r: 1 ± ?, paper, on d"))) == (
        "published: still REPRODUCED, because there is new evidence: r: 1 ± ?, paper, on d"
    )
    assert fails(on_record(PUBLISHED), verdict(evidence=())).endswith(f"evidence is gone: {ROWS[0]} and 1 more")


def test_a_replaced_run_fails():
    found = replace(MICRO, evidence=("0a0a aaaa", "0b0b bbbb", "0d0d dddd"))
    assert fails(on_record(MICRO, HERE), found) == (
        "micro: still AGREES, because the evidence changed: 0c0c cccc is now 0d0d dddd"
    )


def test_another_rule_or_family_fails():
    assert fails(on_record(PUBLISHED), verdict(rule="rules 2; 3 in test_f, Holm")) == (
        f"published: still REPRODUCED, because the rule was {RULE}, is rules 2; 3 in test_f, Holm"
    )


def test_a_hypothesis_that_was_changed_fails():
    assert fails(on_record(PUBLISHED), verdict(digest="d2")) == (
        "published: still REPRODUCED, because the hypothesis was changed"
    )


def test_every_reason_is_said():
    line = fails(on_record(PUBLISHED), verdict("REFUTED", digest="d2", rule="rules 3; by itself", evidence=ROWS[:1]))
    assert line.count("; ") >= 2
    for reason in ("the hypothesis was changed", "the rule was", f"evidence is gone: {ROWS[1]}"):
        assert reason in line


def test_another_verdict_on_the_same_evidence_is_the_codes_doing():
    alone = {"rule": "rules 2; by itself"}
    line = fails(on_record(verdict(**alone)), verdict("INCONCLUSIVE", **alone))
    assert line.endswith("is INCONCLUSIVE, because the code that judges changed")


def test_another_verdict_on_the_same_evidence_may_be_its_familys_doing():
    """Whoever changed one figure is not told that the code changed: Holm's steps depend on the whole family."""
    assert fails(on_record(PUBLISHED), verdict("INCONCLUSIVE")).endswith(
        "because the evidence on another hypothesis of its family changed (4 in test_f, Holm), or the code that judges"
    )


OTHER = ("0a0a aaaa", "0b0b ffff", "0c0c eeee")


def test_the_same_verdict_with_other_predictions_of_the_same_runs_is_nothing():
    for machine in (HERE, THERE, ""):
        assert changed(on_record(MICRO, HERE), replace(MICRO, evidence=OTHER), machine) == Change()


def test_another_verdict_with_other_predictions_fails_on_the_processor_that_was_recorded():
    found = replace(MICRO, verdict="OPEN", evidence=OTHER)
    line = fails(on_record(MICRO, HERE), found, HERE)
    assert line == "micro: was AGREES (was so), is OPEN, because 2 of its runs gave other predictions, e.g. run 0b0b"
    assert fails(on_record(MICRO, ""), found, THERE)  # nothing says that it was another one


def test_on_another_processor_it_is_a_note():
    change = changed(on_record(MICRO, HERE), replace(MICRO, verdict="OPEN", evidence=OTHER), THERE)
    assert not change.fails
    assert f"other predictions on another processor ({THERE}, recorded on {HERE})" in change.line


@pytest.mark.parametrize("changed_too", [{"digest": "d2"}, {"rule": "rules 3; by itself"}])
def test_another_processor_excuses_nothing_else(changed_too):
    found = replace(MICRO, verdict="OPEN", evidence=OTHER, **changed_too)
    assert fails(on_record(MICRO, HERE), found, THERE)
    assert fails(on_record(MICRO, HERE), replace(found, verdict="AGREES"), THERE)
    replaced = replace(MICRO, verdict="OPEN", evidence=(*RUNS[:2], "0d0d dddd"))
    assert fails(on_record(MICRO, HERE), replaced, THERE)


def test_a_run_that_diverged_gave_other_predictions():
    found = replace(MICRO, verdict="OPEN", evidence=("0a0a aaaa", "0b0b bbbb", "0c0c diverged"))
    assert "1 of its runs gave other predictions, e.g. run 0c0c" in fails(on_record(MICRO, HERE), found)


def test_what_is_not_run_here_changes_nothing():
    assert changed(on_record(MICRO, HERE), replace(MICRO, verdict="NOT RUN", evidence=()), HERE) == Change()
    # That it can't be verified at all is another thing.
    assert "is NOT VERIFIABLE" in fails(on_record(MICRO, HERE), replace(MICRO, verdict="NOT VERIFIABLE", evidence=()))


def test_a_record_written_by_hand_holds_the_verdict_alone():
    by_hand = Expected("REFUTED", "A 1, B 2")
    assert changed(by_hand, verdict("REFUTED", evidence=(), rule="any"), HERE) == Change()
    assert fails(by_hand, verdict("INCONCLUSIVE")) == "published: was REFUTED (A 1, B 2), is INCONCLUSIVE: +1.00 points"
    assert changed(by_hand, verdict("NOT RUN"), HERE) == Change()


def test_the_micro_studys_old_words_mean_its_own():
    for old, own in (("REPRODUCED", "AGREES"), ("REFUTED", "DISAGREES"), ("INCONCLUSIVE", "OPEN")):
        assert changed(Expected(old, "r"), verdict(own, "micro"), HERE) == Change()
        assert changed(Expected(old, "r"), verdict("AGREES" if own != "AGREES" else "OPEN", "micro"), HERE).fails


def test_a_lost_reproduction_is_not_silent():
    assert fails(Expected("REPRODUCED", "r"), verdict("INCONCLUSIVE"))
    assert fails(on_record(PUBLISHED), verdict("INCONCLUSIVE", evidence=ROWS[:1]))
