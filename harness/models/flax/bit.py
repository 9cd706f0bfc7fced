"""BiT ResNets in Flax whose parameter tree is the key tree of the official files.

Importing this module imports jax and flax: import it where it is used.
"""

from __future__ import annotations

import jax
import jax.numpy as jnp
from flax import linen as nn
from jax import Array, lax

from harness.models.architectures import BitArchitecture
from harness.models.flax.resnet import Convolution, Dtype, GroupNorm, Stage, at_least_float32


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
    features: bool = False
    """The head is left out."""

    @nn.compact
    def __call__(self, x: Array) -> Array:
        """Return logits (N, classes), or what the head is given, from images (N, H, W, channels)."""
        a, wide = self.architecture, at_least_float32(self.dtype)
        x = Standardised(a.stem_width, 7, 2, self.folded, self.dtype, name="root_block")(x)
        # The pool sees zeros around the image, not minus infinity: the root's features may be negative.
        x = nn.max_pool(jnp.pad(x, ((0, 0), (1, 1), (1, 1), (0, 0))), (3, 3), (2, 2))
        for index, (units, width) in enumerate(a.stages, 1):
            stride = 1 if index == 1 else 2
            how = self.folded, self.remat, self.dtype
            x = Stage(Unit, "unit{:02d}", units, width, stride, *how, name=f"block{index}")(x)
        x = jax.nn.relu(GroupNorm(1e-5, wide, name="group_norm")(x))
        pooled = x.mean((1, 2))
        return pooled if self.features else Head(a.classes, wide, name="head")(pooled)


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
    features: bool = False
    """The head is left out."""

    @nn.compact
    def __call__(self, images: Array, train: bool = False) -> Array:
        """Return float32 logits (N, classes), or what the head is given.

        Args:
            images: (N, height, width, channels) in [-1, 1], of any size.
            train: changes nothing; the reference has no dropout.
        """
        return ResNet(self.architecture, self.folded, self.remat, self.dtype, self.features, name="resnet")(images)
