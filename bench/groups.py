"""The groups of measurements, each in a process of its own, so that none has another's libraries, threads or memory.

The process measures part after part and hands over each row as it is measured. One that dies, hangs or meets an error
that may have left a device unusable is replaced, and the next part goes on.
"""

from __future__ import annotations

import contextlib
import math
import os
import signal
import time
import traceback
from collections.abc import Callable, Iterator, Sequence
from concurrent.futures import ProcessPoolExecutor
from multiprocessing import get_context
from multiprocessing.connection import Connection
from typing import Any, NamedTuple

from bench.journal import Journal
from bench.machine import machine
from bench.parts import parts_of
from bench.rows import Row
from bench.table import line
from harness.core.errors import ClaimsError

GROUPS = {
    "commands": "bench.commands",
    "corpora": "bench.corpora",
    "scheduling": "bench.scheduling",
    "training": "bench.training",
    "evaluation": "bench.evaluation",
    "jax": "bench.jax_rows",
    "gpu": "bench.gpu",
}
"""Name to the module whose `parts` or `rows` give its rows."""
PATIENCE = 3.0
"""A part is stopped after so many times what it is said to take."""
STARTING = 120.0
"""Seconds that a process has to import what it needs."""


class Known(NamedTuple):
    """What is known of a part before it is measured: see Part."""

    name: str
    seconds: float
    alone: bool


class Budget:
    """The time that is left.

    Args:
        minutes: from now; None: as long as it takes.
    """

    def __init__(self, minutes: float | None = None):
        self.end = math.inf if minutes is None else time.monotonic() + 60 * minutes

    def left(self) -> float:
        """Return the seconds left."""
        return self.end - time.monotonic()


def described() -> dict[str, str]:
    """Return what the machine is, found out in another process: this one leaves accelerators alone."""
    with ProcessPoolExecutor(1, mp_context=get_context("spawn")) as process:
        return process.submit(machine).result()


def measure(name: str, n: int, journal: Journal, budget: Budget, wanted: Sequence[str] = ()) -> None:
    """Measure a group: print its rows and write them down as they come.

    Args:
        name: of the group.
        n: rounds.
        journal: where rows are written.
        budget: a part that would not fit is left out, with a row that says so.
        wanted: texts of which a part's name must contain one; (): all parts.
    """
    print(f"{name}:", flush=True)
    with contextlib.closing(Group(GROUPS[name], n)) as group:
        for index, known in enumerate(group.parts):
            if wanted and not any(text in known.name for text in wanted):
                continue
            for row in group.rows(index, budget):
                print(line(row), flush=True)
                journal.add(name, known.name, row)


class Group:
    """A module's parts, and the process that measures them.

    Args:
        module: with `parts` or `rows`.
        n: rounds.
    """

    def __init__(self, module: str, n: int):
        self.module, self.n = module, n
        self.process: Any = None
        self.fresh = False
        self._start()

    def rows(self, index: int, budget: Budget) -> Iterator[Row]:
        """Yield a part's rows; a part that is left out, stopped or failed gives one that says so, besides others."""
        known = self.parts[index]
        left = budget.left()
        if left <= known.seconds:
            yield Row(known.name, note=f"left out: it takes about {known.seconds:.0f} s, {max(left, 0):.0f} s are left")
            return
        if not self.process or (known.alone and not self.fresh):
            self._start()
        self.fresh = False
        limit = time.monotonic() + min(left, PATIENCE * known.seconds or math.inf)
        self.channel.send(index)
        while True:
            if not self.channel.poll(None if limit == math.inf else max(0.0, limit - time.monotonic())):
                self.close()
                yield Row(known.name, note="stopped: it took longer than it may")
                return
            try:
                row, usable = self.channel.recv()
            except (EOFError, ConnectionError):
                code = self.close()
                yield Row(known.name, note=f"failed: its process ended with exit code {code}")
                return
            if row is not None:
                yield row
                continue
            if known.alone or not usable:
                self.close()
            return

    def close(self) -> int | None:
        """Stop the process, and those that it has started; return its exit code."""
        if self.process is None:
            return None
        self.channel.close()
        self.process.join(0.5)
        with contextlib.suppress(ProcessLookupError, PermissionError):
            os.killpg(self.process.pid, signal.SIGKILL)
        self.process.kill()  # it may not have come as far as to have a group of its own
        self.process.join()
        code: int | None = self.process.exitcode
        self.process = None
        return code

    def _start(self) -> None:
        self.close()
        spawn = get_context("spawn")
        self.channel, theirs = spawn.Pipe()
        self.process = spawn.Process(target=serve, args=(self.module, self.n, theirs), daemon=False)
        self.process.start()
        theirs.close()
        if not self.channel.poll(STARTING):
            self.close()
            raise RuntimeError(f"{self.module}: expected its parts within {STARTING:.0f} s, found none")
        self.parts: list[Known] = self.channel.recv()
        self.fresh = True


def serve(module: str, n: int, channel: Connection) -> None:
    """Measure the parts that are asked for by number, in a process of its own.

    Sends what is known of each part; then, for each number that it receives, (row, True) of every row, and at the end
    (None, whether this process may measure another part).
    """
    os.setsid()  # it is stopped together with what it starts
    parts = parts_of(module, n)
    channel.send([Known(part.name, part.seconds, part.alone) for part in parts])
    with contextlib.suppress(EOFError):  # nothing more is asked for
        while True:
            part = parts[channel.recv()]
            channel.send((None, each(part.name, part.rows, lambda row: channel.send((row, True)))))


def each(name: str, rows: Callable[[], Iterator[Row]], send: Callable[[Row], None]) -> bool:
    """Send a part's rows; an error becomes a row. Return whether the process is as good as before."""
    try:
        for row in rows():
            send(row)
    except ClaimsError as error:  # bad input or too little memory: nothing is broken
        send(Row(name, note=f"not measured: {error}"))
    except Exception as error:
        traceback.print_exc()
        found = (str(error).strip().splitlines() or [""])[0]
        send(Row(name, note=f"failed: {type(error).__name__}: {found}"))
        return False
    return True
