"""Folding: weight-standardised convolutions whose weights are standardised only once, for evaluation.

Importing this module imports torch and timm: import it where it is used.
"""

from __future__ import annotations

import contextlib
from collections.abc import Callable, Iterator
from typing import TypeAlias

import torch
from timm.layers.padding import pad_same
from timm.layers.std_conv import StdConv2d, StdConv2dSame
from torch import Tensor, nn
from torch.nn import functional

from harness.models.torch.vit import StandardisedConv

Standardise: TypeAlias = Callable[[StdConv2d | StdConv2dSame], Tensor]
"""Gives a convolution's standardised weights."""


def standardised(conv: StdConv2d | StdConv2dSame) -> Tensor:
    """Return the weights that a convolution standardises in each forward pass: the same numbers, bit for bit."""
    weight = conv.weight
    if isinstance(conv, StandardisedConv):
        variance, mean = torch.var_mean(weight, dim=(1, 2, 3), correction=0, keepdim=True)
        return (weight - mean) / (variance.sqrt() + 1e-5)
    flat = weight.reshape(1, conv.out_channels, -1)
    folded = functional.batch_norm(flat, None, None, training=True, momentum=0.0, eps=conv.eps)
    return folded.reshape_as(weight)


class FoldedConv(nn.Module):
    """A weight-standardised convolution whose weights were standardised once.

    Args:
        conv: which.
        standardise: how.
        dtype: of the standardised weights; None: that of the weights.
    """

    def __init__(
        self,
        conv: StdConv2d | StdConv2dSame,
        standardise: Standardise = standardised,
        dtype: torch.dtype | None = None,
    ):
        super().__init__()
        self.conv = conv
        self.same_pad = bool(getattr(conv, "same_pad", False))
        self.weight = standardise(conv).to(dtype or conv.weight.dtype)
        if conv.weight.is_contiguous(memory_format=torch.channels_last):
            self.weight = self.weight.contiguous(memory_format=torch.channels_last)

    def forward(self, x: Tensor) -> Tensor:
        """Convolve x of shape (N, C, H, W)."""
        conv = self.conv
        if self.same_pad:
            x = pad_same(x, list(conv.kernel_size), list(conv.stride), list(conv.dilation))
        return functional.conv2d(x, self.weight, conv.bias, conv.stride, conv.padding, conv.dilation, conv.groups)


@contextlib.contextmanager
def folded(
    model: nn.Module, standardise: Standardise = standardised, dtype: torch.dtype | None = None
) -> Iterator[None]:
    """Standardise the weights of all weight-standardised convolutions once, while the context lasts.

    Args:
        model: whose.
        standardise: how.
        dtype: that products are computed in: autocast would convert the standardised weights for every batch.
    """
    places = [
        (module, name, child)
        for module in model.modules()
        for name, child in module.named_children()
        if isinstance(child, (StdConv2d, StdConv2dSame))
    ]
    with torch.no_grad():
        for module, name, child in places:
            setattr(module, name, FoldedConv(child, standardise, dtype))
    try:
        yield
    finally:
        for module, name, child in places:
            setattr(module, name, child)
