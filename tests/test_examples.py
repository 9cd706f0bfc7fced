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
    verdicts = json.loads((tmp_path / "r" / "verdicts.json").read_text())["verdicts"]
    assert {(v["source"], v["dataset"], v["verdict"]) for v in verdicts} == {
        ("published/readme", "digits", "INCONCLUSIVE"),
        ("published/readme", "count", "REFUTED"),
        ("micro", "digits", "INCONCLUSIVE"),
        ("micro", "count", "INCONCLUSIVE"),
    }
    page = (tmp_path / "r" / "report.html").read_text()
    assert "handwritten digits" in page  # the paper's own names of its datasets
