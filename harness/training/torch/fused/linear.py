"""The weights of many matrix products: their copies in a lower precision are written by the kernel that updates them.

Backward leaves its gradients at the copies, in their precision: neither weights nor gradients are converted in a step.
"""

from __future__ import annotations

from collections.abc import Sequence

import numpy as np
import torch
from torch import Tensor

from harness.training.torch.device import sent
from harness.training.torch.fused.leaves import Leaves
from harness.training.torch.fused.tables import addresses, kind

BLOCK, TURNS = 1024, 4
"""Numbers that a program of an update takes at a time, and how often."""

_library = torch.library.Library("vit_claims", "FRAGMENT")
_library.define(
    "update_copied(Tensor(a!)[] weights, Tensor(b!)[] momenta, Tensor[] gradients, Tensor(c!)[] copies,"
    " Tensor[] chunks, Tensor share, float rate, float momentum, float decay) -> ()"
)


class CopiedWeights:
    """Weights and their copies in a lower precision.

    Args:
        weights: float32, dense, on one device.
        dtype: of the copies.
    """

    def __init__(self, weights: Sequence[Tensor], dtype: torch.dtype):
        self.weights = list(weights)
        self.leaves = Leaves(self.weights, dtype)
        self.chunks = chunks_of(self.weights)
        self.share = torch.ones(1, device=self.weights[0].device)
        """Of the gradients that an update takes: less than 1 where they are clipped."""

    @torch.no_grad()
    def copy(self) -> None:
        """Write the copies from the weights as they are."""
        torch._foreach_copy_(self.leaves.tensors, self.weights)

    @torch.no_grad()
    def update(self, momenta: Sequence[Tensor], rate: float, momentum: float, decay: float) -> None:
        """Take one step of SGD with the weights, and copy them for the next.

        Args:
            momenta: of each weight, float32 or bfloat16.
            rate: learning rate.
            momentum: share of the old momentum that stays.
            decay: weight decay.
        """
        torch.ops.vit_claims.update_copied(
            self.weights,
            list(momenta),
            self.leaves.gradients,
            self.leaves.tensors,
            self.chunks,
            self.share,
            rate,
            momentum,
            decay,
        )


def chunks_of(weights: Sequence[Tensor]) -> list[Tensor]:
    """Return what a kernel needs to know of all chunks: tensor and chunk of it, (C,), and the lengths (T,), int32."""
    counts = [-(-each.numel() // (BLOCK * TURNS)) for each in weights]
    tensor_of = np.repeat(np.arange(len(weights), dtype=np.int32), counts)
    chunk_of = np.concatenate([np.arange(count, dtype=np.int32) for count in counts])
    lengths = np.array([each.numel() for each in weights], dtype=np.int32)
    return [sent(each, weights[0].device) for each in (tensor_of, chunk_of, lengths)]


def _update(
    weights: list[Tensor],
    momenta: list[Tensor],
    gradients: list[Tensor],
    copies: list[Tensor],
    chunks: list[Tensor],
    share: Tensor,
    rate: float,
    momentum: float,
    decay: float,
) -> None:
    from harness.training.torch.fused.token_kernels import update_chunk

    tables = [addresses(each) for each in (weights, momenta, gradients, copies)]
    kinds = {"GRADIENT": kind(gradients), "MOMENTUM": kind(momenta), "COPY": kind(copies)}
    update_chunk[(len(chunks[0]),)](
        *tables, *chunks, share, rate, momentum, decay, **kinds, BLOCK=BLOCK, TURNS=TURNS, num_warps=4
    )


for _device in ("CUDA", "CPU"):  # on a CPU, in Triton's interpreter
    _library.impl("update_copied", _update, _device)
_library.impl("update_copied", lambda *args: None, "Meta")
