"""Preprocessing as data: resize, crop, flip, value range; and the check at the model's door.

Resizing is PyTorch's: without antialiasing, its bilinear is TensorFlow's `tf.image.resize` (half-pixel
centres), which the authors evaluate with; with antialiasing, bilinear and bicubic are Pillow's, which
timm evaluates with. Bicubic without antialiasing differs between the libraries (a = -0.75 here), so it
is refused. Random choices come from raw words of a key (seed, epoch, example): the same on every machine.
"""

from __future__ import annotations

import math
from dataclasses import replace
from typing import Annotated, Any, Literal

import numpy as np
import numpy.typing as npt
from pydantic import Field
from pydantic.dataclasses import dataclass

from harness.core.errors import ClaimsError
from harness.core.specs import STRICT, Count, Recipe
from harness.data.decoding import Pixels
from harness.data.rng import raw_words

Levels = npt.NDArray[np.float32]
"""One image, float32 (H, W, 3)."""
CROP_STREAM = 0xC409
ASPECT = (3 / 4, 4 / 3)
"""Width by height of an Inception crop (tf.image.sample_distorted_bounding_box's range)."""
ATTEMPTS = 10
"""Draws of an Inception crop before the whole image is taken."""
FEW = 8
"""Fewer images than this may all be bright."""


@dataclass(frozen=True, config=STRICT)
class Resize:
    """How an image gets another size."""

    to: Literal["square", "short side"]
    """`square` stretches to side x side; `short side` keeps the aspect ratio, the long side rounded down."""
    side: Count
    """Pixels."""
    interpolation: Literal["bilinear", "bicubic"] = "bilinear"
    antialias: bool = False

    def __post_init__(self) -> None:
        if self.interpolation == "bicubic" and not self.antialias:
            raise ValueError("bicubic without antialiasing differs between libraries; set antialias")

    def size(self, height: int, width: int) -> tuple[int, int]:
        """Return (height, width) after the resize."""
        if self.to == "square":
            return self.side, self.side
        short, long = min(height, width), max(height, width)
        other = max(self.side, self.side * long // short)
        return (self.side, other) if height <= width else (other, self.side)


@dataclass(frozen=True, config=STRICT)
class Preprocessing:
    """What happens between a decoded image and the model."""

    resize: Resize | None = None
    """Before the crop; None: the image's own size."""
    crop: Literal["none", "centre", "random", "inception"] = "none"
    """`inception`: a random part of the image's area and aspect ratio, resized to crop_side."""
    crop_side: Count | None = None
    """Pixels; None: no crop."""
    crop_rounding: Literal["down", "nearest"] = "down"
    """Of half of the pixels that a centre crop leaves; "nearest": to the even one of two that are as near."""
    flip: bool = False
    """Left to right, with probability one half."""
    least_area: Annotated[float, Field(gt=0, le=1)] = 0.05
    """Smallest share of the image that an Inception crop takes (the authors' 0.05)."""
    low: float = -1.0
    high: float = 1.0
    """The values of the levels 0 and 255: x * (high - low) / 255 + low, after all else."""

    def __post_init__(self) -> None:
        if (self.crop == "none") != (self.crop_side is None):
            raise ValueError("a crop needs crop_side, and crop_side needs a crop")
        if self.low >= self.high:
            raise ValueError("low must be below high")

    @property
    def is_random(self) -> bool:
        """Whether it needs a key."""
        return self.flip or self.crop in ("random", "inception")


def authors_evaluation(side: int = 384) -> Preprocessing:
    """Return the authors' evaluation: stretched to a square, no crop (vision_transformer, input_pipeline.py)."""
    return Preprocessing(resize=Resize("square", side))


def authors_training(side: int = 384) -> Preprocessing:
    """Return the authors' training: Inception crop and flip (vision_transformer, input_pipeline.py)."""
    return Preprocessing(crop="inception", crop_side=side, flip=True)


def bit_training(side: int = 448, crop: int = 384) -> Preprocessing:
    """Return BiT's training: square, random crop, flip (BiT-HyperRule; 160 and 128 for images under 96x96)."""
    return Preprocessing(resize=Resize("square", side), crop="random", crop_side=crop, flip=True)


def timm_evaluation(side: int, crop_share: float) -> Preprocessing:
    """Return timm's evaluation: short side to side / crop_share, bicubic, antialiased, centre crop."""
    resize = Resize("short side", math.floor(side / crop_share), "bicubic", antialias=True)
    return Preprocessing(resize=resize, crop="centre", crop_side=side)


def test_rule(recipe: Recipe) -> Preprocessing:
    """Return what a recipe does with a test image before it is normalised."""
    side = recipe.side
    short = recipe.test_resize == "short side"
    target = math.floor(side / recipe.test_crop_share) if short else side
    resize = Resize(recipe.test_resize, target, recipe.test_interpolation, recipe.test_antialias)
    return Preprocessing(resize, "centre", side, recipe.test_crop_rounding) if short else Preprocessing(resize)


def resized(image: npt.NDArray[Any], rule: Resize | None) -> Levels:
    """Return an image's levels 0 ... 255 after the resize, not rounded, float32 (h, w, 3)."""
    levels = np.ascontiguousarray(image, dtype=np.float32)
    if rule is None or rule.size(*image.shape[:2]) == image.shape[:2]:
        return levels
    import torch
    from torch.nn import functional

    pixels = torch.from_numpy(levels).movedim(2, 0)[None]
    size = rule.size(*image.shape[:2])
    done = functional.interpolate(
        pixels, size=size, mode=rule.interpolation, align_corners=False, antialias=rule.antialias
    )
    # Bicubic overshoots; levels end at 0 and 255.
    return done[0].movedim(0, 2).clamp(0, 255).contiguous().numpy()


def stored(image: Pixels, rule: Resize | None) -> Pixels:
    """Return an image resized and rounded to whole levels, uint8 (h, w, 3): what a cache keeps."""
    return image if rule is None else np.rint(resized(image, rule)).astype(np.uint8)


@dataclass(frozen=True)
class Box:
    """A part of an image, pixels."""

    top: int
    left: int
    height: int
    width: int


def crop_box(rule: Preprocessing, height: int, width: int, words: npt.NDArray[np.uint64]) -> Box:
    """Return what a crop takes of an image of this size.

    Args:
        rule: with a crop.
        height: of the image, pixels.
        width: of the image, pixels.
        words: 2 random words for a random crop, 4 * ATTEMPTS for an Inception crop, none otherwise.

    Raises:
        ClaimsError: the image is smaller than the crop.
    """
    side = rule.crop_side or 0
    if rule.crop == "inception":
        return inception_box(rule.least_area, height, width, words)
    if height < side or width < side:
        raise ClaimsError(
            f"crop: expected images of at least {side}x{side} pixels, found {height}x{width}; set a larger resize"
        )
    if rule.crop == "centre":
        halves = (height - side) / 2, (width - side) / 2
        top, left = (math.floor(half) if rule.crop_rounding == "down" else round(half) for half in halves)
        return Box(top, left, side, side)
    down, right = (int(word) for word in words[:2])
    return Box(down % (height - side + 1), right % (width - side + 1), side, side)


def inception_box(least: float, height: int, width: int, words: npt.NDArray[np.uint64]) -> Box:
    """Return a part of at least the share `least` of the area, with an aspect ratio of 3/4 to 4/3."""
    for draw in words.reshape(-1, 4):
        u = [int(word) / 2**64 for word in draw]
        area = (least + (1 - least) * u[0]) * height * width
        aspect = ASPECT[0] + (ASPECT[1] - ASPECT[0]) * u[1]
        h, w = round(math.sqrt(area / aspect)), round(math.sqrt(area * aspect))
        if 0 < h <= height and 0 < w <= width:
            return Box(int(u[2] * (height - h + 1)), int(u[3] * (width - w + 1)), h, w)
    return Box(0, 0, height, width)


def apply(image: Pixels, rule: Preprocessing, key: tuple[int, ...] | None = None) -> Levels:
    """Return the model's input of one image, float32 (h, w, 3), in [low, high].

    Args:
        image: uint8 (H, W, 3).
        rule: what to do.
        key: (seed, epoch, example), which the random choices are made of.

    Raises:
        ValueError: the rule is random and there is no key.
        ClaimsError: the image is smaller than the crop.
    """
    if rule.is_random and key is None:
        raise ValueError("a random crop or flip needs a key (seed, epoch, example)")
    words = raw_words(CROP_STREAM, *(key or (0,)), 1 + 4 * ATTEMPTS)
    levels = resized(image, rule.resize)
    if rule.crop != "none":
        box = crop_box(rule, levels.shape[0], levels.shape[1], words[1:])
        levels = levels[box.top : box.top + box.height, box.left : box.left + box.width]
        if rule.crop == "inception":
            levels = resized(levels, Resize("square", rule.crop_side or 0))
    if rule.flip and int(words[0]) >> 63:
        levels = levels[:, ::-1]
    return np.ascontiguousarray(levels * np.float32((rule.high - rule.low) / 255) + np.float32(rule.low))


def without_resize(rule: Preprocessing) -> Preprocessing:
    """Return what is left to do with images that a cache keeps resized."""
    return replace(rule, resize=None)


def check_inputs(batch: Any, where: str = "model", low: float = -1.0, high: float = 1.0) -> None:
    """Raise unless a batch has the values that a model was trained on; called at the model's door.

    Args:
        batch: (N, ...) float array or tensor.
        where: the model, for the message.
        low: the value of the level 0.
        high: the value of the level 255.

    Raises:
        ClaimsError: other values than floats within [low, high], or a batch of 8 or more images without
            any value in the lower half: most likely [0, 1] was fed where [-1, 1] is expected.
    """
    if "float" not in str(batch.dtype):
        raise ClaimsError(
            f"{where}: expected float inputs in [{low:g}, {high:g}], found {batch.dtype}; preprocess them"
        )
    least, most = float(batch.min()), float(batch.max())
    slack = 1e-5 * (high - low)
    if not (least >= low - slack and most <= high + slack):
        raise ClaimsError(
            f"{where}: expected inputs in [{low:g}, {high:g}], found [{least:g}, {most:g}]; scale levels by"
            " (x - 127.5) / 127.5"
        )
    if len(batch) >= FEW and least >= (low + high) / 2:
        raise ClaimsError(
            f"{where}: expected inputs in [{low:g}, {high:g}], found [{least:g}, {most:g}] in {len(batch)} images, as"
            " if scaled to [0, 1]; scale levels by (x - 127.5) / 127.5"
        )
