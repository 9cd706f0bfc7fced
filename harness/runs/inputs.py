"""A run's weights and images, resolved and checked before anything is computed."""

from __future__ import annotations

from collections.abc import Mapping
from dataclasses import dataclass

from harness.catalog.checkpoint_files import file_of
from harness.catalog.checkpoints import is_released
from harness.core.run import Run
from harness.data.load import load
from harness.data.splits import Data
from harness.models.load import weights_of
from harness.models.npz import Array


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
    weights = weights_of(run.checkpoint, file_of(run.checkpoint), is_released(run.checkpoint))
    return Inputs(weights, load(run))
