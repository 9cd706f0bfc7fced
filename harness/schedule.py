"""The learning rate of every step."""

from __future__ import annotations

import math

from harness.spec import Recipe


def learning_rate(recipe: Recipe, step: int) -> float:
    """Return the learning rate of update `step`, counted from 0: linear warm-up, then cosine to 0.

    The authors' rule (vision_transformer, utils.create_learning_rate_schedule): update k uses the
    schedule at k, so with a warm-up the first update has learning rate 0 and changes nothing.
    """
    progress = max(0.0, (step - recipe.warmup_steps) / max(1, recipe.steps - recipe.warmup_steps))
    rate = recipe.learning_rate * 0.5 * (1 + math.cos(math.pi * min(1.0, progress)))
    if recipe.warmup_steps:
        rate *= min(1.0, step / recipe.warmup_steps)
    return rate
