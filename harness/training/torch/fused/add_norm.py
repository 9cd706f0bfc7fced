"""A residual sum and the layer norm of it as one operation on tokens: the sum in float32, the norm in bfloat16."""

from __future__ import annotations

from typing import Any

import torch
from torch import Tensor

from harness.training.torch.fused.operations import operation

PROGRAMS = 256
"""That share the tokens of a backward pass: two for each of the processors of a large card."""
WIDEST = 8192
"""Numbers of a token that one program takes."""


class AddNorm(torch.autograd.Function):
    """residual + branch, and its layer norm: what PyTorch computes in five passes of float32 under autocast."""

    @staticmethod
    def forward(
        ctx: Any, residual: Tensor, gain: Tensor, offset: Tensor, branch: Tensor | None, bias: Tensor | None, eps: float
    ) -> tuple[Tensor, Tensor]:
        """Return the sum (B, T, width), float32, and its norm, bfloat16.

        Args:
            ctx: autograd's.
            residual: (B, T, width), float32.
            gain: (width,), float32.
            offset: likewise.
            branch: (B, T, width), bfloat16; None: nothing is added.
            bias: (width,), already part of the branch, whose gradient is that of the branch, added up; None: none is.
            eps: added to the variance.
        """
        residual = residual.contiguous()
        branch = None if branch is None else branch.contiguous()
        added, normed, mean, scale = add_norm(residual, branch, gain, offset, eps)
        summed = residual if branch is None else added
        ctx.save_for_backward(summed, gain, mean, scale)
        ctx.branch, ctx.bias = branch is not None, bias is not None
        ctx.set_materialize_grads(False)
        return summed, normed

    @staticmethod
    def backward(ctx: Any, *gradients: Any) -> tuple[Tensor | None, ...]:
        """Return the gradients of residual, gain, offset, branch and bias."""
        of_sum, of_normed = (None if each is None else each.contiguous() for each in gradients)
        assert of_normed is not None  # it is what the sum is normed for
        summed, gain, mean, scale = ctx.saved_tensors
        found = add_norm_backward(of_sum, of_normed, summed, gain, mean, scale, ctx.branch)
        of_residual, of_branch, shares = found
        of_gain, of_offset, of_bias = shares.sum(dim=0)
        return of_residual, of_gain, of_offset, of_branch if ctx.branch else None, of_bias if ctx.bias else None, None


def _forward(
    residual: Tensor, branch: Tensor | None, gain: Tensor, offset: Tensor, eps: float
) -> tuple[Tensor, Tensor, Tensor, Tensor]:
    from harness.training.torch.fused.token_kernels import add_norm_forward

    added, normed, mean, scale = _forward_shapes(residual, branch, gain, offset, eps)
    width = residual.shape[-1]
    add_norm_forward[(mean.numel(),)](
        residual, residual if branch is None else branch, gain, offset, added, normed, mean, scale, width, eps,
        ADD=branch is not None, **sizes(width),
    )  # fmt: skip
    return added, normed, mean, scale


def _forward_shapes(
    residual: Tensor, branch: Tensor | None, gain: Tensor, offset: Tensor, eps: float
) -> tuple[Tensor, Tensor, Tensor, Tensor]:
    added = residual.new_empty(0) if branch is None else torch.empty_like(residual)
    of_tokens = residual.shape[:-1]
    normed = torch.empty_like(residual, dtype=torch.bfloat16)
    return added, normed, gain.new_empty(of_tokens), gain.new_empty(of_tokens)


def _backward(
    of_sum: Tensor | None, of_normed: Tensor, summed: Tensor, gain: Tensor, mean: Tensor, scale: Tensor, branch: bool
) -> tuple[Tensor, Tensor, Tensor]:
    from harness.training.torch.fused import token_kernels

    of_residual, of_branch, shares = _backward_shapes(of_sum, of_normed, summed, gain, mean, scale, branch)
    width = summed.shape[-1]
    token_kernels.add_norm_backward[(PROGRAMS,)](
        summed if of_sum is None else of_sum, of_normed, summed, gain, mean, scale, of_residual, of_branch, shares,
        mean.numel(), width, SUMMED=of_sum is not None, ADD=branch, **sizes(width),
    )  # fmt: skip
    return of_residual, of_branch, shares


def _backward_shapes(
    of_sum: Tensor | None, of_normed: Tensor, summed: Tensor, gain: Tensor, mean: Tensor, scale: Tensor, branch: bool
) -> tuple[Tensor, Tensor, Tensor]:
    of_branch = torch.empty_like(of_normed) if branch else of_normed.new_empty(0)
    return torch.empty_like(summed), of_branch, gain.new_empty((PROGRAMS, 3, summed.shape[-1]))


def sizes(width: int) -> dict[str, int]:
    """Return the sizes of a program that takes whole tokens of a width."""
    whole = 1 << (width - 1).bit_length()
    return {"BLOCK": whole, "num_warps": 4 if whole <= 1024 else 8}


add_norm = operation(
    "add_norm(Tensor residual, Tensor? branch, Tensor gain, Tensor offset, float eps)"
    " -> (Tensor, Tensor, Tensor, Tensor)",
    _forward,
    _forward_shapes,
)
add_norm_backward = operation(
    "add_norm_backward(Tensor? of_sum, Tensor of_normed, Tensor summed, Tensor gain, Tensor mean, Tensor scale,"
    " bool branch) -> (Tensor, Tensor, Tensor)",
    _backward,
    _backward_shapes,
)
