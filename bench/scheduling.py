"""How sessions are shared out: the micro study by workers, thousands of runs in simulation, and what a run costs."""

from __future__ import annotations

import resource
import statistics
import subprocess
import sys
import tempfile
import time
from collections.abc import Iterator
from dataclasses import replace
from functools import partial
from pathlib import Path

from bench.commands import ROOT, seconds
from bench.parts import Part
from bench.rows import Goal, Row, Spread
from bench.simulated import LABELS, SimulatedCluster, laid_ready, seconds_of

SIZES = (1_000, 3_000, 10_000)
NODES = 64
EXAMPLE = ["pytest", "examples/bars", "-m", "micro", "-q", "-p", "no:cacheprovider"]
"""Twenty runs of the micro study's kind."""


def parts(n: int) -> list[Part]:
    """Return the parts, the cheapest first."""
    simulated = [
        Part(f"simulation of {size:,} runs", partial(simulation, size), 0.02 * size, alone=True) for size in SIZES
    ]
    return [
        *simulated,
        Part("time to the first run", partial(first_run, min(n, 3)), 120.0),
        Part("scaling of the micro study", partial(scaling, min(n, 2)), 600.0),
    ]


def simulation(size: int) -> Iterator[Row]:
    """Yield what planning and scheduling so many runs costs the session's process."""
    from harness.catalog.checkpoints import checkpoint
    from harness.catalog.datasets import dataset
    from harness.catalog.recipes import recipe
    from harness.core.run import Run
    from harness.runs.executor import Executor
    from harness.runs.store import Store
    from harness.runs.workers import Need

    small = replace(checkpoint("micro-vit-l"), file="", sources=("https://example.org/large.npz",))
    data = replace(dataset("digits-5"), test=len(LABELS))
    short = replace(recipe("micro"), steps=500)
    runs = [Run(small, data, short, seed) for seed in range(size)]
    total = sum(map(seconds_of, runs))
    with tempfile.TemporaryDirectory() as folder:
        laid_ready(runs, Path(folder) / "ready")
        store = Store(Path(folder) / "home")
        cluster = SimulatedCluster(NODES, size, store, Path(folder) / "ready", lost_at=total / NODES / 2)
        executor = Executor(store, 1, ("0",), workers=lambda execution: cluster)
        before, start = time.process_time(), time.perf_counter()
        executor.plan(runs, lambda run: Need(seconds_of(run)))
        planned = time.process_time() - before
        for first in range(0, size, 50):  # hypotheses of fifty runs each
            executor.results(runs[first : first + 50])
        cpu, wall = time.process_time() - before, time.perf_counter() - start
        executor.close()
    memory = resource.getrusage(resource.RUSAGE_SELF).ru_maxrss * 1024
    note = f"planned in {planned:.2f} s, {wall:.1f} s on the wall; {cluster.lost} run lost with its node"
    yield Row(f"{size:,} simulated runs, driver", "s", cpu, goal=Goal("<", 60.0), note=note)
    yield Row(f"{size:,} simulated runs, a run", "ms", 1000 * cpu / size)
    yield Row(f"{size:,} simulated runs, memory", "GB", memory / 1e9, goal=Goal("<", 1.0))
    share = total / (NODES - 0.5) / cluster.now
    yield Row(f"{size:,} simulated runs, nodes busy", "%", 100 * share, note=f"{NODES} nodes, one lost half-way")


def first_run(n: int) -> Iterator[Row]:
    """Yield how long it takes from the command to the first stored run."""
    times = []
    for _ in range(n):
        with tempfile.TemporaryDirectory() as folder:
            home = Path(folder) / "home"
            command = [sys.executable, "-m", *EXAMPLE, f"--home={home}", f"--report-dir={folder}/report"]
            start = time.perf_counter()
            process = subprocess.Popen(command, cwd=ROOT, stdout=subprocess.DEVNULL, stderr=subprocess.DEVNULL)
            while process.poll() is None and not next(home.glob("runs/*/*.json"), None):
                time.sleep(0.02)
            times.append(time.perf_counter() - start)
            process.terminate()
            process.wait()
    yield Row("pytest, first run stored", "s", statistics.median(times), note="weights and images are here")


def scaling(n: int) -> Iterator[Row]:
    """Yield how long twenty runs of the micro study's kind take by one process, by two, and by Ray."""
    ways = {
        "one process": ["--jobs=1"],
        "two processes": ["--jobs=2"],
        "two workers of pytest-xdist": ["-n=2"],
        "Ray": ["--executor=ray"],
    }
    times: dict[str, list[float]] = {name: [] for name in ways}
    for _ in range(n):
        for name, options in ways.items():
            with tempfile.TemporaryDirectory() as folder:
                times[name].append(seconds([*EXAMPLE, *options, f"--home={folder}/h", f"--report-dir={folder}/r"]))
    for name, found in times.items():
        ratios = [alone / mine for alone, mine in zip(times["one process"], found, strict=True)]
        goal = Goal(">=", 1.7) if name == "two workers of pytest-xdist" else None
        spread = Spread(min(ratios), statistics.median(ratios), max(ratios))
        yield Row(
            f"micro study, 20 runs, {name}",
            "s",
            statistics.median(found),
            "one process",
            statistics.median(times["one process"]),
            spread,
            goal=goal,
        )
