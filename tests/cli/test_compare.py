import json

import pytest

from harness.core.errors import ClaimsError
from tests.cli import command
from tests.report.run_making import record
from tests.report.samples import DAY_2, everywhere, store, verdict
from tests.report.test_records import written, zipped


def test_reports_that_agree_end_in_0(tmp_path, capsys):
    a = written(tmp_path / "a", store().sorted(), [record(0)])
    b = written(tmp_path / "b", store().sorted(), [record(0, computed=DAY_2)])
    assert command("compare", a, b) == 0
    assert capsys.readouterr().out == "nothing changed\n"


def test_a_changed_verdict_and_answer_end_in_1(tmp_path, capsys):
    a = written(tmp_path / "a", [everywhere(), verdict()])
    b = zipped(written(tmp_path / "b", [everywhere(verdict="REFUTED")]), tmp_path / "b.zip")
    assert command("compare", a, b) == 1
    lines = capsys.readouterr().out.splitlines()
    assert [line.partition(" of ")[0] for line in lines] == ["answer", "verdict", "coverage"]
    assert command("compare", a, b, "--json") == 1
    listed = json.loads(capsys.readouterr().out)
    assert [(one["kind"], one["before"], one["after"], one["decisive"]) for one in listed] == [
        ("answer", "OPEN", "CONTRADICTED", True),
        ("verdict", "INCONCLUSIVE", "REFUTED", True),
        ("coverage", "judged", "not judged", False),
    ]


def test_what_is_no_answer_and_no_verdict_ends_in_0(tmp_path, capsys):
    a = written(tmp_path / "a", [verdict()], [record(0)])
    b = written(tmp_path / "b", [verdict()], [record(0, range(50))])
    assert command("compare", a, b) == 0
    assert capsys.readouterr().out.startswith("accuracy of net on pics, r: 100.00 % (1 seed) -> 75.00 % (1 seed)")


def test_a_report_of_a_later_version_is_one_line(tmp_path):
    a = written(tmp_path / "a", [verdict()])
    (tmp_path / "b").mkdir()
    (tmp_path / "b" / "verdicts.json").write_text('{"schema_version": 2}')
    with pytest.raises(ClaimsError, match=r"b/verdicts\.json: expected schema_version 1, found 2"):
        command("compare", a, tmp_path / "b")
