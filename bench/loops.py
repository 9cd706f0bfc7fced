"""Three ways to fine-tune the same network on the same batches: ours, a bare loop, transformers' Trainer."""

from __future__ import annotations

import contextlib
import tempfile
from collections.abc import Callable
from dataclasses import dataclass, replace
from pathlib import Path
from typing import Any

import torch
from torch import nn
from torch.nn import functional

from bench.cases import Case
from bench.rows import Clock, Lap
from bench.step_clock import StepClock
from harness.training.api import Execution, Progress
from harness.training.lr_schedule import learning_rate
from harness.training.outcome import Trained
from harness.training.torch.device import device_context
from harness.training.torch.engine import fastest_layout
from harness.training.torch.inputs import laid_out
from harness.training.torch.loop import LAG, Loop
from harness.training.torch.network import network

SKIPPED = 2
"""First steps that do not count on any side: there inputs are prepared, memory is allocated, programs are chosen."""


@dataclass(frozen=True)
class Ours:
    """A lap of our own loop, and what it found out on the way."""

    lap: Lap
    trained: Trained
    memory: int
    """Largest memory allocated on the device in the steps that count, bytes."""
    memory_format: torch.memory_format


def wait(device: str) -> Callable[[], None]:
    """Return what waits for a device."""
    return torch.cuda.synchronize if device.startswith("cuda") else lambda: None


def ours(case: Case, skip: int = SKIPPED, **execution: Any) -> Ours:
    """Fine-tune as users do: with a folder for history, saved states and micro-batches, and a progress callback.

    Args:
        case: what to train.
        skip: first steps that do not count.
        execution: fields of an Execution.
    """
    here = device_context(case.device, case.run.recipe)
    model = network(case.run, case.weights).to(here.device)
    memory_format, fused = fastest_layout(model, case.run, Execution(case.device, **execution), here)
    clock = StepClock(case, skip, LAG if here.accelerated else 0, wait(case.device))

    def on_step(progress: Progress) -> None:
        clock.report(progress.step)

    with tempfile.TemporaryDirectory() as folder:
        asked = Execution(case.device, folder=Path(folder), on_step=on_step, **execution)
        loop = Loop(model, case.data.train, case.run, asked, here, memory_format, fused)
        clock.start()
        trained = loop.train()
    if trained.diverged is not None:
        raise RuntimeError(f"{case.name}: expected finite losses, found: {trained.diverged}")
    return Ours(replace(clock.lap, losses=trained.losses), trained, here.memory(), memory_format)


def bare(
    case: Case,
    skip: int = SKIPPED,
    part: int | None = None,
    memory_format: torch.memory_format = torch.contiguous_format,
) -> Lap:
    """Fine-tune on tensors that lie ready: the fastest that PyTorch's parts allow without graphs.

    Args:
        case: what to train.
        skip: first steps that do not count.
        part: examples in memory at once; None: the batch.
        memory_format: of weights and inputs.
    """
    recipe, loaded = case.run.recipe, case.preloaded
    here = device_context(case.device, recipe)
    model = network(case.run, case.weights).to(here.device)
    model.to(memory_format=memory_format)
    model.train()
    parameters = list(model.parameters())
    optimiser, schedule = sgd(case, model)
    losses = []
    clock = Clock(wait(case.device))
    for step, index in enumerate(loaded.order.split(recipe.batch_size)):
        if step == skip:
            clock.start()
        optimiser.zero_grad()
        total: Any = 0.0
        for examples in index.split(part or recipe.batch_size):
            inputs = laid_out(loaded.inputs[examples], memory_format)
            with precision(case):
                loss = functional.cross_entropy(model(inputs), loaded.labels[examples])
                loss = loss * (len(examples) / recipe.batch_size)
            loss.backward()
            total = total + loss.detach()
        if recipe.clip_norm is not None:
            nn.utils.clip_grad_norm_(parameters, recipe.clip_norm)
        optimiser.step()
        schedule.step()
        losses.append(total if here.accelerated else float(total))
    lap = clock.lap(_images(case, skip))
    return Lap(lap.wall, lap.cpu, lap.images, tuple(map(float, losses)))


class WithLoss(nn.Module):
    """A network that returns its loss, as Trainer wants it."""

    def __init__(self, model: nn.Module, memory_format: torch.memory_format):
        super().__init__()
        self.model, self.memory_format = model, memory_format

    def forward(self, images: torch.Tensor, labels: torch.Tensor) -> dict[str, torch.Tensor]:
        """Return loss and logits of images (N, C, H, W)."""
        logits = self.model(laid_out(images, self.memory_format))
        return {"loss": functional.cross_entropy(logits, labels), "logits": logits}


class Ordered(torch.utils.data.Dataset[Any]):
    """The examples in the order in which our loop takes them, whole batches at once: the fastest that Trainer takes."""

    def __init__(self, case: Case):
        self.loaded = case.preloaded

    def __len__(self) -> int:
        return len(self.loaded.order)

    def __getitems__(self, indices: list[int]) -> dict[str, torch.Tensor]:
        """Return a batch."""
        examples = self.loaded.order[indices[0] : indices[-1] + 1]
        return {"images": self.loaded.inputs[examples], "labels": self.loaded.labels[examples]}


def as_it_is(batch: Any) -> Any:
    """Return a batch that is whole already."""
    return batch


def trainer(
    case: Case,
    skip: int = SKIPPED,
    part: int | None = None,
    memory_format: torch.memory_format = torch.contiguous_format,
) -> Lap:
    """Fine-tune with transformers' Trainer: same network, batches, precision, optimiser; no evaluation, no saving.

    The lap's only loss is the mean over all steps.
    """
    import transformers

    recipe = case.run.recipe
    device_context(case.device, recipe)  # threads and arithmetic as ours
    model = network(case.run, case.weights).to(case.device)
    model.to(memory_format=memory_format)
    clock = Clock(wait(case.device))
    laps: list[Lap] = []

    class Times(transformers.TrainerCallback):
        def on_train_begin(self, args: Any, state: Any, control: Any, **rest: Any) -> None:
            clock.start()

        def on_step_end(self, args: Any, state: Any, control: Any, **rest: Any) -> None:
            if state.global_step == skip:
                clock.start()
            if state.global_step == recipe.steps:
                laps.append(clock.lap(_images(case, skip)))

    with tempfile.TemporaryDirectory() as folder:
        asked = transformers.TrainingArguments(
            folder,
            max_steps=recipe.steps or 0,
            per_device_train_batch_size=part or recipe.batch_size,
            gradient_accumulation_steps=recipe.batch_size // (part or recipe.batch_size),
            max_grad_norm=recipe.clip_norm or 0.0,
            bf16=recipe.precision == "bfloat16",
            use_cpu=case.device == "cpu",
            train_sampling_strategy="sequential",
            dataloader_num_workers=0,
            dataloader_pin_memory=False,
            remove_unused_columns=False,
            logging_strategy="no",
            logging_nan_inf_filter=False,  # it would wait for the device in every step
            save_strategy="no",
            report_to="none",
            disable_tqdm=True,
        )
        optimiser, schedule = sgd(case, model)
        made = transformers.Trainer(
            WithLoss(model, memory_format),
            asked,
            data_collator=as_it_is,
            train_dataset=Ordered(case),
            optimizers=(optimiser, schedule),
            callbacks=[Times()],
        )
        made.remove_callback(transformers.PrinterCallback)
        mean = made.train().training_loss
    return Lap(laps[0].wall, laps[0].cpu, laps[0].images, (mean,))


def sgd(case: Case, model: nn.Module) -> tuple[torch.optim.Optimizer, torch.optim.lr_scheduler.LambdaLR]:
    """Return the recipe's optimiser and schedule from PyTorch's own parts."""
    recipe = case.run.recipe
    base = recipe.learning_rate or 0.0
    optimiser = torch.optim.SGD(model.parameters(), base, recipe.momentum, fused=True)
    return optimiser, torch.optim.lr_scheduler.LambdaLR(optimiser, lambda step: learning_rate(recipe, step) / base)


def precision(case: Case) -> contextlib.AbstractContextManager[Any]:
    """Return the context of the recipe's precision."""
    if case.run.recipe.precision == "float32":
        return contextlib.nullcontext()
    return torch.autocast(case.device.partition(":")[0], getattr(torch, case.run.recipe.precision))


def _images(case: Case, skip: int) -> int:
    return ((case.run.recipe.steps or 0) - skip) * case.run.recipe.batch_size
