"""ViT and hybrid in Flax whose parameter tree is the key tree of the official files.

Importing this module imports jax and flax: import it where it is used.
"""

from __future__ import annotations

import re

import jax
import jax.numpy as jnp
from flax import linen as nn
from jax import Array, lax

from harness.models.architectures import HybridStem, Numerics, ViTArchitecture
from harness.models.flax.attention import FUNCTIONS, Attention
from harness.models.flax.resnet import Convolution, Dtype, GroupNorm, Stage, at_least_float32

STANDARDISED = re.compile(r"(conv_root|block\d+/unit\d+/conv(\d|_proj))/kernel")


def standardise(kernel: Array) -> Array:
    """Return (w - mean) / (std + 1e-5) of a kernel (h, w, in, out), per output, population deviation.

    Source: vit_jax/models_resnet.py, `weight_standardize`.
    """
    mean = jnp.mean(kernel, axis=(0, 1, 2), keepdims=True)
    deviation = jnp.std(kernel, axis=(0, 1, 2), keepdims=True)
    return (kernel - mean) / (deviation + 1e-5)


def is_standardised(key: str) -> bool:
    """Whether the array of this key is a kernel that the network standardises."""
    return STANDARDISED.fullmatch(key) is not None


def _convolution(features: int, side: int, stride: int, folded: bool, dtype: Dtype, name: str) -> Convolution:
    # SAME as TensorFlow's: at stride 2 the odd pixel of padding goes to the end.
    return Convolution(features, side, stride, "SAME", None if folded else standardise, dtype, name=name)


def _norm(dtype: Dtype, name: str) -> GroupNorm:
    return GroupNorm(1e-6, dtype, ("scale", "bias"), leading=3, name=name)


class Unit(nn.Module):
    """A post-activation bottleneck, stride on its 3x3 convolution."""

    middle: int
    """Channels of the bottleneck; the output has four times as many."""
    stride: int
    project: bool
    folded: bool
    dtype: Dtype

    @nn.compact
    def __call__(self, x: Array) -> Array:
        """Return the features (N, H / stride, W / stride, 4 * middle) of x of shape (N, H, W, C)."""
        folded, dtype, width = self.folded, self.dtype, 4 * self.middle
        shortcut = x
        if self.project:
            shortcut = _convolution(width, 1, self.stride, folded, dtype, "conv_proj")(x)
            shortcut = _norm(dtype, "gn_proj")(shortcut)
        y = _convolution(self.middle, 1, 1, folded, dtype, "conv1")(x)
        y = jax.nn.relu(_norm(dtype, "gn1")(y))
        y = _convolution(self.middle, 3, self.stride, folded, dtype, "conv2")(y)
        y = jax.nn.relu(_norm(dtype, "gn2")(y))
        y = _convolution(width, 1, 1, folded, dtype, "conv3")(y)
        return jax.nn.relu(shortcut + _norm(dtype, "gn3")(y))


def _stem_features(stem: HybridStem, images: Array, folded: bool, remat: bool, dtype: Dtype) -> Array:
    """Return features (N, H / stride, W / stride, out_width); its layers belong to the module that calls."""
    x = _convolution(stem.width, 7, 2, folded, dtype, "conv_root")(images)
    x = jax.nn.relu(_norm(dtype, "gn_root")(x))
    x = nn.max_pool(x, (3, 3), (2, 2), "SAME")
    for index, units in enumerate(stem.stages):
        stride = 1 if index == 0 else 2
        width = stem.width * 2**index
        x = Stage(Unit, "unit{}", units, width, stride, folded, remat, dtype, name=f"block{index + 1}")(x)
    return x


class PositionalEmbedding(nn.Module):
    """Adds a learned vector to each token."""

    dtype: Dtype

    @nn.compact
    def __call__(self, x: Array) -> Array:
        """Add the embedding to tokens x of shape (N, T, width)."""
        positions: Array = self.param("pos_embedding", nn.initializers.zeros, (1, *x.shape[1:]), jnp.float32)
        return x + positions.astype(self.dtype)


class MlpBlock(nn.Module):
    """Dense, GELU, dense."""

    size: int
    approximate: bool
    """GELU by the tanh approximation."""
    dropout: float
    dtype: Dtype

    @nn.compact
    def __call__(self, x: Array) -> Array:
        """Return tokens of the shape of x, (N, T, width)."""
        width = x.shape[-1]
        x = nn.Dense(self.size, dtype=self.dtype, name="Dense_0")(x)
        x = nn.Dropout(self.dropout, deterministic=False)(jax.nn.gelu(x, approximate=self.approximate))
        x = nn.Dense(width, dtype=self.dtype, name="Dense_1")(x)
        dropped: Array = nn.Dropout(self.dropout, deterministic=False)(x)
        return dropped


class EncoderBlock(nn.Module):
    """Pre-norm attention and MLP, each added to its input; equations 2 and 3 of the ViT paper."""

    heads: int
    mlp_size: int
    numerics: Numerics
    dropout: float
    dtype: Dtype
    attention: Attention = "flax"
    """How it is computed."""

    @nn.compact
    def __call__(self, x: Array) -> Array:
        """Return tokens of the shape of x, (N, T, width)."""
        y = _layer_norm(self.numerics, self.dtype, "LayerNorm_0")(x)
        y = nn.MultiHeadDotProductAttention(
            self.heads,
            dtype=self.dtype,
            deterministic=True,  # no dropout of attention weights; the reference fine-tunes without, too
            force_fp32_for_softmax=self.dtype == jnp.bfloat16,
            attention_fn=FUNCTIONS[self.attention],
            name="MultiHeadDotProductAttention_1",
        )(y)
        x = x + nn.Dropout(self.dropout, deterministic=False)(y)
        y = _layer_norm(self.numerics, self.dtype, "LayerNorm_2")(x)
        approximate = self.numerics.activation == "gelu_tanh"
        return x + MlpBlock(self.mlp_size, approximate, self.dropout, self.dtype, name="MlpBlock_3")(y)


def _layer_norm(numerics: Numerics, dtype: Dtype, name: str) -> nn.LayerNorm:
    return nn.LayerNorm(epsilon=numerics.epsilon, dtype=dtype, use_fast_variance=False, name=name)


class Encoder(nn.Module):
    """Positional embedding, blocks, final norm."""

    architecture: ViTArchitecture
    dropout: float
    remat: bool
    dtype: Dtype
    attention: Attention = "flax"

    @nn.compact
    def __call__(self, x: Array) -> Array:
        """Return the class token's features (N, width), at least float32, from tokens (N, T, width)."""
        a = self.architecture
        x = PositionalEmbedding(self.dtype, name="posembed_input")(x)
        x = nn.Dropout(self.dropout, deterministic=False)(x)
        block = nn.remat(EncoderBlock) if self.remat else EncoderBlock
        for index in range(a.depth):
            name = f"encoderblock_{index}"
            x = block(a.heads, a.mlp_size, a.numerics, self.dropout, self.dtype, self.attention, name=name)(x)
        # The norm acts on each token alone, and the head sees only the first.
        features: Array = _layer_norm(a.numerics, at_least_float32(self.dtype), "encoder_norm")(x[:, 0])
        return features


class FlaxViT(nn.Module):
    """A Vision Transformer with a class token, with or without a ResNet stem.

    Source: vit_jax/models_vit.py (`VisionTransformer`), models_resnet.py.
    """

    architecture: ViTArchitecture
    dropout: float = 0.0
    """Rate after the positional embedding, attention, and both layers of each MLP, in training only."""
    folded: bool = False
    """The stem's kernels are standardised already."""
    remat: bool = False
    """Compute each block's features again in the backward pass instead of keeping them."""
    dtype: Dtype = jnp.float32
    """Of the computation; parameters are float32."""
    features: bool = False
    """The head is left out."""
    attention: Attention = "flax"
    """How it is computed."""

    @nn.compact
    def __call__(self, images: Array, train: bool = False) -> Array:
        """Return float32 logits (N, classes), or what the head is given.

        Args:
            images: (N, height, width, channels) in [-1, 1], of the size that the positional embedding fits.
            train: drop out; needs a random key named "dropout" where the rate is not 0.
        """
        a, wide = self.architecture, at_least_float32(self.dtype)
        x = images.astype(self.dtype)
        if a.stem:
            x = _stem_features(a.stem, x, self.folded, self.remat, self.dtype)
        x = nn.Conv(a.width, a.patch, strides=a.patch, padding="VALID", dtype=self.dtype, name="embedding")(x)
        x = x.reshape(len(x), -1, a.width)
        token: Array = self.param("cls", nn.initializers.zeros, (1, 1, a.width), jnp.float32)
        x = jnp.concatenate([jnp.broadcast_to(token.astype(self.dtype), (len(x), 1, a.width)), x], axis=1)
        dropout = self.dropout if train else 0.0
        x = Encoder(a, dropout, self.remat, self.dtype, self.attention, name="Transformer")(x)
        if a.representation_size:
            dense = nn.Dense(a.representation_size, dtype=wide, precision=lax.Precision.HIGHEST, name="pre_logits")
            x = jnp.tanh(dense(x))
        if self.features:
            return x
        return nn.Dense(a.classes, dtype=wide, precision=lax.Precision.HIGHEST, name="head")(x)
