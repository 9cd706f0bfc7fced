"""All weight-standardised convolutions of a network: standardised by one kernel, updated by another.

The standardised weights are leaves in the training precision, laid out as the weights. What backward leaves at them is
turned into the weights' gradient where it is used, in the update: the gradient in float32 is never in memory.
"""

from __future__ import annotations

from collections.abc import Sequence

import numpy as np
import torch
from timm.layers.std_conv import StdConv2d
from torch import Tensor

from harness.training.torch.device import sent
from harness.training.torch.fused.leaves import Leaves
from harness.training.torch.fused.tables import addresses, kind

BLOCK = 1024
"""Numbers of a row that a program takes at a time."""

_library = torch.library.Library("vit_claims", "FRAGMENT")
_library.define("standardise(Tensor[] weights, Tensor(a!)[] kernels, Tensor(b!)[] rows, float eps) -> ()")
_library.define(
    "update_standardised(Tensor(a!)[] weights, Tensor(b!)[] momenta, Tensor[] gradients, Tensor(c!)[] kernels,"
    " Tensor(d!)[] rows, float rate, float momentum, float decay, float eps) -> ()"
)


class StandardisedWeights:
    """The weights of some convolutions and what the kernels need of them.

    Args:
        convolutions: all of one epsilon, on one device.
        dtype: of the standardised weights.
    """

    def __init__(self, convolutions: Sequence[StdConv2d], dtype: torch.dtype):
        self.convolutions = tuple(convolutions)
        self.weights = [each.weight for each in self.convolutions]
        self.eps = self.convolutions[0].eps
        self.leaves = Leaves(self.weights, dtype)
        self.kernels = self.leaves.tensors
        self.rows = rows_of(self.weights)

    @torch.no_grad()
    def standardise(self) -> None:
        """Compute the standardised weights from the weights as they are."""
        torch.ops.vit_claims.standardise(self.weights, self.kernels, self.rows, self.eps)

    @torch.no_grad()
    def update(self, momenta: Sequence[Tensor], rate: float, momentum: float, decay: float) -> None:
        """Take one step of SGD with the weights, and standardise them for the next.

        Args:
            momenta: of each weight, float32, of its layout.
            rate: learning rate.
            momentum: share of the old momentum that stays.
            decay: weight decay.
        """
        torch.ops.vit_claims.update_standardised(
            self.weights, list(momenta), self.leaves.gradients, self.kernels, self.rows, rate, momentum, decay, self.eps
        )

    @torch.no_grad()
    def weight_gradients(self) -> list[Tensor]:
        """Return the gradients of the weights, float32: what a step without momentum makes of momenta of zero.

        The step is taken by copies: gradients that are no numbers must not reach the weights.
        """
        found = [torch.zeros_like(each) for each in self.weights]
        copies = [[each.detach().clone() for each in of] for of in (self.weights, self.kernels, self.rows[3:])]
        torch.ops.vit_claims.update_standardised(
            copies[0], found, self.leaves.gradients, copies[1], [*self.rows[:3], *copies[2]], 0.0, 0.0, 0.0, self.eps
        )
        return found


def rows_of(weights: Sequence[Tensor]) -> list[Tensor]:
    """Return what a kernel needs to know of all rows: tensor, row and length, and room for their means and scales."""
    device = weights[0].device
    counts = [len(each) for each in weights]
    tensor_of = np.repeat(np.arange(len(weights), dtype=np.int32), counts)
    row_of = np.concatenate([np.arange(count, dtype=np.int32) for count in counts])
    lengths = np.array([each[0].numel() for each in weights], dtype=np.int32)
    integers = [sent(each, device) for each in (tensor_of, row_of, lengths)]
    return [*integers, *(torch.empty(len(row_of), device=device) for _ in range(2))]


def _standardise(weights: list[Tensor], kernels: list[Tensor], rows: list[Tensor], eps: float) -> None:
    from harness.training.torch.fused.kernels import standardise_rows

    tables = addresses(weights), addresses(kernels)
    standardise_rows[(len(rows[0]),)](*tables, *rows, eps, KERNEL=kind(kernels), BLOCK=BLOCK, num_warps=4)


def _update(
    weights: list[Tensor],
    momenta: list[Tensor],
    gradients: list[Tensor],
    kernels: list[Tensor],
    rows: list[Tensor],
    rate: float,
    momentum: float,
    decay: float,
    eps: float,
) -> None:
    from harness.training.torch.fused.kernels import update_rows

    tables = [addresses(each) for each in (weights, momenta, gradients, kernels)]
    kinds = {"GRADIENT": kind(gradients), "KERNEL": kind(kernels)}
    update_rows[(len(rows[0]),)](*tables, *rows, rate, momentum, decay, eps, **kinds, BLOCK=BLOCK, num_warps=4)


for _device in ("CUDA", "CPU"):  # on a CPU, in Triton's interpreter
    _library.impl("standardise", _standardise, _device)
    _library.impl("update_standardised", _update, _device)
for _name in ("standardise", "update_standardised"):
    _library.impl(_name, lambda *args: None, "Meta")
