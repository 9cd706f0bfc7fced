"""The small other papers are verified as recorded, by the engine alone."""

import json
import re
import subprocess
import sys
from pathlib import Path

import pytest

from harness.__main__ import main

ROOT = Path(__file__).parents[1]
EXAMPLES = ROOT / "examples"
EXPECTED = {
    ("bars", "published", "All", "digits, count", "REFUTED"),
    ("bars", "published", "Better", "digits", "INCONCLUSIVE"),
    ("bars", "published", "Better", "count", "REFUTED"),
    ("bars", "micro", "All", "digits, count", "OPEN"),
    ("bars", "micro", "Better", "digits", "OPEN"),
    ("bars", "micro", "Better", "count", "OPEN"),
    ("forests", "measured", "Average", "cancer, digits, wine", "REPRODUCED"),
    ("forests", "measured", "All", "cancer, digits, wine", "INCONCLUSIVE"),
    ("forests", "measured", "Better", "cancer", "INCONCLUSIVE"),
    ("forests", "measured", "Better", "digits", "REPRODUCED"),
    ("forests", "measured", "Better", "wine", "REPRODUCED"),
    ("shapes", "gpu/shapes", "Better", "shapes", "REPRODUCED"),
    ("search", "measured", "All", "10 dimensions, 100 dimensions", "REPRODUCED"),
    ("search", "measured", "Better", "10 dimensions", "REPRODUCED"),
    ("search", "measured", "Better", "100 dimensions", "REPRODUCED"),
}
ANSWERS = {
    ("bars", "published", "CONTRADICTED"),
    ("bars", "micro", "OPEN"),
    ("forests", "measured", "SUPPORTED"),
    ("search", "measured", "SUPPORTED"),
    ("shapes", "gpu/shapes", "SUPPORTED"),
}


@pytest.fixture(scope="module")
def session(tmp_path_factory):
    """Judge all examples in one session; return the folder of its home and its report."""
    folder = tmp_path_factory.mktemp("examples")
    command = ["examples", "-q", "-p", "no:cacheprovider", "--home", folder / "home", "--report-dir", folder / "r"]
    done = subprocess.run(
        [sys.executable, "-m", "pytest", *map(str, command)], cwd=ROOT, capture_output=True, text=True
    )
    assert done.returncode == 0, done.stdout + done.stderr
    return folder


def test_the_examples_verdicts_are_as_recorded(session):
    found = json.loads((session / "r" / "verdicts.json").read_text())
    assert {(v["claim"], v["source"], v["kind"], v["dataset"], v["verdict"]) for v in found["verdicts"]} == EXPECTED
    assert {(a["claim"], a["source"], a["answer"]) for a in found["answers"]} == ANSWERS
    page = (session / "r" / "report.html").read_text()
    assert "handwritten digits" in page  # a paper's own names of its datasets


def test_own_numbers_are_in_the_records_tables_and_page_in_their_unit(session):
    page = (session / "r" / "report.html").read_text()
    assert "Difference, steps" in page
    assert "Value, steps" in page
    assert re.search(r"Intervals are drawn from .* steps\.", page)
    runs = json.loads((session / "r" / "runs.json").read_text())["runs"]
    assert {run["unit"] for run in runs if run["recipe"] == "my_steps:steps"} == {"steps"}
    assert "steps,lower" in (session / "r" / "tables" / "search.csv").read_text()


def test_a_bundle_of_own_numbers_can_be_checked_and_imported(session, capsys, tmp_path):
    home, bundle = ["--home", str(session / "home")], str(tmp_path / "b.zip")
    of = ["--paper", str(EXAMPLES / "search"), "--report-dir", str(session / "r")]
    assert main(["bundle", bundle, *of, *home]) == 0
    verify = [sys.executable, ROOT / "harness" / "report" / "bundle_verify.py", bundle]
    done = subprocess.run(verify, capture_output=True, text=True)
    assert (done.returncode, "100 means of measurements" in done.stdout) == (0, True), done.stdout
    assert main(["bundle", "--import", bundle, "--home", str(tmp_path / "other")]) == 0
    assert main(["bundle", "--import", bundle, *home]) == 0
    assert len(list((tmp_path / "other" / "runs").glob("*/*.json"))) == 130


def test_judge_says_the_same_of_exported_numbers(session, capsys, tmp_path):
    runs = json.loads((session / "r" / "runs.json").read_text())["runs"]
    files = []
    for name in ("gradient descent", "momentum"):
        ids = [run["id"] for run in runs if (run["checkpoint"], run["dataset"]) == (name, "10 dimensions")]
        files.append(str(tmp_path / f"{name}.npz"))
        assert main(["export-scores", *ids, "--out", files[-1], "--home", str(session / "home")]) == 0
    capsys.readouterr()
    assert main(["judge", *files, "--json"]) == 0
    found = json.loads(capsys.readouterr().out)
    verdicts = json.loads((session / "r" / "verdicts.json").read_text())["verdicts"]
    (verdict,) = (v for v in verdicts if v["claim"] == "search" and v["dataset"] == "10 dimensions")
    assert found["estimate"] == pytest.approx(verdict["estimate"])


@pytest.mark.parametrize("example", ["bars", "forests", "search", "shapes"])
def test_an_example_s_ledger_is_whole(example, capsys):
    assert main(["lock", "--verify", "--paper", str(EXAMPLES / example)]) == 0
    assert capsys.readouterr().out.endswith("the chain is whole\n")
