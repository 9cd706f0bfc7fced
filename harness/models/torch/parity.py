"""The authors' order of operations, on which the last bits depend, for comparing logits with theirs.

In deep networks float32 rounding reaches 1e-5 to 1e-4 of the logits, and two programs agree better than that only
where they round alike. PyTorch has authors' code for BiT alone; hybrids round here as they do anywhere.

Importing this module imports torch and timm: import it where it is used.
"""

from __future__ import annotations

import torch
from timm.layers.std_conv import StdConv2d, StdConv2dSame
from torch import Tensor

from harness.models.torch import folding


def standardised(conv: StdConv2d | StdConv2dSame) -> Tensor:
    """Return a convolution's standardised weights, a BiT's in the authors' order of operations.

    On one machine the logits of a BiT folded with them are those of bit_pytorch, bit for bit. Training and evaluation
    keep timm's fused standardisation: it is faster, and its bits are part of the numerics version.

    Source: bit_pytorch/models.py, `StdConv2d`.
    """
    if not isinstance(conv, StdConv2d):
        return folding.standardised(conv)
    variance, mean = torch.var_mean(conv.weight, dim=(1, 2, 3), correction=0, keepdim=True)
    return (conv.weight - mean) / torch.sqrt(variance + conv.eps)
