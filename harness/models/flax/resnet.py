"""Layers that BiT and the hybrids' stems share: convolution, group norm, and stages of units.

Importing this module imports jax and flax: import it where it is used.
"""

from __future__ import annotations

from collections.abc import Callable
from typing import Any

import jax.numpy as jnp
from flax import linen as nn
from jax import Array, lax

from harness.models.architectures import GROUPS

Dtype = Any
Padding = str | tuple[tuple[int, int], tuple[int, int]]


def at_least_float32(dtype: Dtype) -> Dtype:
    """Return the type for what must not be rounded to bfloat16: standardised weights, statistics, the head."""
    return jnp.promote_types(dtype, jnp.float32)


class Convolution(nn.Module):
    """Convolution without bias, with a kernel (height, width, in, out) that is standardised first."""

    features: int
    side: int
    """Height and width of the kernel."""
    stride: int
    padding: Padding
    standardise: Callable[[Array], Array] | None
    """What is done to the kernel, in float32; None: it is taken as it is (folded weights)."""
    dtype: Dtype

    @nn.compact
    def __call__(self, x: Array) -> Array:
        """Convolve x of shape (N, H, W, in)."""
        shape = (self.side, self.side, x.shape[-1], self.features)
        kernel: Array = self.param("kernel", nn.initializers.zeros, shape, jnp.float32)
        if self.standardise is not None:
            kernel = self.standardise(kernel.astype(at_least_float32(self.dtype)))
        return lax.conv_general_dilated(
            x.astype(self.dtype),
            kernel.astype(self.dtype),
            (self.stride, self.stride),
            self.padding,
            dimension_numbers=("NHWC", "HWIO", "NHWC"),
        )


class GroupNorm(nn.Module):
    """Group norm, statistics in float32, whose parameters are named and shaped as in the file."""

    epsilon: float
    dtype: Dtype
    names: tuple[str, str] = ("gamma", "beta")
    """Of the factor and of the summand."""
    leading: int = 0
    """Dimensions of size 1 before that of the channels."""

    @nn.compact
    def __call__(self, x: Array) -> Array:
        """Normalise x of shape (N, H, W, C)."""
        shape = (1,) * self.leading + x.shape[-1:]
        factor: Array = self.param(self.names[0], nn.initializers.ones, shape, jnp.float32)
        summand: Array = self.param(self.names[1], nn.initializers.zeros, shape, jnp.float32)
        x = nn.GroupNorm(
            GROUPS,
            epsilon=self.epsilon,
            dtype=at_least_float32(self.dtype),
            use_scale=False,
            use_bias=False,
            use_fast_variance=False,
        )(x)
        return (x * factor + summand).astype(self.dtype)


class Stage(nn.Module):
    """Units of one width; the first projects, and strides in every stage after the first."""

    unit: Callable[..., nn.Module]
    """Class of the units, made of (width, stride, whether it projects, folded, dtype)."""
    named: str
    """How the file names them, with a place for the number counted from 1."""
    units: int
    width: int
    """As the unit counts it: BiT's of its output, the hybrid's of its bottleneck."""
    stride: int
    folded: bool
    remat: bool
    dtype: Dtype

    @nn.compact
    def __call__(self, x: Array) -> Array:
        """Return the features of x of shape (N, H, W, C)."""
        unit = nn.remat(self.unit) if self.remat else self.unit
        for number in range(1, self.units + 1):
            first = number == 1
            stride = self.stride if first else 1
            x = unit(self.width, stride, first, self.folded, self.dtype, name=self.named.format(number))(x)
        return x
