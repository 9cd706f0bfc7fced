"""The JAX backend on a GPU: ViT-L/16 through our own loop."""

from __future__ import annotations

from collections.abc import Iterator

from bench import cases
from bench.gpu import DEVICE, LARGE, SKIPPED, STEPS, architecture
from bench.rows import Row, single
from harness.core.errors import ClaimsError
from harness.training.accelerators import jax_has_one


def rows(n: int) -> Iterator[Row]:
    """Yield the rows of the first accelerator, each measured once; one row says so where JAX sees none."""
    if not jax_has_one():
        yield Row("JAX on a GPU", note="not measured: JAX sees no accelerator here")
        return
    from bench import jax_loops

    for name, resolution, batch, _ in LARGE:
        if not name.startswith("ViT"):
            continue
        plan = cases.recipe(resolution, STEPS, batch, crop="inception", flip=True, precision="bfloat16", head="zero")
        title = f"{name} at {resolution} in JAX"
        network = architecture(name, resolution)
        case = cases.synthetic(title, network, plan, stored=32, n=4096, device=f"{DEVICE}:0")
        try:
            lap, trained, memory = jax_loops.ours(case, SKIPPED)
        except ClaimsError as error:
            yield Row(title, note=f"not measured: {error}")
            continue
        fits = trained.micro_batch or batch
        yield single(title, [lap], note=f"batch {batch}, {fits} in memory at once, compiling not counted")
        yield Row(f"{title}, memory", "GiB", memory / 2**30)
