"""BiT computed by fused kernels: weight standardisation with its update, and group norm with ReLU."""

from __future__ import annotations

from copy import deepcopy
from functools import partial

import torch
from timm.layers.norm_act import GroupNormAct
from timm.layers.std_conv import StdConv2d
from timm.models.resnetv2 import ResNetV2
from torch import Tensor, nn
from torch.nn import functional

from harness.core.specs import Recipe
from harness.models.torch.folding import standardised
from harness.training.torch.fused.convolutions import StandardisedWeights
from harness.training.torch.fused.distance import UPDATED, distance
from harness.training.torch.fused.norm import NormRelu
from harness.training.torch.optimiser import BUFFER

ROUNDED = 2**-7
"""Of the norm of standardised weights: bfloat16's rounding, twice."""


def able(model: nn.Module) -> bool:
    """Return whether a network's convolutions and norms are those that there are kernels for."""
    return isinstance(model, ResNetV2) and len({conv.eps for conv in convolutions(model)}) == 1


def convolutions(model: nn.Module) -> list[StdConv2d]:
    """Return the convolutions whose weights are standardised by timm's rule."""
    return [each for each in model.modules() if type(each) is StdConv2d and each.bias is None]


def norms(model: nn.Module) -> list[GroupNormAct]:
    """Return the group norms with ReLU that go before convolutions: all but the last, which goes before the mean."""
    found = [each for each in model.modules() if type(each) is GroupNormAct and isinstance(each.act, nn.ReLU)]
    return [each for each in found if each is not getattr(model, "norm", None)]


class BitPath:
    """A network whose convolutions and norms are computed by fused kernels while `on`.

    Args:
        model: on a CUDA device, with channels last.
        optimiser: holds the momenta of the convolutions' weights; it updates the other parameters itself. None, as the
            recipe: nothing is updated.
        recipe: for the momentum and weight decay.
    """

    def __init__(self, model: nn.Module, optimiser: torch.optim.Optimizer | None, recipe: Recipe | None):
        self.model, self.optimiser, self.recipe = model, optimiser, recipe
        self.weights = StandardisedWeights(convolutions(model), torch.bfloat16)
        self.replaced, self.leaves = self.weights.weights, self.weights.leaves
        self.norms = norms(model)
        self.on = False

    def start(self) -> None:
        """Compute by fused kernels from now on, with the weights as they are."""

        def convolved(conv: StdConv2d, kernel: Tensor, x: Tensor) -> Tensor:
            return functional.conv2d(x, kernel, None, conv.stride, conv.padding, conv.dilation, conv.groups)

        def normed(norm: GroupNormAct, x: Tensor) -> Tensor:
            x = x.to(torch.bfloat16)
            found: Tensor = NormRelu.apply(x, norm.weight, norm.bias, norm.num_groups, norm.eps)
            return found

        for conv, kernel in zip(self.weights.convolutions, self.weights.kernels, strict=True):
            vars(conv)["forward"] = partial(convolved, conv, kernel)
        for norm in self.norms:
            vars(norm)["forward"] = partial(normed, norm)
        self.weights.standardise()
        self.on = True

    def stop(self) -> None:
        """Compute by PyTorch's operations again."""
        for module in (*self.weights.convolutions, *self.norms):
            vars(module).pop("forward", None)
        self.leaves.zero_grad()
        self.on = False

    def clip(self, most: float) -> None:
        """Not for BiT: `suits` says why."""
        raise AssertionError(f"expected no clipping, found a norm of {most}")

    def update(self, rate: float) -> None:
        """Update the convolutions' weights."""
        assert self.optimiser is not None
        assert self.recipe is not None
        momenta = [self.optimiser.state[weight][BUFFER] for weight in self.replaced]
        self.weights.update(momenta, rate, self.recipe.momentum, self.recipe.weight_decay)

    def updated(self) -> None:
        """The optimiser updates nothing that the kernels have a copy of."""

    def gradients(self) -> list[Tensor | None]:
        """Return the gradient of each of the model's parameters."""
        of_convolutions = dict(zip(map(id, self.replaced), self.weights.weight_gradients(), strict=True))
        return [of_convolutions.get(id(one), one.grad) for one in self.model.parameters()]

    def wrong_update(self) -> str:
        """Return how an update of some convolutions differs from that of PyTorch; "" if it does not.

        Copies of the smallest, the middle and the largest are updated twice: with a gradient in the training precision,
        and with one that was added up in float32.
        """
        by_size = sorted(self.weights.convolutions, key=lambda each: each.weight.numel())
        copies = [deepcopy(by_size[at]) for at in (0, len(by_size) // 2, -1)]
        weights = StandardisedWeights(copies, torch.bfloat16)
        momenta = [torch.full_like(each, 3.0) for each in weights.weights]
        rate, momentum, decay = 0.1, 0.9, 5.0  # each large enough to be seen
        weights.standardise()
        drawn = torch.Generator().manual_seed(0)
        for added in (False, True):
            expected = []
            for conv, kernel, moving in zip(copies, weights.kernels, momenta, strict=True):
                kernel.grad = torch.empty_like(kernel).copy_(torch.randn(kernel.shape, generator=drawn))
                (of_weight,) = torch.autograd.grad(standardised(conv), conv.weight, kernel.grad.float())
                weight = conv.weight.detach()
                v = momentum * moving + of_weight + decay * weight
                expected += [v, weight - rate * v]
            if added:
                weights.leaves.add_up()
            weights.update(momenta, rate=rate, momentum=momentum, decay=decay)
            weights.leaves.zero_grad()
            found = [each for pair in zip(momenta, weights.weights, strict=True) for each in pair]
            apart = max(distance([mine.detach()], [theirs]) for mine, theirs in zip(found, expected, strict=True))
            of_kernels = max(
                distance([kernel.detach().float()], [standardised(conv).detach()])
                for conv, kernel in zip(copies, weights.kernels, strict=True)
            )
            if not (apart <= UPDATED and of_kernels <= ROUNDED):
                return (
                    f"disagree (an update was {apart:.2g} of its norm from PyTorch's, the standardised weights"
                    f" {of_kernels:.2g}; expected at most {UPDATED:g} and {ROUNDED:g})"
                )
        return ""
