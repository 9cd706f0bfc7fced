"""BiT ResNets in Flax whose parameter tree is the key tree of the official files, and the layers of ResNets.

Importing this module imports jax and flax: import it where it is used.
"""

from __future__ import annotations

from collections.abc import Callable
from typing import Any

import jax
import jax.numpy as jnp
from flax import linen as nn
from jax import Array, lax

from harness.models.architectures import GROUPS, BitArchitecture

Dtype = Any
Padding = str | tuple[tuple[int, int], tuple[int, int]]


def at_least_float32(dtype: Dtype) -> Dtype:
    """Return the type for what must not be rounded to bfloat16: standardised weights, statistics, the head."""
    return jnp.promote_types(dtype, jnp.float32)


class Convolution(nn.Module):
    """Convolution without bias, of a kernel (height, width, in, out) that is standardised first."""

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


def standardise(kernel: Array) -> Array:
    """Return (w - mean) / sqrt(var + 1e-10) of a kernel (h, w, in, out), per output, population variance.

    Source: bit_pytorch/models.py, `StdConv2d`.
    """
    mean = jnp.mean(kernel, axis=(0, 1, 2), keepdims=True)
    variance = jnp.var(kernel, axis=(0, 1, 2), keepdims=True)
    return (kernel - mean) / jnp.sqrt(variance + 1e-10)


def is_standardised(key: str) -> bool:
    """Whether the array of this key is a kernel that the network standardises."""
    return key.endswith("standardized_conv2d/kernel")


class Part(nn.Module):
    """A third of a unit: group norm, relu, convolution; the first also projects the shortcut."""

    features: int
    side: int = 1
    stride: int = 1
    projected: int | None = None
    """Channels of the projection of the shortcut."""
    shortcut_stride: int = 1
    folded: bool = False
    dtype: Dtype = jnp.float32

    @nn.compact
    def __call__(self, x: Array) -> tuple[Array, Array]:
        """Return the features and the shortcut from x of shape (N, H, W, C)."""
        active = jax.nn.relu(GroupNorm(1e-5, self.dtype, name="group_norm")(x))
        if self.projected is not None:
            projection = Standardised(self.projected, 1, self.shortcut_stride, self.folded, self.dtype, name="proj")
            x = projection(active)
        return _convolution(self.features, self.side, self.stride, self.folded, self.dtype)(active), x


class Standardised(nn.Module):
    """A scope of the file that holds one convolution, padded symmetrically."""

    features: int
    side: int
    stride: int
    folded: bool
    dtype: Dtype

    @nn.compact
    def __call__(self, x: Array) -> Array:
        """Convolve x of shape (N, H, W, C)."""
        return _convolution(self.features, self.side, self.stride, self.folded, self.dtype)(x)


def _convolution(features: int, side: int, stride: int, folded: bool, dtype: Dtype) -> Convolution:
    pad = (side // 2, side // 2)
    used = None if folded else standardise
    return Convolution(features, side, stride, (pad, pad), used, dtype, name="standardized_conv2d")


class Unit(nn.Module):
    """A pre-activation bottleneck."""

    width: int
    """Output channels; the bottleneck is a quarter as wide."""
    stride: int
    project: bool
    folded: bool
    dtype: Dtype

    @nn.compact
    def __call__(self, x: Array) -> Array:
        """Return the features (N, H / stride, W / stride, width) of x of shape (N, H, W, C)."""
        middle, how = self.width // 4, {"folded": self.folded, "dtype": self.dtype}
        projected = self.width if self.project else None
        y, shortcut = Part(middle, projected=projected, shortcut_stride=self.stride, name="a", **how)(x)
        y, _ = Part(middle, side=3, stride=self.stride, name="b", **how)(y)
        y, _ = Part(self.width, name="c", **how)(y)
        return shortcut + y


class Stage(nn.Module):
    """Units of one width; the first projects, and strides in every stage after the first."""

    units: int
    width: int
    stride: int
    folded: bool
    remat: bool
    dtype: Dtype

    @nn.compact
    def __call__(self, x: Array) -> Array:
        """Return the features of x of shape (N, H, W, C)."""
        unit = nn.remat(Unit) if self.remat else Unit
        for index in range(1, self.units + 1):
            first = index == 1
            stride = self.stride if first else 1
            x = unit(self.width, stride, first, self.folded, self.dtype, name=f"unit{index:02d}")(x)
        return x


class Head(nn.Module):
    """The classifier, a 1x1 convolution of the pooled features, in float32."""

    classes: int
    dtype: Dtype

    @nn.compact
    def __call__(self, x: Array) -> Array:
        """Return logits (N, classes) from features (N, C)."""
        head = nn.Conv(self.classes, (1, 1), dtype=self.dtype, precision=lax.Precision.HIGHEST, name="conv2d")
        return head(x[:, None, None])[:, 0, 0]


class ResNet(nn.Module):
    """Root, stages, norm, mean over the image, head."""

    architecture: BitArchitecture
    folded: bool
    remat: bool
    dtype: Dtype

    @nn.compact
    def __call__(self, x: Array) -> Array:
        """Return logits (N, classes) from images (N, H, W, channels)."""
        a, wide = self.architecture, at_least_float32(self.dtype)
        x = Standardised(a.stem_width, 7, 2, self.folded, self.dtype, name="root_block")(x)
        # The pool sees zeros around the image, not minus infinity: the root's features may be negative.
        x = nn.max_pool(jnp.pad(x, ((0, 0), (1, 1), (1, 1), (0, 0))), (3, 3), (2, 2))
        for index, (units, width) in enumerate(a.stages, 1):
            stride = 1 if index == 1 else 2
            x = Stage(units, width, stride, self.folded, self.remat, self.dtype, name=f"block{index}")(x)
        x = jax.nn.relu(GroupNorm(1e-5, wide, name="group_norm")(x))
        return Head(a.classes, wide, name="head")(x.mean((1, 2)))


class FlaxBiT(nn.Module):
    """A BiT ResNet: symmetric padding, zeros before the max-pool, pre-activation units.

    Source: bit_pytorch/models.py (`ResNetV2`).
    """

    architecture: BitArchitecture
    folded: bool = False
    """The kernels are standardised already."""
    remat: bool = False
    """Compute each unit's features again in the backward pass instead of keeping them."""
    dtype: Dtype = jnp.float32
    """Of the computation; parameters are float32."""

    @nn.compact
    def __call__(self, images: Array, train: bool = False) -> Array:
        """Return float32 logits (N, classes).

        Args:
            images: (N, height, width, channels) in [-1, 1], of any size.
            train: changes nothing; the reference has no dropout.
        """
        return ResNet(self.architecture, self.folded, self.remat, self.dtype, name="resnet")(images)
