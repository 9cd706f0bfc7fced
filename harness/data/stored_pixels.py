"""A split's stored pixels: their sizes, the pixels themselves, and the values that a recipe gives their levels."""

from __future__ import annotations

import numpy as np
import numpy.typing as npt

from harness.core.specs import Recipe
from harness.data.pixel_cache import PixelCache
from harness.data.rng import Indices
from harness.data.splits import Split


def sizes(split: Split) -> tuple[Indices, Indices, int]:
    """Return heights (N,), widths (N,) and the number of channels of a split's images."""
    if isinstance(split.images, PixelCache):
        table = split.images.index if split.index is None else split.images.index[split.index]
        return table[:, 1], table[:, 2], 3
    shape = split.images.shape
    high, wide = (np.full(len(split), side, np.int64) for side in shape[1:3])
    return high, wide, shape[3] if len(shape) == 4 else 1


def stored_image(split: Split, example: int) -> npt.NDArray[np.uint8]:
    """Return one example's stored pixels, (H, W, C), not copied."""
    at = example if split.index is None else int(split.index[example])
    if isinstance(split.images, PixelCache):
        return split.images.image(at)
    image: npt.NDArray[np.uint8] = split.images[at]
    return image[..., None] if image.ndim == 2 else image


def first_pixels(heights: Indices, row: Indices, images: Indices, top: Indices, left: Indices) -> Indices:
    """Return which pixel of a split of one size is the top left one of each box, (n,), all images in one row.

    Args:
        heights: (n,) of the images, pixels.
        row: (n,) pixels from one row of an image to the next.
        images: (n,) their places in the split.
        top: (n,) of the boxes.
        left: (n,) likewise.
    """
    first: Indices = images * (heights * row) + top * row + left
    return first


def copy_boxes(split: Split, examples: Indices, boxes: Indices, to: npt.NDArray[np.uint8]) -> None:
    """Copy the stored pixels of one box (top, left, height, width) of each example to rows of `to`, (P, C).

    One box comes after the other, each row by row.
    """
    ends = np.cumsum(boxes[:, 2] * boxes[:, 3])
    for example, end, (top, left, height, width) in zip(examples, ends, boxes, strict=True):
        image = stored_image(split, int(example))[top : top + height, left : left + width]
        to[end - height * width : end] = image.reshape(-1, to.shape[1])


def stored_images(split: Split, start: int, stop: int) -> npt.NDArray[np.uint8]:
    """Return the stored pixels of successive examples of one size, (n, H, W, C)."""
    if isinstance(split.images, PixelCache):
        return np.stack([stored_image(split, example) for example in range(start, stop)])
    chosen = split.images[start:stop] if split.index is None else split.images[split.index[start:stop]]
    chosen = np.require(chosen, requirements="W")  # PyTorch wants arrays that it could write to
    return chosen[..., None] if chosen.ndim == 3 else chosen


def one_size(split: Split) -> bool:
    """Return whether all images have the same size."""
    high, wide, _ = sizes(split)
    return len(high) > 0 and bool((high == high[0]).all() and (wide == wide[0]).all())


def limits(recipe: Recipe) -> tuple[float, float]:
    """Return the least value of the level 0 and the greatest of the level 255 in any channel."""
    means, stds = (each if isinstance(each, tuple) else (each,) * 3 for each in (recipe.mean, recipe.std))
    channels = list(zip(means, stds, strict=True))
    return min((0 - mean) / std for mean, std in channels), max((1 - mean) / std for mean, std in channels)
