"""One step of a network, as it is traced on the meta device: its memory, and the kernels that it launches.

Both grow in a straight line with the number of images, above what weights take: two traces tell all numbers.
"""

from __future__ import annotations

import json
from collections import Counter
from collections.abc import Sequence
from pathlib import Path
from typing import TYPE_CHECKING

from pydantic.dataclasses import dataclass

from harness.core.errors import ClaimsError
from harness.core.specs import STRICT, Count, Natural
from harness.cost import cache
from harness.cost.cards import Kind
from harness.cost.networks import Network, module

if TYPE_CHECKING:
    from harness.cost.step_kernels import KernelCounter, Launched

MANY = 64
"""Images of the second trace."""


@dataclass(frozen=True, config=STRICT)
class Kernels:
    """Operations of a step that are alike."""

    kind: Kind
    count: Count
    launches: Count
    """Of each, as the rest."""
    flops: float
    """For any number of images, as `bytes`."""
    flops_per_image: float
    bytes: float
    """Read and written."""
    bytes_per_image: float

    def work(self, images: float) -> tuple[float, float]:
        """Return the FLOPs and bytes of one of them, with so many images at once."""
        return self.flops + images * self.flops_per_image, self.bytes + images * self.bytes_per_image


@dataclass(frozen=True, config=STRICT)
class Step:
    """What a step takes: forward and backward pass, or the forward pass of an evaluation.

    Of a network with a head of one class, without the update of its weights.
    """

    fixed: Natural
    """Bytes for any number of images, in addition to weights, gradients and the optimiser's state."""
    per_image: Natural
    """Bytes."""
    calls: Natural
    """Operations that the host has work with."""
    tensors: Count
    """Parameters of the network, as tensors."""
    kernels: tuple[Kernels, ...]

    def flops(self, images: float) -> float:
        """Return the FLOPs of products; what fused attention or checkpointing compute again is in it."""
        return sum(each.count * each.work(images)[0] for each in self.kernels)

    def bytes(self, images: float) -> float:
        """Return the bytes that are read and written."""
        return sum(each.count * each.work(images)[1] for each in self.kernels)

    @property
    def launches(self) -> int:
        """Number of kernels that are launched."""
        return sum(each.count * each.launches for each in self.kernels)


def step(
    of: Network,
    resolution: int,
    *,
    training: bool,
    lower: bool,
    checkpointing: bool = False,
    dropout: float = 0.0,
    fused: bool = False,
    home: Path | None = None,
) -> Step:
    """Return what a step takes, traced once and kept.

    Args:
        of: the network.
        resolution: side of the input in pixels.
        training: forward and backward; otherwise inference.
        lower: in bfloat16 or float16 by autocast; otherwise all float32.
        checkpointing: each block's activations are computed again in the backward pass.
        dropout: of the transformer, if any.
        fused: by the fused kernels that there are for the network.
        home: the home folder, where counts are kept between sessions; None: in memory only.

    Raises:
        ClaimsError: the network does not take the resolution.
    """
    key = json.dumps(["step", of.key, resolution, training, lower, checkpointing, dropout > 0, *(["fused"] * fused)])
    found = cache.get(key, Step, home)
    if found is not None:
        return found
    import torch

    from harness.cost.known_shapes import KnownShapes
    from harness.cost.step_trace import traced

    model, shapes = module(of, resolution), KnownShapes()
    low = torch.bfloat16 if lower else None

    def trace(images: int) -> tuple[int, KernelCounter]:
        return traced(
            model,
            resolution,
            images,
            training=training,
            lower=low,
            checkpointing=checkpointing,
            dropout=dropout,
            fused=fused,
            shapes=shapes,
        )

    (one, few), (many, more) = trace(1), trace(MANY)
    images = 1
    if names(few) != names(more):  # a single image is laid out in several ways at once, which spares some copies
        images = 2
        _, few = trace(images)
    if names(few) != names(more):
        raise ClaimsError(
            f"{of.timm or of.architecture}: expected the same operations for any number of images, found others for"
            f" {MANY} than for {images}; its cost can't be estimated"
        )
    # The peak is convex in the number of images, so between the two this is never too little.
    per_image = -(-(many - one) // (MANY - 1))
    counted = Step(
        fixed=max(0, one - per_image),
        per_image=per_image,
        calls=more.calls,
        tensors=len(list(model.parameters())),
        kernels=lines(few.launched, more.launched, images),
    )
    return cache.put(key, counted, home)


def names(counter: KernelCounter) -> list[str]:
    """Return the operations that were counted."""
    return [each.name for each in counter.launched]


def lines(few: Sequence[Launched], many: Sequence[Launched], images: int) -> tuple[Kernels, ...]:
    """Return the kernels of a step as straight lines in the number of images, those that are alike together.

    Args:
        few: of a step with few images.
        many: the same operations with MANY.
        images: how many the few are.
    """
    found: Counter[tuple[Kind, int, float, float, float, float]] = Counter()
    for less, more in zip(few, many, strict=True):
        flops, moved = ((a - b) / (MANY - images) for a, b in ((more.flops, less.flops), (more.bytes, less.bytes)))
        found[more.kind, more.launches, more.flops - MANY * flops, flops, more.bytes - MANY * moved, moved] += 1
    return tuple(
        Kernels(kind, count, launches, flops, flops_each, moved, moved_each)
        for (kind, launches, flops, flops_each, moved, moved_each), count in found.items()
    )
