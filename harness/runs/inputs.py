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
from harness.training.micro_batches import available

COPIES = 4
"""Times the size of a released checkpoint that must be free to keep it: it, a run's own arrays, and its network."""


def _size(arrays: dict[str, Array]) -> int:
    return sum(array.nbytes for array in arrays.values())


_WEIGHTS: Kept[dict[str, Array]] = Kept(_size)
_RELEASED: Kept[dict[str, Array]] = Kept(_size, room=1 << 33)


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
    """Return a checkpoint's weights, read once for a process' runs that follow each other.

    Its file is checked for each of them all the same, and each gets arrays of its own. A released checkpoint, of which
    the seeds of a comparison are computed one after the other, is kept where four times its size is free.
    """
    path, released = file_of(found), is_released(found)

    def read() -> dict[str, Array]:
        return weights_of(found, path, released)

    if found.shipped:
        kept = _WEIGHTS.get((found, path, released), read)
    else:
        free = available()
        if free is not None and free < COPIES * path.stat().st_size:
            return read()
        kept = _RELEASED.get((found, path, released), read)
    return {key: array.copy() for key, array in kept.items()}
