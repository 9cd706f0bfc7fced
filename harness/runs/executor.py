"""Computes a session's runs: which are left, in which order, and what became of those that were handed over.

One process of pytest hands runs to worker processes, here (`processes`) or on a cluster (`ray_workers`), the longest
first. Under pytest-xdist each worker computes in its own process. Either way a run that is being computed elsewhere is
not waited for while another of the session is pending.
"""

from __future__ import annotations

import contextlib
import os
import queue
import time
from collections import deque
from collections.abc import Callable, Iterable, Iterator, Sequence
from concurrent.futures import CancelledError, Future
from dataclasses import replace
from functools import partial
from pathlib import Path

from harness.core.errors import ClaimsError, NotStored
from harness.core.paper import paper, using
from harness.core.result import Result
from harness.core.run import Run
from harness.runs.card_share import held_share
from harness.runs.processes import LocalWorkers
from harness.runs.store import Busy, Store
from harness.runs.together import on_device
from harness.runs.workers import Need, Outcome, WorkerDied, Workers
from harness.training.api import Execution
from harness.training.resume import Stopped

PAUSE = 0.05
"""Seconds between looks at runs that other processes compute."""
LOOK = 1.0
"""Seconds after which the session looks for results of others although none of its workers has finished a run."""
TRIES = 2
"""Times that a run is begun whose worker process dies: the second goes on from its last saved state."""
HOUR = 3600

Progress = Callable[[int, int, str], None]
"""Called with (done, all, label of the run that was just done)."""
UNKNOWN = Need()


def cores() -> int:
    """Return the number of cores this process may use."""
    return len(os.sched_getaffinity(0)) if hasattr(os, "sched_getaffinity") else os.cpu_count() or 1


class Postponed(Exception):
    """A run that was not begun, or not ended, because the session's time is up; says so in a line."""


class Executor:
    """Gives results: those in the store at once, the others computed with all that the session plans.

    The micro study's runs are computed on the CPU, one thread each; runs on released checkpoints on the
    accelerators.

    Args:
        store: where results lie.
        jobs: worker processes for the CPU; 0 computes everything in this process.
        accelerators: what CUDA_VISIBLE_DEVICES calls them; empty: everything is computed on the CPU.
        execution: how runs are computed, apart from their device.
        workers: makes what computes runs; None: this process, or processes of this machine.
        hours: after which no run is begun, and what is running is saved and ended; None: no limit.
        deadline: when that is, in seconds as time.time() counts; None: the hours count from now.
    """

    def __init__(
        self,
        store: Store,
        jobs: int,
        accelerators: Sequence[str] = (),
        execution: Execution | None = None,
        workers: Callable[[Execution], Workers] | None = None,
        hours: float | None = None,
        deadline: float | None = None,
    ):
        self.store = store
        self.jobs = jobs
        self.accelerators = tuple(accelerators)
        self.hours = hours
        if deadline is None and hours is not None:
            deadline = time.time() + hours * HOUR
        self.execution = replace(execution or Execution(), folder=store.work, deadline=deadline)
        self.pending: dict[str, Run] = {}
        """Runs that are planned and have no result, in the order in which they are begun."""
        self.needs: dict[str, Need] = {}
        self.papers: dict[str, Path] = {}
        """The paper's folder of each planned run: its tables say where weights and images lie."""
        self.done: dict[str, Result] = {}
        self.progress: Progress = lambda done, total, label: None
        self.problems: list[str] = []
        """What went wrong and lost no verdict, one line each: results that could not be stored."""
        self.notes: list[str] = []
        """What happened and cost nothing but time, one line each: processes that died."""
        self.postponed: dict[str, str] = {}
        """Why runs are left to a later session, by their ids."""
        self._make = workers
        self._workers: Workers | None = None
        self._handed: dict[str, tuple[Run, Future[Outcome]]] = {}
        self._ended: queue.SimpleQueue[str] = queue.SimpleQueue()
        """Runs whose future has ended: looking for that all the time would take the workers' cores."""
        self._queue: deque[str] = deque()
        """Ids of pending runs that are to be handed over."""
        self._elsewhere: deque[tuple[float, str]] = deque()
        """When runs that other processes compute were last asked for, and their ids."""
        self._attempts: dict[str, int] = {}
        self._faults: dict[str, BaseException] = {}
        """What computing runs raised, for those who need them."""
        self._full = False

    def plan(self, runs: Iterable[Run], needs: Callable[[Run], Need] | None = None) -> None:
        """Add runs that the session will need; those stored already cost nothing.

        Args:
            runs: in the order in which they are begun, where nothing says which take longer.
            needs: what a run takes; the longest are begun first, for then no device is left alone with one at the end.
        """
        added = {run.id: run for run in runs if run.id not in self.done and run.id not in self.pending}
        if not added:
            return
        self.papers |= dict.fromkeys(added, paper().folder)
        if needs is None:
            self.pending |= added
            self._queue.extend(added)
            return
        self.needs |= {run_id: needs(run) for run_id, run in added.items()}
        self.pending = dict(sorted((self.pending | added).items(), key=lambda item: self._rank(item[0])))
        waiting = {*self._queue, *added}
        self._queue = deque(run_id for run_id in self.pending if run_id in waiting)

    def _rank(self, run_id: str) -> tuple[float, float]:
        need = self.needs.get(run_id, UNKNOWN)
        return (-(need.seconds or 0.0), -need.work)

    def results(self, runs: Sequence[Run]) -> list[Result]:
        """Return the results of runs, in order.

        Raises:
            ClaimsError: a run's material is not as pinned, or its workers died.
            Postponed: the session's time is up.
            Exception: whatever computing a run raised.
        """
        self.plan(runs)
        for run in runs:
            self._collect(run)
        missing = {run.id: run for run in runs if run.id not in self.done}
        if missing:
            (self._compute_in_workers if self.jobs or self._make else self._compute_here)(missing)
        return [self.done[run.id] for run in runs]

    def stored(self, runs: Sequence[Run]) -> list[Result] | None:
        """Return the results of runs in order if all are stored, otherwise None; nothing is computed."""
        found = [self.done.get(run.id) or self.store.get(run) for run in runs]
        return None if None in found else [result for result in found if result is not None]

    def close(self) -> None:
        """Stop the workers; runs in the middle save their state, nothing half is stored."""
        if self._workers is not None:
            self._workers.close()
        self._workers = None
        self._handed.clear()
        self.store.finish(self.done)

    def told(self) -> dict[str, str]:
        """Return how far runs are that others compute, by their labels, as far as these tell it."""
        return {} if self._workers is None else self._workers.progress()

    @property
    def counts(self) -> tuple[int, int]:
        """(done, all) runs of the session so far."""
        return len(self.done), len(self.done) + len(self.pending)

    @property
    def workers(self) -> Workers:
        """What computes runs beside this process."""
        if self._workers is None:
            local = partial(LocalWorkers, self.jobs, self.accelerators, self.store.home)
            self._workers = (self._make or local)(self.execution)
        return self._workers

    def _collect(self, run: Run, stored: bool = False) -> bool:
        """Take a run's result from the store if it is there; return whether it was.

        Args:
            run: of the session.
            stored: whether a worker has just stored it.
        """
        if run.id not in self.done:
            result = self.store.get(run, stored)
            if result is None:
                return False
            self._take(run, result)
        return True

    def _take(self, run: Run, result: Result) -> None:
        self.done[run.id] = result
        self.pending.pop(run.id, None)
        self.progress(*self.counts, run.label)

    def _take_unstored(self, run: Run, fault: NotStored) -> None:
        """Take the result of a run that could not be stored, and note it once: a full disk is full for all."""
        self._take(run, fault.result)
        if not self._full:
            self._full = True
            self.problems.append(f"{run.label}, and maybe others: the result is not stored: {fault}")

    def _postpones(self, run: Run) -> bool:
        """Return whether a run is left to a later session: it would not end in time, or did not.

        One that takes longer than a whole session is begun all the same: it is saved, and the next one goes on.
        """
        if self.hours is None or self.execution.deadline is None or run.id in self.postponed:
            return run.id in self.postponed
        left = self.execution.deadline - time.time()
        seconds = self.needs.get(run.id, UNKNOWN).seconds or 0.0
        if left <= 0 or left < seconds <= self.hours * HOUR:
            takes = f" (it takes about {seconds / HOUR:.1f} h)" if seconds else ""
            self.postponed[run.id] = f"{run.label}: not begun{takes}"
        return run.id in self.postponed

    def _raise(self, run_id: str) -> None:
        """Raise what became of a run that is needed and has no result, if something did."""
        if run_id in self.postponed:
            raise Postponed(self.postponed[run_id])
        if run_id in self._faults:
            error = self._faults[run_id]
            # One line; the worker's traceback says no more.
            raise error.with_traceback(None) if isinstance(error, ClaimsError) else error

    def _compute_here(self, missing: dict[str, Run]) -> None:
        from harness.runs.run import measure

        while missing := {run_id: run for run_id, run in missing.items() if not self._collect(run)}:
            for run_id in missing:
                self._raise(run_id)
            for run in [run for run_id, run in self.pending.items() if run_id not in self._faults]:
                if self._postpones(run):
                    continue
                try:
                    with self._device(run) as device, using(self.papers.get(run.id)):
                        measure(run, self.store, on_device(self.execution, run, device))
                    self._collect(run)
                except Busy:
                    continue
                except NotStored as fault:
                    self._take_unstored(run, fault)
                except Stopped as reason:
                    self.postponed[run.id] = str(reason)
                except Exception as error:
                    self._faults[run.id] = error  # told where the run is needed
                break
            else:
                if not any(self._postpones(run) for run in missing.values()):
                    time.sleep(PAUSE)

    @contextlib.contextmanager
    def _device(self, run: Run) -> Iterator[str]:
        """Yield the device of one of this process' runs: an accelerator as long as no other process has it.

        Raises:
            Busy: other processes compute on it.
        """
        if run.lane == "cpu" or not self.accelerators:
            yield "cpu"
            return
        device, share = self.accelerators[0], self.needs.get(run.id, UNKNOWN).share
        with held_share(self.store.home, device, share):
            yield device

    def _compute_in_workers(self, missing: dict[str, Run]) -> None:
        for run_id in missing:
            self._raise(run_id)
        while missing:
            self._hand_over()
            for run_id in self._ended_now() or missing:
                if run_id in missing and run_id not in self.done:
                    self._raise(run_id)
                    self._collect(missing[run_id])
            missing = {run_id: run for run_id, run in missing.items() if run_id not in self.done}

    def _hand_over(self) -> None:
        """Hand over pending runs in their order, as many as the workers take."""
        while self._elsewhere and time.monotonic() - self._elsewhere[0][0] >= PAUSE:
            self._queue.appendleft(self._elsewhere.popleft()[1])
        while self._queue and len(self._handed) < self.workers.most:
            run_id = self._queue.popleft()
            run = self.pending.get(run_id)
            try:
                if run is None or self._postpones(run) or self._collect(run):
                    continue
                attempt = self._attempts.get(run_id, 0)
                future = self.workers.submit(run, self.papers[run_id], self.needs.get(run_id, UNKNOWN), attempt)
            except ClaimsError:
                self._queue.appendleft(run_id)
                raise
            except Exception as error:
                self._faults[run_id] = error  # told where it is needed
                self._ended.put(run_id)
                continue
            self._handed[run_id] = run, future
            future.add_done_callback(partial(self._note_end, run_id))

    def _note_end(self, run_id: str, future: Future[Outcome]) -> None:
        del future
        self._ended.put(run_id)

    def _ended_now(self) -> list[str]:
        """Return the runs that have ended, once there is one; none after a while."""
        try:
            found = [self._ended.get(timeout=PAUSE if self._elsewhere else LOOK)]
        except queue.Empty:
            return []
        with contextlib.suppress(queue.Empty):
            while True:
                found.append(self._ended.get_nowait())
        for run_id in found:
            if run_id in self._handed:
                self._take_outcome(*self._handed.pop(run_id))
        return found

    def _take_outcome(self, run: Run, future: Future[Outcome]) -> None:
        """Take what became of a run that was handed over."""
        try:
            outcome = future.result()
        except (Stopped, CancelledError) as reason:
            self.postponed[run.id] = str(reason)
        except WorkerDied as reason:
            self._begin_again(run, reason)
        except BaseException as error:
            self._faults[run.id] = error
        else:
            if isinstance(outcome, NotStored):
                self._take_unstored(run, outcome)
            elif not self._collect(run, outcome):
                self._elsewhere.append((time.monotonic(), run.id))

    def _begin_again(self, run: Run, how: WorkerDied) -> None:
        """Begin a run again whose worker died, from its last state; not for ever, for it may take too much memory."""
        attempt = self._attempts[run.id] = self._attempts.get(run.id, 0) + 1
        if attempt < TRIES:
            self.notes.append(f"{run.label}: its worker process {how}; it was begun again from its last state")
            self._queue.appendleft(run.id)
        else:
            self._faults[run.id] = ClaimsError(
                f"{run.label}: its worker process {how}, {attempt} times; {how.advice}, finished runs are kept"
            )


@contextlib.contextmanager
def executor(home: Path, jobs: int) -> Iterator[Executor]:
    """Yield an executor on the store under `home` and stop its workers at the end."""
    made = Executor(Store(home), jobs)
    try:
        yield made
    finally:
        made.close()
