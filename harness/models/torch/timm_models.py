"""Models with timm's own numerics: for weights released through timm, and to show how far they are from the authors'.

Importing this module imports torch and timm: import it where it is used.
"""

from __future__ import annotations

import math
from collections.abc import Mapping
from functools import partial
from typing import Any

import numpy as np
import timm
import torch
from timm.layers.hybrid_embed import HybridEmbed
from timm.layers.patch_embed import PatchEmbed
from timm.layers.std_conv import StdConv2d, StdConv2dSame
from timm.models import get_pretrained_cfg
from timm.models.convnext import ConvNeXt, checkpoint_filter_fn
from timm.models.resnetv2 import ResNetV2, create_resnetv2_stem
from timm.models.vision_transformer import VisionTransformer
from torch import nn

from harness.core.errors import ClaimsError
from harness.models.architectures import Architecture, BitArchitecture, HybridStem, ViTArchitecture
from harness.models.companions import OR_A_FUNCTION
from harness.models.npz import Array, require_finite_floats
from harness.models.npz_layout import describe
from harness.models.torch import build as models
from harness.models.torch.vit import sizes

COUNTER = ".num_batches_tracked"
"""The end of the name of batch normalisation's count of training steps."""


def build(
    name: str,
    arrays: Mapping[str, Array],
    *,
    classes: int | None = None,
    resolution: int | tuple[int, int] | None = None,
    where: str = "",
) -> nn.Module:
    """Return a model of timm's registry with the tensors of a file released for it; every tensor must fit.

    Args:
        name: timm's name, e.g. "convnext_tiny.fb_in1k".
        arrays: tensors by name, timm's or (for ConvNeXt) the authors' own.
        classes: None keeps the file's head, whatever its size; a number gives a zero head of so many classes.
        resolution: input size in pixels; a positional embedding is resampled as timm does.
        where: the place they come from, for error messages.

    Raises:
        ClaimsError: timm does not know the name, or weights are missing, left over, of another shape or
            not finite.
    """
    if not timm.is_model(name):
        raise ClaimsError(
            f"{where or name}: expected a model that timm knows, found {name!r}; update timm{OR_A_FUNCTION}"
        )
    given = make(name)
    if isinstance(given, ConvNeXt):
        try:
            renamed = checkpoint_filter_fn(  # type: ignore[no-untyped-call]
                {key: torch.from_numpy(array) for key, array in arrays.items()}, given
            )
        except KeyError as error:  # a tensor that timm's renaming has no place for
            raise ClaimsError(f"{where or name}: expected the weights of {name}, found {error.args[0]}") from None
        arrays = {key: tensor.numpy() for key, tensor in renamed.items()}
    model = fitted(name, given, arrays, where or name)
    fill(model, arrays, where or name)
    return adapt(model, classes, resolution, where or name)


def make(name: str, **sizes_: Any) -> nn.Module:
    """Return a model of timm's registry without weights, and without random initialisation where possible."""
    with torch.device("meta"):
        model: nn.Module = timm.create_model(name, pretrained=False, **sizes_)
    if next(model.buffers(), None) is not None:  # those that no file holds must have their values
        model = timm.create_model(name, pretrained=False, **sizes_)
    return model


def fitted(name: str, model: nn.Module, arrays: Mapping[str, Array], where: str) -> nn.Module:
    """Return a model with the number of classes and the input size that a file's tensors have.

    Raises:
        ClaimsError: timm can't build it in that size.
    """
    sizes_: dict[str, int] = {}
    held = next((arrays[f"{head}.weight"] for head in classifier_of(name) if f"{head}.weight" in arrays), None)
    if held is not None and held.shape[0] != getattr(model, "num_classes", held.shape[0]):
        sizes_["num_classes"] = held.shape[0]
    side = side_of(arrays)
    positions = getattr(model, "pos_embed", None)
    if side is not None and isinstance(positions, nn.Parameter) and positions.shape != arrays["pos_embed"].shape:
        sizes_["img_size"] = side
    if not sizes_:
        return model
    try:
        return make(name, **sizes_)
    except (TypeError, ValueError, AssertionError, RuntimeError) as error:
        detail = str(error).splitlines()[0] if str(error) else type(error).__name__
        raise ClaimsError(f"{where}: expected a size that timm's {name} can have, found {sizes_} ({detail})") from None


def classifier_of(name: str) -> tuple[str, ...]:
    """Return the names of the layers of a model of timm's registry that give logits."""
    cfg = get_pretrained_cfg(name, allow_unregistered=True) or get_pretrained_cfg(name.split(".")[0])
    found = getattr(cfg, "classifier", None) or ()
    return (found,) if isinstance(found, str) else tuple(found)


def side_of(arrays: Mapping[str, Array]) -> int | None:
    """Return the side in pixels of the square input that a plain ViT's positional embedding fits; None for others."""
    positions, patch = arrays.get("pos_embed"), arrays.get("patch_embed.proj.weight")
    stem = any(name.startswith("patch_embed.backbone") for name in arrays)
    if positions is None or patch is None or positions.ndim != 3 or patch.ndim != 4 or stem:
        return None
    tokens = positions.shape[1]
    prefix = sum(arrays[key].shape[1] for key in ("cls_token", "dist_token", "reg_token") if key in arrays)
    for count in (tokens - prefix, tokens):  # some keep the position of prefix tokens apart
        side = math.isqrt(max(count, 0))
        if count > 0 and side * side == count:
            return int(side * patch.shape[-1])
    return None


def fill(model: nn.Module, arrays: Mapping[str, Array], where: str) -> None:
    """Load weights into a model; refuse what is missing, left over, of another shape or not finite.

    Raises:
        ClaimsError: in one line, with the first name and how many there are.
    """
    # A count of training steps that nothing here reads, and no floating point number.
    state = {key: value for key, value in model.state_dict().items() if not key.endswith(COUNTER)}
    arrays = {key: array for key, array in arrays.items() if not key.endswith(COUNTER)}
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
    model.load_state_dict(given, strict=False, assign=True)  # all but the counts are there, as was just checked
    for parameter in model.parameters():
        parameter.requires_grad_(True)


def adapt(model: nn.Module, classes: int | None, resolution: int | tuple[int, int] | None, where: str) -> nn.Module:
    """Return a loaded timm model with another head or for another input size."""
    if classes is not None:
        model.reset_classifier(classes)  # type: ignore[operator]
        found: Any = model.get_classifier()  # type: ignore[operator]
        for head in found if isinstance(found, tuple) else (found,):
            for parameter in head.parameters():
                nn.init.zeros_(parameter)
    if resolution is not None and hasattr(model, "set_input_size"):
        size = (resolution, resolution) if isinstance(resolution, int) else resolution
        embedding: Any = getattr(model, "patch_embed", None)
        try:
            if embedding is None or tuple(embedding.img_size) != size:
                model.set_input_size(img_size=size)  # type: ignore[operator]
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
