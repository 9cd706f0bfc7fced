"""Group norm and ReLU as one operation on images with channels last, in the precision of its input."""

from __future__ import annotations

from typing import Any

import torch
from torch import Tensor

from harness.training.torch.fused.operations import operation

TILE = 4096
"""Numbers of an image that a program takes at a time."""


class NormRelu(torch.autograd.Function):
    """relu(group_norm(x)) of x (N, C, H, W): what PyTorch computes in four passes of float32 under autocast."""

    @staticmethod
    def forward(ctx: Any, x: Tensor, gain: Tensor, offset: Tensor, groups: int, eps: float) -> Tensor:
        """Return the output, of x's type and layout."""
        x = x.contiguous(memory_format=torch.channels_last)
        made, mean, scale = norm_relu(x, gain, offset, groups, eps)
        ctx.save_for_backward(x, gain, offset, mean, scale)
        ctx.groups = groups
        return made

    @staticmethod
    def backward(ctx: Any, *gradients: Any) -> tuple[Tensor | None, ...]:
        """Return the gradients of x, gain and offset."""
        x, gain, offset, mean, scale = ctx.saved_tensors
        g = gradients[0].contiguous(memory_format=torch.channels_last)
        found = norm_relu_backward(x, g, gain, offset, mean, scale, ctx.groups)
        return (*found, None, None)


def _forward(x: Tensor, gain: Tensor, offset: Tensor, groups: int, eps: float) -> tuple[Tensor, Tensor, Tensor]:
    from harness.training.torch.fused.kernels import norm_relu_forward

    made, mean, scale = _forward_shapes(x, gain, offset, groups, eps)
    n, channels, height, width = x.shape
    sizes = _sizes(channels // groups)
    norm_relu_forward[(n * groups,)](x, gain, offset, made, mean, scale, height * width, channels, groups, eps, **sizes)
    return made, mean, scale


def _forward_shapes(x: Tensor, gain: Tensor, offset: Tensor, groups: int, eps: float) -> tuple[Tensor, Tensor, Tensor]:
    of_groups = (x.shape[0], groups)
    return torch.empty_like(x), gain.new_empty(of_groups), gain.new_empty(of_groups)


def _backward(
    x: Tensor, g: Tensor, gain: Tensor, offset: Tensor, mean: Tensor, scale: Tensor, groups: int
) -> tuple[Tensor, Tensor, Tensor]:
    from harness.training.torch.fused import kernels

    n, channels, height, width = x.shape
    of_x = torch.empty_like(x)
    shares = gain.new_empty((2, n, channels))
    kernels.norm_relu_backward[(n * groups,)](
        x, g, gain, offset, mean, scale, of_x, shares[0], shares[1], height * width, channels, groups,
        **_sizes(channels // groups),
    )  # fmt: skip
    of_gain, of_offset = shares.sum(dim=1)
    return of_x, of_gain, of_offset


def _backward_shapes(
    x: Tensor, g: Tensor, gain: Tensor, offset: Tensor, mean: Tensor, scale: Tensor, groups: int
) -> tuple[Tensor, Tensor, Tensor]:
    return torch.empty_like(x), torch.empty_like(gain), torch.empty_like(offset)


def _sizes(width: int) -> dict[str, int]:
    """Return the sizes of a program's tile for groups of so many channels."""
    whole = 1 << (width - 1).bit_length()
    return {"WIDTH": whole, "BLOCK": max(1, TILE // whole), "num_warps": 4}


norm_relu = operation(
    "norm_relu(Tensor x, Tensor gain, Tensor offset, int groups, float eps) -> (Tensor, Tensor, Tensor)",
    _forward,
    _forward_shapes,
)
norm_relu_backward = operation(
    "norm_relu_backward(Tensor x, Tensor g, Tensor gain, Tensor offset, Tensor mean, Tensor scale, int groups)"
    " -> (Tensor, Tensor, Tensor)",
    _backward,
    _backward_shapes,
)
