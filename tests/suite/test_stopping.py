"""Ctrl-C, twice, sent to the process group as a terminal does: a clean end, nothing half-written, nobody left."""

import os
import re
import shutil
import signal
import subprocess
import sys
import time
from pathlib import Path

import pytest

from tests.data import making
from tests.suite.calling import LOAD, PAPER, ROOT

LONG = "[long]\nbatch_size = 8\nresolution = 32\nsteps = 1000000\nlearning_rate = 0.01\n"
SUITE = ("-m", "micro", "--jobs", "2", "-q", "-p", "no:cacheprovider")
RUN = ("harness", "run", "--checkpoint", "micro-vit-l", "--dataset", "digits-5", "--recipe", "long")


def started(home, *command, **environment):
    return subprocess.Popen(
        [sys.executable, "-m", *map(str, command), "--home", str(home)],
        stdout=subprocess.PIPE,
        stderr=subprocess.PIPE,
        text=True,
        cwd=ROOT,
        env=os.environ | environment,
        start_new_session=True,
        # A shell lets what it runs in the background ignore Ctrl-C, and so would this process.
        preexec_fn=lambda: signal.signal(signal.SIGINT, signal.SIG_DFL),
    )


def stopped_twice(process, home, pattern, pause):
    """Send SIGINT twice once a file of the pattern is there; return stdout and stderr."""
    end = time.monotonic() + 120
    while not any(path.stat().st_size for path in home.glob(pattern)):
        assert process.poll() is None, process.communicate()
        assert time.monotonic() < end
        time.sleep(0.05)
    for _ in range(2):
        os.killpg(process.pid, signal.SIGINT)
        time.sleep(pause)
    return process.communicate(timeout=120)


def of_group(group):
    """Return the processes of a group that are not zombies."""
    found = []
    for path in Path("/proc").glob("[0-9]*/stat"):
        try:
            state, _, of = path.read_text().rpartition(")")[2].split()[:3]
        except (OSError, ValueError):
            continue
        if int(of) == group and state != "Z":
            found.append(path.parent.name)
    return found


def wait_for_none(group):
    end = time.monotonic() + 30
    while of_group(group) and time.monotonic() < end:
        time.sleep(0.1)
    return of_group(group)


@pytest.mark.parametrize("pause", [0.0, 0.1])
def test_a_run_ends_in_one_line(pause, tmp_path):
    making.put(tmp_path / "tables" / "recipes.toml", LONG)
    home = tmp_path / "home"
    process = started(home, *RUN, VIT_CLAIMS_TABLES=str(tmp_path / "tables"))
    out, err = stopped_twice(process, home, "work/history/*.jsonl", pause)
    assert process.returncode == 130
    assert out == ""
    assert re.fullmatch(r"harness run: .*\n", err), err
    assert not list(home.glob("runs/*/*"))
    assert not wait_for_none(process.pid)


@pytest.mark.parametrize("pause", [0.0, 0.5])
def test_a_session_writes_its_report_and_leaves_no_worker(pause, tmp_path):
    home = tmp_path / "home"
    claims = shutil.copytree(PAPER, tmp_path / "paper")
    claim_file = claims / "test_claim1.py"
    process = started(home, "pytest", *LOAD, claim_file, *SUITE, "--report-dir", tmp_path / "reports")
    out, err = stopped_twice(process, home, "runs/*/*.json", pause)
    assert process.returncode == 2, out + err
    assert "Traceback" not in out + err
    assert (tmp_path / "reports" / "report.html").read_text().rstrip().endswith("</html>")
    assert not list(home.glob("runs/*/.*"))  # nothing half-written
    assert not wait_for_none(process.pid)
