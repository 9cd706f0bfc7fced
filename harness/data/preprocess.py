"""Preprocessing as data: resize and crop of a test image; and the check of a model's inputs.

Resizing is PyTorch's: without antialiasing, its bilinear is TensorFlow's `tf.image.resize` (half-pixel
centres), which the authors evaluate with; with antialiasing, bilinear and bicubic are Pillow's, which
timm evaluates with. Bicubic without antialiasing differs between the libraries (a = -0.75 here), so it
is refused. What a training step sees of an image is `harness.data.augment`'s.
"""

from __future__ import annotations

import math
from typing import Any, Literal

import numpy as np
import numpy.typing as npt
from pydantic.dataclasses import dataclass

from harness.core.errors import ClaimsError
from harness.core.specs import STRICT, Count, Recipe, build
from harness.data.decoding import Pixels

Levels = npt.NDArray[np.float32]
"""One image, float32 (H, W, 3)."""
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
    crop: Literal["none", "centre"] = "none"
    crop_side: Count | None = None
    """Pixels; None: no crop."""
    crop_rounding: Literal["down", "nearest"] = "down"
    """Of half of the pixels that a centre crop leaves; "nearest": to the even one of two that are as near."""

    def __post_init__(self) -> None:
        if (self.crop == "none") != (self.crop_side is None):
            raise ValueError("a crop needs crop_side, and crop_side needs a crop")


def eval_rule(recipe: Recipe) -> Preprocessing:
    """Return what a recipe does with a test image before it is normalised.

    Raises:
        ClaimsError: a resize that no library does, e.g. bicubic without antialiasing.
    """
    side = recipe.side
    cropped = recipe.test_resize == "short side" or recipe.test_crop_share < 1
    target = math.floor(side / recipe.test_crop_share)
    values = {"interpolation": recipe.test_interpolation, "antialias": recipe.test_antialias}
    resize = build(Resize, {"to": recipe.test_resize, "side": target, **values}, f"recipe {recipe.id}: test resize")
    return Preprocessing(resize, "centre", side, recipe.test_crop_rounding) if cropped else Preprocessing(resize)


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


def crop_box(rule: Preprocessing, height: int, width: int) -> Box:
    """Return what a centre crop takes of an image of this size; an odd pixel is left at the bottom and the right.

    Args:
        rule: with a crop.
        height: of the image, pixels.
        width: of the image, pixels.

    Raises:
        ClaimsError: the image is smaller than the crop.
    """
    side = rule.crop_side or 0
    if height < side or width < side:
        raise ClaimsError(
            f"crop: expected images of at least {side}x{side} pixels, found {height}x{width}; set a larger resize"
        )
    halves = (height - side) / 2, (width - side) / 2
    top, left = (math.floor(half) if rule.crop_rounding == "down" else round(half) for half in halves)
    return Box(top, left, side, side)


def check_inputs(batch: Any, where: str = "model", low: float = -1.0, high: float = 1.0) -> None:
    """Raise unless a batch has the values that a model was trained on; called before each forward pass.

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
