"""The authors' order of operations, for logits to be compared with theirs: the last bits depend on it.

In deep networks float32 rounding reaches 1e-5 to 1e-4 of the logits, and two programs agree better than that only
where they round alike. PyTorch has authors' code for BiT alone; hybrids round here as they do anywhere.

Importing this module imports torch and timm: import it where it is used.
"""

from __future__ import annotations

import torch
from timm.layers.std_conv import StdConv2d
from torch import Tensor, nn
from torch.nn import functional


def round_as_authors(model: nn.Module) -> nn.Module:
    """Return the model with a BiT's kernels standardised in the authors' order of operations, for inference only.

    On one machine the logits are then those of bit_pytorch, bit for bit. Training keeps timm's fused
    standardisation: it is faster, and its bits are part of the numerics version.

    Source: bit_pytorch/models.py, `StdConv2d`.

    Args:
        model: with the reference's semantics, as `models.load` returns it; its convolutions are replaced.
    """
    convolutions = [
        (parent, name, conv)
        for parent in model.modules()
        for name, conv in parent.named_children()
        if isinstance(conv, StdConv2d)
    ]
    for parent, name, conv in convolutions:
        setattr(parent, name, StandardisedOnce(conv))
    return model


class StandardisedOnce(nn.Module):
    """A BiT's convolution whose weights were standardised once."""

    def __init__(self, conv: StdConv2d) -> None:
        """Take over a convolution; it stays as it is."""
        super().__init__()
        self.conv = conv
        with torch.no_grad():
            variance, mean = torch.var_mean(conv.weight, dim=(1, 2, 3), correction=0, keepdim=True)
            self.weight = (conv.weight - mean) / torch.sqrt(variance + conv.eps)

    def forward(self, x: Tensor) -> Tensor:
        """Convolve x of shape (N, C, H, W)."""
        conv = self.conv
        return functional.conv2d(x, self.weight, conv.bias, conv.stride, conv.padding)
