"""Worker processes on this machine: one thread each on the CPU, an accelerator or a share of one otherwise.

A process that dies takes only its own run with it; the next run on its device starts another one. A run whose
accelerator fails is begun again on another one, and an accelerator that fails again and again is left alone.
"""

from __future__ import annotations

import atexit
import contextlib
import signal
import threading
import traceback
from collections import deque
from collections.abc import Sequence
from concurrent.futures import CancelledError, Future
from dataclasses import dataclass, field
from multiprocessing import connection, get_context
from pathlib import Path
from typing import Any

from harness.core.config import Config, config
from harness.core.errors import CardFailed, ClaimsError
from harness.core.run import Run
from harness.runs.worker import GRACE, Worker, start_worker
from harness.runs.workers import Need, Outcome, WorkerDied, without_card
from harness.training.api import Execution

CRASHES = frozenset({signal.SIGSEGV, signal.SIGBUS, signal.SIGABRT, signal.SIGILL, signal.SIGFPE})
"""Signals by which a process ends that does what it should not."""
FAILURES = 2
"""In a row, after which an accelerator is given no more runs."""
SLACK = 1e-6
"""Of a device's share: thirds do not add up to one."""

_starting = threading.Lock()
"""Processes are started one after the other: their names are counted."""


class Child:
    """A worker process, as its parent sees it.

    Args:
        device: "cpu", or what CUDA_VISIBLE_DEVICES calls its accelerator.
        position: the line of its progress bar.
        configured: its configuration.
    """

    def __init__(self, device: str, position: int, configured: Config):
        context = get_context("spawn")
        self.ours, theirs = context.Pipe()
        self.process = context.Process(target=_serve, args=(theirs, device, position, configured))
        with _starting:
            self.process.start()
        theirs.close()

    @property
    def alive(self) -> bool:
        """Whether it can be given a run."""
        return self.process.is_alive()

    def compute(self, run: Run, home: Path, execution: Execution, folder: Path, share: float) -> Outcome:
        """Return what becomes of a run, which takes a share of its device.

        Raises:
            WorkerDied: the process ended.
            BaseException: what computing the run raised there.
        """
        with contextlib.suppress(OSError):  # it is dead: its end is told below
            self.ours.send((run, home, execution, folder, share))
        while self.ours not in connection.wait([self.ours, self.process.sentinel]):
            if not self.ours.poll():
                raise self._ended()
        try:
            outcome, error = self.ours.recv()
        except (EOFError, OSError):
            raise self._ended() from None
        if error is not None:
            raise error
        found: Outcome = outcome
        return found

    def _ended(self) -> WorkerDied:
        self.process.join()
        code = self.process.exitcode or 0
        if code >= 0:
            return WorkerDied(f"ended with exit code {code}")
        with contextlib.suppress(ValueError):
            name, crashed = signal.Signals(-code).name, -code in CRASHES
            memory = " (out of memory?)" if -code == signal.SIGKILL else ""
            return WorkerDied(f"was killed by {name}{memory}", crashed=crashed)
        return WorkerDied(f"was killed by signal {-code}")

    def stop(self, grace: float) -> None:
        """End the process: at once where it is idle; one in the middle of a run may save its state."""
        with contextlib.suppress(OSError):
            self.ours.send(None)
        self.process.terminate()
        self.process.join(grace)
        if self.process.is_alive():
            self.process.kill()
            self.process.join()
        self.ours.close()


def _serve(theirs: Any, device: str, position: int, configured: Config) -> None:
    """Compute what comes through a pipe until its other end is closed: the body of a worker process."""
    worker: Worker = start_worker(device, position, configured)
    with contextlib.suppress(EOFError, OSError):
        while (asked := theirs.recv()) is not None:
            try:
                answer: tuple[Any, BaseException | None] = worker.compute(*asked), None
            except BaseException as error:
                error.add_note("".join(traceback.format_exception(error)).rstrip())
                answer = None, error
            try:
                theirs.send(answer)
            except (OSError, EOFError):
                raise
            except Exception as found:  # an exception that can't be sent
                theirs.send((None, ClaimsError(f"{type(answer[1]).__name__}: {answer[1]} ({found})")))


@dataclass(eq=False)
class Device:
    """A core, or an accelerator."""

    name: str
    free: float = 1.0
    """Share that no run has."""
    idle: list[tuple[int, Child]] = field(default_factory=list)
    """Processes that compute nothing, with the lines of their bars."""
    failures: int = 0
    """In a row."""


@dataclass(frozen=True, eq=False)
class _Handed:
    run: Run
    folder: Path
    share: float
    devices: list[Device]
    future: Future[Outcome]


class LocalWorkers:
    """The worker processes of one session.

    Args:
        jobs: processes on the CPU.
        accelerators: what CUDA_VISIBLE_DEVICES calls them; empty: everything is computed on the CPU.
        home: where results are stored.
        execution: how runs are computed, apart from their device.
    """

    def __init__(self, jobs: int, accelerators: Sequence[str], home: Path, execution: Execution):
        self.home = home
        self.execution = execution
        cores = [Device("cpu") for _ in range(max(1, jobs))]
        cards = [Device(name) for name in accelerators] or cores
        self.devices: dict[str, list[Device]] = {"cpu": cores, "accelerator": cards}
        self._lock = threading.Lock()
        self._waiting: deque[_Handed] = deque()
        self._computing: set[Child] = set()
        self._failed_on: dict[str, set[str]] = {}
        """Names of the devices that failed while they computed a run, by its id; none of one that crashed."""
        self._positions = 0
        self._closed = False
        atexit.register(self.close)  # the interpreter would wait for processes that nobody stops

    @property
    def most(self) -> int:
        """As many runs as there are devices, and as many behind them, so that none waits for the session."""
        return 2 * (len(self.devices["cpu"]) + len(self.devices["accelerator"]))

    @property
    def pids(self) -> list[int]:
        """The ids of the processes that compute a run."""
        with self._lock:
            return [child.process.pid for child in self._computing if child.process.pid]

    def submit(self, run: Run, folder: Path, need: Need, attempt: int) -> Future[Outcome]:
        """Hand over a run, as `Workers.submit` says; it begins as soon as a device has room for it."""
        devices = self.devices[run.lane]
        whole = devices is self.devices["cpu"]
        handed = _Handed(run, folder, 1.0 if whole else min(1.0, need.share), devices, Future())
        with self._lock:
            self._waiting.append(handed)
        self._begin()
        return handed.future

    def progress(self) -> dict[str, str]:
        """Return nothing: each process draws a bar of its own."""
        return {}

    def close(self) -> None:
        """Stop all processes; runs in the middle save their state where they can, within `GRACE`."""
        atexit.unregister(self.close)
        with self._lock:
            self._closed = True
            for handed in self._waiting:
                handed.future.cancel()
            self._waiting.clear()
            idle = [child for devices in self.devices.values() for device in devices for _, child in device.idle]
            busy = list(self._computing)
        for child in busy:
            child.process.terminate()
        for child in dict.fromkeys([*idle, *busy]):
            child.stop(GRACE)

    def _begin(self) -> None:
        """Begin every waiting run for which there is room, in their order."""
        with self._lock:
            for handed in list(self._waiting):
                device = None if self._closed else self._room(handed)
                if device is None:
                    continue
                self._waiting.remove(handed)
                device.free -= handed.share
                threading.Thread(target=self._compute, args=(handed, device), daemon=True).start()

    def _room(self, handed: _Handed) -> Device | None:
        """Return a device that has room for a run and has not failed with it, if there is any other."""
        failed = self._failed_on.get(handed.run.id, set())
        able = [device for device in handed.devices if device.name not in failed] or handed.devices
        return next((device for device in able if device.free + SLACK >= handed.share), None)

    def _compute(self, handed: _Handed, device: Device) -> None:
        outcome: Outcome = False
        problem: BaseException | None = None
        position, child = 0, None
        try:
            for other in self._crowded(handed, device):
                other.stop(GRACE)  # idle, with memory of the accelerator that this run may need
            position, child = self._child(device)
            with self._lock:
                closed = self._closed
                if not closed:
                    self._computing.add(child)
            if closed:
                child.stop(GRACE)
                raise CancelledError("the session ended")
            execution = self.execution
            if handed.run.id in self._failed_on:  # what failed may have been a kernel of ours
                execution = execution.by_framework()
            outcome = child.compute(handed.run, self.home, execution, handed.folder, handed.share)
        except CardFailed as error:
            if child is not None:
                child.stop(0.0)
            problem = without_card(error, self._note_failure(handed, device))
        except WorkerDied as error:
            if error.crashed and device.name != "cpu":
                self._failed_on.setdefault(handed.run.id, set())
            problem = error
        except BaseException as error:
            problem = error
        else:
            device.failures = device.failures if outcome is False else 0
        with self._lock:
            if child is not None:
                self._computing.discard(child)
                if child.alive:
                    device.idle.append((position, child))
            device.free += handed.share
        self._begin()
        if problem is not None:
            handed.future.set_exception(problem)
        else:
            handed.future.set_result(outcome)

    def _note_failure(self, handed: _Handed, device: Device) -> str:
        """Note that a device has failed, leave it alone if it does so all the time, and return what to say of it.

        A run with which another one has failed before may be to blame itself.
        """
        with self._lock:
            failed = self._failed_on.setdefault(handed.run.id, set())
            for each in handed.devices:
                if each.name in failed:
                    each.failures = 0
            device.failures += not failed
            failed.add(device.name)
            others = [each for each in handed.devices if each is not device]
            if device.failures < FAILURES or not others:
                return f"accelerator {device.name}"
            if device in handed.devices:
                handed.devices.remove(device)
        return f"accelerator {device.name}, which is left alone from now on,"

    def _crowded(self, handed: _Handed, device: Device) -> list[Child]:
        """Take the idle processes of an accelerator but one, where a run is to have all of it."""
        if device.name == "cpu" or handed.share < 1:
            return []
        with self._lock:
            others, device.idle = device.idle[1:], device.idle[:1]
        return [child for _, child in others]

    def _child(self, device: Device) -> tuple[int, Child]:
        """Return an idle process of a device and its bar's line, or start one."""
        with self._lock:
            while device.idle:
                position, child = device.idle.pop()
                if child.alive:
                    return position, child
            self._positions += 1
            position = self._positions
        return position, Child(device.name, position, config())
