"""The commands that users wait for, each as a process of its own."""

from __future__ import annotations

import statistics
import subprocess
import sys
import tempfile
import time
from collections.abc import Iterator
from pathlib import Path

from bench.rows import Goal, Row

ROOT = Path(__file__).parents[1]


def seconds(command: list[str]) -> float:
    """Return what a command takes.

    Raises:
        RuntimeError: it fails.
    """
    start = time.perf_counter()
    done = subprocess.run([sys.executable, "-m", *command], cwd=ROOT, check=False, capture_output=True, text=True)
    took = time.perf_counter() - start
    if done.returncode:
        raise RuntimeError(f"{' '.join(command)}: exit {done.returncode}: {(done.stderr or done.stdout)[-500:]}")
    return took


def repeated(command: list[str], n: int) -> float:
    """Return a command's median of n after one that does not count."""
    return statistics.median([seconds(command) for _ in range(n + 1)][1:])


def rows(n: int) -> Iterator[Row]:
    """Yield the rows of the command line."""
    with tempfile.TemporaryDirectory() as folder:
        home = f"--home={folder}/home"
        run = ["harness", "run", "--checkpoint", "micro-vit-l", "--dataset", "digits-5", "--seed", "0", home]
        yield Row("harness run, stored", "s", repeated(run, n), goal=Goal("<", 1.5))
        pytest = ["pytest", "claims", "-q", "-p", "no:cacheprovider", f"--report-dir={folder}/report"]
        yield Row("pytest claims --collect-only", "s", repeated([*pytest, "--collect-only"], n))
        yield Row("pytest claims -m published", "s", repeated([*pytest, "-m", "published", home], n))
        plan = [*pytest, "-m", "gpu", "--plan", "--card", "h100", home]
        yield Row("pytest claims -m gpu --plan, first", "s", seconds(plan), note="once: FLOPs and memory are counted")
        yield Row("pytest claims -m gpu --plan, again", "s", repeated(plan, n))
