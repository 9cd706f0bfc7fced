"""Fused kernels for BiT and for transformers on a CUDA device."""

from harness.core.specs import Recipe


def suits(recipe: Recipe) -> bool:
    """Return whether a recipe's steps can be computed by fused kernels.

    They compute in bfloat16 with the momentum in float32, and without clipping: no gradient of BiT's convolutions is
    ever in memory to be clipped.
    """
    return (
        not recipe.frozen
        and recipe.precision == "bfloat16"
        and recipe.momentum_dtype == "float32"
        and recipe.momentum > 0
        and recipe.clip_norm is None
    )
