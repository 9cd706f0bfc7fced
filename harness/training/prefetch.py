"""Inputs of a run's steps, prepared by threads on the host while the device computes."""

from __future__ import annotations

import os
import time
from abc import ABC, abstractmethod
from collections import deque
from concurrent.futures import Future, ThreadPoolExecutor
from typing import Generic, Self, TypeVar

AHEAD = 4
"""Batches prepared in advance for an accelerator, each by one thread."""

T = TypeVar("T")


class Prefetched(ABC, Generic[T]):
    """The batches of successive steps, prepared in advance by `prepare`; a context in which its threads live.

    Args:
        first: the step to begin with.
        end: the step after the last one.
        ahead: batches to prepare in advance; 0: each is prepared when it is asked for.
    """

    def __init__(self, first: int, end: int, ahead: int):
        self.waiting = 0.0
        """Seconds that training waited for its batches."""
        self._next, self._end, self._ahead = first, end, ahead
        self._queue: deque[Future[T]] = deque()
        self._pool = ThreadPoolExecutor(ahead, "inputs") if ahead else None

    def __enter__(self) -> Self:
        return self

    def __exit__(self, *_: object) -> None:
        """Stop the threads; what nobody asked for is dropped."""
        if self._pool is not None:
            self._pool.shutdown(wait=True, cancel_futures=True)

    @abstractmethod
    def prepare(self, step: int) -> T:
        """Return what the host does for a step; for threads."""

    def prepared(self, step: int) -> T:
        """Return what was prepared for a step; steps are asked for in order."""
        start = time.perf_counter()
        found = self.prepare(step) if self._pool is None else self._from_queue(self._pool)
        self.waiting += time.perf_counter() - start
        return found

    def wait(self) -> None:
        """Wait until nothing is being prepared."""
        for each in self._queue:
            each.exception()

    def _from_queue(self, pool: ThreadPoolExecutor) -> T:
        while len(self._queue) <= self._ahead and self._next < self._end:
            self._queue.append(pool.submit(self.prepare, self._next))
            self._next += 1
        return self._queue.popleft().result()


def batches_ahead(accelerated: bool) -> int:
    """Return how many batches are prepared in advance: on a CPU one, since the step needs the cores itself."""
    return min(AHEAD, os.cpu_count() or 1) if accelerated else 1
