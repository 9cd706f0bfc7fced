"""The steps of a nightly job, run as the job runs them, night after night."""

import json
import zipfile

import pytest

from tests.nightly.making import Job, break_network, write_paper


@pytest.fixture
def job(tmp_path):
    """Return a job on the claims of a small paper."""
    write_paper(tmp_path / "paper")
    return Job(tmp_path)


def finished(told, page="true"):
    return dict(line.split("=") for line in told.splitlines()) == {"changed": "false", "page": page}


def test_a_night_is_green_while_nothing_changes_and_red_when_something_does(job):
    job.lock()

    session, told, summary = job.night()
    assert session.returncode == 0, session.stdout + session.stderr
    assert finished(told)
    assert "No night finished before this one, so there is nothing to compare with." in summary
    assert not (job.issues / "calls").exists()

    session, told, summary = job.night()
    assert session.returncode == 0, session.stdout + session.stderr
    assert "--strict-verdicts" in session.stdout.splitlines()[0]
    assert finished(told)
    assert "The night finished with exit code 0." in summary
    assert "No answer and no verdict changed against the last night that finished." in summary
    assert summary == (job.out / "summary.md").read_text()
    with zipfile.ZipFile(job.out / "night.zip") as bundle:
        assert "verify.py" in bundle.namelist()
    assert (job.out / "night.zip").read_bytes() == (job.kept / "baseline.zip").read_bytes()
    assert "<html" in (job.out / "site" / "index.html").read_text()[:200].lower()

    break_network(job.folder / "paper")
    session, told, summary = job.night()
    assert session.returncode != 0
    assert "changed=true\n" in told
    assert "The night finished with exit code 1." in summary
    assert "3 answers or verdicts changed against the last night that finished." in summary
    assert r"- answer of bars, micro: OPEN -\> SUPPORTED" in summary
    assert "failed" in (job.out / "night.log").read_text()
    judged = json.loads((job.out / "report" / "verdicts.json").read_text())["verdicts"]
    assert [one["verdict"] for one in judged] == ["AGREES"] * 3

    calls = (job.issues / "calls").read_text()
    assert "issue create --title Nightly: 3 answers or verdicts changed --label nightly" in calls
    opened = (job.issues / "7").read_text()
    assert r"- answer of bars, micro: OPEN -\> SUPPORTED" in opened
    assert "- digest of checkpoint vit-tiny-nothing" in opened
    assert job.make("nightly-issue").returncode == 0  # as after another night: the issue that is open is updated
    assert (job.issues / "calls").read_text().count("issue create") == 1
    assert (job.issues / "7").read_text() == opened * 2
