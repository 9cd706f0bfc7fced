"""How long measurements of a paper's own numbers take, by the times of those that are stored."""

from __future__ import annotations

import statistics
from collections.abc import Sequence
from dataclasses import dataclass

from harness.core.measurement import Measurement
from harness.cost.cpu_time import LOOKED_AT, minutes
from harness.runs.store import Store


@dataclass(frozen=True)
class MeasuredTime:
    """What the measurements of one measure take."""

    measure: str
    lane: str
    """"cpu" or "accelerator"."""
    runs: int
    stored: int
    seconds: float | None
    """Of one process, for those that are not stored; None: none is stored to go by."""
    at_most: float
    """Seconds of one process after which all of them would have been ended."""

    @property
    def left(self) -> int:
        """Measurements that are not stored."""
        return self.runs - self.stored


def measured_times(asked: Sequence[Measurement], store: Store) -> list[MeasuredTime]:
    """Return how long measurements would take, a measure each: as long as stored ones of the same contender took.

    Args:
        asked: all that are needed, each once.
        store: the results of this machine.
    """
    found = []
    for key in dict.fromkeys((each.measure or each.function, each.lane) for each in asked):
        of = [each for each in asked if (each.measure or each.function, each.lane) == key]
        here = [each for each in of if store.path(each.id).exists()]
        ids = {each.id for each in here}
        took: dict[object, list[float]] = {}
        for each in here[:: max(1, len(here) // LOOKED_AT)]:
            if (scores := store.get(each)) is not None:
                took.setdefault((each.contender, each.dataset), []).append(scores.seconds)
                took.setdefault("any", []).append(scores.seconds)
        left = [each for each in of if each.id not in ids]
        known = [took.get((each.contender, each.dataset)) or took.get("any") for each in left]
        seconds = sum(statistics.fmean(times) for times in known if times) if took else None
        found.append(MeasuredTime(*key, len(of), len(here), seconds, sum(each.time_limit for each in left)))
    return found


def text(found: Sequence[MeasuredTime], jobs: int) -> list[str]:
    """Return the times, a line each.

    Args:
        found: the times.
        jobs: processes among which those on the CPU are shared.
    """
    return [line(each, jobs if each.lane == "cpu" else 1) for each in found]


def line(each: MeasuredTime, jobs: int) -> str:
    """Return the time of one measure in a line."""
    where = "" if each.lane == "cpu" else ", each on an accelerator"
    counted = f"{each.measure}: {each.runs:,} measurements, {each.stored:,} stored, {each.left:,} to compute{where}"
    if not each.left:
        return f"{counted}."
    processes = f"{jobs} processes" if jobs > 1 else "one process"
    if each.seconds is None:
        most = minutes(each.at_most / max(1, jobs))
        return f"{counted}; none is stored on this machine to go by, the time limit allows {most} with {processes}."
    return f"{counted}: about {minutes(each.seconds / max(1, jobs))} with {processes}, as the stored ones took."
