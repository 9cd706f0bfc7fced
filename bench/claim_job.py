"""The GPU job of a claim, on random weights of full size and random images: stopped once, then run again to its end."""

from __future__ import annotations

import json
import os
import signal
import subprocess
import sys
import tempfile
import time
from collections.abc import Iterator
from dataclasses import dataclass
from pathlib import Path
from typing import Any

from bench import synthetic_paper
from bench.commands import ROOT
from bench.rows import Row
from harness.models import released
from harness.models.architectures import Architecture

NETWORKS = {"vit-l16-in21k": "ViT-L/16", "bit-m-r152x4": "BiT-R152x4"}
"""The architecture of each checkpoint that the claim compares, by id."""
CLASSES = 21_843
"""Of ImageNet-21k's heads."""
SELECTED = "with_public_pretraining and cifar10 and not cifar100"
PATIENCE = 300.0
"""Seconds after which a session that was to be stopped has failed."""


@dataclass(frozen=True)
class Job:
    """A claim's session that can be started again and again."""

    folder: Path
    claims: Path
    selected: str
    options: tuple[str, ...] = ()

    @property
    def home(self) -> Path:
        """Where its runs and states are."""
        return self.folder / "home"

    def start(self) -> subprocess.Popen[str]:
        """Start the session, in a process group of its own."""
        environment = {key: value for key, value in os.environ.items() if not key.startswith("VIT_CLAIMS")}
        environment |= {"VIT_CLAIMS_DATA": str(self.folder / "data"), "VIT_CLAIMS_OFFLINE": "1"}
        path = os.pathsep.join([str(ROOT), *filter(None, [environment.get("PYTHONPATH")])])
        # The folder is the root: another conftest.py would look for material elsewhere.
        command = ["pytest", f"--rootdir={self.folder}", "-p", "harness.suite.plugin", "-p", "no:cacheprovider", "-q"]
        command += ["--noconftest", str(self.claims / "test_claim1.py"), "-m", "gpu", "-k", self.selected]
        command += ["--seeds", "1", f"--home={self.home}", f"--report-dir={self.folder / 'report'}", *self.options]
        return subprocess.Popen(
            [sys.executable, "-m", *command],
            cwd=self.folder,
            env=environment | {"PYTHONPATH": path},
            stdout=subprocess.PIPE,
            stderr=subprocess.STDOUT,
            text=True,
            start_new_session=True,
        )

    def histories(self) -> list[list[dict[str, Any]]]:
        """Return what the runs have written of their steps, a list for each run that has begun."""
        found = []
        for path in sorted((self.home / "work" / "history").glob("*.jsonl")):
            lines = [line for line in path.read_text().splitlines(keepends=True) if line.endswith("\n")]
            found += [[json.loads(line) for line in lines]] if lines else []
        return found

    def states(self) -> list[str]:
        """Return the names of the saved states."""
        return sorted(path.name for path in (self.home / "work" / "states").glob("*/step-*"))

    def verdicts(self) -> list[dict[str, Any]]:
        """Return the verdicts of the report."""
        path = self.folder / "report" / "verdicts.json"
        found: list[dict[str, Any]] = json.loads(path.read_text())["verdicts"] if path.exists() else []
        return found


def rows() -> Iterator[Row]:
    """Yield the rows of claim 1 on a GPU."""
    networks: dict[str, Architecture] = {}
    for name, architecture in NETWORKS.items():
        found = released.architecture(architecture, CLASSES, 224)
        assert found is not None
        networks[name] = found
    with tempfile.TemporaryDirectory() as folder:
        start = time.perf_counter()
        claims = synthetic_paper.write(Path(folder), ROOT / "claims", networks)
        yield Row("claim 1, its material made", "s", time.perf_counter() - start)
        yield from measured(Job(Path(folder), claims, SELECTED))


def measured(job: Job) -> Iterator[Row]:
    """Yield the rows of a job: stopped as by Ctrl-C once a run trains, then to its end, then looked up."""
    start = time.perf_counter()
    session = job.start()
    while not job.histories() and session.poll() is None and time.perf_counter() - start < PATIENCE:
        time.sleep(0.01)
    yield Row("claim 1, until the first step", "s", time.perf_counter() - start)
    stopped = time.perf_counter()
    if session.poll() is None:
        os.killpg(session.pid, signal.SIGINT)
    said = session.communicate(timeout=PATIENCE)[0]
    states = job.states()
    yield Row(
        "claim 1, from Ctrl-C to the end",
        "s",
        time.perf_counter() - stopped,
        note=f"exit {session.returncode}, saved: {', '.join(states) or 'nothing: ' + _last(said)}",
    )
    start = time.perf_counter()
    session = job.start()
    said = session.communicate()[0]
    yield Row("claim 1, again, to its end", "s", time.perf_counter() - start, note=f"exit {session.returncode}")
    for history in job.histories():
        last = history[-1]
        yield Row("claim 1, a run's steps", "", last["step"] + 1, note=f"last loss {last['loss']:.4f}")
    verdicts = [each for each in job.verdicts() if each.get("runs")]
    for each in verdicts:
        yield Row("claim 1, verdict", note=f"{each['verdict']}: {each['reason']}"[:300])
    if not verdicts:
        yield Row("claim 1", note=f"expected a verdict that rests on runs, found: {_last(said)}")
        print(said[-8000:], flush=True)
        return
    start = time.perf_counter()
    session = job.start()
    session.communicate()
    yield Row("claim 1, looked up", "s", time.perf_counter() - start, note=f"exit {session.returncode}")


def _last(said: str) -> str:
    return (said.strip().splitlines() or ["nothing was said"])[-1][:200]
