"""The JAX backend on a GPU: the paper's largest networks through our own loop."""

from __future__ import annotations

from collections.abc import Iterator
from functools import partial

from bench.large import DEVICE, LARGE, Large
from bench.parts import Part
from bench.rows import Row, single
from harness.training.accelerators import jax_has_one


def parts(n: int) -> list[Part]:
    """Return the parts, each measured once, in a process in which PyTorch takes no memory."""
    return [
        Part(f"{large.title} in JAX", partial(rows, large), 60 + large.seconds, alone=True)
        for large in LARGE
        if large.level < 2
    ]


def rows(large: Large) -> Iterator[Row]:
    """Yield the rows of a network; one row says so where JAX sees no accelerator."""
    title = f"{large.title} in JAX"
    if not jax_has_one():
        yield Row(title, note="not measured: JAX sees no accelerator here")
        return
    from bench import jax_loops

    lap, trained, memory = jax_loops.ours(large.case(f"{DEVICE}:0"), large.skipped)
    fits = trained.micro_batch or large.batch
    yield single(title, [lap], note=f"{fits} in memory at once, compiling not counted")
    yield Row(f"{title}, a step", "ms", 1000 * large.batch * lap.wall / lap.images)
    yield Row(f"{title}, memory", "GiB", memory / 2**30)
