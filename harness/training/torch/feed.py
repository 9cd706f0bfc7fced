"""The batches of a run's steps on the device: prepared ahead, sampled there from stored pixels, or computed once."""

from __future__ import annotations

from collections.abc import Callable
from dataclasses import dataclass
from typing import Any, Protocol

import numpy as np
import torch
from torch import Tensor

from harness.core.run import Run
from harness.core.specs import Recipe
from harness.data.augment import Draw, draw, is_random, taps, views
from harness.data.preprocess import check_inputs
from harness.data.rng import Indices
from harness.data.splits import Split
from harness.data.stored_pixels import copy_boxes, first_pixels, limits, one_size, sizes
from harness.training.prefetch import Prefetched, batches_ahead
from harness.training.torch.device import DeviceContext, sent
from harness.training.torch.inputs import normalised, sample, to_inputs

PREPARED = 1 << 30
"""Largest size in bytes of training inputs that are computed once, where nothing about them is random."""
RESIDENT = 1 << 32
"""Largest size in bytes of stored images that are kept on the device."""

Part = Callable[[Tensor], Tensor]
"""Positions among a batch's needed images -> inputs (k, C, side, side), normalised float32, on the device."""


@dataclass(frozen=True, eq=False)
class Batch:
    """This process's share of one step's examples, on the device."""

    index: Indices
    """(n,): the whole batch as indices among the training examples."""
    labels: Tensor
    """(m,) int64: of the process' own examples."""
    own: Tensor
    """(m,): their positions among the needed images."""
    read: Part
    partners: Tensor | None = None
    partner_labels: Tensor | None = None
    share: float = 1.0

    def __len__(self) -> int:
        return len(self.labels)

    def part(self, start: int, stop: int) -> tuple[Tensor, list[tuple[float, Tensor]]]:
        """Return inputs of some examples, and their labels with the share that each counts."""
        inputs = self.read(self.own[start:stop])
        labels = self.labels[start:stop]
        if self.partners is None or self.partner_labels is None:
            return inputs, [(1.0, labels)]
        inputs = self.share * inputs + (1 - self.share) * self.read(self.partners[start:stop])
        return inputs, [(self.share, labels), (1 - self.share, self.partner_labels[start:stop])]


class Source(Protocol):
    """Where a batch's inputs come from."""

    waits: bool
    """Whether preparing a batch takes long enough to be done ahead."""

    def prepare(self, drawn: Draw, step: int) -> Any:
        """Do what can be done ahead, in another thread."""

    def part(self, drawn: Draw, prepared: Any) -> Part:
        """Return how the batch's inputs are computed on the device."""


class Prepared:
    """Inputs that are the same in every step, computed once."""

    waits = False

    def __init__(self, split: Split, recipe: Recipe, device: torch.device, where: str):
        self.inputs = to_inputs(np.require(split.array(), requirements="W"), recipe.resolution, recipe).to(device)
        check_inputs(self.inputs, where, *limits(recipe))

    def prepare(self, drawn: Draw, step: int) -> None:
        """Nothing is done ahead."""

    def part(self, drawn: Draw, prepared: None) -> Part:
        """Return how the batch's inputs are taken."""
        examples = sent(drawn.index[drawn.needed], self.inputs.device)
        return lambda positions: self.inputs[examples[positions]]


class Sampled:
    """Inputs sampled from stored pixels, which are on the device or sent with each batch."""

    waits = True

    def __init__(self, split: Split, run: Run, device: torch.device):
        self.split, self.run, self.device = split, run, device
        self.where = run.checkpoint.id
        self.checked = False
        self.heights, self.widths, self.channels = sizes(split)
        stored = int((self.heights * self.widths).sum()) * self.channels
        self.resident: Tensor | None = None
        if one_size(split) and stored <= RESIDENT:
            pixels = np.require(split.array(), requirements="W").reshape(-1, self.channels)
            self.resident = torch.from_numpy(pixels).to(device)

    def prepare(self, drawn: Draw, step: int) -> list[Tensor]:
        """Return pixels (none if they are on the device), first pixel and row length of each image, and its taps."""
        examples = drawn.index[drawn.needed]
        whole = drawn.index
        seen = views(self.run.recipe, self.heights[whole], self.widths[whole], self.run.seed, step)[drawn.needed]
        top, left, height, width = seen.boxes.T
        packed = []
        if self.resident is not None:
            row = self.widths[examples]
            first = first_pixels(self.heights[examples], row, examples, top, left)
        else:
            row, first = width, np.cumsum(height * width) - height * width
            packed.append(self._packed(examples, seen.boxes))
        rows, columns = taps(seen)
        arrays = first, row, rows.low, rows.high, rows.weight, columns.low, columns.high, columns.weight
        small = [torch.from_numpy(np.ascontiguousarray(array)) for array in arrays]
        return packed + ([one.pin_memory() for one in small] if self.device.type == "cuda" else small)

    def _packed(self, examples: Indices, boxes: Indices) -> Tensor:
        """Return the boxes' pixels (P, C), one image after the other, in pinned memory for a GPU."""
        count = int((boxes[:, 2] * boxes[:, 3]).sum())
        packed = torch.empty((count, self.channels), dtype=torch.uint8, pin_memory=self.device.type == "cuda")
        copy_boxes(self.split, examples, boxes, packed.numpy())
        return packed

    def part(self, drawn: Draw, prepared: list[Tensor]) -> Part:
        """Return how the batch's inputs are sampled."""
        *packed, first, row, a, b, c, d, e, f = (tensor.to(self.device, non_blocking=True) for tensor in prepared)
        tap = (a, b, c, d, e, f)
        pixels = packed[0] if self.resident is None else self.resident
        recipe = self.run.recipe

        def read(positions: Tensor) -> Tensor:
            sampled = sample(pixels, first[positions], row[positions], *(one[positions] for one in tap))
            inputs = normalised(sampled.movedim(3, 1), recipe)
            if not self.checked:  # once: the same arithmetic on uint8 gives the same range ever after
                check_inputs(inputs, self.where, *limits(recipe))
                self.checked = True
            return inputs

        return read


class Feed(Prefetched[tuple[Draw, Any]]):
    """The batches of a run's steps, in order; the next ones are prepared while a step is computed.

    Args:
        split: the training examples.
        run: recipe and seed.
        context: the device, and which share of each batch is this process'.
        first: the step to begin with.
    """

    def __init__(self, split: Split, run: Run, context: DeviceContext, first: int = 0):
        self.n, self.run, self.context = len(split), run, context
        self.labels = torch.from_numpy(split.labels).to(context.device)
        recipe = run.recipe
        self.source: Source
        if not is_random(recipe) and _prepared_size(split, recipe) <= PREPARED:
            self.source = Prepared(split, recipe, context.device, run.checkpoint.id)
        else:
            self.source = Sampled(split, run, context.device)
        ahead = batches_ahead(context.accelerated) if self.source.waits else 0
        super().__init__(first, recipe.steps or 0, ahead)

    def batch(self, step: int) -> Batch:
        """Return a step's batch; steps are asked for in order."""
        drawn, prepared = self.prepared(step)
        device = self.context.device
        labels = self.labels[sent(drawn.index[drawn.needed], device)]
        own = sent(drawn.own, device)
        read = self.source.part(drawn, prepared)
        if drawn.partners is None:
            return Batch(drawn.index, labels[own], own, read)
        partners = sent(drawn.partners, device)
        return Batch(drawn.index, labels[own], own, read, partners, labels[partners], drawn.share)

    def prepare(self, step: int) -> tuple[Draw, Any]:
        """Return a step's examples and what their inputs are computed from."""
        context = self.context
        drawn = draw(self.n, self.run.recipe, self.run.seed, step, context.rank, context.world)
        return drawn, self.source.prepare(drawn, step)


def _prepared_size(split: Split, recipe: Recipe) -> float:
    """Return bytes of all inputs in float32; infinite where images have several sizes."""
    return 4.0 * len(split) * recipe.resolution**2 * sizes(split)[2] if one_size(split) else float("inf")
