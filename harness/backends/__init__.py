"""What a framework does for the harness: fine-tune a checkpoint and predict the scored examples."""

from __future__ import annotations

from collections.abc import Callable, Mapping
from dataclasses import dataclass
from typing import Any, Protocol

import numpy as np
import numpy.typing as npt

from harness.data.splits import Arrays
from harness.spec import Run

Weights = Mapping[str, npt.NDArray[Any]]
"""A checkpoint in its official npz layout: key to array."""


@dataclass(frozen=True)
class Execution:
    """How to compute a run: what may differ from machine to machine and is not part of its identity."""

    device: str = "cpu"
    micro_batch: int | None = None
    """Examples of a batch that are in memory at once; None: the whole batch."""
    on_step: Callable[[int, float], None] | None = None
    """Called with (step, loss) after every step."""


@dataclass(frozen=True)
class Outcome:
    """What fine-tuning and prediction gave."""

    predictions: npt.NDArray[np.int64]
    """The predicted class of every scored example, shape (N,)."""
    losses: tuple[float, ...]
    images_per_second: float


class FineTune(Protocol):
    """A backend: weights and data in, predictions out."""

    def __call__(self, run: Run, weights: Weights, data: Arrays, execution: Execution) -> Outcome:
        """Fine-tune on the train part of `data` as the run's recipe says, and predict its test part."""


def backend(name: str) -> FineTune:
    """Return a backend by name; its framework is imported now."""
    from harness.backends.pytorch import fine_tune

    return {"torch": fine_tune}[name]


def environment(name: str) -> tuple[tuple[str, str], ...]:
    """Return (name, version) pairs of what a backend computes with."""
    import platform
    from importlib.metadata import version

    packages = {"torch": ("torch", "timm")}[name]
    return (
        ("python", platform.python_version()),
        ("machine", platform.machine()),
        *((package, version(package)) for package in ("vit-claims", "numpy", *packages)),
    )
