"""What is trained and evaluated: the micro networks, and larger ones with random weights and images."""

from __future__ import annotations

from dataclasses import dataclass, field, replace
from functools import cached_property
from typing import Any, Literal

import numpy as np

from bench.weights import random_weights
from harness.core.run import Run
from harness.core.specs import Checkpoint, Dataset, Recipe
from harness.data.splits import Data, Split
from harness.models.architectures import Architecture, BitArchitecture, ViTArchitecture
from harness.training.api import Weights

CLASSES = 10
SMALL_VIT = ViTArchitecture(width=192, depth=6, heads=3, mlp_size=768, patch=(16, 16), grid=(6, 6), classes=CLASSES)
"""ViT-Ti/16 of half its depth, for 96 pixels: 2.8 million parameters."""
SMALL_BIT = BitArchitecture(stem_width=32, stages=((2, 128), (2, 256), (2, 512), (2, 1024)), classes=CLASSES)
"""A BiT-R26 of half its width: 3.5 million parameters."""
NOWHERE = "0" * 64
"""The digest of what no file holds."""


@dataclass(frozen=True, eq=False)
class Case:
    """One network on some images."""

    name: str
    run: Run
    weights: Weights = field(repr=False)
    data: Data = field(repr=False)
    device: str = "cpu"

    @cached_property
    def preloaded(self) -> Preloaded:
        """The training examples as a loop that prepares nothing would have them."""
        return Preloaded(self)

    def changed(self, name: str, **recipe: Any) -> Case:
        """Return the same with other fields of the recipe."""
        return replace(self, name=name, run=replace(self.run, recipe=replace(self.run.recipe, **recipe)))

    def scoring(self, n: int) -> Case:
        """Return the same with n test examples, the given ones over and over."""
        test = self.data.test.take(np.arange(n) % len(self.data.test))
        return replace(self, data=Data(self.data.train, test))


class Preloaded:
    """Normalised inputs (N, C, side, side) and labels (N,) on the device, and the order of the examples."""

    def __init__(self, case: Case):
        import torch

        from harness.data.splits import batch_indices
        from harness.training.torch.inputs import to_inputs

        recipe, split = case.run.recipe, case.data.train
        self.inputs = to_inputs(split.array(), recipe.resolution, recipe).to(case.device)
        self.labels = torch.from_numpy(split.labels).to(case.device)
        batches = [
            batch_indices(len(split), recipe.batch_size, step, case.run.seed) for step in range(recipe.steps or 0)
        ]
        self.order = torch.from_numpy(np.concatenate(batches)).to(case.device)


def recipe(resolution: int, steps: int, batch_size: int, **changed: Any) -> Recipe:
    """Return SGD with momentum, warm-up, cosine decay and clipping, as the paper has it, on whole images."""
    fields: dict[str, Any] = {
        "learning_rate": 0.003,
        "warmup_steps": max(1, steps // 10),
        "head": "library",  # a zero head would make all classes equally likely in an evaluation without training
    }
    return Recipe("bench", batch_size, resolution, steps, **(fields | changed))


def synthetic(
    name: str, architecture: Architecture, plan: Recipe, *, stored: int, n: int, tests: int = 1, device: str = "cpu"
) -> Case:
    """Return a case with random weights and noise for images.

    Args:
        name: for the table.
        architecture: the network.
        plan: how it is trained.
        stored: side of the stored images, pixels.
        n: training examples.
        tests: test examples.
        device: where it is computed.
    """
    layout: Literal["bit-npz", "vit-npz"] = "bit-npz" if isinstance(architecture, BitArchitecture) else "vit-npz"
    checkpoint = Checkpoint(f"bench {name}", architecture.family, name, "nothing", layout, sha256=NOWHERE)
    dataset = Dataset("noise", CLASSES, n, tests, "noise", NOWHERE, 0.02)
    data = Data(noise(n, stored), noise(tests, stored))
    return Case(name, Run(checkpoint, dataset, plan, seed=0), random_weights(architecture), data, device)


def noise(n: int, side: int) -> Split:
    """Return n random images (side, side, 3) with random labels: each noise around a colour of its own."""
    drawn = np.random.default_rng(n)
    images = drawn.integers(0, 64, (n, side, side, 3), dtype=np.uint8)
    images += drawn.integers(0, 192, (n, 1, 1, 3), dtype=np.uint8)
    return Split(images, drawn.integers(0, CLASSES, n))


def micro(family: str, steps: int) -> Case:
    """Return the micro study's fine-tuning of a network on the digits."""
    from harness.catalog.checkpoint_files import file_of
    from harness.catalog.checkpoints import checkpoint
    from harness.catalog.datasets import dataset
    from harness.catalog.recipes import recipe
    from harness.data.readers.synthetic import load
    from harness.data.splits import select
    from harness.models.npz_layout import read

    plan = replace(recipe("micro"), steps=steps)
    run = Run(checkpoint(f"micro-{family}-l"), dataset("digits"), plan, seed=0)
    return Case(f"micro {family}", run, read(file_of(run.checkpoint)), select(load(run.dataset), run))


def small_vit(steps: int = 10, tests: int = 1) -> Case:
    """Return the small ViT at 96 pixels."""
    return synthetic("small ViT", SMALL_VIT, recipe(96, steps, 32), stored=96, n=256, tests=tests)


def small_bit(steps: int = 16, tests: int = 1) -> Case:
    """Return the small BiT at 64 pixels."""
    return synthetic("small BiT", SMALL_BIT, recipe(64, steps, 32), stored=64, n=256, tests=tests)
