"""The update rules: SGD with momentum, its momentum in float32 or bfloat16, and the average of the weights."""

from __future__ import annotations

from collections.abc import Sequence
from typing import Any

import torch
from torch import Tensor, nn

from harness.core.specs import Recipe

BUFFER = "momentum_buffer"


class HalfMomentum(torch.optim.Optimizer):
    """SGD whose momentum is stored in bfloat16, as the authors' is.

    v = g + m v, w = w - rate v: v is computed in float32 from the stored value and used before it is rounded,
    and m is rounded to bfloat16 (0.9 is 0.8984), because it meets the stored value in that type.
    Source: vision_transformer, momentum_clip.py, and optax.sgd(accumulator_dtype="bfloat16") after it.
    """

    def __init__(self, parameters: Sequence[Tensor], momentum: float, weight_decay: float):
        super().__init__(parameters, {"lr": 0.0, "momentum": momentum, "weight_decay": weight_decay})

    @torch.no_grad()
    def step(self, closure: Any = None) -> None:  # type: ignore[override]
        """Update all parameters that have a gradient; gradients are overwritten."""
        for group in self.param_groups:
            momentum = rounded(group["momentum"], "bfloat16")
            weights = [one for one in group["params"] if one.grad is not None]
            gradients = [one.grad for one in weights]
            if group["weight_decay"]:
                torch._foreach_add_(gradients, weights, alpha=group["weight_decay"])
            stored = [self.state[weight][BUFFER] for weight in weights]
            torch._foreach_add_(gradients, stored, alpha=momentum)
            torch._foreach_copy_(stored, gradients)
            torch._foreach_add_(weights, gradients, alpha=-group["lr"])


def rounded(momentum: float, dtype: str) -> float:
    """Return a momentum as it meets stored momenta of a type."""
    return momentum if dtype == "float32" else float(torch.tensor(momentum, dtype=getattr(torch, dtype)))


def optimiser(recipe: Recipe, parameters: Sequence[Tensor]) -> torch.optim.Optimizer:
    """Return the recipe's optimiser; its momentum has its memory at once, so that no update can run out of it.

    Weight decay is added to the gradient after clipping: g + decay w.
    """
    made: torch.optim.Optimizer
    dtype = getattr(torch, recipe.momentum_dtype)
    if dtype == torch.bfloat16:
        made = HalfMomentum(parameters, recipe.momentum, recipe.weight_decay)
    else:
        made = torch.optim.SGD(
            parameters, lr=0.0, momentum=recipe.momentum, weight_decay=recipe.weight_decay, fused=True
        )
    if recipe.momentum or dtype == torch.bfloat16:
        for parameter in parameters:
            kept = parameter.dtype if dtype == torch.float32 else dtype
            made.state[parameter][BUFFER] = torch.zeros_like(parameter, dtype=kept)
    return made


class Average:
    """Polyak's moving average of the weights, which is what is evaluated: a = decay a + (1 - decay) w.

    It starts from the weights before the first update (TensorFlow's ExponentialMovingAverage without num_updates).
    """

    def __init__(self, model: nn.Module, decay: float):
        self.decay = decay
        self.parameters: list[Tensor] = [one for one in model.parameters() if one.requires_grad]
        self.averages = [parameter.detach().clone() for parameter in self.parameters]

    @torch.no_grad()
    def update(self) -> None:
        """Update the average with the current weights."""
        torch._foreach_lerp_(self.averages, self.parameters, 1 - self.decay)

    @torch.no_grad()
    def apply(self) -> None:
        """Copy the averaged weights into the model."""
        for parameter, average in zip(self.parameters, self.averages, strict=True):
            parameter.copy_(average)
