"""What kernels that work on many tensors at once are told of them: where they lie, and their type."""

from __future__ import annotations

from collections.abc import Sequence
from typing import Any

import numpy as np
import torch
from torch import Tensor

from harness.training.torch.device import sent


def kind(tensors: Sequence[Tensor]) -> Any:
    """Return Triton's name of tensors' type."""
    from triton import language

    names = {torch.bfloat16: language.bfloat16, torch.float16: language.float16, torch.float32: language.float32}
    return names[tensors[0].dtype]


def addresses(tensors: Sequence[Tensor]) -> Tensor:
    """Return where tensors lie, (T,) int64 on their device.

    Raises:
        AssertionError: a tensor has gaps, so that its rows are not where a kernel looks for them.
    """
    for each in tensors:
        dense = each.is_contiguous() or each.is_contiguous(memory_format=torch.channels_last)
        if not dense or each.dtype != tensors[0].dtype:
            raise AssertionError(f"expected dense tensors of {tensors[0].dtype}, found {each.dtype}, {each.stride()}")
    return sent(np.array([each.data_ptr() for each in tensors]), tensors[0].device)
