"""The JAX backend on a CPU, one thread: against a bare jitted loop, against the PyTorch backend, and its start."""

from __future__ import annotations

import statistics
import tempfile
from collections.abc import Iterator
from functools import partial
from typing import Any

import torch

from bench import cases, commands, evaluation, loops
from bench.cases import Case
from bench.evaluation import alike, timed
from bench.rows import Row, compared, rounds, same_work
from bench.training import OF_THE_LIMIT
from harness.training.devices import start_jax
from harness.training.torch.device import device_context
from harness.training.torch.network import network

AGAINST_TORCH = "PyTorch backend"


def rows(n: int) -> Iterator[Row]:
    """Yield the rows of n rounds."""
    start_jax()
    for case in (cases.small_vit(), cases.small_bit(), cases.micro("vit", 80), cases.micro("bit", 60)):
        yield from training(case, n)
    for case in (
        cases.small_vit(tests=512),
        cases.small_bit(tests=768),
        # Whole batches: ours fills the last one up, for which the bare loop would compile a program of its own.
        cases.micro("vit", 1).changed("micro vit", head="library").scoring(2048),
        cases.micro("bit", 1).changed("micro bit", head="library").scoring(2048),
    ):
        yield from evaluations(case, n)
    yield from starts(min(n, 3))


def training(case: Case, n: int) -> Iterator[Row]:
    """Yield the rows of fine-tuning a case."""
    from bench import jax_loops

    ready = jax_loops.batches(case)
    laps = rounds(
        {
            "ours": lambda: jax_loops.ours(case)[0],
            "bare": partial(jax_loops.bare, case, ready),
            "torch": lambda: loops.ours(case).lap,
        },
        n,
    )
    for side in ("bare", "torch"):
        same_work(case.name, laps["ours"][0].losses, laps[side][0].losses, 1e-3)
    name = f"{case.name} in JAX, fine-tuning"
    yield compared(name, laps["ours"], laps["bare"], "bare jitted loop", OF_THE_LIMIT)
    yield compared(name, laps["ours"], laps["torch"], AGAINST_TORCH)


def evaluations(case: Case, n: int) -> Iterator[Row]:
    """Yield the rows of evaluating a case."""
    from bench import jax_loops

    in_jax = jax_loops.Evaluation(case)
    here = device_context(case.device, case.run.recipe)
    model = network(case.run, case.weights)
    sides: dict[str, Any] = {
        "ours": in_jax.ours,
        "bare": in_jax.bare,
        "torch": partial(evaluation.ours, case, model, here, torch.contiguous_format),
    }
    found = sides["ours"]()[1]
    for side in ("bare", "torch"):
        alike(case, found, sides[side]()[1])
    laps = rounds({key: partial(timed, side) for key, side in sides.items()}, n)
    name = f"{case.name} in JAX, evaluation"
    yield compared(name, laps["ours"], laps["bare"], "bare jitted loop, unfolded", OF_THE_LIMIT)
    yield compared(name, laps["ours"], laps["torch"], AGAINST_TORCH)


def starts(n: int) -> Iterator[Row]:
    """Yield the seconds of whole processes that compute one micro run: with programs to compile, with kept ones."""
    for family in ("vit", "bit"):
        seconds: dict[str, list[float]] = {"cold": [], "warm": [], "torch": []}
        for _ in range(n):
            with tempfile.TemporaryDirectory() as home:
                run = ["harness", "run", "--checkpoint", f"micro-{family}-l", "--dataset", "digits-5", "--home", home]
                seconds["cold"].append(commands.seconds([*run, "--backend", "jax", "--seed", "0"]))
                seconds["warm"].append(commands.seconds([*run, "--backend", "jax", "--seed", "1"]))
                seconds["torch"].append(commands.seconds([*run, "--seed", "0"]))
        name = f"harness run, micro {family}, "
        yield Row(f"{name}JAX, nothing compiled yet", "s", statistics.median(seconds["cold"]))
        yield Row(f"{name}JAX, programs kept", "s", statistics.median(seconds["warm"]))
        yield Row(f"{name}PyTorch", "s", statistics.median(seconds["torch"]))
