"""How far tensors that should be the same are apart."""

from __future__ import annotations

from collections.abc import Sequence

import torch
from torch import Tensor

UPDATED = 1e-3
"""Of the norm of a weight or a momentum: what float32 may make of an update in another order."""


def largest(found: Sequence[Tensor], exact: Sequence[Tensor]) -> float:
    """Return the largest of the distances of tensors from others, each pair by itself."""
    pairs = zip(found, exact, strict=True)
    return max(distance([mine.detach().float()], [theirs.detach().float()]) for mine, theirs in pairs)


def distance(found: Sequence[Tensor | None], exact: Sequence[Tensor | None]) -> float:
    """Return how far tensors are from others, in units of the others' norm; infinite where one is missing."""
    apart = norm = 0.0
    for mine, theirs in zip(found, exact, strict=True):
        if (mine is None) != (theirs is None):
            return float("inf")
        if mine is not None and theirs is not None:
            there = theirs.to(mine.device)
            apart += float((mine - there).square().sum(dtype=torch.float64))
            norm += float(there.square().sum(dtype=torch.float64))
    return (apart / norm) ** 0.5 if norm else float(apart > 0)
