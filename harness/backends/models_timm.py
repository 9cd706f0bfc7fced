"""Models with timm's own numerics: for weights released through timm, and to show how far they are from the authors'.

Importing this module imports torch and timm: import it where it is used.
"""

from __future__ import annotations

from collections.abc import Mapping
from functools import partial

import numpy as np
import timm
import torch
from timm.layers.hybrid_embed import HybridEmbed
from timm.layers.patch_embed import PatchEmbed
from timm.layers.std_conv import StdConv2d, StdConv2dSame
from timm.models.convnext import ConvNeXt, checkpoint_filter_fn
from timm.models.resnetv2 import ResNetV2, create_resnetv2_stem
from timm.models.vision_transformer import VisionTransformer
from torch import nn

from harness.backends import models
from harness.backends.architectures import Architecture, BitArchitecture, HybridStem, ViTArchitecture
from harness.backends.layouts import describe
from harness.backends.models_vit import sizes
from harness.backends.npz import Array, require_finite_floats
from harness.errors import ClaimsError


def build(
    name: str,
    arrays: Mapping[str, Array],
    *,
    classes: int | None = None,
    resolution: int | tuple[int, int] | None = None,
    where: str = "",
) -> nn.Module:
    """Return a model of timm's registry with the tensors of a file released for it, loaded strictly.

    Args:
        name: timm's name, e.g. "convnext_tiny.fb_in1k".
        arrays: tensors by name, timm's or (for ConvNeXt) the authors' own.
        classes: None keeps the file's head; a number gives a zero head of so many classes.
        resolution: input size in pixels; a positional embedding is resampled as timm does.
        where: the place they come from, for error messages.

    Raises:
        ClaimsError: timm does not know the name, or weights are missing, left over, of another shape or
            not finite.
    """
    if not timm.is_model(name):
        raise ClaimsError(f"{where or name}: expected a model that timm knows, found {name!r}; update timm")
    with torch.device("meta"):  # nothing is drawn at random
        model: nn.Module = timm.create_model(name, pretrained=False)
    if isinstance(model, ConvNeXt):
        try:
            renamed = checkpoint_filter_fn(  # type: ignore[no-untyped-call]
                {key: torch.from_numpy(array) for key, array in arrays.items()}, model
            )
        except KeyError as error:  # a tensor that timm's renaming has no place for
            raise ClaimsError(f"{where or name}: expected the weights of {name}, found {error.args[0]}") from None
        arrays = {key: tensor.numpy() for key, tensor in renamed.items()}
    fill(model, arrays, where or name)
    return adapt(model, classes, resolution, where or name)


def fill(model: nn.Module, arrays: Mapping[str, Array], where: str) -> None:
    """Give a model its weights; refuse what is missing, left over, of another shape or not finite.

    Raises:
        ClaimsError: in one line, with the first name and how many there are.
    """
    state = model.state_dict()
    missing, left_over = sorted(state.keys() - arrays.keys()), sorted(arrays.keys() - state.keys())
    if missing:
        raise ClaimsError(f"{where}: expected {len(state)} tensors, found {len(missing)} missing; first: {missing[0]}")
    if left_over:
        raise ClaimsError(
            f"{where}: expected {len(state)} tensors, found {len(left_over)} left over; first: {left_over[0]}"
        )
    for key, tensor in state.items():
        if tuple(tensor.shape) != arrays[key].shape:
            raise ClaimsError(f"{where}: {key}: expected shape {tuple(tensor.shape)}, found {arrays[key].shape}")
        require_finite_floats(key, arrays[key], where)
    given = {key: torch.from_numpy(np.array(array, np.float32, order="C")) for key, array in arrays.items()}
    model.load_state_dict(given, strict=True, assign=True)
    for parameter in model.parameters():
        parameter.requires_grad_(True)


def adapt(model: nn.Module, classes: int | None, resolution: int | tuple[int, int] | None, where: str) -> nn.Module:
    """Return a loaded timm model with another head or for another input size."""
    if classes is not None:
        model.reset_classifier(classes)  # type: ignore[operator]
        head: nn.Module = model.get_classifier()  # type: ignore[operator]
        for parameter in head.parameters():
            nn.init.zeros_(parameter)
    if resolution is not None and isinstance(model, VisionTransformer):
        size = (resolution, resolution) if isinstance(resolution, int) else resolution
        try:
            if tuple(model.patch_embed.img_size) != size:
                model.set_input_size(img_size=size)
        except (AssertionError, RuntimeError, ValueError) as error:
            raise ClaimsError(
                f"{where}: expected a resolution that timm's model takes, found {size} ({error})"
            ) from None
    return model


def stock(
    arrays: Mapping[str, Array],
    *,
    classes: int | None = None,
    resolution: int | tuple[int, int] | None = None,
    where: str = "",
) -> nn.Module:
    """Return an official file's weights in timm's unchanged modules: what timm users compute with them.

    The GELU is exact, positional embeddings are resampled bicubically, pre_logits is dropped (its width must
    be the model's), epsilons are timm's. REFERENCE: "semantics" of a checkpoint, docs.

    Raises:
        ClaimsError: as `models.load`; or a pre_logits layer of another width, which timm can't load.
    """
    reference = models.load(arrays, where=where)
    found = describe(arrays, where)
    if isinstance(found, ViTArchitecture) and found.representation_size not in (None, found.width):
        raise ClaimsError(
            f"{where}: expected pre_logits of width {found.width} for timm's semantics, found"
            f" {found.representation_size}; use the reference semantics"
        )
    state = {key: value.numpy() for key, value in reference.state_dict().items() if not key.startswith("pre_logits.")}
    with torch.device("meta"):
        model = stock_module(found)
    fill(model, state, where)
    return adapt(model, classes, resolution, where)


def stock_module(a: Architecture) -> nn.Module:
    """Return timm's module of an architecture as timm's registry builds the released ones."""
    if isinstance(a, BitArchitecture):
        module: nn.Module = ResNetV2(
            layers=[units for units, _ in a.stages],
            channels=tuple(width for _, width in a.stages),
            num_classes=a.classes,
            in_chans=a.channels,
            stem_chs=a.stem_width,
            stem_type="fixed",
            conv_layer=partial(StdConv2d, eps=1e-8),
        )
        return module
    embedding = partial(HybridEmbed, backbone=stock_stem(a.stem, a.channels)) if a.stem else PatchEmbed
    vit: nn.Module = VisionTransformer(
        **sizes(a),
        weight_init="skip",
        embed_layer=embedding,
    )
    return vit


def stock_stem(stem: HybridStem, channels: int) -> nn.Module:
    """Return timm's ResNet in front of a hybrid."""
    conv = partial(StdConv2dSame, eps=1e-8)
    if not stem.stages:
        found: nn.Module = create_resnetv2_stem(channels, stem.width, stem_type="same", preact=False, conv_layer=conv)
        return found
    widths = tuple(stem.width * 4 * 2**stage for stage in range(len(stem.stages)))
    found = ResNetV2(
        layers=list(stem.stages),
        channels=widths,
        num_classes=0,
        in_chans=channels,
        global_pool="",
        stem_chs=stem.width,
        stem_type="same",
        preact=False,
        conv_layer=conv,
    )
    return found
