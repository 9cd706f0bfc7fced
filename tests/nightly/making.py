"""A small paper that a night can judge in seconds, and the steps of a night, run as a job runs them."""

import hashlib
import os
import shutil
import subprocess
import sys
from pathlib import Path

import numpy as np

ROOT = Path(__file__).parents[2]
GH = """#!/bin/sh
# GitHub, as far as the step that opens an issue can tell: issues are files in $ISSUES.
set -eu
echo "$@" >>"$ISSUES/calls"
case "$1 $2" in
"issue list") ls "$ISSUES" | grep -E '^[0-9]+$' || true ;;
"label create") ;;
"issue create") cp "$8" "$ISSUES/7" ;;
"issue comment") cat "$5" >>"$ISSUES/$3" ;;
"issue edit") test -f "$ISSUES/$3" ;;
*) exit 1 ;;
esac
"""


def write_paper(folder):
    """Write the example of a paper, trained for less time, with nothing on record."""
    shutil.copytree(ROOT / "examples" / "bars", folder, ignore=shutil.ignore_patterns("expected.toml", "ledger.jsonl"))
    shutil.copyfile(ROOT / "conftest.py", folder / "conftest.py")
    replace(folder / "recipes.toml", "steps = 60", "steps = 12")
    replace(folder / "recipes.toml", "warmup_steps = 6", "warmup_steps = 2")
    replace(folder / "micro" / "proxies.toml", "judged = [0, 1, 2, 3, 4]", "judged = [0, 1, 2]")


def break_network(folder):
    """Make the network that learned nothing one that can learn nothing: all of its weights are 0."""
    path = folder / "micro" / "checkpoints" / "nothing.npz"
    weights = np.load(path)
    np.savez(path, **{name: np.zeros_like(weights[name]) for name in weights.files})
    table = folder / "micro" / "checkpoints.toml"
    replace(
        table,
        "5e15f25c0ee905317a109bb1156afd9497594c9b6f4707823c402d2be68d848a",
        hashlib.sha256(path.read_bytes()).hexdigest(),
    )
    replace(table, "size = 206638", f"size = {path.stat().st_size}", 1)


def replace(path, old, new, count=-1):
    """Replace a text of a file that is there."""
    text = path.read_text()
    assert old in text
    path.write_text(text.replace(old, new, count))


class Job:
    """A nightly job on a machine: `make` in the checkout, everything else in a folder of its own."""

    def __init__(self, folder):
        self.folder = folder
        self.out = folder / "out"
        self.kept = folder / "home" / "nightly"
        self.issues = folder / "issues"
        self.issues.mkdir()
        tools = folder / "tools"
        tools.mkdir()
        (tools / "gh").write_text(GH)
        (tools / "gh").chmod(0o755)
        left_out = ("PYTEST", "VIT_CLAIMS", "NIGHTLY", "GITHUB", "MAKE", "COV")
        self.environment = {name: text for name, text in os.environ.items() if not name.startswith(left_out)} | {
            "PATH": f"{tools}:{os.environ['PATH']}",
            "ISSUES": str(self.issues),
            "VIT_CLAIMS_HOME": str(folder / "home"),
            "NIGHTLY_CLAIMS": str(folder / "paper"),
            "NIGHTLY_SELECT": "micro",
            "NIGHTLY_WORKERS": "0",
            "NIGHTLY_ARGUMENTS": "-q -p no:cacheprovider --jobs 1",
            "NIGHTLY_OUT": str(self.out),
        }

    def make(self, target, **environment):
        """Make a target with the Python of these tests; return what it did."""
        binaries = Path(sys.executable).parent
        command = ["make", "-s", "-o", ".venv/.ready", f"BIN={binaries}", target]
        return subprocess.run(
            command, cwd=ROOT, env=self.environment | environment, capture_output=True, text=True, timeout=300
        )

    def lock(self):
        """Judge the claims once, outside of any night, and put the verdicts on record."""
        paper, report = self.folder / "paper", self.folder / "before"
        options = ("-m", "micro", *self.environment["NIGHTLY_ARGUMENTS"].split(), "--report-dir", report)
        for command in (("pytest", paper, *options), ("harness", "lock", "--paper", paper, "--report-dir", report)):
            called = [sys.executable, "-m", *map(str, command)]
            done = subprocess.run(called, cwd=ROOT, env=self.environment, capture_output=True, text=True, timeout=300)
            assert done.returncode == 0, done.stdout + done.stderr

    def night(self):
        """Run all steps of a night; return what its session did, and what it told GitHub."""
        told, summary = self.folder / "told", self.folder / "summary"
        for file in (told, summary):
            file.unlink(missing_ok=True)
        session = self.make("nightly")
        report = self.make("nightly-report", GITHUB_OUTPUT=str(told), GITHUB_STEP_SUMMARY=str(summary))
        assert report.returncode == 0, report.stderr
        issue = self.make("nightly-issue")
        assert issue.returncode == 0, issue.stderr
        return session, told.read_text(), summary.read_text()
