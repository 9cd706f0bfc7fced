import dataclasses

import pytest

from harness.core import config
from harness.core.errors import ClaimsError
from harness.report.comparison import Change
from harness.report.records import read_records
from harness.report.verdict_log import VerdictLog
from nightly.folders import HandedOver, Kept
from nightly.handover import MOST, hand_over, issue, number
from nightly.record import Night, ending, read, write
from tests.report.samples import everywhere, verdict
from tests.report.test_records import written

DAY = "2030-01-02T03:04:05+00:00"
JOB = {"GITHUB_RUN_ID": "5", "GITHUB_SERVER_URL": "https://example.org", "GITHUB_REPOSITORY": "a/b"}


@pytest.fixture
def night(tmp_path):
    """Return a function that makes what a session left, and hands over: (kept, out)."""
    kept, out = Kept(tmp_path / "home" / "nightly"), HandedOver(tmp_path / "out")
    config.use(config.read_config({"home": tmp_path / "home"}))

    def make(code, verdicts=(), environment=None):
        kept.report.mkdir(parents=True, exist_ok=True)
        log = kept.report / "verdicts.jsonl"
        write(kept.record, Night(DAY, "pytest claims", log.stat().st_size if log.exists() else 0, code))
        if code in (0, 1):
            written(kept.report, verdicts)
            (kept.report / "summary.md").write_text("# Verification report\n")
        lines = VerdictLog(log)
        for each in verdicts:
            lines.append(each)
        lines.close()
        hand_over(kept, out, environment or {})
        return kept, out

    return make


def test_a_night_that_finished_is_the_next_one_s_baseline(night):
    kept, out = night(0, [verdict()])
    assert "The night finished with exit code 0." in out.summary.read_text()
    assert [one.verdict for one in read_records(kept.baseline).store.sorted()] == [verdict().verdict]
    assert read(kept.record).reported
    assert not out.issue.exists()


@pytest.mark.parametrize(
    ("code", "said"), [(2, "exit code 2"), (4, "exit code 4"), (-9, "signal 9"), (None, "it was killed")]
)
def test_a_night_cut_short_says_so_and_leaves_the_baseline(night, code, said):
    kept, _ = night(0, [verdict()])
    before = kept.baseline.read_bytes()
    _, out = night(code, [everywhere()])
    text = out.summary.read_text()
    assert f"The night was cut short ({said}): the next night goes on from what is stored." in text
    assert "The baseline stays that of the last night that finished." in text
    assert kept.baseline.read_bytes() == before
    # What it reached is in its report all the same.
    assert everywhere().key in read_records(out.report).store.verdicts


def test_the_first_night_cut_short_before_any_verdict_hands_over_a_summary_alone(night):
    kept, out = night(None)
    assert "No night finished before this one" in out.summary.read_text()
    assert not out.page.exists()
    assert not kept.baseline.exists()
    night(1, [verdict()])
    assert kept.baseline.exists()


def test_a_night_that_stopped_at_the_time_limit_is_not_finished(night):
    left = dataclasses.replace(everywhere(), verdict="NOT RUN", reason="--time-limit 8: not begun")
    kept, out = night(0, [verdict(), left])
    assert ending(read(kept.record), kept.report) == "stopped at the time limit"
    assert "The night stopped at the time limit: what is left is NOT RUN, and the next" in out.summary.read_text()
    assert not kept.baseline.exists()


def test_not_run_for_another_reason_or_in_another_night_is_no_time_limit(night):
    for reason, how in (("--time-limit 8: not begun", "stopped at the time limit"), ("no data", "finished")):
        kept, _ = night(0, [dataclasses.replace(everywhere(), verdict="NOT RUN", reason=reason)])
        assert ending(read(kept.record), kept.report) == how


def test_a_change_is_in_the_issue_and_told_to_the_job(night, tmp_path):
    night(0, [everywhere()])
    files = {name: str(tmp_path / name) for name in ("GITHUB_OUTPUT", "GITHUB_STEP_SUMMARY")}
    _, out = night(1, [everywhere(verdict="REFUTED")], JOB | files)
    title, _, rest = out.issue.read_text().partition("\n\n")
    assert title == "Nightly: 2 answers or verdicts changed"
    assert "answer of claim1" in rest
    assert "https://example.org/a/b/actions/runs/5" in rest
    assert (tmp_path / "GITHUB_OUTPUT").read_text() == "changed=true\npage=true\n"
    assert (tmp_path / "GITHUB_STEP_SUMMARY").read_text() == out.summary.read_text()


def test_an_issue_lists_the_first_changes_and_counts_the_others():
    changes = [Change("verdict", f"claim1, micro, h{n}", "OPEN", "AGREES") for n in range(MOST + 3)]
    text = issue(Night(DAY, "pytest", 0, 1), "finished", changes, {})
    assert text.count("- verdict of claim1") == MOST
    assert "- and 3 more" in text
    assert "actions/runs" not in text


def test_what_was_reported_is_not_reported_again(night):
    kept, out = night(0, [verdict()])
    with pytest.raises(ClaimsError, match="expected a night without a report, found that the night of 2030-01-02"):
        hand_over(kept, out, {})


def test_without_a_night_there_is_nothing_to_report(tmp_path):
    with pytest.raises(ClaimsError, match="expected a night's record, found none; run make nightly first"):
        hand_over(Kept(tmp_path), HandedOver(tmp_path / "out"), {})


def test_numbers_in_words():
    assert [number(n) for n in (0, 1, 2)] == [
        "No answer and no verdict",
        "1 answer or verdict",
        "2 answers or verdicts",
    ]
