"""Fine-tuning and prediction in JAX."""

from __future__ import annotations

import time

import jax

from harness.core.errors import CardFailed, ClaimsError, TooLittleMemory
from harness.core.run import Run
from harness.data.splits import Data, Split
from harness.models.architectures import Architecture, BitArchitecture
from harness.models.flax import build
from harness.models.flax.build import Params
from harness.models.flax.own import OwnArchitecture
from harness.models.flax.own import head_of as own_head
from harness.models.initialise import library_head
from harness.models.load import build_checkpoint_flax
from harness.training.api import Execution, OnImages, Outcome, Weights
from harness.training.jax.device import DeviceContext, device_context
from harness.training.jax.evaluation import evaluate, features
from harness.training.jax.loop import Loop
from harness.training.jax.memory import out_of_memory
from harness.training.least_squares import Features, classified
from harness.training.outcome import tested, untested

OF_THE_PROGRAM = ("INVALID_ARGUMENT", "UNIMPLEMENTED")
"""How errors begin that are not the card's."""


def fine_tune(run: Run, weights: Weights, data: Data, execution: Execution) -> Outcome:
    """Fine-tune a checkpoint as its run's recipe says and predict every scored example.

    The same recipe, batches and rules as harness.training.torch.engine.fine_tune; every field of the recipe changes it,
    or is refused by name.

    Args:
        run: what to compute.
        weights: the checkpoint's arrays under the authors' keys, already checked.
        data: uint8 images; the train part is trained on, the test part predicted.
        execution: device, split of the batch, folder, progress callback.

    Raises:
        harness.training.resume.Interrupted: a signal came; the state is saved, the same run continues from it.
        CardFailed: the device fails.
        ClaimsError: it is missing, or too small for one example; the precision is float16, or the
            semantics are timm's; weights or images do not fit the recipe.
    """
    here = device_context(execution.device, run.recipe, execution.folder)
    try:
        return _fine_tune(run, weights, data, execution, here)
    except jax.errors.JaxRuntimeError as error:
        found = str(error).splitlines()[0]
        if not out_of_memory(error):
            if here.accelerated and not found.startswith(OF_THE_PROGRAM):
                raise CardFailed.computing(run.label, execution.device, found) from None
            raise
        raise TooLittleMemory(
            f"{run.label}: expected memory for the weights, their gradient and momentum on {here.card()}, found too"
            f" little ({found}); choose a card with more memory or a smaller network"
        ) from None


def _fine_tune(run: Run, weights: Weights, data: Data, execution: Execution, here: DeviceContext) -> Outcome:
    recipe = run.recipe
    # Around what makes arrays only: programs compiled within are others than those compiled without.
    with jax.default_device(here.devices[0]):
        params, architecture = network(run, weights)
    if recipe.method == "least squares":
        placed = here.put(params)

        def of_split(split: Split, on_images: OnImages | None) -> Features:
            return features(placed, architecture, split, recipe, here, run.checkpoint.id, on_images)

        return classified(run, weights, data, of_split, str(here.devices[0]), here.memory, execution.on_images)
    trained = None
    if not recipe.frozen:
        loop = Loop(params, architecture, data.train, run, execution, here)
        del params  # on an accelerator the loop needs its memory
        trained = loop.train()
        if trained.diverged is not None:
            return untested(trained, here.memory())
        with jax.default_device(here.devices[0]):
            params, architecture = at_side(trained.params, architecture, run)
    start = time.perf_counter()
    predictions = evaluate(
        here.put(params), architecture, data.test, recipe, here, run.checkpoint.id, execution.on_images
    )
    return tested(run, trained, len(data.train), predictions, time.perf_counter() - start, here.memory())


def network(run: Run, weights: Weights) -> tuple[Params, Architecture]:
    """Return a run's parameters before training: with a new head, or with their own where they stay as they are.

    Raises:
        ClaimsError: the checkpoint has another number of classes than the dataset it is only evaluated on; its
            semantics are timm's.
    """
    recipe, classes = run.recipe, run.dataset.classes
    if recipe.frozen:
        params, architecture = build_checkpoint_flax(run.checkpoint, weights, resolution=recipe.side)
        if recipe.evaluates_only and not (
            architecture.classes == classes or (run.outputs and max(run.outputs) < architecture.classes)
        ):
            raise ClaimsError(
                f"{run.checkpoint.id}: expected a head of {classes} classes for {run.dataset.id}, found"
                f" {architecture.classes}; choose a checkpoint fine-tuned on it, or a recipe that trains"
            )
        return params, architecture
    params, architecture = build_checkpoint_flax(run.checkpoint, weights, classes=classes, resolution=recipe.resolution)
    if recipe.head == "library":
        head = head_of(params, architecture)
        shape = head["kernel"].shape
        head["kernel"] = jax.numpy.asarray(library_head((shape[-2], classes), run.seed).reshape(shape))
    return params, architecture


def head_of(params: Params, architecture: Architecture) -> Params:
    """Return the kernel and bias of the layer that gives the logits; changing the dict changes the parameters."""
    if isinstance(architecture, OwnArchitecture):
        return own_head(params, architecture)
    found: Params = params["resnet"]["head"]["conv2d"] if isinstance(architecture, BitArchitecture) else params["head"]
    return found


def at_side(params: Params, architecture: Architecture, run: Run) -> tuple[Params, Architecture]:
    """Return trained parameters for the test input's size: positional embeddings are interpolated to another one."""
    side = run.recipe.side
    if side == run.recipe.resolution or isinstance(architecture, (BitArchitecture, OwnArchitecture)):
        return params, architecture
    arrays = build.export(jax.device_get(params), architecture)
    return build.load(arrays, resolution=side, numerics=architecture.numerics, where=run.checkpoint.id)
