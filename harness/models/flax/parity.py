"""The authors' order of operations in Flax, on which the last bits depend, for comparing logits with theirs.

In deep networks float32 rounding reaches 1e-5 to 1e-4 of the logits, and two programs agree better than that only
where they round alike. Fine-tuning and evaluation keep the two-pass variance of `flax_bit` and `flax_vit`: the
authors' E[x^2] - E[x]^2 loses digits where a mean is far from zero.

Importing this module imports jax and flax: import it where it is used.
"""

from __future__ import annotations

from collections.abc import Callable
from typing import Any

import jax
import jax.numpy as jnp
import numpy as np
from flax import linen as nn
from jax import lax

from harness.models.architectures import GROUPS, Architecture, ViTArchitecture
from harness.models.flax import build
from harness.models.flax.build import Params
from harness.models.flax.resnet import GroupNorm
from harness.models.npz import Array


def logits(params: Params, architecture: Architecture, images: Array, batch: int = 32) -> Array:
    """Return float32 logits (N, classes), rounded as in the authors' code or, where that is impossible, less.

    On one CPU and in one batch those of a small ViT or hybrid are vit_jax's under jax.jit, bit for bit, those of a
    base or large one to 1.5e-6. A BiT's authors' code runs on PyTorch, whose convolutions XLA does not repeat; here
    everything else is rounded less than in `flax_bit`: kernels are standardised in float64, group norms are summed
    along one axis at a time.

    Args:
        params: as `flax_models.load` returns them.
        architecture: theirs.
        images: float32, (N, height, width, channels) in [-1, 1].
        batch: images at once.
    """
    vit = isinstance(architecture, ViTArchitecture)
    kernel, norms = (_vit_kernel, _vit_norms) if vit else (_bit_kernel, _bit_norms)
    folded = build.fold(params, architecture, kernel)
    with nn.intercept_methods(norms):
        return build.logits(build.network(architecture, folded=True), folded, images, batch)


@jax.jit
def _vit_kernel(kernel: jax.Array) -> jax.Array:
    """Standardise a kernel (h, w, in, out) as vit_jax/models_resnet.py does: the deviation is the centred kernel's."""
    centred = kernel - jnp.mean(kernel, axis=(0, 1, 2))
    return centred / (jnp.std(centred, axis=(0, 1, 2)) + 1e-5)


def _bit_kernel(kernel: jax.Array) -> jax.Array:
    """Standardise a kernel (h, w, in, out) in float64 and round once."""
    wide = np.asarray(kernel, np.float64)
    standard = (wide - wide.mean((0, 1, 2))) / np.sqrt(wide.var((0, 1, 2)) + 1e-10)
    return jnp.asarray(standard.astype(np.float32))


def _vit_norms(call: Callable[..., Any], args: Any, kwargs: Any, context: nn.module.InterceptorContext) -> Any:
    """Compute norms as flax does by default, which vit_jax leaves it to: fast variance, scale times 1 / deviation."""
    module = context.module
    own: nn.Module | None = None
    if isinstance(module, nn.LayerNorm) and not module.use_fast_variance:
        own = nn.LayerNorm(epsilon=module.epsilon, dtype=module.dtype, parent=None)
    elif isinstance(module, GroupNorm):
        own = nn.GroupNorm(GROUPS, epsilon=module.epsilon, dtype=module.dtype, parent=None)
    if own is None or context.method_name != "__call__":
        return call(*args, **kwargs)
    values: dict[str, jax.Array] = {name: module.get_variable("params", name).reshape(-1) for name in ("scale", "bias")}
    return own.apply({"params": values}, *args, **kwargs)


def _bit_norms(call: Callable[..., Any], args: Any, kwargs: Any, context: nn.module.InterceptorContext) -> Any:
    """Compute a BiT's group norms from sums of sums along one axis at a time.

    On a CPU, XLA adds up a group's values (tens of thousands at 224 pixels) one after the other, which costs a deep
    network as much accuracy as all its convolutions together.
    """
    module = context.module
    if context.method_name != "__call__" or not isinstance(module, GroupNorm):
        return call(*args, **kwargs)
    (x,) = args
    grouped = x.reshape(*x.shape[:3], GROUPS, -1)
    centred = grouped - _mean(grouped)
    normal = centred * lax.rsqrt(_mean(jnp.square(centred)) + module.epsilon)
    factor: jax.Array = module.get_variable("params", module.names[0])
    summand: jax.Array = module.get_variable("params", module.names[1])
    return normal.reshape(x.shape) * factor + summand


def _mean(grouped: jax.Array) -> jax.Array:
    """Return the means (N, 1, 1, groups, 1) of values (N, H, W, groups, channels of a group)."""
    for axis in (4, 2, 1):
        grouped = grouped.mean(axis, keepdims=True)
    return grouped
