"""A run's weights and images, resolved and checked before anything is computed."""

from __future__ import annotations

from collections.abc import Mapping
from dataclasses import dataclass

from harness.catalog.checkpoint_files import file_of
from harness.catalog.checkpoints import is_released
from harness.core.run import Run
from harness.core.specs import Checkpoint
from harness.data.load import load
from harness.data.splits import Data
from harness.models.load import weights_of
from harness.models.npz import Array
from harness.training.kept import Kept

_WEIGHTS: Kept[dict[str, Array]] = Kept(lambda arrays: sum(array.nbytes for array in arrays.values()))


@dataclass(frozen=True, eq=False)
class Inputs:
    """What a run computes with, all of it on this machine and as the run names it."""

    weights: Mapping[str, Array]
    """As `harness.models.load.weights_of` returns them."""
    data: Data


def inputs_of(run: Run) -> Inputs:
    """Return a run's inputs, fetched if need be.

    Raises:
        ClaimsError: a file is not here and can't be fetched, is not the pinned bytes, or holds another network than
            the checkpoint's entry says.
    """
    return Inputs(_weights(run.checkpoint), load(run))


def _weights(found: Checkpoint) -> dict[str, Array]:
    """Return a checkpoint's weights; those of a shipped one are read once for all of a process' runs.

    Its file is checked for each of them all the same, and each gets arrays of its own.
    """
    path, released = file_of(found), is_released(found)
    if not found.shipped:
        return weights_of(found, path, released)
    kept = _WEIGHTS.get((found, path, released), lambda: weights_of(found, path, released))
    return {key: array.copy() for key, array in kept.items()}
