"""Max-pooling that is faster on a CPU and the same to the bit.

PyTorch computes the maxima of windows with vector instructions only where the channels of a pixel lie together.
A maximum is exact in any layout, and both layouts take the first of equal values in a window, and with it the same
place for the gradient.

Importing this module imports torch and timm: import it where it is used.
"""

from __future__ import annotations

from typing import Any

import torch
from timm.layers.padding import pad_same
from timm.layers.pool2d_same import MaxPool2dSame
from torch import Tensor, nn

Pair = tuple[int, int]


class ChannelsLastMaxPool(torch.autograd.Function):
    """Max-pooling whose maxima are computed with channels last; all that comes in and goes out is contiguous."""

    @staticmethod
    def forward(ctx: Any, x: Tensor, size: Pair, stride: Pair) -> Tensor:
        """Pool x of shape (N, C, H, W), contiguous."""
        last = x.contiguous(memory_format=torch.channels_last)
        values, places = torch.ops.aten.max_pool2d_with_indices(last, size, stride)
        ctx.size, ctx.stride = size, stride
        ctx.save_for_backward(x, places.contiguous())
        pooled: Tensor = values.contiguous()
        return pooled

    @staticmethod
    def backward(ctx: Any, *gradients: Tensor) -> tuple[Tensor, None, None]:
        """Send each value's gradient to the place that it was taken from."""
        x, places = ctx.saved_tensors
        back = torch.ops.aten.max_pool2d_with_indices_backward
        return back(*gradients, x, ctx.size, ctx.stride, (0, 0), (1, 1), False, places), None, None


class MaxPool(nn.Module):
    """A max-pooling layer that pools with channels last on a CPU, and as it did before elsewhere.

    Args:
        pool: the layer; one with padding of its own stays as it is.
    """

    def __init__(self, pool: nn.MaxPool2d):
        super().__init__()
        self.pool = pool
        self.same = isinstance(pool, MaxPool2dSame)
        self.size, self.stride = _pair(pool.kernel_size), _pair(pool.stride)
        self.simple = _pair(pool.padding) == (0, 0) and _pair(pool.dilation) == (1, 1) and not pool.ceil_mode

    def forward(self, x: Tensor) -> Tensor:
        """Pool x of shape (N, C, H, W)."""
        if not (self.simple and x.device.type == "cpu" and x.dtype == torch.float32 and x.is_contiguous()):
            pooled: Tensor = self.pool(x)
            return pooled
        if self.same:
            x = pad_same(x, list(self.size), list(self.stride), value=-float("inf"))
        faster: Tensor = ChannelsLastMaxPool.apply(x, self.size, self.stride)
        return faster


def with_faster_pools(model: nn.Module) -> nn.Module:
    """Replace the max-pooling layers of a network, which have no weights, by faster ones; return the network."""
    places = [
        (module, name, child)
        for module in model.modules()
        for name, child in module.named_children()
        if isinstance(child, nn.MaxPool2d)
    ]
    for module, name, child in places:
        setattr(module, name, MaxPool(child))
    return model


def _pair(value: int | Pair) -> Pair:
    return (value, value) if isinstance(value, int) else value
