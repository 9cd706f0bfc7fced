"""A cluster that computes nothing: its nodes take virtual seconds, one of them is lost, and results are laid ready.

What the session's own process does is real: planning, ordering, handing over, reading each result from the store.
"""

from __future__ import annotations

import heapq
import threading
from concurrent.futures import Future
from dataclasses import dataclass, field, replace
from pathlib import Path

from harness.core.paths import make_folder
from harness.core.result import Result
from harness.core.run import Run
from harness.runs.entry import encode
from harness.runs.store import Store
from harness.runs.workers import Need, Outcome, WorkerDied

LABELS = tuple(range(10)) * 100
"""Of the test set that each run scores."""


def seconds_of(run: Run) -> float:
    """Return what a run takes, in virtual seconds: 2 to 62 minutes, by its network, data and seed."""
    return 120.0 + int(run.id[:6], 16) % 3600


@dataclass(order=True)
class Event:
    """The end of a run, or of its node."""

    time: float
    number: int
    run: Run = field(compare=False)
    future: Future[Outcome] = field(compare=False)
    node: int = field(compare=False)


class SimulatedCluster:
    """Nodes with one accelerator each.

    Args:
        nodes: how many.
        runs: how many will be handed over.
        store: where results go.
        ready: the folder in which they are laid ready.
        lost_at: virtual seconds after which the first node is lost.
    """

    def __init__(self, nodes: int, runs: int, store: Store, ready: Path, lost_at: float):
        self.store, self.ready, self.lost_at = store, ready, lost_at
        self.now = 0.0
        self.begun = self.ended = self.lost = 0
        self.runs = runs
        self._free = list(range(nodes))
        self._waiting: list[tuple[int, Run, Future[Outcome]]] = []
        self._events: list[Event] = []
        self._changed = threading.Condition()
        self._closed = False
        self.most = 4 * nodes
        threading.Thread(target=self._pass_time, daemon=True).start()

    def submit(self, run: Run, folder: Path, need: Need, attempt: int) -> Future[Outcome]:
        """Hand over a run."""
        future: Future[Outcome] = Future()
        with self._changed:
            self.begun += 1
            heapq.heappush(self._waiting, (self.begun, run, future))
            self._begin()
            self._changed.notify()
        return future

    def progress(self) -> dict[str, str]:
        """Return nothing."""
        return {}

    def close(self) -> None:
        """Stop the clock."""
        with self._changed:
            self._closed = True
            self._changed.notify()

    def _begin(self) -> None:
        while self._free and self._waiting:
            number, run, future = heapq.heappop(self._waiting)
            heapq.heappush(self._events, Event(self.now + seconds_of(run), number, run, future, self._free.pop()))

    def _is_up_to_date(self) -> bool:
        handed_over = self.begun - self.ended >= self.most or self.begun >= self.runs + self.lost
        return self._closed or (handed_over and bool(self._events))

    def _pass_time(self) -> None:
        while True:
            with self._changed:
                # Time passes only once the session has taken note of what has ended, as it does on a real cluster.
                self._changed.wait_for(self._is_up_to_date, timeout=5.0)
                while not self._events and not self._closed:
                    self._changed.wait()
                if self._closed:
                    return
                event = heapq.heappop(self._events)
                self.now = event.time
                died = event.node == 0 and self.now >= self.lost_at
                if died:
                    self.lost += 1  # node 0 is gone
                else:
                    self._free.append(event.node)
                self._begin()
                self.ended += 1
            if died:
                event.future.set_exception(WorkerDied("on the cluster ended (simulated)"))
                continue
            target = self.store.path(event.run.id)
            target.parent.mkdir(parents=True, exist_ok=True)
            (self.ready / event.run.id).rename(target)
            event.future.set_result(True)


def laid_ready(runs: list[Run], folder: Path) -> None:
    """Write the results of runs, as nodes would."""
    make_folder(folder)
    shared = Result("", LABELS, LABELS, (1.0,) * 500, 60.0, 1000.0, 1 << 30, (("python", "3"),))
    for run in runs:
        dataset = replace(run.dataset, test=len(LABELS))
        (folder / run.id).write_bytes(encode(replace(run, dataset=dataset), replace(shared, run_id=run.id)))
