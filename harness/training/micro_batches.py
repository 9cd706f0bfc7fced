"""How many examples of a batch fit into a memory, and the micro-batches that did, remembered for the next run."""

from __future__ import annotations

import contextlib
import math
from collections.abc import Sequence
from pathlib import Path
from typing import Any, Protocol

from harness.core.run import Run
from harness.training.notes import Notes

SMALL = 4
"""A micro-batch this small that does not fit is a reason for activation checkpointing."""
USED = 0.85
"""Share of the free memory that the first estimate fills."""


class Found(Protocol):
    """What is known of a run's memory."""

    batch: int
    """Examples of a batch."""
    size: int
    """Those that are in memory at once."""
    checkpointing: bool
    """Whether activations are computed again in the backward pass instead of kept."""


def fitting(peaks: Sequence[int], examples: tuple[int, int], room: int, batch: int) -> int:
    """Return how many of a batch's examples fit into a memory, in parts as equal as can be.

    Up to twice as many parts are taken if they are then equal: a last part of another size would be compiled, and its
    convolutions tried out, once more.

    Args:
        peaks: bytes that two numbers of examples took.
        examples: those two numbers.
        room: free memory, bytes.
        batch: at most.
    """
    few, more = examples
    if more == few:
        return batch
    each = max(1.0, (peaks[1] - peaks[0]) / (more - few))
    fixed = max(0.0, peaks[0] - few * each)  # the gradient itself
    size = min(batch, max(1, int((USED * room - fixed) / each)))
    parts = math.ceil(batch / size)
    return math.ceil(batch / next((more for more in range(parts, 2 * parts) if batch % more == 0), parts))


def available() -> int | None:
    """Return how many more bytes of memory this process can use on a CPU; None if not known."""
    found = []
    with contextlib.suppress(OSError, ValueError, KeyError):
        lines = dict(line.split(":", 1) for line in Path("/proc/meminfo").read_text().splitlines())
        found.append(1024 * int(lines["MemAvailable"].split()[0]))
    group = Path("/sys/fs/cgroup")
    with contextlib.suppress(OSError, ValueError):  # no such limit
        limit, used = (int((group / f"memory.{name}").read_text()) for name in ("max", "current"))
        found.append(max(0, limit - used))
    return min(found, default=None)


class Remembered:
    """Micro-batches that fitted, per model, resolution, precision and card, in a JSON file.

    Args:
        folder: where the file lies; None: nothing is remembered.
        run: the network, its resolution and precision.
        card: the device's name.
        fused: computed by fused kernels, which take less.
    """

    def __init__(self, folder: Path | None, run: Run, card: str, fused: bool = False):
        self.notes = Notes(None if folder is None else folder / "micro_batches.json")
        recipe, checkpoint = run.recipe, run.checkpoint
        way = "|fused" if fused else "" if run.backend == "torch" else f"|{run.backend}"
        self.key = f"{checkpoint.architecture}|{recipe.resolution}|{recipe.precision}|{card}{way}"

    def get(self, batch: int) -> tuple[int, bool] | None:
        """Return (micro-batch, activation checkpointing) that fitted; None where it is not known for this batch."""
        entry: Any = self.notes.get(self.key)
        try:
            size, whole, checkpointing = entry["micro_batch"], entry["whole"], entry["checkpointing"]
        except (KeyError, TypeError):
            return None
        if not isinstance(size, int) or size < 1 or (whole and batch > size):
            return None  # a whole batch that fitted says little of a larger one
        return min(size, batch), bool(checkpointing)

    def put(self, found: Found) -> None:
        """Remember what fitted, where there is room for it."""
        self.notes.put(
            self.key,
            {"micro_batch": found.size, "whole": found.size == found.batch, "checkpointing": found.checkpointing},
        )
