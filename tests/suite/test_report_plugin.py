import dataclasses
import re
from types import SimpleNamespace

import pytest
from markupsafe import escape

from harness.report.html.page_rows import row_id
from harness.report.html.why import why
from harness.report.records import read_folder
from harness.report.verdict_store import load
from harness.suite.report_plugin import ReportPlugin
from tests.report.samples import DAY_1, JFT_BIT, JFT_VIT, NASTY, store
from tests.report.suite import CLAIMS, record_of, run, write_suite

LATER = "2026-05-05T05:05:05+00:00"


def test_a_session_leaves_the_record_the_tables_and_the_page(finished):
    folder, done = finished
    assert done.returncode == 0, done.stdout + done.stderr
    left = {path.relative_to(folder / "reports").as_posix() for path in (folder / "reports").rglob("*")}
    tables = {
        f"tables/{name}.{kind}" for name in ("answers", "claim1", "claim2", "summary") for kind in ("csv", "json")
    }
    records = {"verdicts.json", "verdicts.jsonl", "answers.json", "runs.json", "history.jsonl", "summary.md"}
    assert left == {"report.html", *records, ".lock", "tables", *tables}
    assert load(folder / "reports").verdicts == store().verdicts
    assert load(folder / "reports").claims == store().claims


def test_the_session_ends_with_the_table_and_the_place_of_the_page(finished):
    folder, done = finished
    lines = done.stdout.splitlines()
    heading = next(number for number, line in enumerate(lines) if line.startswith("claim "))
    assert lines[heading + 1].split() == ["claim1", "published", "4", "-", "4", *["-"] * 5, "now"]
    section = next(number for number, line in enumerate(lines) if " verdicts ===" in line)
    before = [line for line in lines[section + 1 : heading] if line]
    assert before[0] == "claim1, published: OPEN"
    assert "claim1, micro: CONTRADICTED" in before
    assert f"report: {folder / 'reports' / 'report.html'}" in lines


def test_the_page_is_one_file_that_holds_every_verdict(finished):
    text = (finished[0] / "reports" / "report.html").read_text()
    assert all(f'id="{row_id(one.key)}"' in text for one in store().sorted())
    assert all(str(escape(why(one))) in text for one in store().sorted())
    assert "This is the first report in this folder." in text
    assert '<meta name="viewport"' in text  # a phone lays it out for its own width
    assert not re.search(r"<(link|iframe|object|embed|base)\b", text)


def test_a_session_keeps_the_verdicts_that_it_does_not_judge_and_drops_the_unstated(finished, tmp_path):
    folder = write_suite(tmp_path)
    (folder / "reports").mkdir()
    (folder / "reports" / "verdicts.json").write_bytes(record_of(finished[0]))
    gone = f"{JFT_VIT} > {JFT_BIT} on pets"
    done = run(folder, "test_claim1.py", "-k", "micro", DAY=LATER, UNSTATED=gone)
    assert done.returncode == 0, done.stdout + done.stderr
    before = {key: one for key, one in store().verdicts.items() if one.hypothesis != gone}
    assert len(before) == len(store().verdicts) - 1
    after = load(folder / "reports").verdicts
    assert after == {
        key: dataclasses.replace(one, date=LATER) if one.source == "micro" else one for key, one in before.items()
    }
    for name, group, judged in (
        ("claim1", "published", DAY_1),
        ("claim1", "micro", "now"),
        ("claim2", "published", DAY_1),
    ):
        assert re.search(rf"^{name} +{group} .*  {judged[:10]}$", done.stdout, re.MULTILINE)
    page = (folder / "reports" / "report.html").read_text()
    assert f"16 verdicts kept from earlier sessions, the oldest of {DAY_1[:10]}." in page
    assert f"claim1: dropped the verdicts on what the claim no longer states: {escape(gone)}" in page


def said_in_one_line(done):
    """Return the one line of a usage error."""
    assert done.returncode == 4, done.stdout + done.stderr
    lines = [line for line in done.stderr.splitlines() if line]
    assert len(lines) == 1, done.stderr
    assert "Traceback" not in done.stdout + done.stderr
    return lines[0]


def test_a_file_in_the_way_of_the_folder_is_a_usage_error(tmp_path):
    folder = write_suite(tmp_path)
    (folder / "reports").write_text("mine")
    line = said_in_one_line(run(folder, *CLAIMS))
    assert "--report-dir: expected a folder that can be written" in line
    assert (folder / "reports").read_text() == "mine"


@pytest.mark.parametrize(
    "name, content", [("verdicts.json", '{"format": 1,'), ("verdicts.jsonl", "hello\n"), ("runs.json", "[]")]
)
def test_a_damaged_record_is_a_usage_error_and_stays(tmp_path, name, content):
    folder = write_suite(tmp_path)
    (folder / "reports").mkdir()
    (folder / "reports" / name).write_text(content)
    line = said_in_one_line(run(folder, *CLAIMS))
    assert str(folder / "reports" / name) in line
    assert (folder / "reports" / name).read_text() == content
    assert [path.name for path in (folder / "reports").iterdir()] == [name]


def test_a_full_disk_is_said_and_never_green(finished, tmp_path):
    folder = write_suite(tmp_path)
    (folder / "reports").mkdir()
    before = record_of(finished[0])
    (folder / "reports" / "verdicts.json").write_bytes(before)
    (folder / "reports" / "report.html").write_text("the page of an earlier session")
    done = run(folder, *CLAIMS, ROOM="5000", DAY=LATER)
    assert done.returncode == 1, done.stdout + done.stderr
    problems = [line for line in done.stdout.splitlines() if line.startswith("Problem: ")]
    places = [problem.split(": ")[1].rsplit("/")[-1] for problem in problems]
    assert set(places) == {"verdicts.jsonl", "verdicts.json", "report.html"}
    assert all("free some space" in problem for problem in problems)
    assert len(problems) < 6  # not one for each of nineteen verdicts
    assert "INTERNALERROR" not in done.stdout + done.stderr
    assert record_of(folder) == before
    # Neither half a page nor a line that says there is one.
    assert (folder / "reports" / "report.html").read_text() == "the page of an earlier session"
    assert not list((folder / "reports").glob(".report.html*"))
    assert "report: no page was written" in done.stdout
    assert "Generated html report" not in done.stdout
    # What came before the disk was full is in the history, and nothing is damaged.
    kept = load(folder / "reports")
    assert 0 < sum(one.date == LATER for one in kept.verdicts.values()) < len(store().verdicts)


def test_verdicts_that_the_log_can_t_take_are_in_the_record(finished, tmp_path):
    folder = write_suite(tmp_path)
    (folder / "reports").mkdir()
    log = (finished[0] / "reports" / "verdicts.jsonl").read_bytes()
    (folder / "reports" / "verdicts.jsonl").write_bytes(3 * log)
    done = run(folder, *CLAIMS, ROOM=str(2 * len(log)), DAY=LATER)
    assert done.returncode == 1, done.stdout + done.stderr
    assert f"Problem: {folder / 'reports' / 'verdicts.jsonl'}: expected to append" in done.stdout
    assert (folder / "reports" / "verdicts.jsonl").read_bytes() == 3 * log
    assert {one.date for one in load(folder / "reports").verdicts.values()} == {LATER}


def test_nasty_names_reach_the_page_as_text(nasty):
    folder, done = nasty
    assert done.returncode == 1
    assert "1 failed" in done.stdout
    text = (folder / "reports" / "report.html").read_text()
    assert "<img src=x" not in text
    assert str(escape(NASTY)) in text


def test_a_damaged_property_of_a_test_is_a_problem_in_one_line_and_no_crash(tmp_path):
    plugin = ReportPlugin(config=None, folder=tmp_path)
    for _ in ("setup", "call", "teardown"):
        plugin.pytest_runtest_logreport(SimpleNamespace(nodeid="test_a", user_properties=[("vit-claims", "{}")]))
    assert plugin.problems == ["test_a: key 'verdict' is missing; add it"]
    assert plugin.store.verdicts == {}


def test_a_folder_in_the_place_of_the_page_is_one_line(tmp_path):
    folder = write_suite(tmp_path)
    (folder / "reports" / "report.html").mkdir(parents=True)
    done = run(folder, *CLAIMS)
    assert done.returncode == 1, done.stdout + done.stderr
    problems = [line for line in done.stdout.splitlines() if line.startswith("Problem: ")]
    assert len(problems) == 1
    assert "report.html: expected to write the page, found: Is a directory" in problems[0]
    assert load(folder / "reports").verdicts.keys() == store().verdicts.keys()


def sessions_of(folder):
    return read_folder(folder / "reports").sessions


def test_each_session_is_a_line_of_the_history(finished, tmp_path):
    folder = write_suite(tmp_path)
    (folder / "reports").mkdir()
    (folder / "reports" / "verdicts.json").write_bytes(record_of(finished[0]))
    for _ in range(2):
        run(folder, "test_claim1.py", "-k", "micro", DAY=LATER)
    assert (folder / "reports" / "history.jsonl").read_text().count("\n") == 2
    assert [(one.judged, one.changed, one.problems) for one in sessions_of(folder)] == 2 * [(3, (), ())]
    assert "test_claim1.py -k micro" in sessions_of(folder)[0].command


def test_a_session_says_what_changed_against_the_report_before(finished, tmp_path):
    folder = write_suite(tmp_path)
    (folder / "reports").mkdir()
    before = record_of(finished[0]).replace(b'"verdict": "REPRODUCED"', b'"verdict": "INCONCLUSIVE"')
    (folder / "reports" / "verdicts.json").write_bytes(before)
    done = run(folder, *CLAIMS, DAY=LATER)
    assert done.returncode == 0, done.stdout + done.stderr
    assert "what changed against the report before:" in done.stdout
    lines = [line for line in done.stdout.splitlines() if line.startswith("  verdict of ")]
    assert len(lines) == 4
    assert all(": INCONCLUSIVE -> REPRODUCED (" in line for line in lines)
    assert list(sessions_of(folder)[0].changed) == [line.strip() for line in lines]
    assert "## What changed\n" in (folder / "reports" / "summary.md").read_text()


def test_a_baseline_that_differs_fails_the_session_and_one_that_agrees_does_not(finished, tmp_path):
    folder = write_suite(tmp_path)
    for name, content in (
        ("same", record_of(finished[0])),
        ("other", record_of(finished[0]).replace(b'"verdict": "REFUTED"', b'"verdict": "REPRODUCED"')),
    ):
        (folder / name).mkdir()
        (folder / name / "verdicts.json").write_bytes(content)
        done = run(folder, *CLAIMS, BASELINE=name)
        assert done.returncode == {"same": 0, "other": 1}[name], done.stdout + done.stderr
        (line,) = [line for line in done.stdout.splitlines() if line.startswith("what changed against")]
        assert line == f"what changed against {name}:{' nothing' if name == 'same' else ''}"
    assert "  verdict of claim2, published, " in done.stdout
    assert [one.baseline for one in sessions_of(folder)] == ["same", "other"]


def test_a_baseline_that_is_none_is_a_usage_error(tmp_path):
    folder = write_suite(tmp_path)
    assert "gone: expected a report's folder or a bundle" in said_in_one_line(run(folder, *CLAIMS, BASELINE="gone"))


def test_quiet_sessions_show_refuted_hypotheses_and_no_colour_in_a_file(finished, tmp_path):
    folder = write_suite(tmp_path)
    done = run(folder, *CLAIMS, "-q")
    shown = [line for line in done.stdout.splitlines() if line.startswith(("REFUTED ", "DISAGREES "))]
    assert len(shown) == 3
    assert "\x1b[" not in done.stdout + finished[1].stdout
    coloured = run(folder, *CLAIMS, "-q", "--color=yes")
    assert "\x1b[31m" in next(line for line in coloured.stdout.splitlines() if "REFUTED published" in line)
