"""Fused kernels for BiT and for transformers on a CUDA device."""

from harness.core.specs import Recipe


def suits(recipe: Recipe, bit: bool) -> bool:
    """Return whether a recipe's steps can be computed by fused kernels.

    They compute in bfloat16. BiT's are without clipping, because no gradient of its convolutions is ever in memory to
    be clipped, and with the momentum in float32, as its authors' are.

    Args:
        recipe: in question.
        bit: whether the network is BiT; otherwise a transformer.
    """
    usual = not recipe.frozen and recipe.precision == "bfloat16" and recipe.momentum > 0
    return usual and (not bit or (recipe.clip_norm is None and recipe.momentum_dtype == "float32"))
