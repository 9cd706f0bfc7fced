"""The learning rate of every step."""

from __future__ import annotations

import math

from harness.core.specs import Recipe


def learning_rate(recipe: Recipe, step: int) -> float:
    """Return the learning rate of update `step`, counted from 0: linear warm-up, then the recipe's schedule.

    Update k uses the schedule at k, so with a warm-up the first update has learning rate 0 and changes
    nothing, in both of the authors' codes: cosine to 0 (vision_transformer, utils.py,
    create_learning_rate_schedule), and a tenth strictly after each of `decay_at` (BiT-HyperRule;
    big_transfer, bit_hyperrule.py, get_lr).

    Raises:
        ValueError: the recipe has no learning rate or number of steps yet.
    """
    if recipe.learning_rate is None or recipe.steps is None:
        raise ValueError(f"recipe {recipe.id}: expected a learning rate and a number of steps; resolve it first")
    rate = recipe.learning_rate
    if recipe.schedule == "cosine":
        progress = max(0.0, (step - recipe.warmup_steps) / max(1, recipe.steps - recipe.warmup_steps))
        rate *= 0.5 * (1 + math.cos(math.pi * min(1.0, progress)))
    elif recipe.schedule == "staircase":
        rate /= 10 ** sum(support < step for support in recipe.decay_at)
    if recipe.warmup_steps:
        rate *= min(1.0, step / recipe.warmup_steps)
    return rate
