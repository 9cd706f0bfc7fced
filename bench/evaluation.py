"""Evaluation: ours against a plain DataLoader loop, and what folding and the memory format give, each by itself."""

from __future__ import annotations

import contextlib
from collections.abc import Callable, Iterator
from functools import partial
from typing import Any

import numpy as np
import numpy.typing as npt
import torch
from torch import nn
from torch.utils.data import DataLoader, TensorDataset

from bench import cases
from bench.cases import Case
from bench.loops import precision, wait
from bench.rows import Clock, Goal, Lap, Row, compared, rounds
from harness.data.preprocess import eval_rule
from harness.models.torch.folding import folded
from harness.training.api import EVALUATION_BATCH
from harness.training.torch.device import DeviceContext, device_context
from harness.training.torch.evaluation import evaluate, predict, resized_batch
from harness.training.torch.inputs import laid_out, normalised, to_inputs
from harness.training.torch.network import convolutional, faster_format, network

Classes = npt.NDArray[np.int64]

AS_PLAIN = Goal(">=", 1.0)
AGREE = 0.99
"""Share of predictions that must be the same on both sides: bfloat16 decides near ties either way."""


def rows(n: int) -> Iterator[Row]:
    """Yield the rows of n rounds on a CPU, one thread."""
    for case in (
        cases.small_vit(tests=512),
        cases.small_bit(tests=768),
        cases.micro("vit", steps=1).changed("micro vit", head="library"),
        cases.micro("bit", steps=1).changed("micro bit", head="library"),
        cases.micro("hybrid", steps=1).changed("micro hybrid", head="library"),
    ):
        yield from of_case(case, n)


def of_case(case: Case, n: int, workers: int = 0) -> Iterator[Row]:
    """Yield the rows of a case; `workers` processes load for the plain loop."""
    here = device_context(case.device, case.run.recipe)
    model = network(case.run, case.weights).to(here.device)
    memory_format = faster_format(model, 3, case.run.recipe.side, here)
    name = f"{case.name}, evaluation"
    loader = plain_loader(case, here, workers)
    sides = {
        "ours": partial(ours, case, model, here, memory_format),
        "plain": partial(plain, case, model, here, memory_format, loader),
    }
    alike(case, sides["ours"]()[1], sides["plain"]()[1])
    laps = rounds({key: partial(timed, side) for key, side in sides.items()}, n)
    yield compared(name, laps["ours"], laps["plain"], "DataLoader loop, unfolded", AS_PLAIN)
    if not convolutional(model):
        return
    inputs = to_inputs(case.data.test.array()[: 2 * EVALUATION_BATCH], case.run.recipe.side, case.run.recipe)
    inputs = laid_out(inputs.to(here.device), memory_format)
    alone = partial(forward, case, model, here)
    laps = rounds({str(fold): partial(alone, inputs, memory_format, fold) for fold in (True, False)}, n)
    yield compared(f"{name}, folded", laps["True"], laps["False"], "the same, unfolded")
    formats = (torch.channels_last, torch.contiguous_format)
    laps = rounds({str(one): partial(alone, inputs.contiguous(memory_format=one), one, True) for one in formats}, n)
    last, contiguous = (laps[str(one)] for one in formats)
    yield compared(f"{name}, channels_last", last, contiguous, "the same, contiguous channels")


def timed(side: Callable[[], tuple[Lap, Classes]]) -> Lap:
    """Evaluate once more and return the lap alone."""
    return side()[0]


def ours(case: Case, model: nn.Module, here: DeviceContext, memory_format: torch.memory_format) -> tuple[Lap, Classes]:
    """Evaluate as a run does: from stored uint8 images, weights folded."""
    clock = Clock(wait(case.device))
    found = evaluate(model, case.data.test, case.run.recipe, here, case.name, memory_format)
    return clock.lap(len(found)), found


def plain_loader(case: Case, here: DeviceContext, workers: int) -> DataLoader[Any]:
    """Return PyTorch's own way to the same uint8 images."""
    return DataLoader(
        TensorDataset(torch.from_numpy(case.data.test.array())),
        EVALUATION_BATCH,
        num_workers=workers,
        pin_memory=here.accelerated,
        persistent_workers=workers > 0,
    )


@torch.inference_mode()
def plain(
    case: Case, model: nn.Module, here: DeviceContext, memory_format: torch.memory_format, loader: DataLoader[Any]
) -> tuple[Lap, Classes]:
    """Evaluate in a plain loop: the same preprocessing, batch, precision and memory format, the network as it is."""
    clock = Clock(wait(case.device))
    rule = eval_rule(case.run.recipe)
    model.eval()
    found = []
    with precision(case):
        for (stored,) in loader:
            stored = stored[:, None] if stored.ndim == 3 else stored.movedim(3, 1)
            levels = stored.to(here.device, non_blocking=True).to(torch.float32)
            inputs = normalised(resized_batch(levels, rule), case.run.recipe)
            found.append(model(laid_out(inputs, memory_format)).argmax(dim=1))
    predictions = torch.cat(found).cpu().numpy()
    return clock.lap(len(predictions)), predictions


def forward(
    case: Case,
    model: nn.Module,
    here: DeviceContext,
    inputs: torch.Tensor,
    memory_format: torch.memory_format,
    fold: bool,
) -> Lap:
    """Time the network alone on inputs that lie ready."""
    model.to(memory_format=memory_format)
    clock = Clock(wait(case.device))
    with folded(model) if fold else contextlib.nullcontext(), here.autocast():
        predict(model, inputs, here, memory_format)
    return clock.lap(len(inputs))


def alike(case: Case, ours: Classes, theirs: Classes) -> None:
    """Refuse to compare sides that do not predict the same, or predict one class only.

    Raises:
        RuntimeError: too many predictions differ.
    """
    share = float((ours == theirs).mean())
    if share < AGREE or len(set(ours.tolist())) == 1:
        raise RuntimeError(f"{case.name}: expected the same predictions on both sides, found {share:.1%} the same")
