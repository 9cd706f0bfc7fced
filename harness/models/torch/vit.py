"""ViT and hybrid in PyTorch: timm's modules with the numerics of the authors' JAX code."""

from __future__ import annotations

from functools import partial
from typing import Any

import torch
import torch.nn.functional as F
from timm.layers.hybrid_embed import HybridEmbed
from timm.layers.norm_act import GroupNormAct
from timm.layers.padding import pad_same
from timm.layers.patch_embed import PatchEmbed
from timm.layers.std_conv import StdConv2dSame
from timm.models.resnetv2 import ResNetV2, create_resnetv2_stem
from timm.models.vision_transformer import VisionTransformer
from torch import Tensor, nn

from harness.models.architectures import GROUPS, HybridStem, ViTArchitecture

Names = dict[str, tuple[str, ...]]
"""The parameter's name in PyTorch -> the key or keys in the file that make it up."""


class StandardisedConv(StdConv2dSame):
    """Convolution with SAME padding and weights (w - mean) / (std + 1e-5).

    timm puts its epsilon under the root. Source: vit_jax/models_resnet.py, `weight_standardize`.
    """

    def forward(self, x: Tensor) -> Tensor:
        """Convolve x of shape (N, C, H, W)."""
        if self.same_pad:
            x = pad_same(x, list(self.kernel_size), list(self.stride), list(self.dilation))
        variance, mean = torch.var_mean(self.weight, dim=(1, 2, 3), correction=0, keepdim=True)
        weight = (self.weight - mean) / (variance.sqrt() + 1e-5)
        return F.conv2d(x, weight, self.bias, self.stride, self.padding, self.dilation, self.groups)


def sizes(a: ViTArchitecture) -> dict[str, Any]:
    """Return an architecture's sizes as arguments of timm's VisionTransformer."""
    return {
        "img_size": a.resolution,
        "patch_size": a.patch,
        "in_chans": a.channels,
        "num_classes": a.classes,
        "embed_dim": a.width,
        "depth": a.depth,
        "num_heads": a.heads,
        "mlp_ratio": (a.mlp_size + 0.5) / a.width,  # timm rounds width * ratio down; half a unit guards the size
    }


class WholePatches(PatchEmbed):
    """Patch embedding that leaves out the pixels beyond the last whole patch, as a VALID convolution does."""

    def forward(self, x: Tensor) -> Tensor:
        """Embed x of shape (N, C, H, W)."""
        height, width = self.patch_size
        whole = x[:, :, : x.shape[2] // height * height, : x.shape[3] // width * width]
        tokens: Tensor = super().forward(whole)  # type: ignore[no-untyped-call]
        return tokens


class ReferenceViT(VisionTransformer):
    """timm's VisionTransformer with the reference's pre_logits (dense + tanh) between class token and head."""

    def __init__(self, architecture: ViTArchitecture) -> None:
        """Build without initialising; load weights before use."""
        a = architecture
        embedding = partial(HybridEmbed, backbone=_stem(a.stem, a.channels)) if a.stem else WholePatches
        super().__init__(
            **sizes(a),
            act_layer=partial(nn.GELU, approximate="tanh" if a.numerics.activation == "gelu_tanh" else "none"),
            norm_layer=partial(nn.LayerNorm, eps=a.numerics.epsilon),
            weight_init="skip",
            embed_layer=embedding,
        )
        self.pre_logits: nn.Module = nn.Identity()
        if a.representation_size:
            self.pre_logits = nn.Sequential(nn.Linear(a.width, a.representation_size), nn.Tanh())
            self.head = nn.Linear(a.representation_size, a.classes)

    def forward_head(self, x: Tensor, pre_logits: bool = False) -> Tensor:
        """Return logits (N, classes), or the head's input, from tokens (N, T, width)."""
        x = self.pre_logits(self.pool(x))
        return x if pre_logits else self.head(x)


def _stem(stem: HybridStem, channels: int) -> nn.Module:
    norm = partial(GroupNormAct, num_groups=GROUPS, eps=1e-6)
    if not stem.stages:
        return create_resnetv2_stem(channels, stem.width, "same", False, StandardisedConv, norm)
    return ResNetV2(
        layers=list(stem.stages),
        channels=tuple(stem.width * 4 * 2**stage for stage in range(len(stem.stages))),
        num_classes=0,
        in_chans=channels,
        global_pool="",
        output_stride=stem.stride,
        stem_chs=stem.width,
        stem_type="same",
        preact=False,
        norm_layer=norm,
        conv_layer=StandardisedConv,
    )


def vit_names(a: ViTArchitecture) -> Names:
    """Return which keys of the file make up each parameter."""
    names: Names = {
        "cls_token": ("cls",),
        "pos_embed": ("Transformer/posembed_input/pos_embedding",),
        "patch_embed.proj.weight": ("embedding/kernel",),
        "patch_embed.proj.bias": ("embedding/bias",),
        "norm.weight": ("Transformer/encoder_norm/scale",),
        "norm.bias": ("Transformer/encoder_norm/bias",),
        "head.weight": ("head/kernel",),
        "head.bias": ("head/bias",),
    }
    if a.representation_size:
        names |= {"pre_logits.0.weight": ("pre_logits/kernel",), "pre_logits.0.bias": ("pre_logits/bias",)}
    for index in range(a.depth):
        block, keys = f"blocks.{index}", f"Transformer/encoderblock_{index}"
        attention = f"{keys}/MultiHeadDotProductAttention_1"
        for kind, key in (("weight", "kernel"), ("bias", "bias")):
            names[f"{block}.attn.qkv.{kind}"] = tuple(f"{attention}/{part}/{key}" for part in ("query", "key", "value"))
            names[f"{block}.attn.proj.{kind}"] = (f"{attention}/out/{key}",)
            names[f"{block}.mlp.fc1.{kind}"] = (f"{keys}/MlpBlock_3/Dense_0/{key}",)
            names[f"{block}.mlp.fc2.{kind}"] = (f"{keys}/MlpBlock_3/Dense_1/{key}",)
        names |= _norm(f"{block}.norm1", f"{keys}/LayerNorm_0") | _norm(f"{block}.norm2", f"{keys}/LayerNorm_2")
    return names | (_stem_names(a.stem) if a.stem else {})


def _stem_names(stem: HybridStem) -> Names:
    backbone = "patch_embed.backbone"
    root = f"{backbone}.stem" if stem.stages else backbone
    names: Names = {f"{root}.conv.weight": ("conv_root/kernel",)} | _norm(f"{root}.norm", "gn_root")
    for stage, units in enumerate(stem.stages):
        for unit in range(units):
            block, keys = f"{backbone}.stages.{stage}.blocks.{unit}", f"block{stage + 1}/unit{unit + 1}"
            for index in (1, 2, 3):
                names[f"{block}.conv{index}.weight"] = (f"{keys}/conv{index}/kernel",)
                names |= _norm(f"{block}.norm{index}", f"{keys}/gn{index}")
            if unit == 0:
                names[f"{block}.downsample.conv.weight"] = (f"{keys}/conv_proj/kernel",)
                names |= _norm(f"{block}.downsample.norm", f"{keys}/gn_proj")
    return names


def _norm(name: str, key: str) -> Names:
    return {f"{name}.weight": (f"{key}/scale",), f"{name}.bias": (f"{key}/bias",)}
