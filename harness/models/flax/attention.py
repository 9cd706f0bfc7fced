"""The ways to compute attention. They differ in rounding: on a CPU it is always flax's own.

Importing this module imports jax and flax: import it where it is used.
"""

from __future__ import annotations

from collections.abc import Callable, Mapping
from functools import lru_cache
from types import MappingProxyType
from typing import Any, Literal

import jax
import jax.numpy as jnp
from flax import linen as nn
from jax import Array

Attention = Literal["flax", "rounded", "fused"]


def rounded(query: Array, key: Array, value: Array) -> Array:
    """Return softmax(q k / sqrt(d)) v whose products are in the type of the inputs, softmax in float32.

    Flax's own multiplies the float32 weights of bfloat16 tokens in float32: a third of an accelerator's work on
    attention would be done at a fraction of its speed.

    Args:
        query: (N, tokens, heads, d), like the others.
        key: likewise.
        value: likewise.
    """
    weights = nn.dot_product_attention_weights(query, key, force_fp32_for_softmax=True)
    return jnp.einsum("nhqk,nkhd->nqhd", weights.astype(value.dtype), value)


def fused(query: Array, key: Array, value: Array) -> Array:
    """Return softmax(q k / sqrt(d)) v by cuDNN's kernel, which never writes the weights of all pairs of tokens.

    Args:
        query: (N, tokens, heads, d) bfloat16, like the others.
        key: likewise.
        value: likewise.
    """
    tokens = query.shape[1]
    if tokens % 2 == 0:
        even: Array = jax.nn.dot_product_attention(query, key, value, implementation="cudnn")
        return even
    # jax refuses to differentiate an odd number (a class token makes it odd): one is added that nothing sees.
    filled = [jnp.pad(each, ((0, 0), (0, 1), (0, 0), (0, 0))) for each in (query, key, value)]
    length = jnp.full((len(query),), tokens, jnp.int32)
    found: Array = jax.nn.dot_product_attention(
        *filled, query_seq_lengths=length, key_value_seq_lengths=length, implementation="cudnn"
    )
    return found[:, :tokens]


FUNCTIONS: Mapping[Attention, Callable[..., Any]] = MappingProxyType(
    {"flax": nn.dot_product_attention, "rounded": rounded, "fused": fused}
)


@lru_cache(maxsize=64)
def can_fuse(tokens: int, heads: int, size: int) -> bool:
    """Return whether `fused` and its gradient can be computed here in bfloat16, as jax says; nothing is compiled.

    Args:
        tokens: of an image.
        heads: of the attention.
        size: of a head.
    """
    some = jax.ShapeDtypeStruct((1, tokens, heads, size), jnp.bfloat16)
    try:
        jax.eval_shape(jax.grad(lambda q, k, v: fused(q, k, v).astype(jnp.float32).sum()), some, some, some)
    except (NotImplementedError, RuntimeError, ValueError):  # no cuDNN; a size or a card that it does not support
        return False
    return True
