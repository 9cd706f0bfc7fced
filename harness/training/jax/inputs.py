"""From stored uint8 images to the model's inputs, NHWC: sampled where they are computed with, or computed once."""

from __future__ import annotations

import math
from collections.abc import Callable
from dataclasses import dataclass
from functools import lru_cache
from typing import Any, NamedTuple

import jax
import jax.numpy as jnp
import numpy as np
import numpy.typing as npt
from jax.sharding import NamedSharding

from harness.core.errors import ClaimsError
from harness.core.run import Run
from harness.core.specs import Recipe
from harness.data.augment import Draw, Views, draw, is_random, taps, views
from harness.data.preprocess import check_inputs
from harness.data.rng import Indices
from harness.data.splits import Split
from harness.data.stored_pixels import copy_boxes, first_pixels, limits, one_size, sizes
from harness.training.jax.device import DeviceContext
from harness.training.jax.step import Examples, Layout
from harness.training.prefetch import Prefetched, batches_ahead

PREPARED = 1 << 30
"""Largest size in bytes of training inputs that are computed once, where nothing about them is random."""
RESIDENT = 1 << 31
"""Largest number of stored pixels that are kept on the device; as many can be addressed there."""
ALIGNED = 64
"""Bytes to whose multiples arrays must begin that XLA computes with on a CPU as they lie."""
CACHED = 1 << 16
"""Bytes of inputs that are computed at once on a CPU: they and what they are made of stay in its cache."""
STEPS = 8
"""Pixels that come with a batch are filled up to a multiple of a STEPS-th of a power of two: sizes, and so programs,
are few, and little is filled."""


Numbers = float | tuple[float, float, float]
"""A recipe's mean or std: of every channel, or of each."""


class Packed(NamedTuple):
    """What images are sampled from: host arrays, the pixels apart if they are on the device."""

    pixels: Any
    """(P, C) uint8."""
    first: Any
    """(n,) int32: which pixel is the top left one of an image's box."""
    row: Any
    """(n,) int32: pixels from one row of the image to the next."""
    top: Any
    """(n, side) augment.Taps.low of the rows, and so on."""
    bottom: Any
    down: Any
    left: Any
    right: Any
    across: Any


def scales(mean: Numbers, std: Numbers) -> tuple[Any, Any]:
    """Return 255 times each: a number of every channel as it is, those of three channels as (3,) float32."""

    def scale(value: Numbers) -> Any:
        return 255 * np.asarray(value, np.float32) if isinstance(value, tuple) else 255 * value

    return scale(mean), scale(std)


def sample(packed: Packed, mean: Numbers, std: Numbers) -> Any:
    """Return inputs (n, side, side, C) float32, interpolated between four pixels each and normalised.

    For arrays of numpy and of JAX alike.
    """
    pixels, first, row, top, bottom, down, left, right, across = packed

    def line(y: Any) -> Any:
        start = (first[:, None] + y * row[:, None])[:, :, None]
        near, far = (pixels[start + x[:, None, :]].astype(np.float32) for x in (left, right))
        return near + across[:, None, :, None] * (far - near)

    above, below = line(top), line(bottom)
    levels = above + down[:, :, None, None] * (below - above)
    shift, scale = scales(mean, std)
    return (levels - shift) / scale


@lru_cache(maxsize=8)
def _sampler(mean: Numbers, std: Numbers, shared_out: NamedSharding) -> Any:
    return jax.jit(lambda packed: sample(packed, mean, std), out_shardings=shared_out)


@lru_cache(maxsize=8)
def _taker(shared_out: NamedSharding) -> Any:
    return jax.jit(lambda inputs, examples: inputs[examples], out_shardings=shared_out)


class Pixels:
    """A split's stored pixels, on the device where they fit and all images have one size.

    On a CPU numpy samples: there is no other device, and nothing to compile.
    """

    def __init__(self, split: Split, recipe: Recipe, context: DeviceContext):
        self.split, self.recipe, self.context = split, recipe, context
        self.heights, self.widths, self.channels = sizes(split)
        self.resident: Any = None
        if one_size(split) and int((self.heights * self.widths).sum()) < RESIDENT:
            pixels = split.array().reshape(-1, self.channels)
            self.resident = jax.device_put(pixels, context.everywhere) if context.accelerated else pixels

    def prepare(self, examples: Indices, seen: Views) -> Packed:
        """Return what views of examples are sampled from; for threads."""
        top, left, height, width = seen.boxes.T
        if self.resident is not None:
            row = self.widths[examples]
            first = first_pixels(self.heights[examples], row, examples, top, left)
            pixels = None
        else:
            row, first = width, np.cumsum(height * width) - height * width
            pixels = self._packed(examples, seen.boxes)
        rows, columns = taps(seen)
        whole = (first.astype(np.int32), row.astype(np.int32))
        return Packed(pixels, *whole, rows.low, rows.high, rows.weight, columns.low, columns.high, columns.weight)

    def _packed(self, examples: Indices, boxes: Indices) -> npt.NDArray[np.uint8]:
        """Return the boxes' pixels (P, C), one image after the other, filled up."""
        count = int((boxes[:, 2] * boxes[:, 3]).sum())
        room = filled(count)
        if room > RESIDENT:
            raise ClaimsError(
                f"expected batches of at most {RESIDENT:,} stored pixels, found {count:,}; choose a smaller"
                " batch or a recipe whose images are stored smaller"
            )
        packed = np.empty((room, self.channels), np.uint8)
        copy_boxes(self.split, examples, boxes, packed)
        return packed

    def read(self, prepared: Packed, positions: Indices) -> Any:
        """Return the inputs (k, side, side, C) of some of what was prepared, shared out over the devices."""
        mean, std = self.recipe.mean, self.recipe.std
        pixels = self.resident if prepared.pixels is None else prepared.pixels
        chosen = Packed(pixels, *(part[positions] for part in prepared[1:]))
        if not self.context.accelerated:
            return sample(chosen, mean, std)
        return _sampler(mean, std, self.context.shared_out)(chosen)

    def stretched(self, examples: Indices, side: int) -> Any:
        """Return whole images as inputs (n, side, side, C), shared out over the devices; for threads.

        The same as what their whole views give, bit for bit.
        """
        if self.resident is not None and not self.context.accelerated:
            images = self.resident.reshape(-1, self.heights[0], self.widths[0], self.channels)[examples]
            return stretch(images, side, self.recipe.mean, self.recipe.std)
        seen = whole(self.heights[examples], self.widths[examples], side)
        return self.read(self.prepare(examples, seen), np.arange(len(examples)))


def stretch(images: npt.NDArray[np.uint8], side: int, mean: Numbers, std: Numbers) -> npt.NDArray[np.float32]:
    """Return inputs (n, side, side, C) of images (n, H, W, C) in numpy: `sample` of whole images, with less work.

    All have the same taps, so columns are interpolated once in each stored row, and nothing is where nothing is
    stretched; a few images at a time, because memory that is new to a process is slow.
    """
    height, width = images.shape[1:3]
    rows, columns = taps(whole(np.array([height]), np.array([width]), side))
    shift, scale = scales(mean, std)
    channels = 3 if isinstance(mean, tuple) or isinstance(std, tuple) else images.shape[3]
    inputs = aligned((len(images), side, side, channels))
    few = max(1, CACHED // inputs[:1].nbytes)
    for start in range(0, len(images), few):
        levels = images[start : start + few].astype(np.float32)
        if (height, width) != (side, side):
            # np.take and not an index, whose result lies across: what is computed with it takes five times as long.
            near, far = (np.take(levels, which[0], axis=2) for which in (columns.low, columns.high))
            lines = near + columns.weight[0][:, None] * (far - near)
            levels, below = (np.take(lines, which[0], axis=1) for which in (rows.low, rows.high))
            below -= levels
            below *= rows.weight[0][:, None, None]
            levels += below
        if channels == images.shape[3]:
            levels -= shift
        else:
            levels = levels - shift
        np.divide(levels, scale, out=inputs[start : start + few])
    return inputs


def aligned(shape: tuple[int, ...]) -> npt.NDArray[np.float32]:
    """Return an uninitialised array that JAX can use on a CPU without a copy.

    XLA reads what begins at a multiple of ALIGNED bytes; numpy's own arrays begin at multiples of 16.
    """
    size = 4 * math.prod(shape)
    room = np.empty(size + ALIGNED, np.uint8)
    begin = -room.ctypes.data % ALIGNED
    return room[begin : begin + size].view(np.float32).reshape(shape)


def filled(pixels: int) -> int:
    """Return a number of pixels rounded up to one of few sizes."""
    step = max(1, (1 << pixels.bit_length()) // (2 * STEPS))
    return -(-pixels // step) * step


def whole(heights: Indices, widths: Indices, side: int) -> Views:
    """Return whole images, each stretched to a square."""
    n = len(heights)
    zeros = np.zeros(n, np.int64)
    boxes = np.stack([zeros, zeros, heights, widths], axis=1)
    return Views(boxes, side, np.zeros((n, 2), np.int64), side, np.zeros(n, np.bool_))


@dataclass(frozen=True, eq=False)
class Batch:
    """One step's examples."""

    drawn: Draw
    labels: npt.NDArray[np.int32]
    """(n,): of the whole batch."""
    read: Callable[[Indices], Any]
    """Positions in the batch -> inputs (k, side, side, C)."""

    def rows(self, layout: Layout) -> Examples:
        """Return the batch in the rows of a layout."""
        positions = layout.positions()
        partners = positions if self.drawn.partners is None else self.drawn.partners[positions]
        images = self.read(positions)
        return Examples(images, self.labels[positions], partners.astype(np.int32), np.float32(self.drawn.share))


class Feed(Prefetched[tuple[Draw, Packed | None]]):
    """The batches of a run's steps, in order; the next ones are prepared while a step is computed.

    Args:
        split: the training examples.
        run: recipe and seed.
        context: the devices.
        first: the step to begin with.
    """

    def __init__(self, split: Split, run: Run, context: DeviceContext, first: int = 0):
        self.split, self.run, self.context = split, run, context
        recipe = run.recipe
        self.labels = split.labels.astype(np.int32)
        self.pixels = Pixels(split, recipe, context)
        self.channels = self.pixels.channels
        self._checked = False
        self._inputs = None
        if not is_random(recipe) and 4 * len(split) * recipe.resolution**2 * self.channels <= PREPARED:
            self._inputs = self._once()
        ahead = batches_ahead(context.accelerated) if self._inputs is None else 0
        super().__init__(first, recipe.steps or 0, ahead)

    def batch(self, step: int) -> Batch:
        """Return a step's batch; steps are asked for in order."""
        drawn, prepared = self.prepared(step)
        read = self._taken(drawn.index) if prepared is None else self._sampled(prepared)
        return Batch(drawn, self.labels[drawn.index], read)

    def _taken(self, index: Indices) -> Callable[[Indices], Any]:
        if not self.context.accelerated:
            return lambda positions: self._inputs[index[positions]]  # type: ignore[index]
        take = _taker(self.context.shared_out)
        return lambda positions: take(self._inputs, index[positions].astype(np.int32))

    def _sampled(self, prepared: Packed) -> Callable[[Indices], Any]:
        def read(positions: Indices) -> Any:
            inputs = self.pixels.read(prepared, positions)
            self._check(inputs)
            return inputs

        return read

    def _check(self, inputs: Any) -> None:
        if not self._checked:  # once: the same arithmetic on uint8 gives the same range ever after
            check_inputs(inputs, self.run.checkpoint.id, *limits(self.run.recipe))
            self._checked = True

    def prepare(self, step: int) -> tuple[Draw, Packed | None]:
        """Return a step's examples and what they are sampled from; None where all inputs are computed already."""
        # All images of the batch are read, each in its place: position and place in `needed` are the same.
        drawn = draw(len(self.split), self.run.recipe, self.run.seed, step)
        if self._inputs is not None:
            return drawn, None
        heights, widths = self.pixels.heights[drawn.index], self.pixels.widths[drawn.index]
        seen = views(self.run.recipe, heights, widths, self.run.seed, step)
        return drawn, self.pixels.prepare(drawn.index, seen)

    def _once(self) -> Any:
        """Return the inputs of all examples."""
        context, chunk = self.context, 256 * len(self.context.devices)
        parts = []
        for start in range(0, len(self.split), chunk):
            rows = np.minimum(np.arange(start, start + chunk), len(self.split) - 1)
            parts.append(np.asarray(self.pixels.stretched(rows, self.run.recipe.resolution))[: len(self.split) - start])
        done = np.concatenate(parts)
        self._check(done)
        return jax.device_put(jnp.asarray(done), context.everywhere) if context.accelerated else done
