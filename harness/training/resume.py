"""Where the states of unfinished runs are saved, and how a signal makes a run save its state and stop."""

from __future__ import annotations

import contextlib
import re
import shutil
import signal
import sys
import threading
from collections.abc import Callable, Iterator
from dataclasses import dataclass, field
from pathlib import Path
from types import FrameType

from harness.core.errors import ClaimsError
from harness.core.run import Run

KEPT = 2
"""States kept of a run: the newest may be damaged."""
NAME = re.compile(r"^step-(\d{9})$")


@dataclass(eq=False, kw_only=True)
class Progressed:
    """The progress of a training, for any framework."""

    losses: list[float] = field(default_factory=list)
    """Of the steps done."""
    seconds: float = 0.0
    """Spent in the loop, in earlier processes, too."""
    waiting: float = 0.0
    """Seconds of these spent waiting for data."""

    @property
    def step(self) -> int:
        """Updates done."""
        return len(self.losses)


class Interrupted(KeyboardInterrupt):
    """SIGINT or SIGTERM came; the run's state is saved. Says so in one line."""


class Stopped(Exception):
    """A run that was asked to end before it was done, e.g. because its time was up; its state is saved."""


def stopped(run: Run, steps: int, asked: Interruption) -> Interrupted | Stopped:
    """Return what a run that a signal, or its execution, stopped after some steps raises."""
    done = f"{run.label}: stopped after {steps:,} step{'s' * (steps != 1)}, state saved; run it again"
    return Stopped(f"{asked.reason}: {done}") if asked.reason and asked.signal is None else Interrupted(done)


def folder_of(folder: Path, run_id: str) -> Path:
    """Return the folder of a run's states under an execution's folder."""
    return folder / "states" / run_id


def name_of(step: int) -> str:
    """Return a state's name, without suffix: `step` updates are done."""
    return f"step-{step:09}"


def saved(states: Path) -> list[Path]:
    """Return what is saved of a run, newest first."""
    found = [path for path in states.glob("step-*") if NAME.match(path.stem)]
    return sorted(found, key=lambda path: path.stem, reverse=True)


def newest(states: Path, load: Callable[[Path], None]) -> bool:
    """Load the newest intact saved state; return whether there was one.

    A damaged one is reported on stderr and left for the next save to remove.

    Args:
        states: where they are.
        load: raises ClaimsError, and changes nothing, if a state is damaged.
    """
    for path in saved(states):
        try:
            load(path)
            return True
        except ClaimsError as damage:
            print(f"{damage}; an earlier state is taken, if there is one", file=sys.stderr)
    return False


def unsaved(path: Path, found: object) -> None:
    """Report on stderr that a state could not be saved."""
    print(f"{path}: expected to save the state, found: {found}; training goes on without it", file=sys.stderr)


def prune(states: Path) -> None:
    """Remove all but the newest states of a run, and what killed processes left half-written."""
    for old in (*saved(states)[KEPT:], *states.glob(".*")):
        shutil.rmtree(old) if old.is_dir() else old.unlink(missing_ok=True)


def discard(folder: Path | None, run_id: str) -> None:
    """Remove a run's saved states: its result is stored."""
    if folder is not None:
        shutil.rmtree(folder_of(folder, run_id), ignore_errors=True)


_patient: list[bool] = []
"""Whether this process ignores further signals until its state is saved."""


_early: list[int] = []
"""Signals that came before the training did, in a process that waits for it."""


def be_patient(from_now: bool = False) -> None:
    """Make this process save its state whatever signals follow the first: it is told to stop by more than one.

    Ctrl-C in a terminal reaches every process of the session, and the session then ends its own. SIGKILL is left.

    Args:
        from_now: also before a training begins, which then ends after its first step: for one of several processes that
            wait for each other.
    """
    _patient[:] = [True]
    if from_now:
        for number in (signal.SIGINT, signal.SIGTERM):
            signal.signal(number, lambda caught, _: _early.append(caught))


class Interruption:
    """Whether a signal, or the execution, has asked the run to end after the current step.

    Args:
        stop: returns why the run should end now, "" as long as it should not.
    """

    def __init__(self, stop: Callable[[], str] | None = None):
        self.signal: int | None = None
        self.reason = ""
        self._stop = stop

    def __bool__(self) -> bool:
        if self._stop is not None and not self.reason:
            self.reason = self._stop()
        return self.signal is not None or bool(self.reason)


@contextlib.contextmanager
def interruption(catch: bool, stop: Callable[[], str] | None = None) -> Iterator[Interruption]:
    """Note SIGINT and SIGTERM instead of dying from them; a second signal has its usual effect,
    unless the process is to `be_patient`.

    Args:
        catch: False where nothing could be saved: signals then do what they always do, and `stop` is not asked.
        stop: returns why the run should end now, "" as long as it should not.
    """
    found = Interruption(stop if catch else None)
    if catch and _early:
        found.signal = _early[0]
    if not catch or threading.current_thread() is not threading.main_thread():
        yield found
        return
    old = {number: signal.getsignal(number) for number in (signal.SIGINT, signal.SIGTERM)}

    def restore() -> None:
        for number, handler in old.items():
            signal.signal(number, handler if handler is not None else signal.SIG_DFL)

    def note(number: int, _: FrameType | None) -> None:
        found.signal = number
        if not _patient:
            restore()
            return
        for each in old:
            signal.signal(each, signal.SIG_IGN)

    for number in old:
        signal.signal(number, note)
    try:
        yield found
    finally:
        restore()
