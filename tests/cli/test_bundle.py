import hashlib

import pytest

from harness.core.errors import ClaimsError
from harness.report.records import read_folder
from tests.cli import command
from tests.report.bundle_making import make_report, rezipped, unzipped


@pytest.fixture
def place(tmp_path, monkeypatch):
    """Return a folder with a report that the command is run in."""
    home, paper, _ = make_report(tmp_path)
    monkeypatch.chdir(tmp_path)
    monkeypatch.setenv("VIT_CLAIMS_HOME", str(home))
    monkeypatch.setenv("VIT_CLAIMS_PAPER", str(paper))
    return tmp_path


def test_a_bundle_is_written_named_in_the_report_and_checked(place, capsys):
    assert command("bundle", "out.zip") == 0
    digest = hashlib.sha256((place / "out.zip").read_bytes()).hexdigest()
    assert f"15 runs with predictions, sha256 {digest}" in capsys.readouterr().out
    assert digest in (place / "reports" / "report.html").read_text()
    assert command("bundle", "--verify", "out.zip") == 0
    assert f"sha256 {digest}  out.zip" in capsys.readouterr().out


def test_a_tampered_bundle_ends_in_1_with_a_line_for_each_problem(place, capsys):
    command("bundle", "out.zip")
    files = unzipped("out.zip")
    rezipped(
        "bad.zip",
        {**files, "runs.json": files["runs.json"].replace(b'"correct": ', b'"correct": 1')},
        new_manifest=False,
    )
    capsys.readouterr()
    assert command("bundle", "--verify", "bad.zip") == 1
    assert "PROBLEM: runs.json: the sha256 is not the one in the manifest" in capsys.readouterr().out


def test_a_report_of_imported_runs_says_where_they_come_from(place, monkeypatch, capsys):
    command("bundle", "out.zip")
    monkeypatch.setenv("VIT_CLAIMS_HOME", str(place / "another"))
    assert command("bundle", "--import", "out.zip") == 0
    assert "out.zip: 15 runs stored, 0 were there before; run pytest claims to judge them" in capsys.readouterr().out
    assert command("report") == 0
    assert {run.origin[:7] for run in read_folder(place / "reports").runs.values()} == {"out.zip"}
    assert "15 of 15 runs were made elsewhere, imported from out.zip" in (place / "reports/report.html").read_text()


@pytest.mark.parametrize("arguments, message", [
    ((), "found 0 of them"), (("a.zip", "--verify", "b.zip"), "found 2 of them"),
    (("out.zip", "--report-dir", "no"), "found no folder no"), (("--import", "no.zip"), "found nothing there"),
    (("--verify", "no.zip"), "found nothing there"),
])  # fmt: skip
def test_bad_input_is_one_line(place, arguments, message):
    with pytest.raises(ClaimsError, match=message) as caught:
        command("bundle", *arguments)
    assert "\n" not in str(caught.value)
