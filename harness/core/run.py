"""One run and its identity: the hash of what determines its outcome and of nothing else.

Names, citations, the machine and the split of a batch that memory forces are not in it.
"""

from __future__ import annotations

import dataclasses
import hashlib
import json
from functools import cached_property
from typing import Annotated, Any, Literal

from pydantic import Field
from pydantic.dataclasses import dataclass

from harness.core.specs import STRICT, Backend, Checkpoint, Dataset, Natural, Recipe

# The version of the numerics of each backend, bumped by hand whenever the same run would give other
# predictions. Version 1: CPU runs on exactly one thread, evaluation batches of 256.
NUMERICS = {"torch": 1, "jax": 1}

NOT_IDENTITY: dict[type, frozenset[str]] = {
    Checkpoint: frozenset(
        "id family architecture pretrained_on variant file sources unconfirmed never_released resolution classes"
        " tuned_on size citation mean std interpolation resize crop_share classes_file class_names stated".split()
    ),
    Dataset: frozenset("id title citation protocol numbered reader path".split()),
    Recipe: frozenset("id sources learning_rates learning_rate_grid epochs".split()),
}
"""Fields that name, cite or locate a thing and do not change what comes out: digests pin the bytes,
a chosen learning rate is itself a field, and so are the steps that epochs come to. What a checkpoint states of its
input is part of the recipe that is resolved for it, and its class names of the run's `outputs`."""


def identity(value: Any) -> Any:
    """Return the part of a spec that determines outcomes, as plain JSON values.

    Fields that equal their default are left out, so a new optional field changes no old id.
    """
    if dataclasses.is_dataclass(value) and not isinstance(value, type):
        left_out = next((NOT_IDENTITY[kind] for kind in type(value).__mro__ if kind in NOT_IDENTITY), frozenset())
        kept: dict[str, Any] = {}
        for field in dataclasses.fields(value):
            item = getattr(value, field.name)
            if field.name not in left_out and item != field.default:
                kept[field.name] = identity(item)
        return kept
    if isinstance(value, tuple):
        return [identity(item) for item in value]
    return value


@dataclass(frozen=True, config=STRICT)
class Run:
    """checkpoint x dataset x recipe x seed x backend: one fine-tuning and its evaluation."""

    checkpoint: Checkpoint
    dataset: Dataset
    recipe: Recipe
    seed: Annotated[int, Field(ge=0, lt=2**63)]
    """Below 2^63, the range of both frameworks' generators."""
    backend: Backend = "torch"
    split: Literal["test", "dev"] = "test"
    """What is scored: the test set after training on all training examples, or the held-out
    dev split after training on the rest (for choices)."""
    outputs: tuple[Natural, ...] = ()
    """Where a head is kept: its output for each class of the dataset; (): output n is class n."""
    class_order: str = ""
    """Where `outputs` comes from; "" where a new head is trained."""

    def __post_init__(self) -> None:
        if self.checkpoint.sha256 is None:
            raise ValueError(
                f"expected {self.checkpoint.id} with its digest, found none; fetch it first (checkpoint_files.pinned)"
            )
        recipe = self.recipe
        if recipe.steps is None or (recipe.steps and recipe.learning_rate is None):
            raise ValueError(f"expected recipe {recipe.id} with steps and a learning rate, found it unresolved")
        if recipe.evaluates_only and self.split == "dev":
            raise ValueError(f"expected a recipe that trains for a run on the dev split, found {recipe.id}")
        if not recipe.evaluates_only and not self.dataset.train:
            raise ValueError(f"expected a recipe that only evaluates {self.dataset.id}, found {recipe.id}")
        if self.outputs and not recipe.evaluates_only:
            raise ValueError(f"expected outputs only where a head is kept, found recipe {recipe.id}, which trains")
        if self.outputs and not len(set(self.outputs)) == len(self.outputs) == self.dataset.classes:
            raise ValueError(
                f"expected an output of its own for each of {self.dataset.classes:,} classes, found"
                f" {len(set(self.outputs)):,}"
            )

    @cached_property
    def id(self) -> str:
        """Sixteen hex digits: the hash of everything that determines the outcome."""
        parts = identity(self)
        parts.pop("class_order", None)  # says where the outputs come from, which are in it themselves
        if self.split == "test" and self.recipe.trains_on == "all":
            del parts["dataset"]["dev_fraction"]  # the dev split has no part in it
        parts["numerics"] = NUMERICS[self.backend]
        parts["backend"] = self.backend
        canonical = json.dumps(parts, sort_keys=True, separators=(",", ":"))
        return hashlib.sha256(canonical.encode()).hexdigest()[:16]

    @property
    def lane(self) -> Literal["cpu", "accelerator"]:
        """Where it is computed: what ships with the project on the CPU, all else on an accelerator."""
        return "cpu" if self.checkpoint.shipped else "accelerator"

    @property
    def label(self) -> str:
        """One readable line for progress bars and messages."""
        rate = "" if self.recipe.learning_rate is None else f", lr {self.recipe.learning_rate:g}"
        dev = f", dev split{rate}" if self.split == "dev" else ""
        backend = "" if self.backend == "torch" else f", {self.backend}"
        return f"{self.checkpoint.id} on {self.dataset.id}, {self.recipe.id}, seed {self.seed}{dev}{backend}"
