"""How many examples of a batch are in an accelerator's memory at once in JAX."""

from __future__ import annotations

import gc
from collections.abc import Callable
from typing import TypeVar

import jax

from harness.core.errors import TooLittleMemory
from harness.training.micro_batches import SMALL, fitting

T = TypeVar("T")


def out_of_memory(error: Exception) -> bool:
    """Return whether an exception means that memory was too small."""
    return isinstance(error, jax.errors.JaxRuntimeError) and any(
        words in str(error) for words in ("RESOURCE_EXHAUSTED", "Out of memory", "out of memory")
    )


def attempted(attempt: Callable[[], T]) -> T | None:
    """Return what an attempt gives, once it is computed; None if memory was too small for it."""
    try:
        done = attempt()
        jax.block_until_ready(done)
        return done
    except Exception as error:
        if not out_of_memory(error):
            raise
    # Outside the handler: the exception's traceback holds every array of the attempt.
    gc.collect()
    return None


class MicroBatch:
    """The number of examples in memory at once, halved whenever it does not fit.

    Args:
        batch: examples of a batch.
        size: to start with; None: all of them.
        checkpointing: compute activations again in the backward pass, from the start.
    """

    def __init__(self, batch: int, size: int | None = None, checkpointing: bool = False):
        self.batch = batch
        self.size = min(size or batch, batch)
        self.checkpointing = checkpointing

    def reduce(self) -> None:
        """Choose a smaller size, or to recompute activations once even few examples do not fit.

        Raises:
            ClaimsError: not even one example fits.
        """
        if self.size <= SMALL and not self.checkpointing:
            self.checkpointing = True
            self.size = min(8 * self.size, self.batch)
        elif self.size > 1:
            self.size = (self.size + 1) // 2
        else:
            raise TooLittleMemory(
                "expected memory for one example at a time, found too little; choose a smaller network, another"
                " precision (bfloat16) or a card with more memory"
            )


def estimate(needed: Callable[[int], int], batch: int, room: int) -> int:
    """Return how many examples probably fit into a memory, from what few and twice as many take.

    Args:
        needed: bytes that a step of so many examples takes.
        batch: at most.
        room: free memory, bytes.
    """
    few, more = min(SMALL, batch), min(2 * SMALL, batch)
    if few == more:
        return batch
    return fitting([needed(few), needed(more)], (few, more), room, batch)
