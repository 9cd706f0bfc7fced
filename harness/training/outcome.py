"""The outcome of training and evaluation, built in the same way for every framework."""

from __future__ import annotations

from dataclasses import dataclass, replace

import numpy as np
import numpy.typing as npt

from harness.core.errors import ClaimsError
from harness.core.result import Divergence
from harness.core.run import Run
from harness.data.splits import batch_indices
from harness.training.api import Outcome
from harness.training.lr_schedule import learning_rate

UNDECIDED = -1
"""Predicted where an image's logits are not all finite: argmax would name a class."""
NOT_YET = -2
"""No prediction: less than any, so that the largest of several processes' is the prediction."""


@dataclass(frozen=True)
class Trained:
    """What a training loop returns about itself."""

    losses: tuple[float, ...]
    seconds: float
    """In the loop, earlier processes' included."""
    waiting: float
    """Share of these spent waiting for data."""
    earlier: float
    """Seconds spent in earlier processes."""
    micro_batch: int | None
    """Examples that were in memory at once; None: the whole batch."""
    diverged: Divergence | None = None
    kernels: str = ""
    """As of `Outcome`."""


def divergence(run: Run, n: int, step: int) -> Divergence:
    """Return the record of a loss, or of logits, that are not finite.

    Args:
        run: recipe and seed.
        n: number of training examples.
        step: whose loss it is; the number of steps means the logits after the last update.
    """
    steps = run.recipe.steps or 0
    last = min(step, steps - 1)
    index = batch_indices(n, run.recipe.batch_size, last, run.seed)
    return Divergence(step, learning_rate(run.recipe, last), tuple(index.tolist()), scored=step == steps)


def untested(trained: Trained, memory: int) -> Outcome:
    """Return the outcome of a training that diverged: nothing was predicted.

    Args:
        trained: what the loop says.
        memory: largest memory allocated on the accelerator, bytes.
    """
    nothing = np.zeros(0, np.int64)
    return Outcome(
        nothing, trained.losses, 0.0, trained.diverged, memory, micro_batch=trained.micro_batch, kernels=trained.kernels
    )


def tested(
    run: Run, trained: Trained | None, n: int, predictions: npt.NDArray[np.int64], seconds: float, memory: int
) -> Outcome:
    """Return the outcome of a run whose test images were predicted.

    Args:
        run: what was computed.
        trained: what the loop says; None: nothing was trained.
        n: number of training examples.
        predictions: (N,) classes, UNDECIDED where logits were not finite: the last update made weights so large.
        seconds: that predicting took.
        memory: largest memory allocated on the accelerator, bytes.

    Raises:
        ClaimsError: nothing was trained and logits are not finite.
    """
    undecided = int((predictions == UNDECIDED).sum())
    recipe = run.recipe
    if trained is None:
        if undecided:
            raise ClaimsError(
                f"{run.label}: expected finite logits, found others for {undecided:,} of {len(predictions):,} images"
                f" in {recipe.precision}; use {'' if recipe.precision == 'float32' else 'precision float32 or '}another"
                " checkpoint"
            )
        return Outcome(predictions, (), len(predictions) / seconds, device_memory=memory)
    if undecided:
        return untested(replace(trained, diverged=divergence(run, n, recipe.steps or 0)), memory)
    return Outcome(
        predictions,
        trained.losses,
        (recipe.steps or 0) * recipe.batch_size / trained.seconds,
        device_memory=memory,
        waiting=trained.waiting,
        micro_batch=trained.micro_batch,
        kernels=trained.kernels,
        earlier=trained.earlier,
    )
