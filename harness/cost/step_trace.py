"""A step as a CUDA card would compute it, traced on the meta device: shapes and types, no values.

Importing this module imports torch: import it where it is used.
"""

from __future__ import annotations

from collections.abc import Callable
from typing import Any, ParamSpec, TypeVar

import torch
from torch import Tensor, nn
from torch.nn import functional
from torch.overrides import TorchFunctionMode

from harness.cost.known_shapes import KnownShapes
from harness.cost.step_kernels import KernelCounter
from harness.cost.step_memory import LiveBytes
from harness.models.torch.folding import folded
from harness.training.torch.fused import bit
from harness.training.torch.fused.path import fused_path
from harness.training.torch.inputs import laid_out, normalised, sample
from harness.training.torch.network import blocks_of, set_dropout

P = ParamSpec("P")
T = TypeVar("T")

LOWERED = frozenset({functional.linear, functional.conv2d, torch.conv2d, torch.matmul, torch.bmm, Tensor.matmul})
RAISED = frozenset({functional.layer_norm, functional.group_norm, functional.cross_entropy, functional.softmax})
"""What autocast computes in the lower precision and in float32 on CUDA, as far as our networks use it.
Source: PyTorch, "Automatic Mixed Precision package", CUDA op-specific behaviour."""


class CudaRules(TorchFunctionMode):
    """Makes operations keep on the meta device what they keep on a CUDA card.

    Attention is fused (the matrix of weights is never held), dropout keeps one byte per element, and under
    autocast matrix products take the lower precision and norms float32. None of autocast's own rules hold for
    meta tensors.

    Args:
        lower: autocast's type; None: all is float32.
    """

    def __init__(self, lower: torch.dtype | None):
        super().__init__()
        self.lower = lower
        self._weights: dict[int, Tensor] = {}
        self._active = False

    def __torch_function__(self, func: Any, types: Any, args: Any = (), kwargs: Any = None) -> Any:
        """Compute by the card's rules."""
        kwargs = kwargs or {}
        if func is functional.scaled_dot_product_attention:
            query, key, value = (self._cast(tensor, self.lower) for tensor in args[:3])
            return torch.ops.aten._scaled_dot_product_efficient_attention(query, key, value, None, True)[0]
        if func is functional.dropout and kwargs.get("training", True):
            share = kwargs["p"] if "p" in kwargs else args[1]
            return torch.native_dropout(args[0], share, True)[0] if share else args[0]
        if func in LOWERED:
            args = tuple(self._cast(value, self.lower) for value in args)
        elif func in RAISED and self.lower:
            args = tuple(self._cast(value, torch.float32) for value in args)
        return func(*args, **kwargs)

    def _cast(self, value: Any, to: torch.dtype | None) -> Any:
        if to is None or not isinstance(value, Tensor) or not value.is_floating_point() or value.dtype == to:
            return value
        if not (value.is_leaf and value.requires_grad):
            return value.to(to)
        # Autocast keeps the converted weights until the step is over.
        if id(value) not in self._weights:
            self._weights[id(value)] = value.to(to)
        return self._weights[id(value)]

    def inside(self, forward: Callable[P, T]) -> Callable[P, T]:
        """Return a function that keeps to the rules while it runs, also when checkpointing calls it again."""

        def ruled(*args: P.args, **kwargs: P.kwargs) -> T:
            if self._active:
                return forward(*args, **kwargs)
            self._active = True
            try:
                with self:
                    return forward(*args, **kwargs)
            finally:
                self._active = False

        return ruled


def traced(
    model: nn.Module,
    resolution: int,
    batch: int,
    *,
    training: bool,
    lower: torch.dtype | None,
    checkpointing: bool = False,
    dropout: float = 0.0,
    fused: bool = False,
    shapes: KnownShapes | None = None,
) -> tuple[int, KernelCounter]:
    """Return the most bytes that a step takes in addition to weights, gradients and momentum, and its kernels.

    The kernels of a training step are those that sample a batch, of the forward pass and of the backward pass; those
    of an evaluation the forward pass's, its weights standardised already. Updating the weights is left out.

    Args:
        model: on the meta device; timm's, for checkpointing.
        resolution: side of the input in pixels.
        batch: images at once.
        training: forward and backward; otherwise inference.
        lower: autocast's type; None: all is float32.
        checkpointing: each block's activations are computed again in the backward pass.
        dropout: of the transformer.
        fused: by the fused kernels that there are for the network.
        shapes: known from an earlier trace.
    """
    model.train(training)
    if hasattr(model, "set_grad_checkpointing"):  # a network of the user's own has no such blocks
        model.set_grad_checkpointing(checkpointing)  # type: ignore[operator]
    set_dropout(model, dropout)
    weights: list[Tensor] = list(model.parameters())
    for weight in weights:
        weight.grad = torch.empty_like(weight) if training else None
    images = torch.empty(batch, 3, resolution, resolution, device="meta")
    path = None
    if fused:
        if bit.able(model):
            model.to(memory_format=torch.channels_last)
            images = images.contiguous(memory_format=torch.channels_last)
        path = fused_path(model)
        for weight, leaf in zip(path.replaced, path.leaves.tensors, strict=True):
            weight.grad, leaf.grad = None, torch.empty_like(leaf)
        weights += path.leaves.tensors
        path.start()
    gradients = [weight.grad for weight in weights if weight.grad is not None]
    labels = torch.empty(batch, dtype=torch.long, device="meta")
    rules = CudaRules(lower)
    kernels = KernelCounter(gradients)
    # Checkpointing computes blocks again in the backward pass, where no mode is active.
    blocks = blocks_of(model)
    for block in blocks:
        block.forward = rules.inside(block.forward)
    try:
        with shapes or KnownShapes():
            if training:
                with kernels:
                    sampled(batch, resolution)
                with LiveBytes([*weights, *gradients]) as live, kernels:
                    loss = functional.cross_entropy(rules.inside(model)(images), labels)
                    loss.backward()
            else:
                # In inference mode, modes would see a convolution before it is split into what computes it.
                with LiveBytes(weights) as live, torch.no_grad(), folded(model), kernels:
                    rules.inside(model)(images)
    finally:
        for block in blocks:
            del block.forward
        if path is not None:
            path.stop()
    return int(live.peak + images.nbytes + labels.nbytes), kernels


def sampled(batch: int, resolution: int) -> Tensor:
    """Return a batch (N, 3, side, side) as it is sampled on the device from stored pixels."""
    positions, first, row = (torch.empty(batch, dtype=torch.long, device="meta") for _ in range(3))
    low, high = (torch.empty(batch, resolution, dtype=torch.int32, device="meta") for _ in range(2))
    weight = torch.empty(batch, resolution, device="meta")
    pixels = torch.empty(batch * resolution**2, 3, dtype=torch.uint8, device="meta")
    taps = (first, row, low, high, weight, low, high, weight)
    levels = sample(pixels, *(each[positions] for each in taps))
    return laid_out(normalised(levels.movedim(3, 1)), torch.contiguous_format)
