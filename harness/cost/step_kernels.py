"""The kernels of a traced step: how many are launched, what they compute, and what they read and write.

Importing this module imports torch: import it where it is used.
"""

from __future__ import annotations

import dataclasses
import math
from collections.abc import Iterable, Mapping
from types import MappingProxyType
from typing import Any

import torch
from torch import Tensor
from torch.utils._python_dispatch import TorchDispatchMode
from torch.utils._pytree import tree_leaves
from torch.utils.flop_counter import flop_registry

from harness.cost.cards import Kind
from harness.cost.flops import convolution_backward

VIEWS = frozenset(
    "view _unsafe_view _reshape_alias reshape t transpose permute expand slice select detach alias unsqueeze squeeze"
    " as_strided split split_with_sizes unsafe_split unbind chunk lift_fresh empty empty_like empty_strided new_empty"
    " new_empty_strided resize_ set_ is_same_size".split()
)
"""Operations that only the host has work with: they launch nothing."""
LAUNCHES: Mapping[str, int] = MappingProxyType(
    {"convolution_backward": 2, "native_layer_norm_backward": 2, "native_group_norm_backward": 3}
)
"""Kernels of an operation that has more than one: the gradients of the input and of the weights."""
OVERWRITTEN = frozenset({"copy_", "fill_", "zero_"})
"""Operations that do not read the tensor that they change."""
GATHERED = frozenset({"index", "index_select", "gather", "embedding"})
"""Operations that read as much of their first argument as they write."""


@dataclasses.dataclass(frozen=True)
class Launched:
    """One operation on the device."""

    name: str
    kind: Kind
    launches: int
    flops: int
    """Of products; elementwise arithmetic is not counted."""
    bytes: int
    """Read and written, each tensor once."""


class KernelCounter(TorchDispatchMode):
    """Counts the operations on a device while it is active.

    An operation that none of the tables above names, a custom one too, is one kernel that reads its arguments and
    writes its results once: a fused kernel is counted as it is if it is a custom operation that takes meta tensors.

    Args:
        gradients: those that exist before the step; adding to them is not counted, for there are none in the first
            part of a batch, whose gradients are kept as they come.
    """

    def __init__(self, gradients: Iterable[Tensor] = ()):
        super().__init__()  # type: ignore[no-untyped-call]
        self.launched: list[Launched] = []
        self.calls = 0
        """Of the host, those included that launch nothing."""
        self._gradients = {gradient.untyped_storage()._cdata for gradient in gradients}

    def __torch_dispatch__(self, func: Any, types: Any, args: Any = (), kwargs: Any = None) -> Any:
        """Compute and count."""
        kwargs = kwargs or {}
        result = func(*args, **kwargs)
        name = func._schema.name.split("::")[1]
        read = [leaf for leaf in tree_leaves((args, kwargs)) if isinstance(leaf, Tensor)]
        if name == "add_" and read[0].untyped_storage()._cdata in self._gradients:
            return result
        self.calls += 1
        if name not in VIEWS:
            written = [leaf for leaf in tree_leaves(result) if isinstance(leaf, Tensor)]
            counted = flops(func, args, kwargs, result)
            launches = LAUNCHES.get(name, 1)
            self.launched.append(Launched(name, kind(name), launches, counted, moved(name, read, written)))
        return result


def kind(name: str) -> Kind:
    """Return which of a card's rates an operation goes by."""
    if "attention" in name:
        return "attention"
    if "convolution" in name:
        return "convolution"
    return "matrix product" if name in ("mm", "addmm", "bmm", "baddbmm") else "other"


def flops(func: Any, args: Any, kwargs: Any, result: Any) -> int:
    """Return the FLOPs of an operation: of products, 0 of any other; attention's second computation is in it."""
    packet = func._overloadpacket
    if packet is torch.ops.aten.convolution_backward:
        return convolution_backward(*(each.shape if isinstance(each, Tensor) else each for each in args))
    return int(flop_registry[packet](*args, **kwargs, out_val=result)) if packet in flop_registry else 0


def moved(name: str, read: list[Tensor], written: list[Tensor]) -> int:
    """Return the bytes that an operation reads and writes."""
    if name in GATHERED:
        read = [*written, *read[1:]]
    elif name in OVERWRITTEN:
        read = read[1:]
    return sum(map(held, [*read, *written]))


def held(tensor: Tensor) -> int:
    """Return the bytes of a tensor, those that it repeats (an expanded one) once."""
    sizes = zip(tensor.shape, tensor.stride(), strict=True)
    return tensor.element_size() * math.prod(size for size, stride in sizes if stride or not size)
