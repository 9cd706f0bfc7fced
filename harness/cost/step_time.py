"""How long a step takes on a card, by a model: what holds until a run has been measured there.

A kernel takes as long as its FLOPs at the rate that its kind reaches, or its bytes at the memory's, or as no kernel
takes less; the largest of the three. A step takes as long as its kernels, or as the host takes to launch them.
"""

from __future__ import annotations

import math
from dataclasses import dataclass

from harness.core.specs import Recipe
from harness.cost.cards import Card
from harness.cost.steps import Kernels, Step

LEAST = 2.5e-6
"""Seconds that a kernel takes, whatever it does: it is started, and its first blocks wait for memory."""
CALL = 8e-6
"""Seconds of the host for an operation: 20.6 ms for the 2,500 of a ViT-L's step, 29.7 ms for the 3,950 of a
ResNet-152's, forward, backward and update, on one core of a server."""
GRAPHS = 5e-3
"""Seconds of the host for a step whose passes are launched as CUDA graphs: its batch, the loss and the update. On a
CPU on which launching the kernels of a ViT-L one by one takes 32 to 40 ms, it was 8."""
TENSORS, BLOCKS, CHUNK = 48, 320, 65_536
"""Tensors and blocks of one launch of an operation on a list of tensors, and elements of a block (PyTorch's
multi_tensor_apply, three lists)."""
GRADIENT = 4
"""Bytes of an element of a weight, of its gradient and of its average."""


@dataclass(frozen=True)
class StepTime:
    """Seconds of a step, by what takes them."""

    products: float
    """Matrix products, convolutions and attention."""
    rest: float
    """All else on the card: norms, activations, casts, sampling the batch, the update of the weights."""
    host: float
    """To launch all of it; the card computes meanwhile."""

    @property
    def device(self) -> float:
        """Seconds of the card."""
        return self.products + self.rest

    @property
    def seconds(self) -> float:
        """Seconds of the step."""
        return max(self.device, self.host)


def step_time(
    of: Step,
    images: float,
    card: Card,
    recipe: Recipe,
    *,
    parts: int = 1,
    parameters: int = 0,
    fused: bool = False,
    graphed: bool = False,
) -> StepTime | None:
    """Return how long a step takes; None on a card whose rates are not known.

    Args:
        of: the step.
        images: at once.
        card: where it is computed.
        recipe: for its precision and the update.
        parts: into which the batch is split.
        parameters: number of weights that are updated; 0: an evaluation, which updates none.
        fused: one kernel updates nearly all weights, and writes what the next step computes with.
        graphed: forward and backward pass are launched as CUDA graphs where that is faster.
    """
    peak, _ = card.rate(recipe.precision)
    if peak is None or card.bandwidth is None:
        return None
    updating: tuple[Kernels, ...] = ()
    if parameters:
        updating = (fused_update if fused else update)(recipe, parameters, of.tensors, parts)
    products = sum(on_card(each, images, card, peak) for each in of.kernels if each.kind != "other")
    rest = sum(on_card(each, images, card, peak) for each in of.kernels if each.kind == "other")
    host = CALL * (parts * of.calls + sum(each.count for each in updating))
    return StepTime(
        parts * products,
        parts * rest + sum(on_card(each, images, card, peak) for each in updating),
        min(host, GRAPHS) if graphed else host,
    )


def on_card(of: Kernels, images: float, card: Card, peak: float) -> float:
    """Return the seconds that kernels of one kind take.

    Args:
        of: the kernels.
        images: at once.
        card: with a known bandwidth.
        peak: of the card's arithmetic, FLOP/s.
    """
    flops, moved = of.work(images)
    computing = 0.0
    if of.kind != "other":
        computing = flops / (peak * card.share(of.kind))
    moving = moved / ((card.bandwidth or math.inf) * card.bandwidth_share)
    return of.count * max(computing, moving, of.launches * LEAST)


def update(recipe: Recipe, parameters: int, tensors: int, parts: int = 1) -> tuple[Kernels, ...]:
    """Return what is done with the gradients of a step: added up, clipped, and the weights and averages updated.

    Args:
        recipe: what is done.
        parameters: number of weights.
        tensors: in so many tensors.
        parts: of the batch; the gradients of all but the first are added to those before.
    """
    lists = max(-(-tensors // TENSORS), -(-parameters // (BLOCKS * CHUNK)))

    def kernels(launches: int, bytes_of_one: int) -> Kernels:
        return Kernels("other", launches, 1, 0.0, 0.0, bytes_of_one * parameters / launches, 0.0)

    found = []
    if parts > 1:
        found.append(kernels((parts - 1) * tensors, (parts - 1) * 3 * GRADIENT))
    if recipe.precision == "float16":
        found.append(kernels(lists, 2 * GRADIENT))  # unscaled
    if recipe.clip_norm is not None:
        found += [kernels(lists, GRADIENT), kernels(lists, 2 * GRADIENT)]  # the norm; scaled
    if recipe.momentum_dtype == "bfloat16":
        decayed = [kernels(lists, 3 * GRADIENT)] if recipe.weight_decay else []
        # The gradient with the stored momentum, which is rounded, and the weights.
        found += [*decayed, kernels(tensors, 10), kernels(tensors, 6), kernels(lists, 3 * GRADIENT)]
    else:  # one kernel reads weight, gradient and momentum, and writes weight and momentum
        found.append(kernels(lists, 5 * GRADIENT if recipe.momentum else 3 * GRADIENT))
    if recipe.polyak is not None:
        found.append(kernels(lists, 3 * GRADIENT))
    return tuple(found)


def fused_update(recipe: Recipe, parameters: int, tensors: int, parts: int = 1) -> tuple[Kernels, ...]:
    """Return the same of a network that is trained by fused kernels, as if they updated all its weights.

    One kernel reads weight, momentum and the gradient, and writes weight, momentum and what the next step computes with
    (BiT's standardised weights, a transformer's in bfloat16); a gradient is of two bytes, or of four where those of
    several parts were added up.
    """
    found = []
    each, momentum = 2, 2 if recipe.momentum_dtype == "bfloat16" else GRADIENT
    lists = max(-(-tensors // TENSORS), -(-parameters // (BLOCKS * CHUNK)))
    if parts > 1:
        each = GRADIENT
        found.append(
            Kernels("other", (parts - 1) * tensors, 1, 0.0, 0.0, (2 + 2 * GRADIENT) * parameters / tensors, 0.0)
        )
    if recipe.clip_norm is not None:  # the norm; the update takes what is left of each gradient
        found.append(Kernels("other", lists, 1, 0.0, 0.0, each * parameters / lists, 0.0))
    found.append(Kernels("other", 1, 1, 0.0, 0.0, (2 * GRADIENT + 2 * momentum + each + 2) * parameters, 0.0))
    if recipe.polyak is not None:
        found.append(Kernels("other", lists, 1, 0.0, 0.0, 3 * GRADIENT * parameters / lists, 0.0))
    return tuple(found)
