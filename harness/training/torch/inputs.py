"""From stored uint8 images to a network's inputs: resized or sampled, and normalised."""

from __future__ import annotations

import numpy as np
import numpy.typing as npt
import torch
from torch import Tensor
from torch.nn import functional

from harness.core.specs import Recipe


def to_inputs(images: npt.NDArray[np.uint8], resolution: int, recipe: Recipe | None = None) -> Tensor:
    """Return uint8 images (N, H, W) grey or (N, H, W, 3) as float32 (N, C, resolution, resolution), normalised.

    Straight resize, bilinear, not antialiased, no crop; (x - 127.5) / 127.5 after it, or as the recipe says
    (the authors' evaluation input, vision_transformer input_pipeline).
    """
    pixels = torch.from_numpy(images).to(torch.float32)
    pixels = pixels.unsqueeze(1) if pixels.ndim == 3 else pixels.movedim(3, 1)
    if pixels.shape[2:] != (resolution, resolution):
        pixels = functional.interpolate(pixels, size=(resolution, resolution), mode="bilinear", align_corners=False)
    return normalised(pixels, recipe)


def normalised(levels: Tensor, recipe: Recipe | None = None) -> Tensor:
    """Return levels 0 ... 255, (N, C, H, W), as (x / 255 - mean) / std; three channels where these are three."""
    mean, std = (0.5, 0.5) if recipe is None else (recipe.mean, recipe.std)
    if isinstance(mean, tuple) or isinstance(std, tuple):
        means, deviations = (
            torch.as_tensor(each, dtype=levels.dtype, device=levels.device).reshape(1, -1, 1, 1) for each in (mean, std)
        )
        return (levels - 255 * means) / (255 * deviations)
    return (levels - 255 * mean) / (255 * std)


def three_channels(images: Tensor) -> Tensor:
    """Return grey images (N, 1, H, W) as (N, 3, H, W); colour images as they are."""
    return images.expand(-1, 3, -1, -1) if images.shape[1] == 1 else images


def laid_out(images: Tensor, memory_format: torch.memory_format) -> Tensor:
    """Return a model's inputs: three channels, on an accelerator in the memory format that was found the faster one.

    Colour images are stored with channels last, and convolutions follow their input: without this, a network chosen
    to compute with contiguous channels would not. On a CPU they stay as they lie, for that is part of the numerics.
    """
    images = three_channels(images)
    if images.device.type == "cpu" and memory_format is not torch.channels_last:
        return images
    return images.contiguous(memory_format=memory_format)


def sample(
    pixels: Tensor,
    first: Tensor,
    row: Tensor,
    top: Tensor,
    bottom: Tensor,
    down: Tensor,
    left: Tensor,
    right: Tensor,
    across: Tensor,
) -> Tensor:
    """Return levels (n, side, side, C) float32, interpolated between four stored pixels each.

    Args:
        pixels: (P, C) uint8, all images' pixels.
        first: (n,) which pixel is the top left one of an image's box.
        row: (n,) pixels from one row of the image to the next.
        top: (n, side) augment.Taps.low of the rows.
        bottom: (n, side) augment.Taps.high of the rows.
        down: (n, side) augment.Taps.weight of the rows.
        left: (n, side) augment.Taps.low of the columns.
        right: (n, side) augment.Taps.high of the columns.
        across: (n, side) augment.Taps.weight of the columns.
    """
    starts = [(first[:, None] + y * row[:, None])[:, :, None] for y in (top.long(), bottom.long())]

    def taken(places: Tensor) -> Tensor:  # pixels[places], whole pixels copied at once
        return pixels.index_select(0, places.reshape(-1)).view(*places.shape, -1).to(torch.float32)

    def line(start: Tensor) -> Tensor:
        near, far = (taken(start + x.long()[:, None, :]) for x in (left, right))
        return torch.lerp(near, far, across[:, None, :, None])

    return torch.lerp(line(starts[0]), line(starts[1]), down[:, :, None, None])
