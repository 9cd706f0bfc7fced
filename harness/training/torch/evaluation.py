"""What a network makes of every example of a split: the predicted class, or the features before the head."""

from __future__ import annotations

import contextlib
import math
import os
from collections.abc import Callable, Generator, Iterator
from concurrent.futures import ThreadPoolExecutor
from functools import partial
from typing import Any

import numpy as np
import numpy.typing as npt
import torch
from torch import Tensor, nn
from torch.nn import functional

from harness.core.errors import TooLittleMemory
from harness.core.specs import Recipe
from harness.data.preprocess import Preprocessing, check_inputs, crop_box, eval_rule, resized
from harness.data.splits import Split
from harness.data.stored_pixels import limits, one_size, stored_image, stored_images
from harness.models.torch.folding import folded
from harness.training.api import EVALUATION_BATCH
from harness.training.outcome import NOT_YET, UNDECIDED
from harness.training.torch.device import AsyncReadback, DeviceContext
from harness.training.torch.inputs import laid_out, normalised
from harness.training.torch.memory import attempted


@torch.inference_mode()
def predict(
    model: nn.Module,
    images: Tensor,
    context: DeviceContext,
    memory_format: torch.memory_format = torch.contiguous_format,
    batch: int = EVALUATION_BATCH,
) -> npt.NDArray[np.int64]:
    """Return the predicted class of every image, shape (N,), the last partial batch included.

    UNDECIDED where logits are not finite.

    Args:
        model: put into evaluation mode.
        images: (N, C, H, W) float32, normalised.
        context: its device and precision.
        memory_format: of the model's weights.
        batch: images at once.
    """
    if model.training:
        model.eval()
    return classes(model, images, context, memory_format, batch).cpu().numpy()


def classes(
    model: nn.Module, images: Tensor, context: DeviceContext, memory_format: torch.memory_format, batch: int
) -> Tensor:
    """Return what `predict` returns, on the device, which may still be computing it."""
    parts = []
    for part in images.split(batch):
        inputs = laid_out(part.to(context.device, non_blocking=True), memory_format)
        logits = model(inputs)
        parts.append(logits.argmax(dim=1).where(logits.isfinite().all(dim=1), UNDECIDED))
    return torch.cat(parts)


@contextlib.contextmanager
def without_gradients(context: DeviceContext) -> Iterator[None]:
    """Compute without gradients, and as fast as can be: in inference mode autocast would convert every weight anew."""
    with torch.inference_mode(context.lower is None), torch.no_grad():
        yield


def evaluate(
    model: nn.Module,
    split: Split,
    recipe: Recipe,
    context: DeviceContext,
    where: str,
    memory_format: torch.memory_format = torch.contiguous_format,
    on_images: Callable[[int, int], None] | None = None,
) -> npt.NDArray[np.int64]:
    """Return the predicted class of every example of a split, shape (N,), each predicted exactly once.

    UNDECIDED where logits are not finite.

    In batches of EVALUATION_BATCH, which on an accelerator are computed in smaller parts if memory is short;
    several processes take turns at the batches.

    Args:
        model: on the machine's device; put into evaluation mode.
        split: the scored examples.
        recipe: test size and precision.
        context: where to compute.
        where: the checkpoint, for messages.
        memory_format: of the model's weights.
        on_images: called with the number of examples begun, and of all.

    Raises:
        ClaimsError: memory is too small for one image; images smaller than the crop.
    """
    predictions = torch.full((len(split),), NOT_YET, dtype=torch.int64)

    def compute(images: Tensor, size: int) -> Tensor:
        return classes(model, images, context, memory_format, size)

    with without_gradients(context):
        for start, part in _computed(model, compute, split, recipe, context, where, on_images):
            predictions[start : start + len(part)] = part
    if context.world > 1:
        shared = predictions.to(context.device)
        torch.distributed.all_reduce(shared, torch.distributed.ReduceOp.MAX)
        predictions = shared.cpu()
    if (predictions == NOT_YET).any():
        raise AssertionError("an example was not predicted")
    return predictions.numpy()


def features(
    model: nn.Module,
    split: Split,
    recipe: Recipe,
    context: DeviceContext,
    where: str,
    memory_format: torch.memory_format = torch.contiguous_format,
    on_images: Callable[[int, int], None] | None = None,
) -> npt.NDArray[np.float32]:
    """Return the input of the network's head for every example of a split, float32 (N, D), as it is in a prediction.

    Arguments and errors as of `evaluate`; the images are those of a test.
    """
    found: list[Tensor] = []

    def compute(images: Tensor, size: int) -> Tensor:
        parts = (laid_out(part.to(context.device, non_blocking=True), memory_format) for part in images.split(size))
        return torch.cat([_before_head(model, part) for part in parts])

    with without_gradients(context):
        for start, part in _computed(model, compute, split, recipe, context, where, on_images):
            if not found:
                found.append(torch.zeros(len(split), part.shape[1]))
            found[0][start : start + len(part)] = part
    if context.world > 1:  # whoever had no batch does not know the number of features
        width = torch.tensor([found[0].shape[1] if found else 0], device=context.device)
        torch.distributed.all_reduce(width, torch.distributed.ReduceOp.MAX)
        shared = (found[0] if found else torch.zeros(len(split), int(width))).to(context.device)
        torch.distributed.all_reduce(shared)
        found = [shared.cpu()]
    return found[0].numpy()


def _before_head(model: Any, images: Tensor) -> Tensor:
    """Return the head's input for images of the model's layout, float32 (n, D): timm's models share these two names."""
    before: Tensor = model.forward_head(model.forward_features(images), pre_logits=True)
    return before.flatten(1).float()


def _computed(
    model: nn.Module,
    compute: Callable[[Tensor, int], Tensor],
    split: Split,
    recipe: Recipe,
    context: DeviceContext,
    where: str,
    on_images: Callable[[int, int], None] | None,
) -> Iterator[tuple[int, Tensor]]:
    """Yield (first example, what is computed of it and those after it, on the host) for this process' batches.

    Args:
        model: put into evaluation mode, weights standardised once.
        compute: of a batch, so many images at a time, on the device.
        split: as of `evaluate`, like the rest.
        recipe: likewise.
        context: likewise.
        where: likewise.
        on_images: likewise.
    """
    model.eval()
    starts = range(context.rank * EVALUATION_BATCH, len(split), context.world * EVALUATION_BATCH)
    size = EVALUATION_BATCH
    readback = AsyncReadback(context, lag=1)  # the device computes one batch while the next one is prepared
    once = folded(model, dtype=context.lower)
    with once, context.autocast(), contextlib.closing(eval_inputs(split, recipe, starts, context)) as batches:
        for start, images in zip(starts, batches, strict=True):
            if start == starts[0]:
                check_inputs(images, where, *limits(recipe))
            attempt = partial(compute, images)
            while (found := attempted(partial(attempt, size))) is None:
                if size == 1:
                    raise TooLittleMemory(f"{where}: expected memory to evaluate one image, found too little")
                size = math.ceil(size / 2)
            yield from readback.add(start, found)
            if on_images is not None:
                on_images(min(start + EVALUATION_BATCH, len(split)), len(split))
        yield from readback.due()


def eval_inputs(split: Split, recipe: Recipe, starts: range, context: DeviceContext) -> Generator[Tensor]:
    """Yield the inputs (n, C, side, side) of the batches that begin at `starts`, the next ones prepared ahead.

    Images of one size are resized on the device, a batch at once; others by threads, each as it is.
    """
    rule = eval_rule(recipe)
    same = one_size(split)

    def prepare(start: int) -> Tensor:
        examples = range(start, min(start + EVALUATION_BATCH, len(split)))
        if same:
            return torch.from_numpy(stored_images(split, examples.start, examples.stop)).movedim(3, 1)
        return torch.from_numpy(np.stack([_cropped(stored_image(split, one), rule) for one in examples])).movedim(3, 1)

    def pinned(start: int) -> Tensor:
        return prepare(start).pin_memory() if context.device.type == "cuda" else prepare(start)

    def done(stored: Tensor) -> Tensor:
        levels = stored.to(context.device, non_blocking=True).to(torch.float32)
        return normalised(resized_batch(levels, rule) if same else levels, recipe)

    workers = min(8, os.cpu_count() or 1) if context.accelerated else 1
    with ThreadPoolExecutor(workers, "test inputs") as pool:
        futures = [pool.submit(pinned, start) for start in starts[: workers + 1]]
        try:
            for number in range(len(starts)):
                stored = futures.pop(0).result()
                if number + workers + 1 < len(starts):
                    futures.append(pool.submit(pinned, starts[number + workers + 1]))
                yield done(stored)
        finally:
            for future in futures:
                future.cancel()


def resized_batch(levels: Tensor, rule: Preprocessing) -> Tensor:
    """Return images of one size, levels (N, C, H, W) float32, resized and cropped: preprocess.resized of each."""
    size = tuple(levels.shape[2:])
    if rule.resize is not None and rule.resize.size(size[0], size[1]) != size:
        resize = rule.resize
        to = resize.size(size[0], size[1])
        levels = functional.interpolate(
            levels, size=to, mode=resize.interpolation, align_corners=False, antialias=resize.antialias
        )
        if resize.interpolation == "bicubic":
            levels = levels.clamp(0, 255)
    if rule.crop == "none":
        return levels
    box = crop_box(rule, levels.shape[2], levels.shape[3])
    return levels[:, :, box.top : box.top + box.height, box.left : box.left + box.width]


def _cropped(image: npt.NDArray[np.uint8], rule: Preprocessing) -> npt.NDArray[Any]:
    """Return an image's levels in the size of the input, a view and a quarter of the bytes if stored in its size."""
    as_stored = rule.resize is None or rule.resize.size(*image.shape[:2]) == image.shape[:2]
    levels: npt.NDArray[Any] = image if as_stored else resized(image, rule.resize)
    if rule.crop == "none":
        return levels
    box = crop_box(rule, levels.shape[0], levels.shape[1])
    return levels[box.top : box.top + box.height, box.left : box.left + box.width]
