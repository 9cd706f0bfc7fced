"""Augmentation: the examples of a training step, the crop of each image, flips, and mixup.

Plain numpy, from raw words keyed by (stream, seed, step) alone: a resumed run, another split of the batch, several
devices and the other framework see the same batches. Pixels are touched by whoever trains; here is only where
they are taken from, as the taps of a bilinear interpolation (half-pixel centres, no antialiasing: TensorFlow's
`tf.image.resize`, which the authors train with).
"""

from __future__ import annotations

from dataclasses import dataclass

import numpy as np
import numpy.typing as npt

from harness.core.specs import Recipe
from harness.data.rng import Indices, Words, permutation, raw_words
from harness.data.splits import batch_indices

VIEW_STREAM = 0x71E3
MIXUP_STREAM = 0x313C
DROPOUT_STREAM = 0xD209
ASPECT = (3 / 4, 4 / 3)
"""Width by height of an Inception crop (tf.image.sample_distorted_bounding_box's range)."""
LEAST_AREA = 0.05
"""Smallest share of the image that an Inception crop takes (the authors' input_pipeline.py)."""
ATTEMPTS = 10
"""Draws of an Inception crop before the whole image is taken."""
WORDS = 1 + 4 * ATTEMPTS
"""Random words of one image in one step: one for the flip, the others for the crop, used up or not."""


@dataclass(frozen=True, eq=False)
class Draw:
    """The examples of one step that one process computes, m of the batch's n."""

    index: Indices
    """(n,): the whole batch as indices among the training examples."""
    needed: Indices
    """(k,): positions in the batch of the images that are read, each once."""
    own: Indices
    """(m,): where the process' examples stand in `needed`."""
    partners: Indices | None = None
    """(m,): where the images that they are mixed with stand in `needed`; None: no mixup."""
    share: float = 1.0
    """Of an image in its mixture; its partner has the rest."""


def draw(n: int, recipe: Recipe, seed: int, step: int, rank: int = 0, world: int = 1) -> Draw:
    """Return the examples of a step.

    Mixup is BiT-HyperRule's: one share per step from beta(alpha, alpha), partners by a permutation of the batch
    (big_transfer, bit_pytorch/train.py).

    Args:
        n: number of training examples.
        recipe: batch size and mixup.
        seed: the run's.
        step: counted from 0.
        rank: of the process, which takes every world-th example of the batch.
        world: number of processes.
    """
    index = batch_indices(n, recipe.batch_size, step, seed)
    mine = np.arange(len(index))[rank::world]
    if not recipe.mixup:
        return Draw(index, mine, np.arange(len(mine)))
    from scipy.special import betaincinv

    # The distribution's inverse at a uniform number that is neither 0 nor 1.
    uniform = ((int(raw_words(MIXUP_STREAM, seed, step, 1)[0]) >> 12) + 0.5) / 2**52
    share = float(betaincinv(recipe.mixup, recipe.mixup, uniform))
    partners = permutation(len(index), MIXUP_STREAM, seed, step, 1)[mine]
    needed, where = np.unique(np.concatenate([mine, partners]), return_inverse=True)
    return Draw(index, needed, where[: len(mine)], where[len(mine) :], share)


def is_random(recipe: Recipe) -> bool:
    """Return whether the same image gives other inputs in other steps (mixup apart)."""
    return recipe.flip or recipe.crop != "none"


@dataclass(frozen=True, eq=False)
class Views:
    """What a step takes of n images: a box, stretched to a square, of which a window is the input."""

    boxes: Indices
    """(n, 4): top, left, height, width in pixels of the stored image."""
    stretched: int
    """Side of the square that each box is stretched to."""
    windows: Indices
    """(n, 2): top, left of the input in that square."""
    side: int
    """Side of the input."""
    flips: npt.NDArray[np.bool_]
    """(n,): whether left and right change places."""

    def __getitem__(self, chosen: Indices) -> Views:
        """Return the views of some of the images."""
        return Views(self.boxes[chosen], self.stretched, self.windows[chosen], self.side, self.flips[chosen])


def views(recipe: Recipe, heights: Indices, widths: Indices, seed: int, step: int) -> Views:
    """Return what a step takes of the images of its batch.

    Args:
        recipe: resolution, train_resize, crop and flip.
        heights: (n,) of the stored images, pixels, in the order of the batch.
        widths: (n,) likewise.
        seed: the run's.
        step: counted from 0.
    """
    n, side = len(heights), recipe.resolution
    zeros = np.zeros(n, np.int64)
    boxes = np.stack([zeros, zeros, heights, widths], axis=1)
    windows, stretched, flips = np.zeros((n, 2), np.int64), side, np.zeros(n, np.bool_)
    if is_random(recipe):
        words = raw_words(VIEW_STREAM, seed, step, n * WORDS).reshape(n, WORDS)
        if recipe.flip:
            flips = (words[:, 0] >> np.uint64(63)).astype(np.bool_)
        if recipe.crop == "random":
            stretched = recipe.train_resize or side
            windows = (words[:, 1:3] % np.uint64(stretched - side + 1)).astype(np.int64)
        elif recipe.crop == "inception":
            boxes = inception_boxes(LEAST_AREA, heights, widths, words[:, 1:])
    return Views(boxes, stretched, windows, side, flips)


def inception_boxes(least: float, heights: Indices, widths: Indices, words: Words) -> Indices:
    """Return (n, 4) top, left, height, width: the first of each image's draws that fits it, else the whole image.

    Args:
        least: smallest share of the image's area.
        heights: (n,) pixels.
        widths: (n,) pixels.
        words: (n, 4 * ATTEMPTS).
    """
    u = words.astype(np.float64).reshape(len(heights), -1, 4) / 2**64
    high, wide = heights[:, None], widths[:, None]
    area = (least + (1 - least) * u[..., 0]) * high * wide
    aspect = ASPECT[0] + (ASPECT[1] - ASPECT[0]) * u[..., 1]
    h, w = np.rint(np.sqrt(area / aspect)).astype(np.int64), np.rint(np.sqrt(area * aspect)).astype(np.int64)
    fits = (h > 0) & (h <= high) & (w > 0) & (w <= wide)
    first = fits.argmax(axis=1)
    at = np.arange(len(heights)), first
    h, w = h[at], w[at]
    top = (u[..., 2][at] * (heights - h + 1)).astype(np.int64)
    left = (u[..., 3][at] * (widths - w + 1)).astype(np.int64)
    whole = np.stack([0 * h, 0 * w, heights, widths], axis=1)
    return np.where(fits[at][:, None], np.stack([top, left, h, w], axis=1), whole)


@dataclass(frozen=True, eq=False)
class Taps:
    """Along one axis, the two pixels that each pixel of the input lies between."""

    low: npt.NDArray[np.int32]
    """(n, side): position of the first in its box."""
    high: npt.NDArray[np.int32]
    """(n, side): position of the second, never beyond the box."""
    weight: npt.NDArray[np.float32]
    """(n, side): share of the second; the first has the rest."""

    def flipped(self, flips: npt.NDArray[np.bool_]) -> Taps:
        """Return the taps of images of which some, (n,), are read backwards."""
        low, high, weight = (
            np.where(flips[:, None], part[:, ::-1], part) for part in (self.low, self.high, self.weight)
        )
        return Taps(low.astype(np.int32), high.astype(np.int32), weight.astype(np.float32))


def taps(seen: Views) -> tuple[Taps, Taps]:
    """Return the taps along the rows (top to bottom) and along the columns, flips done."""
    rows = _taps(seen.boxes[:, 2], seen.windows[:, 0], seen)
    columns = _taps(seen.boxes[:, 3], seen.windows[:, 1], seen)
    return rows, columns.flipped(seen.flips)


def _taps(extent: Indices, window: Indices, seen: Views) -> Taps:
    centres = (window[:, None] + np.arange(seen.side) + 0.5) * (extent[:, None] / seen.stretched) - 0.5
    at = np.clip(centres, 0, extent[:, None] - 1)
    low = np.floor(at)
    high = np.minimum(low + 1, extent[:, None] - 1)
    return Taps(low.astype(np.int32), high.astype(np.int32), (at - low).astype(np.float32))


def dropout_seed(seed: int, step: int, rank: int = 0) -> int:
    """Return what a framework's random state is seeded with before a step: nothing of it need be saved."""
    return int(raw_words(DROPOUT_STREAM, seed, step, rank, 1)[0] >> np.uint64(1))
