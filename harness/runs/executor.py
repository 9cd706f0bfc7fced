"""Computes a session's runs on the available cores and accelerators.

One process of pytest spreads runs over pools of worker processes, one thread each on the CPU, one accelerator
each otherwise. Under pytest-xdist each worker computes in its own process. Either way a run that is being computed
elsewhere is not waited for while another of the session is pending.
"""

from __future__ import annotations

import contextlib
import os
import platform
import re
import threading
import time
from collections.abc import Callable, Iterable, Iterator, Sequence
from concurrent.futures import Future, ProcessPoolExecutor
from concurrent.futures.process import BrokenProcessPool
from dataclasses import dataclass, replace
from functools import partial
from multiprocessing import get_context
from pathlib import Path
from typing import TYPE_CHECKING

from filelock import Timeout

from harness.core.config import config
from harness.core.errors import ClaimsError, NotStored
from harness.core.paper import paper, using
from harness.core.paths import held
from harness.core.result import Result
from harness.core.run import Run
from harness.runs.store import Busy, Store
from harness.runs.worker import compute_and_store, start_worker
from harness.training.api import Execution

if TYPE_CHECKING:
    pass

PAUSE = 0.05
"""Seconds between looks at runs that other processes compute."""
LOOK = 1.0
"""Seconds after which the session looks for results of others although none of its workers has finished a run."""

Progress = Callable[[int, int, str], None]
"""Called with (done, all, label of the run that was just done)."""


def cores() -> int:
    """Return the number of cores this process may use."""
    return len(os.sched_getaffinity(0)) if hasattr(os, "sched_getaffinity") else os.cpu_count() or 1


@dataclass(frozen=True)
class WorkerPoolSpec:
    """The worker processes that compute runs of one kind."""

    devices: tuple[str, ...]
    """One for each worker process: "cpu", or what CUDA_VISIBLE_DEVICES calls one accelerator, e.g. "0"."""

    @property
    def accelerated(self) -> bool:
        """Whether each worker has an accelerator of its own."""
        return "cpu" not in self.devices


class Executor:
    """Gives results: those in the store at once, the others computed with all that the session plans.

    The micro study's runs are computed on the CPU, one thread each; runs on released checkpoints on the
    accelerators, one run at a time on each.

    Args:
        store: where results lie.
        jobs: worker processes for the CPU; 0 computes everything in this process.
        accelerators: what CUDA_VISIBLE_DEVICES calls them; empty: everything is computed on the CPU.
        execution: how runs are computed, apart from their device.
    """

    def __init__(self, store: Store, jobs: int, accelerators: Sequence[str] = (), execution: Execution | None = None):
        self.store = store
        self.jobs = jobs
        self.execution = replace(execution or Execution(), folder=store.work)
        cpu = WorkerPoolSpec(("cpu",) * max(1, jobs))
        self.pool_specs = {"cpu": cpu, "accelerator": WorkerPoolSpec(tuple(accelerators)) if accelerators else cpu}
        self.pending: dict[str, Run] = {}
        self.papers: dict[str, Path] = {}
        """The paper's folder of each planned run: its tables say where weights and images lie."""
        self.done: dict[str, Result] = {}
        self.progress: Progress = lambda done, total, label: None
        self._pools: dict[WorkerPoolSpec, ProcessPoolExecutor] = {}
        self.problems: list[str] = []
        """What went wrong and lost no verdict, one line each: results that could not be stored."""
        self._futures: dict[str, Future[bool | NotStored]] = {}
        self._finished = threading.Event()
        """Set when a worker has finished a run: looking for that all the time would take the workers' cores."""

    def pool_spec(self, run: Run) -> WorkerPoolSpec:
        """Return where a run is computed: what ships with the project on the CPU, all else on an accelerator."""
        return self.pool_specs[run.lane]

    def plan(self, runs: Iterable[Run]) -> None:
        """Add runs that the session will need, in order; those stored already cost nothing."""
        for run in runs:
            if run.id not in self.done:
                self.pending.setdefault(run.id, run)
                self.papers.setdefault(run.id, paper().folder)

    def results(self, runs: Sequence[Run]) -> list[Result]:
        """Return the results of runs, in order.

        Raises:
            ClaimsError: a run's material is not as pinned, or the workers were killed.
            Exception: whatever computing a run raised.
        """
        self.plan(runs)
        for run in runs:
            self._collect(run)
        if any(run.id in self.pending for run in runs):
            (self._compute_in_pools if self.jobs else self._compute_here)(runs)
        return [self.done[run.id] for run in runs]

    def stored(self, runs: Sequence[Run]) -> list[Result] | None:
        """Return the results of runs in order if all are stored, otherwise None; nothing is computed."""
        found = [self.done.get(run.id) or self.store.get(run) for run in runs]
        return None if None in found else [result for result in found if result is not None]

    def close(self) -> None:
        """Stop the workers; runs in the middle are given up, nothing half is stored."""
        for pool in self._pools.values():
            pool.shutdown(wait=True, cancel_futures=True)
        self._pools.clear()

    @property
    def counts(self) -> tuple[int, int]:
        """(done, all) runs of the session so far."""
        return len(self.done), len(self.done) + len(self.pending)

    def _collect(self, run: Run) -> bool:
        """Take a run's result from the store if it is there; return whether it was."""
        if run.id not in self.done:
            result = self.store.get(run)
            if result is None:
                return False
            self.done[run.id] = result
            self.pending.pop(run.id, None)
            self.progress(*self.counts, run.label)
        return True

    def _take(self, fault: NotStored, run: Run) -> None:
        """Take the result of a run that could not be stored, and note it once: a full disk is full for all."""
        self.done[run.id] = fault.result
        self.pending.pop(run.id, None)
        self.progress(*self.counts, run.label)
        if not self.problems:
            self.problems.append(f"{run.label}, and maybe others: the result is not stored: {fault}")

    def _compute_here(self, needed: Sequence[Run]) -> None:
        from harness.runs.run import measure

        while missing := [run for run in needed if not self._collect(run)]:
            needed_ids = {run.id for run in needed}
            others = [run for run in self.pending.values() if run.id not in needed_ids]
            for run in (*missing, *others):
                # What fails here for another's hypothesis fails again, and is told, where it is needed.
                ignored = () if run.id in needed_ids else (Exception,)
                with (
                    contextlib.suppress(Busy, *ignored),
                    self._device(self.pool_spec(run)) as device,
                    using(self.papers.get(run.id)),
                ):
                    try:
                        measure(run, self.store, replace(self.execution, device=device))
                        self._collect(run)
                    except NotStored as fault:
                        self._take(fault, run)
                    break
            else:
                time.sleep(PAUSE)

    @contextlib.contextmanager
    def _device(self, spec: WorkerPoolSpec) -> Iterator[str]:
        """Yield the device of this process' runs of a pool: an accelerator as long as no other process has it.

        There may be more xdist workers than accelerators, and two runs on one would take each other's memory.

        Raises:
            Busy: another process computes on it.
        """
        if not spec.accelerated:
            yield "cpu"
            return
        name = re.sub(r"\W", "-", f"{platform.node()}-{spec.devices[0]}")
        with contextlib.ExitStack() as stack:
            try:
                stack.enter_context(held(self.store.home / "locks" / f"accelerator-{name}.lock", timeout=0))
            except Timeout:
                raise Busy(name) from None
            yield "cuda"

    def _compute_in_pools(self, needed: Sequence[Run]) -> None:
        while missing := [run for run in needed if not self._collect(run)]:
            self._finished.clear()
            self._submit()
            busy = False
            for run in missing:
                future = self._futures.get(run.id)
                if future is not None and future.done():
                    try:
                        computed = future.result()
                    except ClaimsError as error:
                        raise error.with_traceback(None) from None  # one line; the worker's traceback says no more
                    except BrokenProcessPool:
                        self._forget_broken(missing)
                        raise ClaimsError(
                            f"{run.label}: a worker process was killed (out of memory?); start again with fewer"
                            " --jobs, finished runs are kept"
                        ) from None
                    if isinstance(computed, NotStored):
                        self._take(computed, run)
                    elif not computed:
                        del self._futures[run.id]  # busy elsewhere: ask again
                        busy = True
            for run_id, run in list(self.pending.items()):
                if (future := self._futures.get(run_id)) is not None and future.done() and not future.exception():
                    self._collect(run)
            if busy:
                time.sleep(PAUSE)
            elif any(run.id in self.pending for run in missing):
                self._finished.wait(LOOK)

    def _submit(self) -> None:
        """Hand every pending run that has no future to its pool, in the session's order."""
        for run_id, run in list(self.pending.items()):
            if run_id not in self._futures and not self._collect(run):
                future = self._futures[run_id] = self._handed_over(run)
                future.add_done_callback(lambda _: self._finished.set())

    def _handed_over(self, run: Run) -> Future[bool | NotStored]:
        spec = self.pool_spec(run)
        compute = partial(compute_and_store, run, self.store.home, self.execution, self.papers[run.id])
        try:
            return self._pool(spec).submit(compute)
        except BrokenProcessPool:  # the other workers ended with the one that was killed
            self._pools.pop(spec).shutdown()
            return self._pool(spec).submit(compute)

    def _forget_broken(self, told: Iterable[Run]) -> None:
        """Continue the session after a worker was killed.

        Args:
            told: the runs whose failure is told now. They are handed over again only where another hypothesis needs
                them, for one of them may have taken too much memory; all others whose workers ended are at once.
        """
        for run in told:
            self.pending.pop(run.id, None)
        for run_id, future in list(self._futures.items()):
            if future.done() and isinstance(future.exception(), BrokenProcessPool):
                del self._futures[run_id]

    def _pool(self, spec: WorkerPoolSpec) -> ProcessPoolExecutor:
        """Return a pool's worker processes, one for each of its devices; started when first asked for."""
        if spec not in self._pools:
            context = get_context("spawn")
            devices = context.SimpleQueue()
            for position, device in enumerate(spec.devices, 1):
                devices.put((position, device))
            self._pools[spec] = ProcessPoolExecutor(
                len(spec.devices), mp_context=context, initializer=start_worker, initargs=(devices, config())
            )
        return self._pools[spec]


@contextlib.contextmanager
def executor(home: Path, jobs: int) -> Iterator[Executor]:
    """Yield an executor on the store under `home` and stop its workers at the end."""
    made = Executor(Store(home), jobs)
    try:
        yield made
    finally:
        made.close()
