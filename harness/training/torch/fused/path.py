"""Which way a run's steps are computed: PyTorch's operations, or fused kernels that were checked against them.

Fused kernels compute parts of BiT and of transformers in bfloat16 on a CUDA device. The first time they are used for a
network on a card, one gradient is computed three times: by PyTorch in float32, by PyTorch in bfloat16, and by the
kernels. They are used where they are about as near to float32 as PyTorch is; otherwise, or where anything goes wrong,
the run goes on without them and its record says so. Compiled blocks are checked in the same way.
"""

from __future__ import annotations

import contextlib
from collections.abc import Callable, Iterator
from typing import Any, Protocol

import torch
from torch import Tensor, nn

from harness.core.specs import Recipe
from harness.training.torch.device import DeviceContext
from harness.training.torch.fused import bit, suits, vit
from harness.training.torch.fused.bit import BitPath
from harness.training.torch.fused.distance import distance
from harness.training.torch.fused.leaves import Leaves
from harness.training.torch.fused.vit import VitPath
from harness.training.torch.memory import free, out_of_memory

WORSE = 2.0
"""Times as far from float32 as PyTorch in the same precision that a fast path may be."""
SLACK = 1e-3
"""Of the norm of a gradient: differences that say nothing, where PyTorch's are smaller still."""
FUSED = "fused"
PLAIN = "PyTorch's"


class FastPath(Protocol):
    """A network that is computed in another way than by PyTorch's operations while `on`."""

    model: nn.Module
    on: bool

    def start(self) -> None:
        """Compute in the other way from now on, with the weights as they are."""

    def stop(self) -> None:
        """Compute by PyTorch's operations again."""

    def gradients(self) -> list[Tensor | None]:
        """Return the gradient of each of the model's parameters."""

    def wrong_update(self) -> str:
        """Return how an update of some weights differs from that of PyTorch; "" if it does not."""


class FusedPath(FastPath, Protocol):
    """A network of which parts are computed by fused kernels."""

    replaced: list[Tensor]
    """Parameters in whose place the leaves get gradients."""
    leaves: Leaves

    def clip(self, most: float) -> None:
        """Scale all gradients down to a global norm, as the update takes them."""

    def update(self, rate: float) -> None:
        """Update the replaced parameters, before the optimiser updates the others."""

    def updated(self) -> None:
        """Take over the parameters that the optimiser has updated."""


def able(model: nn.Module, recipe: Recipe, context: DeviceContext) -> bool:
    """Return whether there are fused kernels for a run: of BiT or a transformer, by one process on a CUDA device."""
    if context.device.type != "cuda" or context.world > 1:
        return False
    of_bit = bit.able(model)
    return (of_bit or vit.able(model)) and suits(recipe, of_bit)


def fused_path(
    model: nn.Module, optimiser: torch.optim.Optimizer | None = None, recipe: Recipe | None = None
) -> FusedPath:
    """Return the way to compute a network by fused kernels, stopped.

    Args:
        model: one that is able; on a CUDA device, BiT with channels last.
        optimiser: holds the momenta; None, as the recipe: nothing is updated.
        recipe: for the momentum and weight decay.
    """
    return BitPath(model, optimiser, recipe) if bit.able(model) else VitPath(model, optimiser, recipe)


def checked(path: FastPath, gradient: Callable[[bool], None]) -> str:
    """Return why a fast path is not to be used, as `disagreement` or because they failed; "" if they are."""
    try:
        return path.wrong_update() or disagreement(path, gradient)
    except Exception as error:  # whatever goes wrong in a compiler or on a card, the run goes on
        lines = str(error).strip().splitlines() or [type(error).__name__]
        lacking = out_of_memory(error)
    if lacking:
        free()
    return f"failed ({lines[0][:200]})"


def disagreement(path: FastPath, gradient: Callable[[bool], None]) -> str:
    """Return how a fast path disagrees with PyTorch's operations; "" if it does not.

    Args:
        path: stopped, and stopped when this returns.
        gradient: computes the gradient of some examples into the leaves, in the precision of the recipe (True) or in
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
            fast = distance(path.gradients(), exact)
    finally:
        path.stop()
        for one in model.parameters():
            one.grad = None
    if not fast <= WORSE * plain + SLACK:  # not a number is too far, too
        return (
            f"disagree (a gradient was {fast:.2g} of its norm from float32, PyTorch's {plain:.2g}; expected at most"
            f" {WORSE:g} times as much)"
        )
    return ""


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
