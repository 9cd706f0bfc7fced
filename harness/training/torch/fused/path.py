"""Which way a run's steps are computed: PyTorch's operations, or fused kernels that were checked against them.

Fused kernels compute BiT's weight standardisation and its group norm with ReLU, in bfloat16 on a CUDA device. The first
time they are used for a network on a card, one gradient is computed three times: by PyTorch in float32, by PyTorch in
bfloat16, and by the kernels. They are used where they are about as near to float32 as PyTorch is; otherwise, or where
anything goes wrong, the run goes on without them and its record says so.
"""

from __future__ import annotations

import contextlib
from collections.abc import Callable, Iterator, Sequence
from copy import deepcopy
from functools import partial
from typing import Any

import torch
from timm.layers.norm_act import GroupNormAct
from timm.layers.std_conv import StdConv2d
from timm.models.resnetv2 import ResNetV2
from torch import Tensor, nn
from torch.nn import functional

from harness.core.specs import Recipe
from harness.models.torch.folding import standardised
from harness.training.torch.device import DeviceContext
from harness.training.torch.fused import suits
from harness.training.torch.memory import free, out_of_memory
from harness.training.torch.optimiser import BUFFER

WORSE = 2.0
"""Times as far from float32 as PyTorch in the same precision that the fused kernels may be."""
SLACK = 1e-3
"""Of the norm of a gradient: differences that say nothing, where PyTorch's are smaller still."""

UPDATED = 1e-3
"""Of the norm of a weight or a momentum: what float32 may make of an update in another order."""
ROUNDED = 2**-7
"""Of the norm of standardised weights: bfloat16's rounding, twice."""
FUSED = "fused"
PLAIN = "PyTorch's"


def able(model: nn.Module, recipe: Recipe, context: DeviceContext) -> bool:
    """Return whether there are fused kernels for a run: of BiT, by one process on a CUDA device."""
    return (
        context.device.type == "cuda"
        and context.world == 1
        and isinstance(model, ResNetV2)
        and suits(recipe)
        and len({conv.eps for conv in convolutions(model)}) == 1
    )


def convolutions(model: nn.Module) -> list[StdConv2d]:
    """Return the convolutions whose weights are standardised by timm's rule."""
    return [each for each in model.modules() if type(each) is StdConv2d and each.bias is None]


def norms(model: nn.Module) -> list[GroupNormAct]:
    """Return the group norms with ReLU that go before convolutions: all but the last, which goes before the mean."""
    found = [each for each in model.modules() if type(each) is GroupNormAct and isinstance(each.act, nn.ReLU)]
    return [each for each in found if each is not getattr(model, "norm", None)]


class FusedPath:
    """A network whose convolutions and norms are computed by fused kernels while `on`.

    Args:
        model: on a CUDA device, with channels last.
        optimiser: holds the momenta of the convolutions' weights; it updates the other parameters itself. None, as the
            recipe: nothing is updated.
        recipe: for the momentum and weight decay.
    """

    def __init__(self, model: nn.Module, optimiser: torch.optim.Optimizer | None, recipe: Recipe | None):
        from harness.training.torch.fused.convolutions import StandardisedWeights

        self.model, self.optimiser, self.recipe = model, optimiser, recipe
        self.weights = StandardisedWeights(convolutions(model), torch.bfloat16)
        self.norms = norms(model)
        self.on = False

    def start(self) -> None:
        """Compute by fused kernels from now on, with the weights as they are."""
        from harness.training.torch.fused.norm import NormRelu

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
        self.weights.zero_grad()
        self.on = False

    def update(self, rate: float) -> None:
        """Update the convolutions' weights."""
        assert self.optimiser is not None
        assert self.recipe is not None
        momenta = [self.optimiser.state[weight][BUFFER] for weight in self.weights.weights]
        self.weights.update(momenta, rate, self.recipe.momentum, self.recipe.weight_decay)

    def gradients(self) -> list[Tensor | None]:
        """Return the gradient of each of the model's parameters."""
        of_convolutions = dict(zip(map(id, self.weights.weights), self.weights.weight_gradients(), strict=True))
        return [of_convolutions.get(id(one), one.grad) for one in self.model.parameters()]


def checked(path: FusedPath, gradient: Callable[[bool], None]) -> str:
    """Return why fused kernels are not to be used, as `disagreement` or because they failed; "" if they are."""
    try:
        return wrong_update(path) or disagreement(path, gradient)
    except Exception as error:  # whatever goes wrong in a compiler or on a card, the run goes on
        lines = str(error).strip().splitlines() or [type(error).__name__]
        lacking = out_of_memory(error)
    if lacking:
        free()
    return f"failed ({lines[0][:200]})"


def wrong_update(path: FusedPath) -> str:
    """Return how an update of some convolutions differs from that of PyTorch; "" if it does not.

    Copies of the smallest, the middle and the largest are updated twice: with a gradient in the training precision, and
    with one that was added up in float32.
    """
    from harness.training.torch.fused.convolutions import StandardisedWeights

    by_size = sorted(path.weights.convolutions, key=lambda each: each.weight.numel())
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
            weights.add_up()
        weights.update(momenta, rate=rate, momentum=momentum, decay=decay)
        weights.zero_grad()
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


def disagreement(path: FusedPath, gradient: Callable[[bool], None]) -> str:
    """Return how the fused kernels disagree with PyTorch's operations; "" if they don't.

    Args:
        path: stopped, and stopped when this returns.
        gradient: computes the gradient of a few examples into the leaves, in the precision of the recipe (True) or in
            float32; gradients of before are forgotten.
    """
    model = path.model
    try:
        with telling_head(model):
            gradient(False)
            exact = [None if one.grad is None else one.grad.cpu() for one in model.parameters()]
            gradient(True)
            plain = distance([one.grad for one in model.parameters()], exact)
            path.start()
            gradient(True)
            fused = distance(path.gradients(), exact)
    finally:
        path.stop()
        for one in model.parameters():
            one.grad = None
    if not fused <= WORSE * plain + SLACK:  # not a number is too far, too
        return (
            f"disagree (a gradient was {fused:.2g} of its norm from float32, PyTorch's {plain:.2g}; expected at most"
            f" {WORSE:g} times as much)"
        )
    return ""


def distance(gradients: Sequence[Tensor | None], exact: Sequence[Tensor | None]) -> float:
    """Return how far gradients are from others, in units of the others' norm."""
    apart = norm = 0.0
    for mine, theirs in zip(gradients, exact, strict=True):
        if (mine is None) != (theirs is None):
            return float("inf")
        if mine is not None and theirs is not None:
            there = theirs.to(mine.device)
            apart += float((mine - there).square().sum(dtype=torch.float64))
            norm += float(there.square().sum(dtype=torch.float64))
    return (apart / norm) ** 0.5 if norm else float(apart > 0)


@contextlib.contextmanager
def telling_head(model: nn.Module) -> Iterator[None]:
    """Give a network a head that tells images apart: of a new head, zero, no gradient reaches the network."""
    head: Any = model.get_classifier()  # type: ignore[operator]
    kept = head.weight.detach().clone()
    drawn = torch.Generator().manual_seed(0)
    with torch.no_grad():
        head.weight.copy_(torch.randn(kept.shape, generator=drawn) / kept[0].numel() ** 0.5)
    try:
        yield
    finally:
        with torch.no_grad():
            head.weight.copy_(kept)
