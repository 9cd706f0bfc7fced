"""The official npz layouts of ViT, hybrid and BiT weights: what a file holds, and whether it holds all of it.

Our own check comes before any model is built: timm's npz loader accepts a wrong head count, a deeper file or
another patch size without a word.
"""

from __future__ import annotations

import dataclasses
import math
import re
from collections.abc import Mapping

import numpy as np

from harness.core.errors import ClaimsError
from harness.models.architectures import (
    REFERENCE,
    Architecture,
    BitArchitecture,
    HybridStem,
    Numerics,
    ViTArchitecture,
    expected_shapes,
)
from harness.models.npz import Array, read, require_finite_floats, write

__all__ = [
    "Architecture",
    "BitArchitecture",
    "HybridStem",
    "ViTArchitecture",
    "adapt",
    "canonical",
    "check",
    "describe",
    "expected_shapes",
    "read",
    "write",
]

POSITIONS = "Transformer/posembed_input/pos_embedding"
# Newer files number the layers of a block by kind, older ones in order.
OLD_NAMES = {
    "LayerNorm_1": "LayerNorm_2",
    "MultiHeadDotProductAttention_0": "MultiHeadDotProductAttention_1",
    "MlpBlock_0": "MlpBlock_3",
}
BLOCK = re.compile(r"^(Transformer/encoderblock_\d+/)([^/]+)(/.+)$")
GROUP_NORM = re.compile(r"(^|/)gn(\d+|_root|_proj)/(scale|bias)$")


def canonical(arrays: Mapping[str, Array], where: str = "") -> dict[str, Array]:
    """Return the arrays under the older key names, hybrid group norm parameters of shape (1, 1, 1, C).

    Raises:
        ClaimsError: a file holds the same layer under its older and its newer name.
    """
    renamed: dict[str, Array] = {}
    for key, array in arrays.items():
        match = BLOCK.match(key)
        name = f"{match[1]}{OLD_NAMES.get(match[2], match[2])}{match[3]}" if match else key
        if name in renamed:
            raise _error(where, f"expected one of the older and newer key names, found both for {name}")
        renamed[name] = array.reshape(1, 1, 1, -1) if GROUP_NORM.search(name) and array.ndim == 1 else array
    return renamed


def describe(arrays: Mapping[str, Array], where: str = "", expected: str | Architecture | None = None) -> Architecture:
    """Read the architecture off the arrays.

    Args:
        arrays: weights by key, with older or newer key names.
        where: the place they come from, for error messages.
        expected: a family ("vit", "hybrid", "bit") or a whole architecture that it must be.

    Raises:
        ClaimsError: what describes the architecture is missing, or it is not the expected one.
    """
    known = canonical(arrays, where)
    try:
        found = _describe(known)
        if expected is not None:
            _require_same(expected, found)
    except ClaimsError as error:
        raise _error(where, str(error)) from None
    return found


def check(arrays: Mapping[str, Array], architecture: Architecture, where: str = "") -> dict[str, Array]:
    """Refuse arrays that are not exactly those of the architecture.

    Returns:
        The arrays under their canonical names and shapes.

    Raises:
        ClaimsError: another architecture, a missing or left-over key, another shape, weights that are
            not finite floats; the line names the first key and the count.
    """
    known = canonical(arrays, where)
    describe(known, where, expected=architecture)
    shapes = expected_shapes(architecture)
    missing = sorted(shapes.keys() - known.keys())
    left_over = sorted(known.keys() - shapes.keys())
    if missing:
        raise _error(where, f"expected {len(shapes)} arrays, found {len(missing)} missing; first: {missing[0]}")
    if left_over:
        raise _error(where, f"expected {len(shapes)} arrays, found {len(left_over)} left over; first: {left_over[0]}")
    wrong = [key for key, shape in shapes.items() if known[key].shape != shape]
    if wrong:
        key = wrong[0]
        found = f"{known[key].shape} ({len(wrong)} arrays of another shape)"
        raise _error(where, f"{key}: expected shape {shapes[key]}, found {found}")
    for key, array in known.items():
        require_finite_floats(key, array, where or "weights")
    return known


def adapt(
    arrays: Mapping[str, Array],
    architecture: Architecture,
    classes: int | None = None,
    resolution: int | tuple[int, int] | None = None,
    where: str = "",
    numerics: Numerics = REFERENCE,
) -> tuple[dict[str, Array], Architecture]:
    """Return checked arrays and their architecture as the authors prepare them for fine-tuning.

    Args:
        arrays: canonical arrays, as `check` returns them.
        architecture: theirs.
        classes: a number of classes replaces the head by zeros and drops pre_logits; None keeps both.
        resolution: input size in pixels; the positional embedding is interpolated to it. BiT takes any.
        where: the place they come from, for error messages.
        numerics: of a transformer, where they are not the authors'.

    Raises:
        ClaimsError: the resolution is not a multiple of the pixels per token.

    Source: vit_jax/checkpoint.py (`load_pretrained`, `interpolate_posembed`), bit_pytorch/models.py.
    """
    adapted = dict(arrays)
    if isinstance(architecture, ViTArchitecture):
        architecture = dataclasses.replace(architecture, numerics=numerics)
    if isinstance(architecture, ViTArchitecture) and resolution is not None:
        try:
            grid = architecture.grid_at(resolution)
        except ClaimsError as error:
            raise _error(where, str(error)) from None
        adapted[POSITIONS] = _interpolate(adapted[POSITIONS], architecture.grid, grid)
        architecture = dataclasses.replace(architecture, grid=grid)
    if classes is None:
        return adapted, architecture
    if isinstance(architecture, ViTArchitecture):
        architecture = dataclasses.replace(architecture, classes=classes, representation_size=None)
        adapted.pop("pre_logits/kernel", None)
        adapted.pop("pre_logits/bias", None)
        head = "head"
    else:
        architecture = dataclasses.replace(architecture, classes=classes)
        head = "resnet/head/conv2d"
    shapes = expected_shapes(architecture)
    adapted |= {key: np.zeros(shapes[key], np.float32) for key in (f"{head}/kernel", f"{head}/bias")}
    return adapted, architecture


def _interpolate(positions: Array, old: tuple[int, int], new: tuple[int, int]) -> Array:
    """Return positional embeddings (1, 1 + h*w, D) on another grid: linear, corners aligned, class slot kept."""
    if old == new:
        return positions
    import scipy.ndimage

    width = positions.shape[-1]
    grid = positions[0, 1:].reshape(*old, width)
    # As the authors call it. Where rounding puts the last row a hair outside the grid (24 to 22, 28 to 14, 16 to 30
    # and some 50 other pairs; none of 14 to 24, 7 to 12, 24 to 14) SciPy's default mode makes that row 0; theirs too.
    zoomed = scipy.ndimage.zoom(grid, (new[0] / old[0], new[1] / old[1], 1), order=1)
    return np.concatenate([positions[:, :1], zoomed.reshape(1, -1, width)], axis=1)


def _error(where: str, message: str) -> ClaimsError:
    return ClaimsError(f"{where}: {message}" if where else message)


def _shape(arrays: Mapping[str, Array], key: str, dimensions: int) -> tuple[int, ...]:
    if key not in arrays:
        raise ClaimsError(f"expected the array {key}, found none of this name among {len(arrays)}")
    shape = arrays[key].shape
    if len(shape) != dimensions or 0 in shape:
        raise ClaimsError(f"{key}: expected {dimensions} dimensions and no empty one, found shape {shape}")
    return shape


def _count(arrays: Mapping[str, Array], pattern: str) -> int:
    """Return the largest number that `pattern` captures among the keys; 0 if it matches none."""
    largest = max((int(match[1]) for match in (re.match(pattern, key) for key in arrays) if match), default=0)
    if largest > len(arrays):  # before anyone counts up to it
        raise ClaimsError(f"expected layers numbered without gaps, found {largest} among {len(arrays)} arrays")
    return largest


def _require_same(expected: str | Architecture, found: Architecture) -> None:
    family = expected if isinstance(expected, str) else expected.family
    if family != found.family:
        raise ClaimsError(f"expected the weights of family {family}, found family {found.family}")
    if isinstance(expected, str):
        return
    for field in dataclasses.fields(expected):
        wanted, given = getattr(expected, field.name), getattr(found, field.name)
        if wanted != given:
            raise ClaimsError(f"expected {field.name} {wanted}, found {given}; these are weights of another model")


def _describe(arrays: Mapping[str, Array]) -> Architecture:
    if any(key.startswith("resnet/") for key in arrays):
        return _describe_bit(arrays)
    if "embedding/kernel" in arrays:
        return _describe_vit(arrays)
    first = min(arrays, default="nothing")
    raise ClaimsError(f"expected the ViT (embedding/kernel) or the BiT layout (resnet/...), found {first}")


def _describe_vit(arrays: Mapping[str, Array]) -> ViTArchitecture:
    *patch, _, width = _shape(arrays, "embedding/kernel", 4)
    _, tokens, _ = _shape(arrays, POSITIONS, 3)
    side = math.isqrt(tokens - 1)
    if side * side != tokens - 1 or side == 0:
        raise ClaimsError(f"{POSITIONS}: expected a class slot and a square grid, found {tokens} positions")
    block = "Transformer/encoderblock_0"
    _, heads, size = _shape(arrays, f"{block}/MultiHeadDotProductAttention_1/query/kernel", 3)
    if heads * size != width:
        found = f"{heads} heads of {size}"
        raise ClaimsError(f"{block}: expected a query kernel whose heads make up the width {width}, found {found}")
    representation = "pre_logits/kernel"
    root = "conv_root/kernel"
    return ViTArchitecture(
        width=width,
        depth=1 + _count(arrays, r"Transformer/encoderblock_(\d+)/"),
        heads=heads,
        mlp_size=_shape(arrays, f"{block}/MlpBlock_3/Dense_0/kernel", 2)[1],
        patch=(patch[0], patch[1]),
        grid=(side, side),
        classes=_shape(arrays, "head/kernel", 2)[1],
        representation_size=_shape(arrays, representation, 2)[1] if representation in arrays else None,
        stem=_describe_stem(arrays) if root in arrays else None,
        channels=_shape(arrays, root if root in arrays else "embedding/kernel", 4)[2],
    )


def _describe_stem(arrays: Mapping[str, Array]) -> HybridStem:
    width = _shape(arrays, "conv_root/kernel", 4)[3]
    units = tuple(_count(arrays, rf"block{stage}/unit(\d+)/") for stage in range(1, 1 + _count(arrays, r"block(\d+)/")))
    if 0 in units:
        raise ClaimsError(f"expected units in every stage of the stem, found none in block{units.index(0) + 1}")
    return HybridStem(width=width, stages=units)


def _describe_bit(arrays: Mapping[str, Array]) -> BitArchitecture:
    conv = "standardized_conv2d/kernel"
    _, _, channels, stem_width = _shape(arrays, f"resnet/root_block/{conv}", 4)
    stages = []
    for stage in range(1, 1 + _count(arrays, r"resnet/block(\d+)/")):
        width = _shape(arrays, f"resnet/block{stage}/unit01/c/{conv}", 4)[3]
        stages.append((_count(arrays, rf"resnet/block{stage}/unit(\d+)/"), width))
    classes = _shape(arrays, "resnet/head/conv2d/kernel", 4)[3]
    return BitArchitecture(stem_width=stem_width, stages=tuple(stages), classes=classes, channels=channels)
