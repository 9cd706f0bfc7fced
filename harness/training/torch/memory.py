"""How many examples of a batch are in memory at once: found by trial, remembered for the next run."""

from __future__ import annotations

import gc
import math
from collections.abc import Callable
from typing import Any, TypeVar

import torch
from torch import nn

from harness.core.errors import TooLittleMemory
from harness.training.micro_batches import SMALL, USED, fitting

T = TypeVar("T")

OVERHEAD = 1.3
"""On a CPU: what a step takes, divided by what is kept for the backward pass."""


LACKING = (
    "CUDA error: out of memory",
    "Triton Error [CUDA]: out of memory",
    "CUBLAS_STATUS_ALLOC_FAILED",
    "CUDNN_STATUS_ALLOC_FAILED",
    "was unable to find an engine to execute this computation",
    "Unable to find a valid cuDNN algorithm",
)
"""What CUDA, cuBLAS and cuDNN say where memory lacks, for a workspace at least."""


def out_of_memory(error: Exception) -> bool:
    """Return whether an exception means that memory was too small (CUDA's libraries say it in their own ways)."""
    if isinstance(error, torch.OutOfMemoryError):
        return True
    if not isinstance(error, RuntimeError):
        return False
    from accelerate.utils.memory import should_reduce_batch_size  # type: ignore[import-untyped]

    return bool(should_reduce_batch_size(error)) or any(words in str(error) for words in LACKING)


def free() -> None:
    """Release what a failed attempt held."""
    gc.collect()
    if torch.cuda.is_available():
        torch.cuda.empty_cache()


def attempted(attempt: Callable[[], T]) -> T | None:
    """Return what an attempt gives; None if memory was too small for it."""
    try:
        return attempt()
    except Exception as error:
        if not out_of_memory(error):
            raise
    # Outside the handler: the exception's traceback holds every tensor of the attempt.
    free()
    return None


class MicroBatch:
    """The number of examples in memory at once, halved whenever it does not fit.

    Args:
        model: recomputes its activations (timm's set_grad_checkpointing) once even a small micro-batch fails.
        batch: examples of a batch that this process computes.
        size: to start with; None: all of them.
        checkpointing: whether to start with activations recomputed.
        whole: whether the batch must be computed at once, for batch normalisation is over what is.
    """

    WHOLE = "expected a batch that is computed at once, as batch normalisation asks for"

    def __init__(
        self, model: nn.Module, batch: int, size: int | None = None, checkpointing: bool = False, whole: bool = False
    ):
        self.whole = whole
        self.model, self.batch = model, batch
        self.size = min(size or batch, batch)
        self.checkpointing = False
        if checkpointing:
            self._checkpoint()

    def parts(self, n: int) -> list[tuple[int, int]]:
        """Return (start, stop) of the parts of n examples, as equal as can be."""
        count = math.ceil(n / self.size)
        length = math.ceil(n / count)
        return [(start, min(start + length, n)) for start in range(0, n, length)]

    @property
    def at_once(self) -> bool:
        """Whether a batch of more than one example is computed at once, and each activation once."""
        return 1 < self.batch <= self.size and not self.checkpointing

    def fit(self, attempt: Callable[[], T]) -> T:
        """Return what an attempt gives, made with ever smaller parts until it fits.

        Raises:
            ClaimsError: not even one example fits.
        """
        while (done := attempted(attempt)) is None:
            self._reduce()
        return done

    def _reduce(self) -> None:
        if self.whole:
            raise TooLittleMemory(
                f"{self.WHOLE}, found too little memory for {self.batch:,} examples; choose a card with more memory, or"
                " a recipe with a smaller batch"
            )
        if self.size <= SMALL and self._checkpoint():
            self.size = min(8 * self.size, self.batch)
        elif self.size > 1:
            self.size = (self.size + 1) // 2
        else:
            raise TooLittleMemory(
                "expected memory for one example at a time, found too little; choose a smaller network, another"
                " precision (bfloat16) or a card with more memory"
            )

    def _checkpoint(self) -> bool:
        """Turn activation checkpointing on; return whether that changed anything."""
        able: Any = getattr(self.model, "set_grad_checkpointing", None)
        if self.checkpointing or able is None:
            return False
        able(True)
        self.checkpointing = True
        return True


def estimate(gradient: Callable[[int], object], batch: int, device: torch.device) -> int:
    """Return how many examples fit on a GPU, from what a few and twice as many take, and then more.

    Memory is convex in the number of examples: at first the weights' gradients are the peak, then the activations.
    So a line through small numbers promises too much: half of what it promises is tried before the whole, and a
    number is believed once it, or a larger one, was tried.

    Args:
        gradient: computes the gradient of so many examples and gives its memory back.
        batch: at most.
        device: a CUDA device.
    """
    few, more = min(SMALL, batch), min(2 * SMALL, batch)
    peaks: dict[int, int] = {}
    for n in (few, more):
        peak = _peak(gradient, n, device)
        if peak is None:
            return few
        peaks[n] = peak
    most = batch
    while True:
        free()
        (low, below), (high, above) = sorted(peaks.items())[-2:] if more > few else [(few, peaks[few])] * 2
        found = min(most, fitting((below, above), (low, high), torch.cuda.mem_get_info(device)[0], batch))
        tried = found if found <= 2 * high else found // 2
        if tried <= high:
            return tried
        peak = _peak(gradient, tried, device)
        if peak is None:
            most = tried // 2
        elif tried == found:
            return found
        else:
            peaks[tried] = peak


def _peak(gradient: Callable[[int], object], n: int, device: torch.device) -> int | None:
    """Return the bytes that the gradient of so many examples takes; None: more than there are."""
    peak = 0
    for _ in range(2):  # workspaces are allocated by the first
        torch.cuda.reset_peak_memory_stats(device)
        before = torch.cuda.memory_allocated(device)
        if attempted(lambda: (gradient(n), True)) is None:
            return None
        peak = torch.cuda.max_memory_allocated(device) - before
    return peak


def kept_for_backward(forward: Callable[[], object]) -> int:
    """Return the bytes that a forward pass keeps for the backward pass, each storage counted once."""
    storages: dict[int, int] = {}

    def keep(tensor: torch.Tensor) -> torch.Tensor:
        storage = tensor.untyped_storage()
        storages[storage.data_ptr()] = storage.nbytes()
        return tensor

    with torch.autograd.graph.saved_tensors_hooks(keep, lambda tensor: tensor):
        held = forward()  # held, so that no storage is freed and its place counted twice or not at all
        total = sum(storages.values())
    del held
    return total


def fitting_on_cpu(forward: Callable[[int], object], batch: int, room: int | None) -> int:
    """Return how many examples of a batch, at most all, fit into a CPU's memory.

    Args:
        forward: the forward pass of so many examples.
        batch: at most.
        room: free memory, bytes; None: not known, so all are tried.

    Raises:
        TooLittleMemory: not even one fits.
    """
    if room is None or batch < 2:
        return batch
    peaks = [round(OVERHEAD * kept_for_backward(lambda: forward(n))) for n in (1, 2)]  # noqa: B023
    each = max(1, peaks[1] - peaks[0])
    if each > USED * room:
        raise TooLittleMemory(
            f"expected {each / 1e9:.1f} GB of free memory for one example at a time, found {room / 1e9:.1f} GB; choose"
            " a smaller network or a machine with more memory"
        )
    if batch * each <= USED * room:
        return batch
    return fitting((each, 2 * each), (1, 2), room, batch)
