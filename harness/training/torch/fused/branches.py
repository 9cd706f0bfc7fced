"""What lies inside a transformer's branches: attention's heads and GELU, whose backward passes add up biases, too.

A bias is added by the matrix product before, which then reports no gradient for it: the sum over all tokens of what is
written here is that gradient, and costs no pass of its own.
"""

from __future__ import annotations

from typing import Any

import torch
from torch import Tensor
from torch.nn import functional

from harness.training.torch.fused.add_norm import sizes
from harness.training.torch.fused.operations import operation

PROGRAMS = 128
"""That share the tokens of a backward pass, of queries, keys and values, or of some columns, each."""
COLUMNS = 1024
"""That a program takes of GELU's."""


class Heads(torch.autograd.Function):
    """Queries, keys and values of (B, T, 3 heads size) as three views (B, heads, T, size)."""

    @staticmethod
    def forward(ctx: Any, x: Tensor, bias: Tensor | None, heads: int) -> tuple[Tensor, ...]:
        """Return the views; bias (3 heads size,) is already part of x."""
        ctx.bias = bias is not None
        parts = x.view(*x.shape[:2], 3, heads, -1).permute(2, 0, 3, 1, 4)
        return tuple(parts.unbind(0))

    @staticmethod
    def backward(ctx: Any, *gradients: Any) -> tuple[Tensor | None, ...]:
        """Return the gradients of x and of the bias, from three of one layout, the last dimension dense."""
        strides = gradients[0].stride()
        if strides[-1] != 1 or any(each.stride() != strides for each in gradients):
            gradients = tuple(each.contiguous() for each in gradients)
        joined, shares = join_heads(*gradients)
        return joined, shares.sum(dim=0) if ctx.bias else None, None


class Gelu(torch.autograd.Function):
    """GELU of x, to which a bias was already added."""

    @staticmethod
    def forward(ctx: Any, x: Tensor, bias: Tensor | None, approximate: str) -> Tensor:
        """Return GELU of x (B, T, width)."""
        ctx.save_for_backward(x)
        ctx.approximate, ctx.bias = approximate, bias is not None
        return functional.gelu(x, approximate=approximate)

    @staticmethod
    def backward(ctx: Any, *gradients: Any) -> tuple[Tensor | None, ...]:
        """Return the gradients of x and of the bias."""
        (x,) = ctx.saved_tensors
        of_x, shares = gelu_backward(x, gradients[0].contiguous(), ctx.approximate == "tanh")
        return of_x, shares.sum(dim=0) if ctx.bias else None, None


def _join(query: Tensor, key: Tensor, value: Tensor) -> tuple[Tensor, Tensor]:
    from harness.training.torch.fused import token_kernels

    joined, shares = _join_shapes(query, key, value)
    images, heads, length, size = query.shape
    strides = query.stride()[:3]
    token_kernels.join_heads[(PROGRAMS, 3)](
        query, key, value, joined, shares, images * length, length, heads, size, *strides, **sizes(heads * size)
    )
    return joined, shares


def _join_shapes(query: Tensor, key: Tensor, value: Tensor) -> tuple[Tensor, Tensor]:
    images, heads, length, size = query.shape
    width = 3 * heads * size
    shares = query.new_empty((PROGRAMS, width), dtype=torch.float32)
    return query.new_empty((images, length, width)), shares


def _gelu(x: Tensor, g: Tensor, tanh: bool) -> tuple[Tensor, Tensor]:
    from harness.training.torch.fused import token_kernels

    of_x, shares = _gelu_shapes(x, g, tanh)
    width = x.shape[-1]
    programs = PROGRAMS, -(-width // COLUMNS)
    token_kernels.gelu_backward[programs](
        x, g, of_x, shares, x.numel() // width, width, TANH=tanh, **sizes(min(COLUMNS, width))
    )
    return of_x, shares


def _gelu_shapes(x: Tensor, g: Tensor, tanh: bool) -> tuple[Tensor, Tensor]:
    return torch.empty_like(x), x.new_empty((PROGRAMS, x.shape[-1]), dtype=torch.float32)


join_heads = operation("join_heads(Tensor query, Tensor key, Tensor value) -> (Tensor, Tensor)", _join, _join_shapes)
gelu_backward = operation("gelu_backward(Tensor x, Tensor g, bool tanh) -> (Tensor, Tensor)", _gelu, _gelu_shapes)
