"""The update rule in optax: clipping, weight decay, momentum in float32 or bfloat16."""

from __future__ import annotations

from dataclasses import dataclass
from typing import Any

import jax
import jax.numpy as jnp
import numpy as np
import optax

from harness.core.specs import Recipe


@dataclass(frozen=True)
class Rule:
    """What of a recipe decides how weights are updated; the learning rate comes with each step."""

    momentum: float
    momentum_dtype: str
    weight_decay: float
    clip_norm: float | None
    polyak: float | None

    @classmethod
    def of(cls, recipe: Recipe) -> Rule:
        """Return a recipe's."""
        return cls(recipe.momentum, recipe.momentum_dtype, recipe.weight_decay, recipe.clip_norm, recipe.polyak)

    def transform(self) -> optax.GradientTransformation:
        """Return what makes of a gradient the step to take against it, of length 1.

        Weight decay is added to the gradient after clipping: g + decay w.
        """
        parts = []
        if self.clip_norm is not None:
            parts.append(optax.clip_by_global_norm(self.clip_norm))
        if self.weight_decay:
            parts.append(optax.add_decayed_weights(self.weight_decay))
        if self.momentum_dtype == "bfloat16":
            parts.append(half_momentum(self.momentum))
        elif self.momentum:
            parts.append(optax.trace(self.momentum))
        return optax.chain(*parts) if parts else optax.identity()

    def averaged(self, average: Any, params: Any) -> Any:
        """Return Polyak's average a = decay a + (1 - decay) w after an update; None where there is none."""
        if self.polyak is None:
            return None
        share = 1 - self.polyak
        return jax.tree.map(lambda a, w: a + share * (w - a), average, params)


def half_momentum(momentum: float) -> optax.GradientTransformation:
    """Return momentum that is stored in bfloat16, like the authors'.

    v = g + m v: v is computed in float32 from the stored value and used before it is rounded, and m is rounded to
    bfloat16 (0.9 is 0.8984), because it meets the stored value in that type.
    Source: vision_transformer, momentum_clip.py, and optax.sgd(accumulator_dtype="bfloat16") after it, of which
    this is one reading: there the product may be rounded, too, as the compiler likes.
    """
    factor = float(np.asarray(momentum, jnp.bfloat16))

    def init(params: Any) -> optax.TraceState:
        return optax.TraceState(jax.tree.map(lambda one: jnp.zeros_like(one, jnp.bfloat16), params))

    def update(updates: Any, state: optax.TraceState, params: Any = None) -> tuple[Any, optax.TraceState]:
        found = jax.tree.map(lambda g, v: g + factor * v.astype(jnp.float32), updates, state.trace)
        return found, optax.TraceState(jax.tree.map(lambda one: one.astype(jnp.bfloat16), found))

    return optax.GradientTransformation(init, update)
