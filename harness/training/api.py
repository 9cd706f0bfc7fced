"""What a framework does for the harness: fine-tune a checkpoint and predict the scored examples."""

from __future__ import annotations

import os
from collections.abc import Callable, Mapping
from dataclasses import dataclass, replace
from pathlib import Path
from typing import TYPE_CHECKING, Any, Protocol, TypeAlias

from harness.core.result import Divergence
from harness.core.run import Run

if TYPE_CHECKING:  # a stored result is looked up without numpy
    import numpy as np
    import numpy.typing as npt

    from harness.data.splits import Data

Weights: TypeAlias = "Mapping[str, npt.NDArray[Any]]"
"""A checkpoint in its official npz layout: key to array."""
OnImages: TypeAlias = Callable[[int, int], None]
"""Called with how many images are done and how many there are."""
EVALUATION_BATCH = 256
"""Fixed, and part of the numerics version: the batch size moves the logits' last bits."""


@dataclass(frozen=True)
class Progress:
    """What a run reports after a step."""

    step: int
    """Counted from 0."""
    loss: float
    learning_rate: float
    images_per_second: float = 0.0
    """Over the last steps."""
    device_memory: int = 0
    """Largest memory allocated on the accelerator so far, bytes."""


@dataclass(frozen=True)
class Execution:
    """How to compute a run: what may differ from machine to machine and is not part of its identity."""

    device: str = "cpu"
    """"cpu", "cuda" or "cuda:N"."""
    together: tuple[str, ...] = ()
    """Devices of several processes that compute the run together, each "cpu" or as CUDA_VISIBLE_DEVICES calls it."""
    micro_batch: int | None = None
    """Examples of a batch that are in memory at once; None: the whole batch on a CPU, found by trying elsewhere."""
    compile: bool = False
    """Compile the blocks of the model (torch.compile) where they agree with PyTorch; jax always compiles."""
    fused: bool = True
    """Use fused kernels where there are some and they agree with the framework's own operations."""
    graphed: bool = True
    """Launch the kernels of a step as one CUDA graph where that gives the same gradients and is faster."""
    folder: Path | None = None
    """Where states to resume from, the history of the run and micro-batches that fitted lie; None: nothing is kept."""
    save_every: float = 600.0
    """Seconds between saved states."""
    on_step: Callable[[Progress], None] | None = None
    """Called after every step."""
    deadline: float | None = None
    """When runs that can be gone on from are saved and ended, in seconds as time.time() counts; None: never."""
    stop: Callable[[], str] | None = None
    """Asked after every step why the run should be saved and ended now; "" to go on."""
    on_images: OnImages | None = None
    """Called while scored examples are predicted, with how many are and how many there are."""

    def by_framework(self) -> Execution:
        """Return the same by the framework's own operations, launched one by one: what is left where a card fails."""
        return replace(self, compile=False, fused=False, graphed=False)


@dataclass(frozen=True)
class Outcome:
    """What fine-tuning and prediction gave."""

    predictions: npt.NDArray[np.int64]
    """The predicted class of every scored example, shape (N,); empty if the run diverged."""
    losses: tuple[float, ...]
    images_per_second: float
    """Training images per second of wall time of the loop; of evaluation where nothing is trained."""
    diverged: Divergence | None = None
    device_memory: int = 0
    """Largest memory allocated on the accelerator, bytes."""
    waiting: float = 0.0
    """Share of the training loop's time spent waiting for data."""
    micro_batch: int | None = None
    """Examples that were in memory at once; None: the whole batch."""
    kernels: str = ""
    """What computed the steps, where there is a choice: "fused", "compiled", or why neither; "" elsewhere."""
    earlier: float = 0.0
    """Seconds of the training loop in earlier processes, which were interrupted or killed."""


def first_process() -> bool:
    """Return whether this is the first of the processes that compute a run together, which stores and prints it."""
    return os.environ.get("RANK", "0") == "0"  # set by `accelerate launch`


class FineTune(Protocol):
    """A backend: weights and data in, predictions out."""

    def __call__(self, run: Run, weights: Weights, data: Data, execution: Execution) -> Outcome:
        """Fine-tune on the train part of `data` as the run's recipe says, and predict its test part."""


def backend(name: str) -> FineTune:
    """Return a backend by name; its framework is imported now."""
    if name == "jax":
        from harness.training.jax import engine as jax_engine

        return jax_engine.fine_tune
    from harness.training.torch import engine as pytorch

    return {"torch": pytorch.fine_tune}[name]


def environment(name: str) -> tuple[tuple[str, str], ...]:
    """Return (name, version) pairs of what a backend computes with."""
    import platform
    from importlib.metadata import version

    packages = {"torch": ("torch", "timm"), "jax": ("jax", "jaxlib", "flax", "optax")}[name]
    return (
        ("python", platform.python_version()),
        ("machine", platform.machine()),
        *((package, version(package)) for package in ("vit-claims", "numpy", *packages)),
    )
