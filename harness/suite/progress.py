"""How far the runs of a session are, told by the main process of pytest-xdist, whose workers compute them.

Without pytest-xdist a bar of tqdm tells it (harness.suite.session).
"""

from __future__ import annotations

import threading
import time
from collections.abc import Callable, Iterable
from pathlib import Path

EVERY = 15.0
"""Seconds between two lines."""


class RunProgress:
    """Tells in one line from time to time how many planned runs are stored, until all are.

    Args:
        results: the files that the planned runs' results are stored in.
        say: told each line.
        every: seconds between two lines.
        clock: seconds that pass.
    """

    def __init__(
        self,
        results: Iterable[Path],
        say: Callable[[str], None],
        every: float = EVERY,
        clock: Callable[[], float] = time.monotonic,
    ):
        self.results = tuple(dict.fromkeys(results))
        self.say = say
        self.every = every
        self.clock = clock
        self.before = self.done
        self._first: tuple[float, int] | None = None
        """When the first new result was seen, and how many there were then: workers take a while to start."""
        self._ended = threading.Event()
        self._thread = threading.Thread(target=self._follow, daemon=True)

    @property
    def done(self) -> int:
        """How many results are stored."""
        return sum(path.exists() for path in self.results)

    def line(self) -> str:
        """Return how far the runs are, and how long the rest takes at the speed so far; "" when all are stored."""
        done, total = self.done, len(self.results)
        if done == total:
            return ""
        now = self.clock()
        if self._first is None and done > self.before:
            self._first = now, done
        if self._first is None or done == self._first[1]:
            return f"runs: {done} of {total}"
        begun, before = self._first
        return f"runs: {done} of {total}, {span((now - begun) / (done - before) * (total - done))} left"

    def start(self) -> None:
        """Begin to tell, if there is anything to compute."""
        if self.before < len(self.results):
            self._thread.start()

    def stop(self) -> None:
        """Stop telling."""
        self._ended.set()
        if self._thread.is_alive():
            self._thread.join()

    def _follow(self) -> None:
        while not self._ended.wait(self.every):
            line = self.line()
            if not line:
                return
            self.say(line)


def span(seconds: float) -> str:
    """Return a time for a reader, e.g. "0:45" or "1:02:10"."""
    minutes, rest = divmod(round(seconds), 60)
    hours, minutes = divmod(minutes, 60)
    return f"{hours}:{minutes:02}:{rest:02}" if hours else f"{minutes}:{rest:02}"
