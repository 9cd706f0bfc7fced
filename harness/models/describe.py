"""What a weights file says about itself: family, sizes, classes, parameters; no entry in the zoo is needed."""

from __future__ import annotations

import os
import re
from collections.abc import Mapping
from dataclasses import dataclass, replace

from harness.core.errors import ClaimsError
from harness.models import hub_config, npz_layout
from harness.models.architectures import Architecture, BitArchitecture, ViTArchitecture
from harness.models.convert import headless, rules_of, to_official
from harness.models.load import read_file
from harness.models.npz import Array


@dataclass(frozen=True)
class Description:
    """What the arrays of a file describe; None where a family has no such thing."""

    file: str
    size: int
    """Bytes on disk."""
    layout: str
    """ "vit-npz", "bit-npz", "timm", "transformers" or "jeonsworld"."""
    semantics: str
    """Whose numerics it would run with: "reference", or "timm" for what only timm's library defines."""
    family: str
    """ "vit", "hybrid", "bit" or "convnext"."""
    parameters: int
    dtype: str
    arrays: int
    classes: int | None
    """None: the file has no head."""
    width: int | None = None
    """Of the tokens (ViT, hybrid) or of the last stage."""
    depth: int | None = None
    """Transformer blocks."""
    heads: int | None = None
    """Of the attention; None for a transformer: neither the file nor a config.json beside it says."""
    mlp_size: int | None = None
    patch: tuple[int, int] | None = None
    """Height and width, in pixels, or in features of the stem."""
    pixels_per_token: tuple[int, int] | None = None
    resolution: tuple[int, int] | None = None
    """Input height and width in pixels that the positional embedding fits; None: any."""
    stem_width: int | None = None
    """Channels of the root convolution."""
    units: tuple[int, ...] | None = None
    """Units of each stage of the ResNet (or blocks of each stage of a ConvNeXt)."""
    stage_widths: tuple[int, ...] | None = None
    pre_logits: int | None = None
    """Width of the pre_logits layer, where there is one."""
    channels: int = 3
    activation: str | None = None
    """Of a transformer's MLPs: "gelu_tanh" (the authors'), or "gelu", as config.json states."""
    layer_norm_epsilon: float | None = None
    weights: str = ""
    """Name of the set of weights in the file, where it has one."""


def describe(path: str | os.PathLike[str], heads: int | None = None, weights: str = "") -> Description:
    """Read weights and return what they describe.

    Args:
        path: npz, safetensors or a PyTorch file, the index of shards, or a folder with one of them.
        heads: attention heads; None: as the file or the config.json beside it says.
        weights: the name of the set of weights in the file; "": the only one.

    Raises:
        ClaimsError: damaged, several sets and no name, or weights missing, left over, of another shape, not finite,
            or of another network than the config.json beside the file says.
    """
    held = read_file(path, weights)
    where = str(path)
    common = {
        "file": where,
        "size": held.place.size,
        "layout": held.layout,
        "parameters": sum(array.size for array in held.arrays.values()),
        "dtype": held.dtype,
        "arrays": len(held.arrays),
        "weights": held.name,
    }
    if held.layout == "timm" and rules_of(held.arrays) is None:
        return Description(**common, semantics="timm", **convnext(held.arrays, where))  # type: ignore[arg-type]
    bare = headless(held.arrays)
    config = held.config
    stated = hub_config.agreed_heads(config, heads)
    # Where nothing states the heads, one will do to check everything else.
    arrays = to_official(held.arrays, classes=1 if bare else None, heads=stated or 1, where=where)
    found = npz_layout.describe(arrays, where)
    npz_layout.check(arrays, found, where)
    if config:
        config.require(found, bare)
    if isinstance(found, ViTArchitecture) and config:
        found = replace(found, numerics=config.numerics())
    description = Description(
        **common,  # type: ignore[arg-type]
        semantics="reference",
        family=found.family,
        classes=None if bare else found.classes,
        channels=found.channels,
        **sizes(found),  # type: ignore[arg-type]
    )
    known = stated is not None or held.layout in ("vit-npz", "bit-npz")
    return description if known else replace(description, heads=None)


def sizes(found: Architecture) -> dict[str, object]:
    """Return the fields of a Description that an architecture gives."""
    if isinstance(found, BitArchitecture):
        widths = tuple(width for _, width in found.stages)
        return {
            "width": widths[-1],
            "stem_width": found.stem_width,
            "units": tuple(units for units, _ in found.stages),
            "stage_widths": widths,
        }
    stem = found.stem
    return {
        "width": found.width,
        "depth": found.depth,
        "heads": found.heads,
        "activation": found.numerics.activation,
        "layer_norm_epsilon": found.numerics.epsilon,
        "mlp_size": found.mlp_size,
        "patch": found.patch,
        "pixels_per_token": found.cell,
        "resolution": found.resolution,
        "pre_logits": found.representation_size,
        "stem_width": stem.width if stem else None,
        "units": stem.stages if stem else None,
        "stage_widths": tuple(4 * stem.width * 2**i for i in range(len(stem.stages))) if stem else None,
    }


def convnext(arrays: Mapping[str, Array], where: str) -> dict[str, object]:
    """Return what a ConvNeXt's tensors describe, under timm's names or its authors'.

    Raises:
        ClaimsError: it is no ConvNeXt.
    """
    pattern = re.compile(r"stages\.(\d+)\.(?:blocks\.)?(\d+)\.(?:conv_dw|dwconv)\.weight")
    blocks: dict[int, int] = {}
    widths: dict[int, int] = {}
    for name, array in arrays.items():
        match = pattern.fullmatch(name)
        if match:
            stage = int(match[1])
            blocks[stage] = max(blocks.get(stage, 0), int(match[2]) + 1)
            widths[stage] = array.shape[0]
    if not blocks:
        first = min(arrays)
        raise ClaimsError(
            f"{where}: expected a ViT, hybrid, BiT or ConvNeXt, found {first} and {len(arrays) - 1} more arrays; to run"
            " another network that timm knows, give `run` or `logits` its name with --timm"
        )
    head = next((arrays[name] for name in ("head.fc.weight", "head.weight") if name in arrays), None)
    stem = next((arrays[name] for name in ("stem.0.weight", "downsample_layers.0.0.weight") if name in arrays), None)
    return {
        "family": "convnext",
        "classes": None if head is None else head.shape[0],
        "width": widths[max(widths)],
        "stem_width": None if stem is None else stem.shape[0],
        "patch": None if stem is None else tuple(stem.shape[2:]),
        "units": tuple(blocks[stage] for stage in sorted(blocks)),
        "stage_widths": tuple(widths[stage] for stage in sorted(widths)),
    }


def lines(found: Description) -> list[tuple[str, str]]:
    """Return (what, value) pairs for a reader, without what the family has not."""
    transformer = found.depth is not None
    unknown = "not stated by the file nor a config.json beside it (--heads N)" if transformer else ""
    rows = [
        ("file", f"{found.file} ({found.size:,} bytes)"),
        ("weights", found.weights),
        ("layout", found.layout),
        ("family", found.family),
        ("semantics", found.semantics),
        ("parameters", f"{found.parameters:,} in {found.arrays} arrays of {found.dtype}"),
        ("classes", "none (the file has no head)" if found.classes is None else str(found.classes)),
        ("width", shown(found.width)),
        ("depth", shown(found.depth)),
        ("heads", shown(found.heads) or unknown),
        ("MLP size", shown(found.mlp_size)),
        ("patch", shown(found.patch)),
        ("pixels per token", shown(found.pixels_per_token)),
        ("resolution", shown(found.resolution) or "any"),
        ("pre-logits width", shown(found.pre_logits) or ("none" if found.depth else "")),
        ("stem width", shown(found.stem_width)),
        ("units per stage", ", ".join(map(str, found.units)) if found.units else ""),
        ("stage widths", ", ".join(map(str, found.stage_widths)) if found.stage_widths else ""),
        ("input channels", str(found.channels)),
        ("activation", found.activation or ""),
        ("layer norm epsilon", "" if found.layer_norm_epsilon is None else f"{found.layer_norm_epsilon:g}"),
    ]
    return [(name, value) for name, value in rows if value]


def shown(value: int | tuple[int, int] | None) -> str:
    """Return a size as text: 16, or 16x16; "" for nothing."""
    if value is None:
        return ""
    return "x".join(map(str, value)) if isinstance(value, tuple) else str(value)
