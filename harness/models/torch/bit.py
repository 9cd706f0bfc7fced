"""BiT ResNets in PyTorch: timm's ResNetV2 set to the numerics of the authors' code."""

from __future__ import annotations

from functools import partial

from timm.layers.norm_act import GroupNormAct
from timm.layers.std_conv import StdConv2d
from timm.models.resnetv2 import ResNetV2
from torch import nn

from harness.models.architectures import GROUPS, BitArchitecture


def bit_module(a: BitArchitecture) -> nn.Module:
    """Return the network; load weights before use.

    Weights are standardised as (w - mean) / sqrt(var + 1e-10), group norm has epsilon 1e-5, convolutions
    are padded symmetrically and the max-pool sees zeros around the image.
    Source: bit_pytorch/models.py.
    """
    module: nn.Module = ResNetV2(
        layers=[units for units, _ in a.stages],
        channels=tuple(width for _, width in a.stages),
        num_classes=a.classes,
        in_chans=a.channels,
        output_stride=4 * 2 ** (len(a.stages) - 1),
        stem_chs=a.stem_width,
        stem_type="fixed",
        norm_layer=partial(GroupNormAct, num_groups=GROUPS, eps=1e-5),
        conv_layer=partial(StdConv2d, eps=1e-10),
    )
    return module


def bit_names(a: BitArchitecture) -> dict[str, tuple[str, ...]]:
    """Return which key of the file makes up each parameter."""
    conv = "standardized_conv2d/kernel"
    names: dict[str, tuple[str, ...]] = {"stem.conv.weight": (f"resnet/root_block/{conv}",)}
    norms = {"norm": "resnet"}
    for stage, (units, _) in enumerate(a.stages):
        for unit in range(units):
            block, keys = f"stages.{stage}.blocks.{unit}", f"resnet/block{stage + 1}/unit{unit + 1:02d}"
            for index, part in enumerate("abc", 1):
                names[f"{block}.conv{index}.weight"] = (f"{keys}/{part}/{conv}",)
                norms[f"{block}.norm{index}"] = f"{keys}/{part}"
            if unit == 0:
                names[f"{block}.downsample.conv.weight"] = (f"{keys}/a/proj/{conv}",)
    for name, key in norms.items():
        names |= {f"{name}.weight": (f"{key}/group_norm/gamma",), f"{name}.bias": (f"{key}/group_norm/beta",)}
    return names | {"head.fc.weight": ("resnet/head/conv2d/kernel",), "head.fc.bias": ("resnet/head/conv2d/bias",)}
