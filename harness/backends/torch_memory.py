"""How many examples of a batch are in memory at once: found by trying, remembered for the next run."""

from __future__ import annotations

import gc
import json
import math
from collections.abc import Callable
from pathlib import Path
from typing import Any, TypeVar

import torch
from filelock import FileLock
from torch import nn

from harness.errors import ClaimsError
from harness.home import make_folder, write_atomic
from harness.spec import Run

SMALL = 4
"""A micro-batch this small that does not fit is a reason for activation checkpointing."""
USED = 0.85
"""Share of the free memory that the first estimate fills."""

T = TypeVar("T")


def out_of_memory(error: Exception) -> bool:
    """Return whether an exception means that memory was too small (cuDNN says it in its own ways)."""
    if isinstance(error, torch.OutOfMemoryError):
        return True
    if not isinstance(error, RuntimeError):
        return False
    from accelerate.utils.memory import should_reduce_batch_size  # type: ignore[import-untyped]

    return bool(should_reduce_batch_size(error))


def free() -> None:
    """Give back what a failed attempt held."""
    gc.collect()
    if torch.cuda.is_available():
        torch.cuda.empty_cache()


def attempted(attempt: Callable[[], T]) -> T | None:
    """Return what an attempt gives; None if memory was too small for it."""
    try:
        return attempt()
    except Exception as error:
        if not out_of_memory(error):
            raise
    # Outside the handler: the exception's traceback holds every tensor of the attempt.
    free()
    return None


class MicroBatch:
    """The number of examples in memory at once, halved whenever it does not fit.

    Args:
        model: recomputes its activations (timm's set_grad_checkpointing) once even a small micro-batch fails.
        batch: examples of a batch that this process computes.
        size: to start with; None: all of them.
    """

    def __init__(self, model: nn.Module, batch: int, size: int | None = None, checkpointing: bool = False):
        self.model, self.batch = model, batch
        self.size = min(size or batch, batch)
        self.checkpointing = False
        if checkpointing:
            self._checkpoint()

    def parts(self, n: int) -> list[tuple[int, int]]:
        """Return (start, stop) of the parts of n examples, as equal as can be."""
        count = math.ceil(n / self.size)
        length = math.ceil(n / count)
        return [(start, min(start + length, n)) for start in range(0, n, length)]

    def fit(self, attempt: Callable[[], T]) -> T:
        """Return what an attempt gives, made with ever smaller parts until it fits.

        Raises:
            ClaimsError: not even one example fits.
        """
        while (done := attempted(attempt)) is None:
            self._reduce()
        return done

    def _reduce(self) -> None:
        if self.size <= SMALL and self._checkpoint():
            self.size = min(8 * self.size, self.batch)
        elif self.size > 1:
            self.size = (self.size + 1) // 2
        else:
            raise ClaimsError(
                "expected memory for one example at a time, found too little; choose a smaller network, another"
                " precision (bfloat16) or a card with more memory"
            )

    def _checkpoint(self) -> bool:
        """Turn activation checkpointing on; tell whether that changed anything."""
        able: Any = getattr(self.model, "set_grad_checkpointing", None)
        if self.checkpointing or able is None:
            return False
        able(True)
        self.checkpointing = True
        return True


def estimate(gradient: Callable[[int], object], batch: int, device: torch.device) -> int:
    """Return how many examples probably fit on a GPU, from what a few of them take.

    Args:
        gradient: computes the gradient of so many examples.
        batch: at most.
        device: a CUDA device.
    """
    probe = min(SMALL, batch)
    for _ in range(2):  # gradients and workspaces are allocated by the first
        torch.cuda.reset_peak_memory_stats(device)
        before = torch.cuda.memory_allocated(device)
        if attempted(lambda: (gradient(probe), True)) is None:
            return probe
    each = max(1.0, (torch.cuda.max_memory_allocated(device) - before) / probe)
    free()
    size = int(USED * torch.cuda.mem_get_info(device)[0] / each)
    count = math.ceil(batch / max(1, min(size, batch)))
    return math.ceil(batch / count)


class Remembered:
    """Micro-batches that fitted, per model, resolution, precision and card, in a JSON file.

    Args:
        folder: where the file lies; None: nothing is remembered.
        run: the network, its resolution and precision.
        card: the device's name.
    """

    def __init__(self, folder: Path | None, run: Run, card: str):
        self.path = None if folder is None else folder / "micro_batches.json"
        recipe, checkpoint = run.recipe, run.checkpoint
        self.key = f"{checkpoint.architecture}|{recipe.resolution}|{recipe.precision}|{card}"

    def get(self, batch: int) -> tuple[int, bool] | None:
        """Return (micro-batch, activation checkpointing) that fitted; None where it is not known for this batch."""
        entry: Any = self._read().get(self.key)
        try:
            size, whole, checkpointing = entry["micro_batch"], entry["whole"], entry["checkpointing"]
        except (KeyError, TypeError):
            return None
        if not isinstance(size, int) or size < 1 or (whole and batch > size):
            return None  # a whole batch that fitted says little of a larger one
        return min(size, batch), bool(checkpointing)

    def put(self, found: MicroBatch) -> None:
        """Remember what fitted."""
        if self.path is None:
            return
        make_folder(self.path.parent)
        with FileLock(self.path.with_suffix(".lock")):
            entry = {
                "micro_batch": found.size,
                "whole": found.size == found.batch,
                "checkpointing": found.checkpointing,
            }
            write_atomic(self.path, json.dumps(self._read() | {self.key: entry}, indent=1, sort_keys=True).encode())

    def _read(self) -> dict[str, Any]:
        try:
            entries = json.loads(self.path.read_bytes()) if self.path else {}
        except (OSError, ValueError):
            return {}
        return entries if isinstance(entries, dict) else {}
