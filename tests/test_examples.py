"""The small second paper is verified as recorded, by the engine alone."""

import json
import subprocess
import sys
from pathlib import Path

ROOT = Path(__file__).parents[1]


def test_the_example_s_verdicts_are_as_recorded(tmp_path):
    command = ["examples", "-q", "-p", "no:cacheprovider", "--home", tmp_path / "home", "--report-dir", tmp_path / "r"]
    done = subprocess.run(
        [sys.executable, "-m", "pytest", *map(str, command)], cwd=ROOT, capture_output=True, text=True
    )
    assert done.returncode == 0, done.stdout + done.stderr
    found = json.loads((tmp_path / "r" / "verdicts.json").read_text())
    assert {(v["source"], v["kind"], v["dataset"], v["verdict"]) for v in found["verdicts"]} == {
        ("published", "All", "digits, count", "REFUTED"),
        ("published", "Better", "digits", "INCONCLUSIVE"),
        ("published", "Better", "count", "REFUTED"),
        ("micro", "All", "digits, count", "OPEN"),
        ("micro", "Better", "digits", "OPEN"),
        ("micro", "Better", "count", "OPEN"),
    }
    assert {(a["source"], a["answer"]) for a in found["answers"]} == {("published", "CONTRADICTED"), ("micro", "OPEN")}
    page = (tmp_path / "r" / "report.html").read_text()
    assert "handwritten digits" in page  # the paper's own names of its datasets


def test_the_example_s_ledger_is_whole():
    command = [sys.executable, "-m", "harness", "lock", "--verify", "--paper", "examples/bars"]
    done = subprocess.run(command, cwd=ROOT, capture_output=True, text=True)
    assert (done.returncode, done.stdout.endswith("the chain is whole\n")) == (0, True), done.stderr
