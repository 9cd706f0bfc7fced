"""How long runs take on this machine's processor, by the times of those that are stored."""

from __future__ import annotations

from collections.abc import Mapping, Sequence
from dataclasses import dataclass
from pathlib import Path

from harness.core.run import Run
from harness.core.specs import Backend, Checkpoint
from harness.cost.networks import Network, network
from harness.cost.run_cost import Job, flops
from harness.runs.store import Store

LOOKED_AT = 30
"""Stored runs of a framework whose times are read, taken evenly."""


@dataclass(frozen=True)
class CpuTime:
    """What runs of one framework take on this machine."""

    backend: Backend
    runs: int
    stored: int
    seconds: float | None
    """Of one process, for the runs that are not stored; None: none is stored to go by."""
    by: Backend
    """The framework of the stored runs whose speed was taken: another one's where it has none."""

    @property
    def left(self) -> int:
        """Runs that are not stored."""
        return self.runs - self.stored


def networks_of(runs: Sequence[Run]) -> dict[Checkpoint, Network]:
    """Return the network of each checkpoint of runs, whose files are the current paper's."""
    return {checkpoint: network(checkpoint) for checkpoint in dict.fromkeys(run.checkpoint for run in runs)}


def cpu_times(
    runs: Sequence[Run], store: Store, home: Path, networks: Mapping[Checkpoint, Network] | None = None
) -> list[CpuTime]:
    """Return how long runs would take, a framework each: their FLOPs at the speed of the stored ones.

    Args:
        runs: all that are needed, each once.
        store: the results of this machine.
        home: the home folder, where counts of FLOPs are kept.
        networks: `networks_of` the runs, where they are of several papers; None: they are the current paper's.

    Raises:
        ClaimsError: a network does not take a run's resolution, or its file can't be read.
    """
    networks = networks_of(runs) if networks is None else networks

    def work(run: Run) -> int:
        test = run.dataset.test if run.split == "test" else run.dataset.dev
        job = Job(run.checkpoint, run.recipe, test, run.dataset.classes)
        return sum(flops(job, networks[run.checkpoint], home))

    counted: dict[Backend, tuple[int, int, int]] = {}
    speeds: dict[Backend, float] = {}
    for backend in dict.fromkeys(run.backend for run in runs):
        of_backend = [run for run in runs if run.backend == backend]
        stored = [run for run in of_backend if store.has(run.id)]
        ids = {run.id for run in stored}
        counted[backend] = len(of_backend), len(stored), sum(work(run) for run in of_backend if run.id not in ids)
        timed = [(work(run), store.get(run)) for run in stored[:: max(1, len(stored) // LOOKED_AT)]]
        seconds = sum(result.seconds for _, result in timed if result)  # loading and compiling are in it
        if seconds:
            speeds[backend] = sum(done for done, result in timed if result) / seconds
    found = []
    for backend, (number, here, left) in counted.items():
        by = backend if backend in speeds else next(iter(speeds), backend)
        found.append(CpuTime(backend, number, here, left / speeds[by] if by in speeds else None, by))
    return found


def text(found: Sequence[CpuTime], jobs: int) -> list[str]:
    """Return the times, a line each.

    Args:
        found: the times.
        jobs: processes among which the runs are shared.
    """
    return [line(each, jobs) for each in found]


def line(each: CpuTime, jobs: int) -> str:
    """Return the time of one framework's runs in a line."""
    counted = f"micro study, {each.backend}: {each.runs:,} runs, {each.stored:,} stored, {each.left:,} to compute"
    if not each.left:
        return f"{counted}."
    if each.seconds is None:
        return f"{counted}; how long these take is not known, as none is stored on this machine to go by."
    processes = f"{jobs} processes" if jobs > 1 else "one process"
    whose = "the stored ones"
    if each.by != each.backend:
        whose = f"the stored ones of {each.by}, for none of {each.backend} is"
    return f"{counted}: about {minutes(each.seconds / max(1, jobs))} with {processes}, at the speed of {whose}."


def minutes(seconds: float) -> str:
    """Return a time as a reader would say it."""
    if seconds < 90:
        return f"{seconds:.0f} s"
    return f"{seconds / 60:.0f} min" if seconds < 5400 else f"{seconds / 3600:.1f} h"
