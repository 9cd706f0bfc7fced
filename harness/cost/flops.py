"""The FLOPs of one image for a network, by torch's counter on the meta device.

Counted are matrix products and convolutions, forward and backward, attention included (2 FLOPs per multiply and add).
Not counted is elementwise work: norms, weight standardisation, GELU, softmax, the optimiser, and what fused attention
or checkpointing compute a second time. So these are the model's FLOPs, those of "model FLOP utilisation".
"""

from __future__ import annotations

import json
import math
from collections.abc import Sequence
from pathlib import Path
from typing import Any

from pydantic.dataclasses import dataclass

from harness.core.errors import ClaimsError
from harness.core.specs import STRICT, Count
from harness.cost import cache
from harness.cost.networks import Network, module


@dataclass(frozen=True, config=STRICT)
class Work:
    """A network's size and the FLOPs of one image, all without the head, which is added by formula."""

    parameters: Count
    features: Count
    """Width of the head's input."""
    forward: Count
    """FLOPs of one image in an evaluation."""
    training: Count
    """FLOPs of one image in a training step, forward and backward."""

    def with_head(self, classes: int) -> int:
        """Return the number of parameters with a head of so many classes."""
        return self.parameters + (self.features + 1) * classes

    def test_flops(self, classes: int) -> int:
        """Return the FLOPs of evaluating one image."""
        return self.forward + 2 * self.features * classes

    def train_flops(self, classes: int) -> int:
        """Return the FLOPs of one image in a training step: the head's product, and its two gradients."""
        return self.training + 3 * 2 * self.features * classes


def work(of: Network, resolution: int, home: Path | None = None) -> Work:
    """Return a network's FLOPs at a resolution, counted once and kept.

    Args:
        of: the network.
        resolution: side of the input in pixels.
        home: the home folder, where counts are kept between sessions; None: in memory only.

    Raises:
        ClaimsError: the network does not take the resolution.
    """
    key = json.dumps(["work", of.key, resolution])
    return cache.get(key, Work, home) or cache.put(key, _count(of, resolution), home)


def convolution_backward(
    gradient: Sequence[int],
    images: Sequence[int],
    kernel: Sequence[int],
    *rest: Any,
    out_shape: Any = None,
) -> int:
    """Return the FLOPs of a convolution's backward pass from the shapes and arguments of the operation.

    Each of the gradients (of the input, of the kernel) takes as much as the forward pass. torch's own formula says
    so, too, but forgets the groups: it overstates a depthwise convolution by the number of channels.
    """
    del images, out_shape
    wanted = rest[-1]  # gradients of (input, kernel, bias)
    return int(2 * math.prod(kernel) * gradient[0] * math.prod(gradient[2:]) * (wanted[0] + wanted[1]))


def _count(of: Network, resolution: int) -> Work:
    import torch
    from torch import nn
    from torch.utils.flop_counter import FlopCounterMode

    from harness.cost.known_shapes import KnownShapes

    model = module(of, resolution)
    model.train()
    head: nn.Module = model.get_classifier()  # type: ignore[operator]
    if isinstance(head, nn.Linear):
        features = head.in_features
    elif isinstance(head, nn.Conv2d):
        features = head.in_channels
    else:
        raise ClaimsError(f"{of.timm or of.architecture}: expected a linear head, found {type(head).__name__}")
    images = torch.empty(1, 3, resolution, resolution, device="meta")
    backward = {torch.ops.aten.convolution_backward: convolution_backward}
    counter = FlopCounterMode(display=False, custom_mapping=backward)
    with KnownShapes(), counter:
        logits = model(images)
        forward = counter.get_total_flops()
        nn.functional.cross_entropy(logits, torch.empty(1, dtype=torch.long, device="meta")).backward()
    parameters = sum(parameter.numel() for parameter in model.parameters())
    return Work(
        parameters - features - 1,
        features,
        forward - 2 * features,
        counter.get_total_flops() - 3 * 2 * features,
    )
