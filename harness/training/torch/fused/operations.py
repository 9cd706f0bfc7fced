"""Fused operations: as any of PyTorch's where something watches it compute, without its dispatcher otherwise.

The dispatcher takes 50 microseconds of the host for an operation that is written in Python, more than to launch its
kernel, and a step has hundreds of them.
"""

from __future__ import annotations

from collections.abc import Callable
from typing import Any, TypeVar

import torch
from torch import Tensor
from torch._C import _len_torch_dispatch_stack

Computing = TypeVar("Computing", bound=Callable[..., Any])

_library = torch.library.Library("vit_claims", "FRAGMENT")


def operation(schema: str, compute: Computing, shapes: Callable[..., Any]) -> Computing:
    """Return an operation on tensors: what launches its kernel, or PyTorch's operation where that is watched.

    Args:
        schema: its name, arguments and results, as torch.library has them; the first argument but None is a tensor.
        compute: computes it on a CUDA device, or on a CPU in Triton's interpreter.
        shapes: gives empty results, on the meta device.
    """
    name = schema.partition("(")[0]
    _library.define(schema)
    for device in ("CUDA", "CPU"):
        _library.impl(name, compute, device)
    _library.impl(name, shapes, "Meta")
    registered = getattr(torch.ops.vit_claims, name)

    def call(*args: Any) -> Any:
        return (compute if alone(args) else registered)(*args)

    return call  # type: ignore[return-value]


def alone(args: tuple[Any, ...]) -> bool:
    """Return whether arguments are tensors on a card and nothing watches what is done with them."""
    first = args[0] if args[0] is not None else args[1]
    return type(first) is Tensor and first.is_cuda and not _len_torch_dispatch_stack()
