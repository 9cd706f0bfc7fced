"""The time of a run in which its card has nothing to do: a model until it has been measured."""

from __future__ import annotations

from harness.core.specs import Recipe

START = 10.0
"""Seconds before the first step: the driver's context, trials of memory formats, of micro-batches and of cuDNN's
algorithms. An assumption."""
LOADING = 5e-9
"""Seconds a byte of weights, read and rearranged by one thread: 19 s for the 3.7 GB of a ResNet-152 four times as
wide, on a server."""
SAVING = 4e-10
"""Seconds a byte of a state, weights and momentum, that is copied to the host's memory; a thread writes it while
training goes on. An assumption: 2.5 GB/s into memory that is not pinned."""
SAVE_EVERY = 600.0
"""Seconds between states that are saved (harness/training/api.py)."""
WORTH = 30.0
"""Seconds of training after which the last step's state is saved, too (harness/training/torch/loop.py)."""
WEIGHT = 4
"""Bytes."""


def before(parameters: int) -> float:
    """Return the seconds of a run before its first step or its first image.

    Args:
        parameters: number of weights.
    """
    return START + LOADING * WEIGHT * parameters


def saving(recipe: Recipe, parameters: int, training: float) -> float:
    """Return the seconds in which states are saved.

    Args:
        recipe: what a state holds.
        parameters: number of weights.
        training: seconds of training.
    """
    momentum = {"float32": 4, "bfloat16": 2}[recipe.momentum_dtype] if recipe.momentum else 0
    state = parameters * (WEIGHT + momentum + (WEIGHT if recipe.polyak else 0))
    return (training // SAVE_EVERY + (training >= WORTH)) * SAVING * state
