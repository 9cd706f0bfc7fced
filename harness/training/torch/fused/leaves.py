"""Tensors in a lower precision in the weights' place, at which backward leaves its gradients."""

from __future__ import annotations

from collections.abc import Sequence

import torch
from torch import Tensor


class Leaves:
    """Leaves of the graph in a lower precision, laid out as weights.

    Args:
        weights: whose places they take.
        dtype: of the leaves.
    """

    def __init__(self, weights: Sequence[Tensor], dtype: torch.dtype):
        self.tensors = [torch.empty_like(each, dtype=dtype).requires_grad_() for each in weights]
        self._sums: list[Tensor] | None = None

    def add_up(self) -> None:
        """Add what backward left to the sums of earlier parts of the batch, in float32."""
        given = [each.grad for each in self.tensors if each.grad is not None]
        if self._sums is None:
            self._sums = [torch.zeros_like(each, dtype=torch.float32) for each in self.tensors]
        torch._foreach_add_(self._sums, given)
        for each in self.tensors:
            each.grad = None

    def zero_grad(self) -> None:
        """Forget what backward left."""
        self._sums = None
        for each in self.tensors:
            each.grad = None

    @property
    def gradients(self) -> list[Tensor]:
        """A tensor for each leaf."""
        found = self._sums or [each.grad for each in self.tensors if each.grad is not None]
        if len(found) != len(self.tensors):
            raise AssertionError(f"expected gradients of {len(self.tensors)} weights, found {len(found)}")
        return found
