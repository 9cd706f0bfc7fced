"""On a GPU: the paper's largest networks through our own loop, and ours against the other ways on ViT-B/16."""

from __future__ import annotations

import gc
import os
import statistics
from collections.abc import Iterator
from functools import partial
from typing import Any

import torch

from bench import cases, evaluation, loops
from bench.rows import Clock, Goal, Row, compared, rounds, same_work, single
from bench.training import OF_THE_LIMIT
from harness.core.errors import ClaimsError
from harness.cost.cards import card_at_hand
from harness.cost.flops import work
from harness.cost.networks import Network
from harness.models import released
from harness.models.architectures import Architecture
from harness.training.accelerators import VARIABLE

DEVICE = "cuda"
OVER_TRAINER = Goal(">=", 1.1)
OF_THE_CARD = Goal(">=", 45.0)
"""Percent of the measured rate of bfloat16 matrix products that ViT-L/16 is to use."""
LARGE = (
    # architecture, resolution, batch, goal
    ("ViT-L/16", 224, 512, OF_THE_CARD),
    ("ViT-L/16", 384, 256, OF_THE_CARD),
    ("BiT-R152x4", 128, 512, None),
    ("BiT-R152x4", 384, 128, None),
)
STEPS, SKIPPED = 16, 6
"""Of the large networks; the first ones find the micro-batch, look at losses late and choose programs."""
SIDE = 8192
"""Of the square matrices whose product is timed."""


def rows(n: int) -> Iterator[Row]:
    """Yield the rows of the first CUDA device; one row says so where there is none."""
    os.environ[VARIABLE] = os.environ.get(VARIABLE, "0").split(",")[0]  # else Trainer would use all of them
    if not torch.cuda.is_available():
        yield Row("GPU", note="not measured: no CUDA device here")
        return
    measured = matrix_rate()
    card = card_at_hand()
    stated = None if card is None else card.rate("bfloat16")[0]
    yield Row("bfloat16 matrix products, measured", "TFLOP/s", measured / 1e12)
    if stated is not None:
        yield Row("bfloat16 matrix products, datasheet", "TFLOP/s", stated / 1e12)
    yield from against_others(n)
    free()
    yield from evaluations(n)
    for name, resolution, batch, goal in LARGE:
        yield from large(name, resolution, batch, goal, measured, stated)
        free()


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


def large(
    name: str, resolution: int, batch: int, goal: Goal | None, measured: float, stated: float | None
) -> Iterator[Row]:
    """Yield the rows of one network on random 32-pixel images, stretched and cropped anew on the device in every step.

    Args:
        name: the architecture's.
        resolution: of the input.
        batch: of the recipe; our loop finds out how much of it fits.
        goal: of the share of the measured rate.
        measured: FLOP/s of matrix products.
        stated: FLOP/s on the card's datasheet; None: not known.
    """
    plan = cases.recipe(resolution, STEPS, batch, crop="inception", flip=True, precision="bfloat16", head="zero")
    title = f"{name} at {resolution}"
    case = cases.synthetic(title, architecture(name, resolution), plan, stored=32, n=4096, device=DEVICE)
    flops = work(Network(architecture(name, resolution, classes=1)), resolution).train_flops(cases.CLASSES)
    fits = None
    for compiled in (False, True):
        title = f"{name} at {resolution}{', compiled' if compiled else ''}"
        torch.cuda.reset_peak_memory_stats()
        try:
            found = loops.ours(case, SKIPPED, compile=compiled, micro_batch=fits)
        except ClaimsError as error:
            yield Row(title, note=f"not measured: {error}")
            return
        fits = found.trained.micro_batch or batch
        rate = found.lap.images / found.lap.wall
        yield single(title, [found.lap], note=f"batch {batch}, {fits} in memory at once")
        yield Row(f"{title}, memory", "GiB", found.memory / 2**30)
        yield Row(f"{title}, share of measured", "%", 100 * rate * flops / measured, goal=goal)
        if stated is not None:
            yield Row(f"{title}, share of datasheet", "%", 100 * rate * flops / stated)
        yield Row(f"{title}, waiting for data", "%", 100 * found.trained.waiting)
        del found
        free()


def against_others(n: int, name: str = "ViT-B/16", resolution: int = 224, batch: int = 256) -> Iterator[Row]:
    """Yield the rows of one network: ours, a bare loop and Trainer on inputs that lie on the device."""
    plan = cases.recipe(resolution, 40, batch, precision="bfloat16")
    title = f"{name} at {resolution}"
    network = architecture(name, resolution)
    case = cases.synthetic(title, network, plan, stored=resolution, n=4 * batch, device=DEVICE)
    first = loops.ours(case, SKIPPED)
    part = fitting(first.trained.micro_batch or plan.batch_size, plan.batch_size)
    # Every side computes as much at once as ours found to fit.
    execution: dict[str, Any] = {"micro_batch": part}
    laps = rounds(
        {
            "ours": lambda: loops.ours(case, SKIPPED, **execution).lap,
            "limit": partial(loops.bare, case, SKIPPED, part, first.memory_format),
            "trainer": partial(loops.trainer, case, SKIPPED, part, first.memory_format),
        },
        n,
    )
    losses = laps["ours"][0].losses
    same_work(case.name, [statistics.fmean(losses)], [statistics.fmean(laps["limit"][0].losses)], 0.02)
    if part == plan.batch_size:  # accumulating, versions of Trainer differ in how they report the mean
        same_work(case.name, [statistics.fmean(losses)], laps["trainer"][0].losses, 0.02)
    name = f"{title}, fine-tuning"
    yield compared(name, laps["ours"], laps["limit"], "bare loop", OF_THE_LIMIT)
    yield compared(name, laps["ours"], laps["trainer"], "Trainer", OVER_TRAINER)


def evaluations(
    n: int, names: tuple[str, ...] = ("ViT-B/16", "BiT-R50x1"), resolution: int = 224, tests: int = 4096
) -> Iterator[Row]:
    """Yield the rows of evaluation in bfloat16; four processes load for the plain loop."""
    for name in names:
        plan = cases.recipe(resolution, 1, 256, precision="bfloat16")
        network, title = architecture(name, resolution), f"{name} at {resolution}"
        case = cases.synthetic(title, network, plan, stored=resolution, n=1, tests=tests, device=DEVICE)
        yield from evaluation.of_case(case, n, workers=4)
        free()


def architecture(name: str, resolution: int, classes: int = cases.CLASSES) -> Architecture:
    """Return one of the paper's networks."""
    found = released.architecture(name, classes, resolution)
    assert found is not None
    return found


def fitting(most: int, batch: int) -> int:
    """Return the largest part of a batch that divides it and is not larger than `most`."""
    return max(size for size in range(1, most + 1) if batch % size == 0)


def free() -> None:
    """Free what the last case held."""
    gc.collect()
    torch.cuda.empty_cache()
