"""On a GPU: the tests that need one, the largest networks through our own loop, ours against other ways, claim 1.

The parts are in the order of importance. `python -m bench --only gpu --minutes 10` leaves out what does not fit.
"""

from __future__ import annotations

import functools
import gc
import os
import statistics
from collections.abc import Iterator
from dataclasses import dataclass, field
from functools import partial
from typing import Any

import torch

from bench import cases, claim_job, evaluation, gpu_tests, jax_gpu, loops, timm_loop
from bench.large import DEVICE, LARGE, Large
from bench.parts import Part
from bench.rows import Clock, Goal, Row, compared, rounds, same_work, single
from bench.training import OF_THE_LIMIT
from harness.cost.cards import card_at_hand
from harness.training.accelerators import VARIABLE
from harness.training.torch.device import device_context
from harness.training.torch.network import faster_format, network

OVER_TRAINER = Goal(">=", 1.1)
OF_THE_CARD = Goal(">=", 45.0)
"""Percent of the measured rate of bfloat16 matrix products that ViT-L/16 is to use."""
SIDE = 8192
"""Of the square matrices whose product is timed."""


@dataclass(frozen=True)
class Variant:
    """One way to compute the same steps."""

    name: str
    execution: dict[str, Any] = field(default_factory=dict)
    """Fields of an Execution."""
    seconds: tuple[float, float] = (0.0, 0.0)
    """What it takes more than the plain way: a transformer, a convolutional network."""


PLAIN = Variant("plain", {"fused": False, "graphed": False})
VARIANTS = (
    PLAIN,
    Variant("fused", seconds=(10.0, 20.0)),
    Variant("fused, launched one by one", {"graphed": False}, (10.0, 20.0)),
    Variant("compiled", {"compile": True}, (60.0, 120.0)),
)
"""To measure another way, add it here: each gets a part for each of the large networks."""


def parts(n: int) -> list[Part]:
    """Return the parts of n rounds, the most important first; where there is no GPU, one that says so."""
    os.environ[VARIABLE] = os.environ.get(VARIABLE, "0").split(",")[0]  # else Trainer would use all of them
    if not torch.cuda.is_available():
        return [Part("GPU", nothing)]

    def of(large: Large, variant: Variant) -> Part:
        convolutional = large.name.startswith("BiT")
        seconds = large.seconds + variant.seconds[convolutional]
        return Part(f"{large.title}, {variant.name}", partial(trained, large, variant), seconds)

    def of_all(variant: Variant, *levels: int) -> list[Part]:
        return [of(large, variant) for large in LARGE if large.level in levels]

    first, later = VARIANTS[:2], VARIANTS[2:]
    return [
        Part("tests on the GPU", gpu_tests.rows, 100),
        Part("matrix products", products, 15),
        *(part for variant in first for part in of_all(variant, 0, 1)),
        *(part for variant in later for part in of_all(variant, 0)),
        *(part for variant in first for part in of_all(variant, 2)),
        Part("ViT-B/16 against others", partial(against_others, n), 40 + 20 * n),
        *(
            Part(f"{name}, evaluation", partial(evaluations, n, name), 20 + 10 * n)
            for name in ("ViT-B/16", "BiT-R50x1")
        ),
        Part("claim 1", claim_job.rows, 150),
        *jax_gpu.parts(n),
        *(part for variant in later for part in of_all(variant, 1, 2)),
    ]


def nothing() -> Iterator[Row]:
    """Yield a row that says that there is no GPU."""
    yield Row("GPU", note="not measured: no CUDA device here")


def products() -> Iterator[Row]:
    """Yield the card's rate of bfloat16 matrix products, as measured and as its datasheet has it."""
    yield Row("bfloat16 matrix products, measured", "TFLOP/s", matrix_rate() / 1e12)
    card = card_at_hand()
    if card is not None:
        yield Row("bfloat16 matrix products, datasheet", "TFLOP/s", card.rate("bfloat16")[0] / 1e12)


@functools.cache
def matrix_rate() -> float:
    """Return FLOP/s of large matrix products in bfloat16: the median of ten."""
    a, b = (torch.randn(SIDE, SIDE, device=DEVICE, dtype=torch.bfloat16) for _ in range(2))
    seconds = []
    for _ in range(13):
        clock = Clock(torch.cuda.synchronize)
        for _ in range(10):
            torch.mm(a, b)
        seconds.append(clock.lap(0).wall / 10)
    return 2 * SIDE**3 / statistics.median(seconds[3:])


def trained(large: Large, variant: Variant) -> Iterator[Row]:
    """Yield the rows of one network, computed in one way, on random images that are cropped anew in every step."""
    free()
    case = large.case()
    title = f"{large.title}, {variant.name}"
    found = loops.ours(case, large.skipped, **variant.execution)
    rate = found.lap.images / found.lap.wall
    fits = found.trained.micro_batch or large.batch
    kernels = found.trained.kernels or "PyTorch's"
    yield single(title, [found.lap], note=f"{fits} in memory at once, {found.memory_format}, kernels: {kernels}")
    yield Row(f"{title}, a step", "ms", 1000 * large.batch / rate)
    yield Row(f"{title}, memory", "GiB", found.memory / 2**30)
    goal = OF_THE_CARD if large.name == "ViT-L/16" and large.batch >= 512 else None
    yield Row(f"{title}, share of measured", "%", 100 * rate * large.flops() / matrix_rate(), goal=goal)
    yield Row(f"{title}, waiting for data", "%", 100 * found.trained.waiting)
    if not all(map(_plausible, found.lap.losses)):
        yield Row(title, note=f"expected losses between 0 and 20, found {found.lap.losses[:3]} ...")


def _plausible(loss: float) -> bool:
    return 0 < loss < 20


def against_others(n: int, name: str = "ViT-B/16", resolution: int = 224, batch: int = 256) -> Iterator[Row]:
    """Yield the rows of one network: ours, a bare loop and Trainer on inputs that lie on the device."""
    free()
    plan = cases.recipe(resolution, 40, batch, precision="bfloat16")
    title = f"{name} at {resolution}"
    large = Large(name, resolution, batch)
    case = cases.synthetic(title, large.architecture(), plan, stored=resolution, n=4 * batch, device=DEVICE)
    first = loops.ours(case, large.skipped)
    part = fitting(first.trained.micro_batch or plan.batch_size, plan.batch_size)
    # Every side computes as much at once as ours found to fit.
    execution: dict[str, Any] = {"micro_batch": part}
    laps = rounds(
        {
            "ours": lambda: loops.ours(case, large.skipped, **execution).lap,
            "limit": partial(loops.bare, case, large.skipped, part, first.memory_format),
            "trainer": partial(loops.trainer, case, large.skipped, part, first.memory_format),
        },
        n,
    )
    name = f"{title}, fine-tuning"
    yield compared(name, laps["ours"], laps["limit"], "bare loop", OF_THE_LIMIT)
    yield compared(name, laps["ours"], laps["trainer"], "Trainer", OVER_TRAINER)
    losses = laps["ours"][0].losses
    same_work(case.name, [statistics.fmean(losses)], [statistics.fmean(laps["limit"][0].losses)], 0.02)
    if part == plan.batch_size:  # accumulating, versions of Trainer differ in how they report the mean
        same_work(case.name, [statistics.fmean(losses)], laps["trainer"][0].losses, 0.02)


def evaluations(n: int, name: str, resolution: int = 224, tests: int = 4096) -> Iterator[Row]:
    """Yield the rows of evaluation in bfloat16; four processes load for the other loops."""
    free()
    plan = cases.recipe(resolution, 1, 256, precision="bfloat16")
    network_of, title = Large(name, resolution, 256).architecture(), f"{name} at {resolution}"
    case = cases.synthetic(title, network_of, plan, stored=resolution, n=1, tests=tests, device=DEVICE)
    yield from evaluation.of_case(case, n, workers=4)
    here = device_context(case.device, case.run.recipe)
    model = network(case.run, case.weights).to(here.device)
    memory_format = faster_format(model, 3, resolution, here)
    batches = timm_loop.loader(case, here, workers=4)
    ours = partial(evaluation.ours, case, model, here, memory_format)
    theirs = partial(timm_loop.validated, case, model, memory_format, batches)
    laps = rounds({"ours": lambda: ours()[0], "timm": lambda: theirs()[0]}, n)
    yield compared(f"{title}, evaluation", laps["ours"], laps["timm"], "a loop as timm's", evaluation.AS_PLAIN)
    evaluation.alike(case, ours()[1], theirs()[1])


def fitting(most: int, batch: int) -> int:
    """Return the largest part of a batch that divides it and is not larger than `most`."""
    return max(size for size in range(1, most + 1) if batch % size == 0)


def free() -> None:
    """Free what the last part held."""
    gc.collect()
    torch.cuda.empty_cache()
