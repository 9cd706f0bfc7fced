"""Real pytest sessions on claim files of the tests' own, called from anywhere."""

import json
import os
import re
from pathlib import Path

from tests.forked import run_pytest

ROOT = Path(__file__).parents[2]
PAPER = ROOT / "tests" / "paper"
"""The paper whose tables sessions use, unless the claim files lie beside tables of their own."""
LOAD = ("-p", "harness.suite.plugin")

CLAIM_FILE = """
from harness.core.claim import Claim
from harness.core.hypotheses import Better, Contender
from harness.core.expected import recorded

CLAIM = Claim(id="mine", title="t", quote="q", source="s")
B16, B32 = (Contender(name, "ImageNet-21k", "augreg", 384) for name in ("ViT-B/16", "ViT-B/32"))


@CLAIM.hypotheses([Better(B16, than=B32, on="imagenet")])
def test_sizes(hypothesis, judge):
    judge(hypothesis)
"""
HYPOTHESIS = "ViT-B/16 (ImageNet-21k, augreg, 384 px) > ViT-B/32 (ImageNet-21k, augreg, 384 px) on imagenet"
PUBLICATIONS = {"csv", "readme/augreg"}
"""Those that have both sides of the hypothesis; in both the larger sequence is better."""


def write_claims(folder, text=CLAIM_FILE, name="test_mine.py"):
    """Write a claim file and return its folder."""
    folder.mkdir(parents=True, exist_ok=True)
    (folder / name).write_text(text)
    return folder


def call(folder, *arguments, home=None, **environment):
    """Run pytest in a folder, in a process of its own, and return what it did."""
    inherited = {name: text for name, text in os.environ.items() if not name.startswith(("PYTEST", "VIT_CLAIMS"))}
    added = {"PYTHONPATH": str(ROOT), "OMP_NUM_THREADS": "1", "VIT_CLAIMS_PAPER": str(PAPER)}
    added["VIT_CLAIMS_HOME"] = str(home or folder / ".home")
    arguments = ("-p", "no:cacheprovider", *map(str, arguments))
    return run_pytest(*arguments, cwd=folder, environment=inherited | added | environment, timeout=300)


def verdicts(report):
    """Return the verdicts on record in a report folder: (hypothesis, source) to name."""
    listed = json.loads((report / "verdicts.json").read_text())["verdicts"]
    return {(one["hypothesis"], one["source"]): one["verdict"] for one in listed}


def publications(report):
    """Return the publications that the verdicts on record in a report folder rest on."""
    listed = json.loads((report / "verdicts.json").read_text())["verdicts"]
    return {row["publication"] for one in listed for row in one["rows"]}


def reported(report):
    """Return whether a report folder holds the whole report on the published evidence of the claim file."""
    files = ("report.html", "history.jsonl", "tables/mine.csv", "tables/summary.csv", "tables/answers.csv")
    whole = all((report / name).stat().st_size for name in files)
    return (
        whole and verdicts(report) == {(HYPOTHESIS, "published"): "REPRODUCED"} and publications(report) == PUBLICATIONS
    )


def refused(done, pattern):
    """Return whether a session ended as a usage error with one line on stderr."""
    lines = [line for line in done.stderr.splitlines() if line]
    told = done.returncode == 4 and len(lines) == 1 and re.search(pattern, lines[0])
    return bool(told and "Traceback" not in done.stdout and "INTERNALERROR" not in done.stdout)
