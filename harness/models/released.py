"""The released architectures by the paper's names: what a checkpoint's file must turn out to hold.

Sources: arXiv:2010.11929 table 1; arXiv:2106.10270 table 2; google-research/vision_transformer
(vit_jax/configs/models.py); google-research/big_transfer (bit_pytorch/models.py).
"""

from __future__ import annotations

import dataclasses
import math
import re

from harness.core.errors import ClaimsError
from harness.core.specs import Checkpoint
from harness.models.architectures import Architecture, BitArchitecture, HybridStem, ViTArchitecture, expected_shapes

SIZES = {
    "Ti": (192, 12, 3, 768),
    "S": (384, 12, 6, 1536),
    "B": (768, 12, 12, 3072),
    "L": (1024, 24, 16, 4096),
    "H": (1280, 32, 16, 5120),
}
"""(width, depth, heads, MLP size)."""
STEMS = {
    "R+ViT-Ti/16": (),
    "R50+ViT-B/16": (3, 4, 9),
    "R26+ViT-S/32": (2, 2, 2, 2),
    "R26+ViT-B/32": (2, 2, 2, 2),
    "R50+ViT-L/32": (3, 4, 6, 3),
}
"""Units of each stage; the rest of the stride that the name ends in is the patch's."""
UNITS = {"50": (3, 4, 6, 3), "101": (3, 4, 23, 3), "152": (3, 8, 36, 3)}
WIDTH = 64
"""Channels of a ResNet's root at width factor 1."""


def architecture(name: str, classes: int, resolution: int) -> Architecture | None:
    """Return the architecture of a name, e.g. "ViT-L/16" or "BiT-R50x1"; None for other names.

    Args:
        name: the paper's name.
        classes: of the head.
        resolution: side in pixels that the positional embedding fits.
    """
    bit = re.fullmatch(r"BiT-R(\d+)x(\d+)", name)
    if bit and bit[1] in UNITS:
        width = WIDTH * int(bit[2])
        stages = tuple((units, 4 * width * 2**stage) for stage, units in enumerate(UNITS[bit[1]]))
        return BitArchitecture(stem_width=width, stages=stages, classes=classes)
    vit = re.fullmatch(r"(?:R\d*\+)?ViT-(Ti|S|B|L|H)/(\d+)", name)
    if not vit or ("+" in name and name not in STEMS):
        return None
    stem = HybridStem(WIDTH, STEMS[name]) if "+" in name else None
    # R+ViT-Ti/16 is named after the patch of 16 pixels that its authors meant; its patches are 8x8 features.
    patch = 8 if name == "R+ViT-Ti/16" else int(vit[2]) // (stem.stride if stem else 1)
    side = resolution // (patch * (stem.stride if stem else 1))
    width, depth, heads, mlp_size = SIZES[vit[1]]
    return ViTArchitecture(width, depth, heads, mlp_size, (patch, patch), (side, side), classes, stem=stem)


def parameters(found: Architecture) -> int:
    """Return the number of parameters."""
    return sum(math.prod(shape) for shape in expected_shapes(found).values())


def expected(found: Checkpoint) -> Architecture | None:
    """Return the architecture that a released checkpoint's file must hold; None where the name does not say.

    Its `representation_size` is None: whether there is a pre_logits layer, the file decides.
    """
    return architecture(found.architecture, found.classes or 1, found.resolution or 224)


def require(found: Checkpoint, held: Architecture) -> None:
    """Refuse a file that holds another model than the checkpoint's entry says.

    Raises:
        ClaimsError: another family, size, patch, resolution or number of classes.
    """
    if held.family != found.family:
        raise ClaimsError(f"{found.id}: expected a file of family {found.family}, found family {held.family}")
    wanted = expected(found)
    if wanted is None:
        return
    if isinstance(wanted, ViTArchitecture) and isinstance(held, ViTArchitecture):
        wanted = dataclasses.replace(wanted, representation_size=held.representation_size)
        wanted = wanted if found.resolution else dataclasses.replace(wanted, grid=held.grid)
    wanted = wanted if found.classes else dataclasses.replace(wanted, classes=held.classes)
    for field in dataclasses.fields(wanted):
        given = getattr(held, field.name, None)
        if getattr(wanted, field.name) != given:
            raise ClaimsError(
                f"{found.id}: expected {found.architecture} with {field.name} {getattr(wanted, field.name)}, found"
                f" {given}; these are weights of another model"
            )
