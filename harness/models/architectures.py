"""The architectures of the ViT paper as values, and the keys and shapes of their official weights files.

Sources: google-research/vision_transformer (vit_jax/models_vit.py, models_resnet.py) for ViT and hybrids,
google-research/big_transfer (bit_pytorch/models.py) for BiT.
"""

from __future__ import annotations

from typing import Annotated, Any, Literal

from pydantic import BeforeValidator
from pydantic.dataclasses import dataclass

from harness.core.errors import ClaimsError
from harness.core.specs import STRICT, Count, Positive

GROUPS = 32
"""Groups of every group norm, in both reference implementations."""

Shape = tuple[int, ...]


def pair(value: Any) -> Any:
    """Return (n, n) for an integer n, any other value unchanged."""
    return (value, value) if isinstance(value, int) and not isinstance(value, bool) else value


Size = Annotated[tuple[Count, Count], BeforeValidator(pair)]
"""(height, width); an integer stands for a square."""


def _require_groups(width: int, what: str) -> None:
    if width % GROUPS:
        raise ClaimsError(f"{what}: expected a width that {GROUPS} groups divide, found {width}")


@dataclass(frozen=True, config=STRICT)
class HybridStem:
    """The ResNet in front of a hybrid's transformer: root, max-pool and post-activation bottlenecks."""

    width: Count
    """Channels of the root convolution; stage i (from 0) has output width 4 * width * 2**i."""
    stages: tuple[Count, ...] = ()
    """Units of each stage; empty: root and max-pool only (R+ViT-Ti/16)."""

    def __post_init__(self) -> None:
        _require_groups(self.width, "hybrid stem")

    @property
    def stride(self) -> int:
        """Pixels per feature: 4 in the root and max-pool, 2 more in each stage after the first."""
        return int(4 * 2 ** max(len(self.stages) - 1, 0))

    @property
    def out_width(self) -> int:
        """Channels of the features that the patch embedding sees."""
        return int(self.width * 4 * 2 ** (len(self.stages) - 1)) if self.stages else self.width


@dataclass(frozen=True, config=STRICT)
class Numerics:
    """What a transformer's weights do not show and its outputs depend on; the defaults are the authors'."""

    activation: Literal["gelu_tanh", "gelu"] = "gelu_tanh"
    """Of the MLP: GELU by the tanh approximation (flax's default), or the exact one (PyTorch's default)."""
    epsilon: Positive = 1e-6
    """Of the layer norms."""


REFERENCE = Numerics()
"""Of the authors' code."""


@dataclass(frozen=True, config=STRICT)
class ViTArchitecture:
    """A Vision Transformer with a class token, with or without a ResNet stem (hybrid)."""

    width: Count
    depth: Count
    heads: Count
    mlp_size: Count
    patch: Size
    """Patch (height, width): in pixels, or in features of the stem."""
    grid: Size
    """Patches (down, across) that the positional embedding covers."""
    classes: Count
    representation_size: Count | None = None
    """Width of pre_logits (dense + tanh before the head); None: there is none."""
    stem: HybridStem | None = None
    channels: Count = 3
    numerics: Numerics = REFERENCE

    def __post_init__(self) -> None:
        if self.width % self.heads:
            raise ClaimsError(f"expected heads that divide the width, found width {self.width}, heads {self.heads}")

    @property
    def family(self) -> Literal["vit", "hybrid"]:
        """The family as checkpoints name it."""
        return "hybrid" if self.stem else "vit"

    @property
    def cell(self) -> tuple[int, int]:
        """Pixels (down, across) per token: patch times the stem's stride."""
        stride = self.stem.stride if self.stem else 1
        return (self.patch[0] * stride, self.patch[1] * stride)

    @property
    def resolution(self) -> tuple[int, int]:
        """Input (height, width) in pixels that the positional embedding fits."""
        return (self.grid[0] * self.cell[0], self.grid[1] * self.cell[1])

    def grid_at(self, resolution: int | tuple[int, int]) -> tuple[int, int]:
        """Return the grid of patches for an input of `resolution` pixels.

        A plain ViT leaves out the pixels beyond the last whole patch, as the reference's VALID convolution does
        (H/14 at 384 sees 378 of them).

        Raises:
            ClaimsError: smaller than a patch; for a hybrid, not a multiple of the pixels per token.
        """
        height, width = pair(resolution)
        if self.stem is None and height >= self.cell[0] and width >= self.cell[1]:
            return (height // self.cell[0], width // self.cell[1])
        if height < 1 or width < 1 or height % self.cell[0] or width % self.cell[1]:
            raise ClaimsError(
                f"expected a resolution that is a multiple of {self.cell[0]}x{self.cell[1]} pixels per token,"
                f" found {height}x{width}"
            )
        return (height // self.cell[0], width // self.cell[1])


@dataclass(frozen=True, config=STRICT)
class BitArchitecture:
    """A BiT ResNet: pre-activation bottlenecks, group norm, weight standardisation."""

    stem_width: Count
    stages: tuple[tuple[Count, Count], ...]
    """(units, output width) of each stage; the bottleneck is a quarter as wide."""
    classes: Count
    channels: Count = 3

    def __post_init__(self) -> None:
        _require_groups(self.stem_width, "BiT stem")
        for index, (_, width) in enumerate(self.stages, 1):
            _require_groups(width // 4 if width % 4 == 0 else width, f"BiT stage {index} bottleneck")
        if not self.stages or self.stages[0][1] == self.stem_width:
            raise ClaimsError("BiT: expected at least one stage, the first wider than the stem (its unit projects)")

    @property
    def family(self) -> Literal["bit"]:
        """The family as checkpoints name it."""
        return "bit"


Architecture = ViTArchitecture | BitArchitecture


def expected_shapes(architecture: Architecture) -> dict[str, Shape]:
    """Return the shape of every array of the architecture's official file, by key.

    ViT and hybrid keys are the older ones (`LayerNorm_2`, `MlpBlock_3`, ...), with hybrid group norm
    parameters of shape (1, 1, 1, C). Kernels are (height, width, in, out) or (in, out), a query kernel
    (width, heads, width / heads).
    """
    if isinstance(architecture, BitArchitecture):
        return _bit_shapes(architecture)
    shapes = _transformer_shapes(architecture)
    if architecture.stem:
        shapes |= _stem_shapes(architecture.stem, architecture.channels)
    return shapes


def _transformer_shapes(a: ViTArchitecture) -> dict[str, Shape]:
    embedded = a.stem.out_width if a.stem else a.channels
    shapes: dict[str, Shape] = {
        "cls": (1, 1, a.width),
        "embedding/kernel": (*a.patch, embedded, a.width),
        "embedding/bias": (a.width,),
        "Transformer/posembed_input/pos_embedding": (1, a.grid[0] * a.grid[1] + 1, a.width),
    }
    norm = {"scale": (a.width,), "bias": (a.width,)}
    block: dict[str, Shape] = {f"{name}/{key}": norm[key] for name in ("LayerNorm_0", "LayerNorm_2") for key in norm}
    size = a.width // a.heads
    for name in ("query", "key", "value"):
        block[f"MultiHeadDotProductAttention_1/{name}/kernel"] = (a.width, a.heads, size)
        block[f"MultiHeadDotProductAttention_1/{name}/bias"] = (a.heads, size)
    block["MultiHeadDotProductAttention_1/out/kernel"] = (a.heads, size, a.width)
    block["MultiHeadDotProductAttention_1/out/bias"] = (a.width,)
    block["MlpBlock_3/Dense_0/kernel"] = (a.width, a.mlp_size)
    block["MlpBlock_3/Dense_0/bias"] = (a.mlp_size,)
    block["MlpBlock_3/Dense_1/kernel"] = (a.mlp_size, a.width)
    block["MlpBlock_3/Dense_1/bias"] = (a.width,)
    for index in range(a.depth):
        shapes |= {f"Transformer/encoderblock_{index}/{key}": shape for key, shape in block.items()}
    shapes |= {f"Transformer/encoder_norm/{key}": shape for key, shape in norm.items()}
    features = a.width
    if a.representation_size:
        shapes |= {"pre_logits/kernel": (a.width, a.representation_size), "pre_logits/bias": (a.representation_size,)}
        features = a.representation_size
    return shapes | {"head/kernel": (features, a.classes), "head/bias": (a.classes,)}


def _stem_shapes(stem: HybridStem, channels: int) -> dict[str, Shape]:
    shapes: dict[str, Shape] = {"conv_root/kernel": (7, 7, channels, stem.width)}
    norms = {"gn_root": stem.width}
    before = stem.width
    for stage, units in enumerate(stem.stages):
        middle = stem.width * 2**stage
        after = middle * 4
        for unit in range(1, units + 1):
            prefix = f"block{stage + 1}/unit{unit}"
            shapes[f"{prefix}/conv1/kernel"] = (1, 1, before, middle)
            shapes[f"{prefix}/conv2/kernel"] = (3, 3, middle, middle)
            shapes[f"{prefix}/conv3/kernel"] = (1, 1, middle, after)
            norms |= {f"{prefix}/gn1": middle, f"{prefix}/gn2": middle, f"{prefix}/gn3": after}
            if unit == 1:
                shapes[f"{prefix}/conv_proj/kernel"] = (1, 1, before, after)
                norms[f"{prefix}/gn_proj"] = after
            before = after
    return shapes | {f"{name}/{key}": (1, 1, 1, width) for name, width in norms.items() for key in ("scale", "bias")}


def _bit_shapes(a: BitArchitecture) -> dict[str, Shape]:
    conv = "standardized_conv2d/kernel"
    shapes: dict[str, Shape] = {f"resnet/root_block/{conv}": (7, 7, a.channels, a.stem_width)}
    norms: dict[str, int] = {}
    before = a.stem_width
    for stage, (units, width) in enumerate(a.stages, 1):
        middle = width // 4
        for unit in range(1, units + 1):
            prefix = f"resnet/block{stage}/unit{unit:02d}"
            shapes[f"{prefix}/a/{conv}"] = (1, 1, before, middle)
            shapes[f"{prefix}/b/{conv}"] = (3, 3, middle, middle)
            shapes[f"{prefix}/c/{conv}"] = (1, 1, middle, width)
            norms |= {f"{prefix}/a": before, f"{prefix}/b": middle, f"{prefix}/c": middle}
            if unit == 1:
                shapes[f"{prefix}/a/proj/{conv}"] = (1, 1, before, width)
            before = width
    norms["resnet"] = before
    shapes |= {f"{name}/group_norm/{key}": (width,) for name, width in norms.items() for key in ("gamma", "beta")}
    return shapes | {"resnet/head/conv2d/kernel": (1, 1, before, a.classes), "resnet/head/conv2d/bias": (a.classes,)}
