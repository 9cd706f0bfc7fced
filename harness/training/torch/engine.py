"""Fine-tuning and prediction in PyTorch."""

from __future__ import annotations

import contextlib
import time

import torch
from torch import nn

from harness.core.errors import CardFailed, TooLittleMemory
from harness.core.run import Run
from harness.data.splits import Data, Split
from harness.training.api import Execution, OnImages, Outcome, Weights
from harness.training.least_squares import Features, classified
from harness.training.outcome import tested, untested
from harness.training.torch.device import DeviceContext, device_context
from harness.training.torch.evaluation import evaluate, features
from harness.training.torch.fused import bit
from harness.training.torch.fused.path import able
from harness.training.torch.loop import Loop
from harness.training.torch.memory import free, out_of_memory
from harness.training.torch.network import at_side, network, plain_format


def fine_tune(run: Run, weights: Weights, data: Data, execution: Execution) -> Outcome:
    """Fine-tune a checkpoint as its run's recipe says and predict every scored example.

    The usual way: SGD with momentum, linear warm-up, cosine decay, gradients clipped at a global
    norm, a zero-initialised head, positional embeddings interpolated to the recipe's resolution; every field of the
    recipe changes it. A recipe without steps only predicts, with the checkpoint's own head or, by the method least
    squares, one that is fitted to the frozen network's features.

    Args:
        run: what to compute.
        weights: the checkpoint's arrays, already checked.
        data: uint8 images; the train part is trained on, the test part predicted.
        execution: device, split of the batch, folder, progress callback.

    Raises:
        harness.training.resume.Interrupted: a signal came; the state is saved, the same run continues from it.
        CardFailed: the device fails.
        ClaimsError: it is missing, or too small for one example; weights or images do not fit.
    """
    try:
        here = device_context(execution.device, run.recipe)
        if here.device.type == "cuda":
            torch.cuda.reset_peak_memory_stats(here.device)  # an earlier run's
    except RuntimeError as error:
        if execution.device == "cpu":
            raise
        # CUDA starts here: another process may have the card to itself.
        raise CardFailed.computing(run.label, execution.device, str(error).splitlines()[0]) from None
    try:
        return _fine_tune(run, weights, data, execution, here)
    except torch.OutOfMemoryError as error:
        lacking = str(error).splitlines()[0]
    except RuntimeError as error:
        if not isinstance(error, torch.AcceleratorError) and not str(error).startswith("Triton Error [CUDA]"):
            raise
        lacking = str(error).splitlines()[0]
        if not out_of_memory(error):  # no call of this process to the card will work again
            raise CardFailed.computing(run.label, execution.device, lacking) from None
    finally:
        if here.accelerated:
            with contextlib.suppress(torch.AcceleratorError):
                free()  # for JAX, and other processes: PyTorch would keep it
    # Outside the handler: the error's traceback holds the network.
    raise TooLittleMemory(
        f"{run.label}: expected memory for the weights, their gradient and momentum on {here.card()}, found too"
        f" little ({lacking}); choose a card with more memory or a smaller network"
    )


def fastest_layout(
    model: nn.Module, run: Run, execution: Execution, here: DeviceContext
) -> tuple[torch.memory_format, bool]:
    """Lay a network's weights out for the fastest way to compute a run; return the layout, and whether it is fused.

    Args:
        model: on the device.
        run: what is computed.
        execution: whether fused kernels are to be used, and where notes on this machine are kept.
        here: device and precision.
    """
    fused = execution.fused and not execution.compile and able(model, run.recipe, here)
    if fused and bit.able(model):
        model.to(memory_format=torch.channels_last)
        return torch.channels_last, True
    return plain_format(model, run, execution, here), fused


def _fine_tune(run: Run, weights: Weights, data: Data, execution: Execution, here: DeviceContext) -> Outcome:
    torch.manual_seed(run.seed)
    recipe = run.recipe
    model = network(run, weights).to(here.device)
    memory_format, fused = fastest_layout(model, run, execution, here)
    if recipe.method == "least squares":

        def of_split(split: Split, on_images: OnImages | None) -> Features:
            return features(model, split, recipe, here, run.checkpoint.id, memory_format, on_images)

        return classified(run, weights, data, of_split, str(here.device), here.memory, execution.on_images)
    trained = None
    with contextlib.ExitStack() as stack:
        if not recipe.frozen:
            loop = Loop(model, data.train, run, execution, here, memory_format, fused)
            stack.callback(loop.saver.wait)
            trained = loop.train()
            memory_format = loop.memory_format
            if trained.diverged is not None:
                return untested(trained, here.memory())
            del loop
            model = at_side(model, run, weights).to(here.device, memory_format=memory_format)  # type: ignore[call-overload]
        start = time.perf_counter()
        predictions = evaluate(model, data.test, recipe, here, run.checkpoint.id, memory_format, execution.on_images)
    return tested(run, trained, len(data.train), predictions, time.perf_counter() - start, here.memory())
