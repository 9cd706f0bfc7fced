"""Where and how a run is computed: device, precision, and the processes that share it."""

from __future__ import annotations

import contextlib
import os
from collections import deque
from collections.abc import Sequence
from dataclasses import dataclass
from typing import Any, TypeVar

import numpy as np
import numpy.typing as npt
import torch
from torch import Tensor

from harness.core.errors import CardFailed, ClaimsError
from harness.core.specs import Recipe
from harness.training.devices import card_name

T = TypeVar("T", bound=Tensor)

BUCKET = 1 << 26
"""Bytes of gradients that processes exchange at once."""
MIXED = {"bfloat16": "bf16", "float16": "fp16"}
"""Precisions by accelerate's names."""


@dataclass(eq=False)
class DeviceContext:
    """A device, its arithmetic, and this process among those that compute the same run."""

    device: torch.device
    accelerator: Any = None
    """accelerate's Accelerator; None where plain float32 on one device needs none."""
    scaler: Any = None
    """Of the loss, for float16; None otherwise."""
    rank: int = 0
    world: int = 1

    @property
    def accelerated(self) -> bool:
        """Whether the device computes on its own time, and its memory is not the machine's."""
        return self.device.type != "cpu"

    @property
    def precision(self) -> str:
        """The precision of products by accelerate's name; "no" where it is that of the weights."""
        return "no" if self.accelerator is None else str(self.accelerator.mixed_precision)

    @property
    def lower(self) -> torch.dtype | None:
        """The type that products are computed in; None where it is that of the weights."""
        return {"bf16": torch.bfloat16, "fp16": torch.float16}.get(self.precision)

    def autocast(self) -> contextlib.AbstractContextManager[Any]:
        """Compute in the recipe's precision inside; the context caches each weight it has converted."""
        context: contextlib.AbstractContextManager[Any]
        context = contextlib.nullcontext() if self.accelerator is None else self.accelerator.autocast()
        return context

    def memory(self) -> int:
        """Return the largest memory allocated on the accelerator so far, bytes."""
        return int(torch.cuda.max_memory_allocated(self.device)) if self.device.type == "cuda" else 0

    def wait(self) -> None:
        """Wait until the accelerator has computed what it was given."""
        if self.device.type == "cuda":
            torch.cuda.synchronize(self.device)

    def card(self) -> str:
        """Return the device's name."""
        return card_name(str(self.device))

    def sum(self, tensors: Sequence[Tensor]) -> None:
        """Add up each tensor over all processes, in place."""
        if self.world == 1:
            return
        for bucket in buckets(tensors):
            flat = torch.cat([tensor.reshape(-1) for tensor in bucket])
            torch.distributed.all_reduce(flat)
            for tensor, part in zip(bucket, flat.split([tensor.numel() for tensor in bucket]), strict=True):
                tensor.copy_(part.view_as(tensor))

    def begin_sum(self, tensor: Tensor) -> Any:
        """Begin to add up a tensor over all processes, in place; return what can be waited for."""
        return torch.distributed.all_reduce(tensor, async_op=True)

    def share(self, tensors: Sequence[Tensor]) -> None:
        """Make tensors the same in all processes: those of the first, in place."""
        if self.world > 1:
            for tensor in tensors:
                # Bytes are sent as they lie, and processes may have laid out their weights in several ways.
                whole = tensor.contiguous()
                torch.distributed.broadcast(whole, 0)
                if whole is not tensor:
                    tensor.copy_(whole)


class AsyncReadback:
    """Small tensors on their way from the device, looked at some calls late, so that it never waits for us.

    Args:
        context: where they are computed; on a CPU they are there at once.
        lag: calls of `add` after which a tensor is looked at.
    """

    def __init__(self, context: DeviceContext, lag: int):
        self.context, self.lag = context, lag
        self._pending: deque[tuple[int, Tensor, torch.cuda.Event]] = deque()

    def add(self, number: int, computed: Tensor) -> list[tuple[int, Tensor]]:
        """Take a tensor that the device may still be computing; return the (number, tensor on the host) that are due.

        A plain copy to the host would not do: it waits for all that the device was told before it, the next step, too.
        """
        if self.context.device.type != "cuda":
            return [(number, computed)]
        host = torch.empty(computed.shape, dtype=computed.dtype, pin_memory=True)
        host.copy_(computed, non_blocking=True)
        event = torch.cuda.Event()
        event.record()
        self._pending.append((number, host, event))
        return self.due(self.lag)

    def due(self, lag: int = 0) -> list[tuple[int, Tensor]]:
        """Return all but the last `lag`, once the device has computed them."""
        found = []
        while len(self._pending) > lag:
            number, host, event = self._pending.popleft()
            event.synchronize()
            found.append((number, host))
        return found


def sent(array: npt.NDArray[np.integer[Any]], device: torch.device) -> Tensor:
    """Return a small array on a device, copied from pinned memory, because other copies may wait for the device."""
    tensor = torch.from_numpy(array)
    return tensor.pin_memory().to(device, non_blocking=True) if device.type == "cuda" else tensor.to(device)


def device_context(device: str, recipe: Recipe) -> DeviceContext:
    """Return the device context of a run.

    float32 means float32: on CUDA neither matrix products nor convolutions round their factors to TF32
    (10 bits of mantissa), whatever PyTorch's defaults are, so that a float32 run is the reference that the
    authors' float32 code is compared with; bfloat16 and float16 are asked for by the recipe.
    On a CPU one thread computes, because predictions depend on the number of threads.

    Started by `accelerate launch`, each process gets its own device and its share of every batch.

    Raises:
        ClaimsError: there is no such device, or float16 on a CPU.
    """
    torch.set_num_threads(1)  # on an accelerator, too: there, threads belong to the input
    chosen = torch.device(device)
    if chosen.type == "cuda":
        if not torch.cuda.is_available():
            line = f"device {device}: expected a CUDA device, found none; see: python -m harness doctor"
            raise CardFailed(line, "there is none")
        if (chosen.index or 0) >= torch.cuda.device_count():
            raise ClaimsError(f"device {device}: expected one of {torch.cuda.device_count()} CUDA devices")
        chosen = torch.device("cuda", torch.cuda.current_device() if chosen.index is None else chosen.index)
        torch.backends.cuda.matmul.allow_tf32 = False
        torch.backends.cudnn.allow_tf32 = False
        torch.backends.cudnn.benchmark = True  # shapes are few and fixed
    if chosen.type == "cpu" and recipe.precision == "float16":
        raise ClaimsError(f"recipe {recipe.id}: expected an accelerator for float16, found a CPU; choose bfloat16")
    alone = int(os.environ.get("WORLD_SIZE", "1")) == 1  # set by `accelerate launch`
    if alone and chosen.type == "cuda":
        torch.cuda.set_device(chosen)
    if alone and recipe.precision == "float32":
        return DeviceContext(chosen)
    from accelerate import Accelerator  # type: ignore[import-untyped]
    from accelerate.state import AcceleratorState  # type: ignore[import-untyped]

    # Its state is the process' and would keep the first run's precision.
    AcceleratorState._reset_state(reset_partial_state=True)
    accelerator = Accelerator(mixed_precision=MIXED.get(recipe.precision, "no"), cpu=chosen.type == "cpu")
    torch.set_num_threads(1)  # it sets what it thinks is good for many processes
    return DeviceContext(
        chosen if alone or chosen.type == "cpu" else accelerator.device,
        accelerator,
        accelerator.scaler,
        accelerator.process_index,
        accelerator.num_processes,
    )


def buckets(tensors: Sequence[T]) -> list[list[T]]:
    """Return tensors in groups of one type that are worth sending at once, in order."""
    found: list[list[T]] = [[]]
    size = 0
    for tensor in tensors:
        size += tensor.nbytes
        if found[-1] and (size > BUCKET or tensor.dtype != found[-1][-1].dtype):
            found.append([])
            size = tensor.nbytes
        found[-1].append(tensor)
    return found
