"""Tracing on the meta device made faster: what the shape of a result is, computed once for the same arguments.

Importing this module imports torch: import it where it is used.
"""

from __future__ import annotations

from typing import Any

import torch
from torch import Tensor
from torch.utils._python_dispatch import TorchDispatchMode


class KnownShapes(TorchDispatchMode):
    """Computes the shape of a result once for arguments of the same shapes: a network's blocks repeat them.

    Active below all other modes, which see every operation. Shapes of meta tensors are computed in Python, which
    would take most of the time of a trace.
    """

    def __init__(self) -> None:
        super().__init__()  # type: ignore[no-untyped-call]
        self._known: dict[Any, tuple[type, tuple[Any, ...]]] = {}
        self._functional: dict[Any, bool] = {}

    def __torch_dispatch__(self, func: Any, types: Any, args: Any = (), kwargs: Any = None) -> Any:
        """Compute, or return new tensors of the shapes that were computed before."""
        kwargs = kwargs or {}
        if not self._is_functional(func):
            return func(*args, **kwargs)
        key = (func, described(args), described(tuple(sorted(kwargs.items()))))
        if (known := self._known.get(key)) is not None:
            made, shapes = known
            found = [one and torch.empty_strided(one[0], one[1], dtype=one[2], device="meta") for one in shapes]
            return found[0] if made is Tensor else made(found)
        result = func(*args, **kwargs)
        outputs = result if isinstance(result, (tuple, list)) else (result,)
        if all(one is None or self._whole(one) for one in outputs):
            shapes = tuple(one if one is None else (one.shape, one.stride(), one.dtype) for one in outputs)
            self._known[key] = type(result) if isinstance(result, (tuple, list)) else Tensor, shapes
        return result

    def _is_functional(self, func: Any) -> bool:
        """Return whether an operation changes none of its arguments and returns no view of one."""
        if func not in self._functional:
            places = (*func._schema.arguments, *func._schema.returns)
            self._functional[func] = all(place.alias_info is None for place in places)
        return self._functional[func]

    def _whole(self, result: Any) -> bool:
        """Return whether a result has a storage of its own, and no more than it needs."""
        if not isinstance(result, Tensor) or result.device.type != "meta" or result.storage_offset():
            return False
        last = sum((size - 1) * stride for size, stride in zip(result.shape, result.stride(), strict=True))
        return result.untyped_storage().nbytes() == result.element_size() * (last + 1 if result.numel() else 0)


def described(value: Any) -> Any:
    """Return what the shape of a result depends on: tensors' shapes and types, other arguments as they are."""
    if isinstance(value, Tensor):
        return value.shape, value.stride(), value.dtype, value.device.type
    if isinstance(value, (tuple, list)):
        return tuple(described(each) for each in value)
    return type(value), value  # True is not 1, nor 1 the same as 1.0
