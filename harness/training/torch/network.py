"""A checkpoint's network as a recipe trains and evaluates it: head, dropout, attention, memory format."""

from __future__ import annotations

import time
from functools import partial
from typing import Any

import numpy as np
import torch
from timm.layers.hybrid_embed import HybridEmbed
from timm.models.convnext import ConvNeXt
from timm.models.resnetv2 import ResNetV2
from timm.models.vision_transformer import VisionTransformer
from torch import nn
from torch.nn.modules.batchnorm import _BatchNorm

from harness.core.errors import ClaimsError
from harness.core.run import Run
from harness.models import npz_layout
from harness.models.initialise import library_head
from harness.models.load import build_checkpoint, numerics_of
from harness.models.torch import build
from harness.models.torch.vit import ReferenceViT
from harness.training.api import Execution, Weights
from harness.training.notes import Notes
from harness.training.torch.device import DeviceContext
from harness.training.torch.memory import attempted

FORMATS = {"contiguous": torch.contiguous_format, "channels last": torch.channels_last}
TRIED = (16, 8, 2, 1)
"""Images in the batch that memory formats are compared with: the next number where memory is too small for both."""


def network(run: Run, weights: Weights) -> nn.Module:
    """Return a run's network before training: with a new head, or with its own where its weights stay as they are.

    Raises:
        ClaimsError: the checkpoint has another number of classes than the dataset it is only evaluated on.
    """
    recipe, classes = run.recipe, run.dataset.classes
    if recipe.frozen:
        model: nn.Module = build_checkpoint(run.checkpoint, weights, resolution=recipe.side)
        found = outputs_of(model)
        if recipe.evaluates_only and not (found == classes or (run.outputs and max(run.outputs) < found)):
            raise ClaimsError(
                f"{run.checkpoint.id}: expected a head of {classes} classes for {run.dataset.id}, found {found};"
                " choose a checkpoint fine-tuned on it, or a recipe that trains"
            )
    else:
        model = build_checkpoint(run.checkpoint, weights, classes=classes, resolution=recipe.resolution)
        if recipe.head == "library":
            weight = head_of(model).weight
            drawn = library_head((weight[0].numel(), classes), run.seed).T
            with torch.no_grad():
                weight.copy_(torch.from_numpy(np.ascontiguousarray(drawn)).view_as(weight))
    for module in model.modules():
        if hasattr(module, "fused_attn"):
            setattr(module, "fused_attn", True)  # noqa: B010 (a Module's attributes have no types)
    set_dropout(model, recipe.dropout)
    return model


def outputs_of(model: nn.Module) -> int:
    """Return the number of logits."""
    weight = getattr(head_of(model), "weight", None)
    return int(weight.shape[0]) if weight is not None else int(getattr(model, "num_classes", 0))


def head_of(model: nn.Module) -> nn.Linear:
    """Return the layer that gives the logits (a 1 x 1 convolution in BiT)."""
    head: nn.Linear = model.get_classifier()  # type: ignore[operator]
    return head


def set_dropout(model: nn.Module, rate: float) -> None:
    """Set a transformer's dropout where the authors have it; other networks have none.

    After the positional embedding is added, after attention's output projection and after both layers of each
    MLP; not on the attention weights (vision_transformer, models_vit.py; attention_dropout_rate is 0 in all configs).
    """
    if isinstance(model, VisionTransformer):
        places: list[Any] = [model.pos_drop]
        blocks: Any = model.blocks
        for block in blocks:
            places += [block.attn.proj_drop, block.mlp.drop1, block.mlp.drop2]
        for place in places:
            place.p = rate


def at_side(model: nn.Module, run: Run, weights: Weights) -> nn.Module:
    """Return a trained network for the test input's size: positional embeddings are interpolated to another one."""
    side = run.recipe.side
    if run.recipe.frozen or side == run.recipe.resolution or not isinstance(model, VisionTransformer):
        return model
    if isinstance(model, ReferenceViT):
        given = npz_layout.check(weights, npz_layout.describe(weights), run.checkpoint.id)
        _, trained = npz_layout.adapt(given, npz_layout.describe(given), run.dataset.classes, run.recipe.resolution)
        return build.load(
            build.export(model, trained),
            resolution=side,
            numerics=numerics_of(run.checkpoint),
            where=run.checkpoint.id,
        )
    model.set_input_size(img_size=(side, side))
    return model


def batch_normalised(model: nn.Module) -> bool:
    """Return whether a network normalises over the batch: its results depend on what is computed at once."""
    return any(isinstance(module, _BatchNorm) for module in model.modules())


def blocks_of(model: nn.Module) -> list[nn.Module]:
    """Return the blocks that a network is made of, a transformer's, those of each stage, or both."""
    return [part for name, part in model.named_modules() if name.split(".")[-2:-1] == ["blocks"]]


def convolutional(model: nn.Module) -> bool:
    """Return whether convolutions make up a good part of the network."""
    stem = getattr(model, "patch_embed", None)
    return isinstance(model, (ResNetV2, ConvNeXt)) or isinstance(stem, HybridEmbed)


def plain_format(model: nn.Module, run: Run, execution: Execution, here: DeviceContext) -> torch.memory_format:
    """Lay a network's weights out for the faster way to compute a run by PyTorch's operations; return the layout.

    Args:
        model: on the device.
        run: what is computed.
        execution: where notes on this machine are kept.
        here: device and precision.
    """
    recipe = run.recipe
    notes = Notes(None if execution.folder is None else execution.folder / "memory_formats.json")
    side = recipe.side if recipe.frozen else recipe.resolution
    return faster_format(model, 3, side, here, training=not recipe.frozen, notes=notes)


def faster_format(
    model: nn.Module,
    channels: int,
    side: int,
    context: DeviceContext,
    training: bool = True,
    notes: Notes | None = None,
) -> torch.memory_format:
    """Return the faster memory format of a network on an accelerator, by trying both, and set the weights to it.

    cuDNN's tensor cores want channels last, PyTorch's group norm contiguous channels; which wins depends on
    the network's width and the card. On a CPU the format is always contiguous: it is part of the numerics.

    Args:
        model: on the device.
        channels: of its input.
        side: of its input in pixels.
        context: device and precision.
        training: try forward and backward passes; otherwise forward passes alone.
        notes: what was found before, so that every seed is computed in the same format.
    """
    if not context.accelerated or not convolutional(model) or batch_normalised(model):
        model.to(memory_format=torch.contiguous_format)
        return torch.contiguous_format
    kind = "training" if training else "evaluation"
    size = sum(parameter.numel() for parameter in model.parameters())
    key = f"memory format|{type(model).__name__}|{size}|{side}|{kind}|{context.precision}|{context.card()}"
    noted = None if notes is None else notes.get(key)
    found = FORMATS.get(noted) if isinstance(noted, str) else None
    if found is None:
        found = _tried(model, channels, side, context, training)
        if notes is not None:
            notes.put(key, next(name for name, each in FORMATS.items() if each is found))
    model.to(memory_format=found)
    return found


def _tried(model: nn.Module, channels: int, side: int, context: DeviceContext, training: bool) -> torch.memory_format:
    drawn = torch.Generator().manual_seed(0)
    for count in TRIED:
        seconds: dict[torch.memory_format, float] = {}
        images = torch.randn(count, channels, side, side, generator=drawn).to(context.device)
        for memory_format in FORMATS.values():
            model.to(memory_format=memory_format)
            found = attempted(
                partial(_seconds, model, images.contiguous(memory_format=memory_format), context, training)
            )
            seconds[memory_format] = float("inf") if found is None else found
            model.zero_grad()
        if min(seconds.values()) < float("inf"):
            return min(seconds, key=lambda one: seconds[one])
    return torch.contiguous_format


def _seconds(model: nn.Module, images: torch.Tensor, context: DeviceContext, training: bool) -> float:
    """Return the seconds of a pass on a CUDA device, the better of two after a first one."""
    times = []
    for _ in range(3):
        torch.cuda.synchronize(context.device)
        start = time.perf_counter()
        with torch.set_grad_enabled(training), context.autocast():
            loss = model(images).sum()
        if training:
            loss.backward()
        torch.cuda.synchronize(context.device)
        times.append(time.perf_counter() - start)
    return min(times[1:])
