"""What changed between two reports."""

import dataclasses

from harness.core.claim import Claim
from harness.report.changes import Changes, changes
from harness.report.summary import what_changed
from harness.report.verdict_store import VerdictStore
from tests.report.samples import CLAIM_1, STATEMENTS, everywhere, store, verdict, without_figures


def store_of(*records):
    made = VerdictStore()
    made.add(records)
    return made


def test_the_first_report_lists_nothing_and_the_same_one_has_no_change():
    assert changes(VerdictStore(), store()) == Changes(first=True)
    assert changes(store(), store()).nothing
    assert not Changes(first=True).nothing


def test_a_date_an_estimate_or_a_reason_is_no_change():
    later = verdict(date="2026-05-01T00:00:00+00:00", estimate=1.2, reason="another", p=0.5)
    assert changes(store_of(verdict()), store_of(later)).nothing


def test_changed_new_and_gone_verdicts_are_told_apart():
    before = store_of(verdict(), verdict(hypothesis="b"), verdict(hypothesis="c"))
    after = store_of(verdict(verdict="REFUTED"), verdict(hypothesis="b"), verdict(hypothesis="d"))
    found = changes(before, after)
    assert [(each.was.verdict, each.now.verdict) for each in found.verdicts] == [("REPRODUCED", "REFUTED")]
    assert [each.hypothesis for each in found.new] == ["d"]
    assert [each.hypothesis for each in found.gone] == ["c"]
    assert not found.nothing


def test_what_was_not_run_is_neither_new_nor_gone():
    idle = without_figures(verdict="NOT RUN")
    assert changes(store_of(verdict(hypothesis="b"), idle), store_of(verdict(hypothesis="b"))).nothing
    found = changes(store_of(verdict(hypothesis="b"), idle), store_of(verdict(hypothesis="b"), verdict()))
    assert [each.hypothesis for each in found.new] == [verdict().hypothesis]


def test_the_micro_study_s_records_in_the_paper_s_words_are_the_same_verdict():
    old, new = verdict(source="micro", verdict="REFUTED"), verdict(source="micro", verdict="DISAGREES")
    assert changes(store_of(old), store_of(new)).nothing


def test_an_answer_that_changed_came_or_went():
    supported = everywhere(verdict="REPRODUCED")
    before, after = store_of(CLAIM_1, everywhere()), store_of(CLAIM_1, supported)
    (found,) = changes(before, after).answers
    assert (found.was.answer, found.now.answer, found.key) == ("OPEN", "SUPPORTED", ("claim1", "published"))
    other = verdict(hypothesis="b")
    (came,) = changes(store_of(CLAIM_1, other), store_of(CLAIM_1, other, supported)).answers
    assert (came.was, came.now.answer) == (None, "SUPPORTED")
    (went,) = changes(store_of(CLAIM_1, other, supported), store_of(CLAIM_1, other)).answers
    assert (went.was.answer, went.now, went.key) == ("SUPPORTED", None, ("claim1", "published"))


def test_changes_are_said_in_words_the_answers_first():
    before, after = store_of(CLAIM_1, everywhere()), store_of(CLAIM_1, everywhere(verdict="REPRODUCED"))
    said = what_changed(changes(before, after))
    assert said.lead == "Changed since the last report:"
    assert said.listed[0].text == "claim1, published: the answer was open, is supported"
    assert said.listed[1].text.endswith("(published): was inconclusive, is reproduced")
    assert what_changed(Changes()).lead == "Nothing changed since the last report."
    assert what_changed(Changes(first=True)).lead == "This is the first report in this folder."


def test_a_long_list_of_changes_is_cut_and_the_rest_counted():
    names = [f"h{k}" for k in range(7)]
    before = store_of(*(verdict(hypothesis=name) for name in names), verdict(hypothesis="old"))
    after = store_of(*(verdict(hypothesis=name, verdict="REFUTED") for name in names), verdict(hypothesis="new"))
    said = what_changed(changes(before, after))
    assert len(said.listed) == 4
    assert said.more == "3 more changes, 1 new verdict, 1 verdict gone"
    only = what_changed(changes(store_of(verdict()), store_of(verdict(), verdict(hypothesis="b"))))
    assert only.lead == "No answer and no verdict changed since the last report:"
    assert (only.listed, only.more) == ((), "1 new verdict")


def test_a_claim_that_only_one_report_knows_does_no_harm():
    claim = Claim(id="claim9", title="t", quote="q", source="s", statements=STATEMENTS)
    stray = dataclasses.replace(everywhere(), claim="claim9")
    found = changes(store_of(verdict()), store_of(verdict(), claim, stray))
    assert [each.key for each in found.answers] == [("claim9", "published")]
