import dataclasses
from pathlib import Path

import numpy as np
import pytest

from harness.report.comparison import compare
from harness.report.records import Records
from harness.stats.predictions import judge_scores
from tests.report.run_making import record, records
from tests.report.samples import CLAIM_1, DAY_2, EVERYWHERE, everywhere, store, verdict


def report(*verdicts, runs=None):
    made = Records(Path("report"), runs=runs or {})
    made.store.add([CLAIM_1, *verdicts])
    return made


def kinds(changes):
    return [change.kind for change in changes]


def test_a_report_does_not_differ_from_itself():
    whole = report(*store().sorted(), runs=records(range(3), lambda seed: {seed}))
    assert compare(whole, whole) == ()


def test_another_date_is_no_change():
    assert compare(report(verdict()), report(verdict(date=DAY_2))) == ()


def test_a_changed_verdict_says_which_evidence_changed_and_is_decisive():
    before = verdict(evidence=("course: 99, 98",), rule="r", digest="d")
    after = dataclasses.replace(before, verdict="INCONCLUSIVE", evidence=("course: 98, 98",))
    (change,) = compare(report(before), report(after))
    assert (change.kind, change.before, change.after) == ("verdict", "REPRODUCED", "INCONCLUSIVE")
    assert change.decisive
    assert change.because == "the evidence changed: course: 99, 98 is now course: 98, 98"
    assert str(change).startswith("verdict of claim1, published, ")


def test_the_same_verdict_on_other_evidence_is_told_and_not_decisive():
    before = verdict(evidence=("course: 99, 98",), rule="r", digest="d")
    (change,) = compare(report(before), report(dataclasses.replace(before, evidence=("course: 98.9, 98",))))
    assert (change.kind, change.decisive) == ("digest", False)


def test_the_micro_study_s_old_words_are_no_change():
    old, new = verdict(source="micro"), verdict(source="micro", verdict="AGREES")
    assert compare(report(old), report(new)) == ()


def test_a_changed_answer_comes_first_with_its_sentence():
    changes = compare(report(everywhere()), report(everywhere(verdict="REFUTED", reason="it does not")))
    assert kinds(changes) == ["answer", "verdict"]
    assert (changes[0].before, changes[0].after) == ("OPEN", "CONTRADICTED")
    assert changes[0].because.startswith("Published figures contradict the claim")
    assert EVERYWHERE in changes[1].subject


@pytest.mark.parametrize("missing", [(), (verdict(source="micro", verdict="NOT RUN"),)], ids=["no record", "not run"])
def test_what_one_report_has_not_judged_is_coverage_and_not_decisive(missing):
    judged = [verdict(source="micro"), verdict(source="micro", hypothesis="another")]
    before = report(verdict(), *missing)
    (change,) = compare(before, report(verdict(), *judged))
    assert str(change) == "coverage of 2 verdicts of claim1, micro: not judged -> judged"
    assert not change.decisive
    assert [str(each) for each in compare(report(verdict(), *judged), before)] == [
        "coverage of 2 verdicts of claim1, micro: judged -> not judged"
    ]


def test_an_accuracy_beyond_noise_is_told_with_its_interval_s_p():
    before = records(range(3), lambda seed: {seed})
    after = records(range(3), lambda seed: set(range(seed, seed + 40)))
    (change,) = compare(report(runs=before), report(runs=after))
    assert (change.kind, change.before, change.after) == ("accuracy", "99.50 % (3 seeds)", "80.00 % (3 seeds)")
    a, b = (np.stack([run.got_right() for run in runs.values()]) for runs in (before, after))
    p = judge_scores(a, b).crossed.p
    assert p < 0.001
    assert change.because.startswith(f"-19.50 points, p {p:.2g} by Holm over 1")
    assert not change.decisive


def test_accuracies_within_noise_are_counted_and_share_an_error_rate():
    before, after = {}, {}
    for k in range(40):  # at 5 % each, undivided, two of forty would be expected to look changed
        before |= records([0], lambda seed: {1, 2}, checkpoint=f"net{k}")
        after |= records([0], lambda seed: {2, 3, 4, 5, 6, 7, 8, 9}, checkpoint=f"net{k}")
    a, b = ({run.checkpoint: run for run in runs.values()} for runs in (before, after))
    alone = judge_scores([b["net0"].got_right()], [a["net0"].got_right()]).crossed.p
    assert 0.05 / 40 < alone < 0.1
    (change,) = compare(report(runs=before), report(runs=after))
    assert str(change) == "digest of predictions of 40 sides: as they were -> others, within noise"


def test_other_labels_are_not_compared():
    labels = tuple((k + 1) % 4 for k in range(200))
    changes = compare(report(runs=records([0], lambda s: ())), report(runs=records([0], lambda s: {1}, labels=labels)))
    assert [change.subject for change in changes] == ["labels of net on pics, r"]


def test_new_weights_under_an_old_name_are_compared_and_told():
    before = records(range(3), lambda seed: {seed})
    after = records(range(3), lambda seed: set(range(60)), weights={"sha256": "c" * 64})
    changes = compare(report(runs=before), report(runs=after))
    assert kinds(changes) == ["accuracy", "digest"]
    assert (changes[1].subject, changes[1].after) == ("checkpoint net", "c" * 16)


def test_slower_training_and_other_versions_are_told():
    before = records(range(3), lambda seed: {seed})
    newer = (("python", "3.11"), ("torch", "2.12"), ("device", "cpu"))
    after = records(range(3), lambda seed: {seed}, speed=50.0, environment=newer, computed=DAY_2)
    changes = compare(report(runs=before), report(runs=after))
    assert [str(change) for change in changes] == [
        "speed of torch on cpu: 100 images/s -> 50 images/s (0.50 times, median of 1 sides)",
        "version of torch of torch runs: 2.11 -> 2.12",
    ]


def test_a_speed_that_varies_as_usual_is_no_change():
    before = records([0], lambda seed: ())
    assert compare(report(runs=before), report(runs=records([0], lambda s: (), speed=110.0, computed=DAY_2))) == ()


def test_a_run_that_diverged_in_one_report_alone_is_told():
    found = record(0)
    gone = dataclasses.replace(found, diverged="the loss was not finite", accuracy=None, correct=0, hits="")
    (change,) = compare(report(runs={found.id: found}), report(runs={found.id: gone}))
    assert str(change) == "accuracy of net on pics, r: 0 of 1 runs diverged -> 1 of 1 runs diverged"
