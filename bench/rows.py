"""The rows of the table, and how two or more ways of doing the same work are timed against each other."""

from __future__ import annotations

import statistics
import time
from collections.abc import Callable, Mapping, Sequence
from dataclasses import dataclass
from typing import Literal


@dataclass(frozen=True)
class Goal:
    """What a figure is meant to reach."""

    relation: Literal[">=", "<"]
    bound: float

    def met(self, value: float) -> bool:
        """Return whether a value reaches it."""
        return value >= self.bound if self.relation == ">=" else value < self.bound


@dataclass(frozen=True)
class Spread:
    """The ratios of the pairs of one run, above 1 where the first side is faster."""

    least: float
    median: float
    most: float


@dataclass(frozen=True)
class Row:
    """One figure."""

    name: str
    unit: str = ""
    value: float | None = None
    """None: not measured, `note` says why."""
    against: str = ""
    """What it is compared with."""
    other: float | None = None
    """The other side's value, in the same unit."""
    ratio: Spread | None = None
    """Pair by pair, by the clock on the wall."""
    cpu_ratio: Spread | None = None
    """Pair by pair, by processor time: what else the machine does has less part in it."""
    goal: Goal | None = None
    """Of the ratio's median where there is a ratio, else of the value."""
    note: str = ""

    @property
    def met(self) -> bool | None:
        """Whether the goal is reached; None where there is none or nothing was measured."""
        judged = self.ratio.median if self.ratio else self.value
        return None if self.goal is None or judged is None else self.goal.met(judged)


@dataclass(frozen=True)
class Lap:
    """What one execution of one side took."""

    wall: float
    """Seconds."""
    cpu: float
    """Processor seconds of this process."""
    images: int
    losses: tuple[float, ...] = ()
    """Of training: to see that both sides did the same work."""


class Clock:
    """Times one execution.

    Args:
        wait: called before the clock is read, so that an accelerator has done what it was given.
    """

    def __init__(self, wait: Callable[[], None] = lambda: None):
        self.wait = wait
        self.start()

    def start(self, wait: bool = True) -> None:
        """Begin, again if need be."""
        if wait:
            self.wait()
        self.wall, self.cpu = time.perf_counter(), time.process_time()

    def lap(self, images: int, losses: Sequence[float] = (), wait: bool = True) -> Lap:
        """End."""
        if wait:
            self.wait()
        return Lap(time.perf_counter() - self.wall, time.process_time() - self.cpu, images, tuple(losses))


def rounds(sides: Mapping[str, Callable[[], Lap]], n: int) -> dict[str, list[Lap]]:
    """Return n laps of each side, executed in turn after one of each that does not count: A B C, C B A, A B C, ...

    Each has each of its neighbours before it about as often: caches and freed memory are as a neighbour left them.
    """
    laps: dict[str, list[Lap]] = {name: [] for name in sides}
    for number in range(n + 1):
        order = list(sides.items())
        for name, side in order[::-1] if number % 2 else order:
            lap = side()
            if number:
                laps[name].append(lap)
    return laps


def single(name: str, laps: Sequence[Lap], goal: Goal | None = None, note: str = "") -> Row:
    """Return a side's images per second by itself."""
    return Row(name, "images/s", _rate(laps), goal=goal, note=note)


def compared(name: str, ours: Sequence[Lap], theirs: Sequence[Lap], against: str, goal: Goal | None = None) -> Row:
    """Return images per second of one side against another's: medians, and the ratio pair by pair."""
    return Row(
        name,
        "images/s",
        _rate(ours),
        against,
        _rate(theirs),
        spread([(b.wall / b.images) / (a.wall / a.images) for a, b in zip(ours, theirs, strict=True)]),
        spread([(b.cpu / b.images) / (a.cpu / a.images) for a, b in zip(ours, theirs, strict=True)]),
        goal,
    )


def spread(ratios: Sequence[float]) -> Spread:
    """Return least, median and most."""
    return Spread(min(ratios), statistics.median(ratios), max(ratios))


def same_work(case: str, ours: Sequence[float], theirs: Sequence[float], tolerance: float) -> None:
    """Refuse to compare sides that did not compute the same.

    Args:
        case: for the message.
        ours: losses, of which the first ten count: rounding errors grow from step to step.
        theirs: likewise.
        tolerance: relative.

    Raises:
        RuntimeError: they differ by more.
    """
    pairs = list(zip(ours, theirs, strict=True))[:10]
    if any(abs(a - b) > tolerance * abs(b) for a, b in pairs):
        raise RuntimeError(f"{case}: expected the same losses on both sides, found {pairs}")


def _rate(laps: Sequence[Lap]) -> float:
    return statistics.median(lap.images / lap.wall for lap in laps)
