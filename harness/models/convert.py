"""From the names of timm, transformers and jeonsworld/ViT-pytorch files back to the keys of the authors' npz files.

All three hold the authors' weights under other names, with kernels transposed and the query, key and value
projections of all heads as one matrix. Only names and axes change here; what is missing or left over afterwards
is found by layouts.check. Sources of the names: state dicts of timm.models.vision_transformer, resnetv2 and
transformers' ViTForImageClassification; models/modeling.py of jeonsworld/ViT-pytorch.
"""

from __future__ import annotations

import re
from collections.abc import Mapping
from typing import Literal

import numpy as np

from harness.core.errors import ClaimsError
from harness.models.npz import Array
from harness.models.npz_layout import POSITIONS

Layout = Literal["vit-npz", "bit-npz", "timm", "transformers", "jeonsworld"]

Rules = tuple[tuple[str, str], ...]

BLOCK = "Transformer/encoderblock_{n}"
ATTENTION = f"{BLOCK}/MultiHeadDotProductAttention_1"
P = r"\.(?P<p>weight|bias)"
# Stages and units are counted from 0 in PyTorch and from 1 in the npz files: {s} and {u} are one more than matched.
UNIT = r"stages\.(?P<s>\d+)\.blocks\.(?P<u>\d+)"
STEM = r"patch_embed\.backbone\."
TIMM_VIT: Rules = (
    (r"cls_token", "cls"),
    (r"pos_embed", POSITIONS),
    (rf"patch_embed\.proj{P}", "embedding/{kernel}"),
    (rf"norm{P}", "Transformer/encoder_norm/{scale}"),
    (rf"head{P}", "head/{kernel}"),
    (rf"pre_logits\.(?:fc|0){P}", "pre_logits/{kernel}"),
    (rf"blocks\.(?P<n>\d+)\.norm1{P}", f"{BLOCK}/LayerNorm_0/{{scale}}"),
    (rf"blocks\.(?P<n>\d+)\.norm2{P}", f"{BLOCK}/LayerNorm_2/{{scale}}"),
    (rf"blocks\.(?P<n>\d+)\.attn\.qkv{P}", f"{ATTENTION}/qkv/{{kernel}}"),
    (rf"blocks\.(?P<n>\d+)\.attn\.proj{P}", f"{ATTENTION}/out/{{kernel}}"),
    (rf"blocks\.(?P<n>\d+)\.mlp\.fc1{P}", f"{BLOCK}/MlpBlock_3/Dense_0/{{kernel}}"),
    (rf"blocks\.(?P<n>\d+)\.mlp\.fc2{P}", f"{BLOCK}/MlpBlock_3/Dense_1/{{kernel}}"),
    (rf"{STEM}(?:stem\.)?conv\.weight", "conv_root/kernel"),
    (rf"{STEM}(?:stem\.)?norm{P}", "gn_root/{scale}"),
    (rf"{STEM}{UNIT}\.conv(?P<i>\d)\.weight", "block{s}/unit{u}/conv{i}/kernel"),
    (rf"{STEM}{UNIT}\.norm(?P<i>\d){P}", "block{s}/unit{u}/gn{i}/{scale}"),
    (rf"{STEM}{UNIT}\.downsample\.conv\.weight", "block{s}/unit{u}/conv_proj/kernel"),
    (rf"{STEM}{UNIT}\.downsample\.norm{P}", "block{s}/unit{u}/gn_proj/{scale}"),
)
CONV = "standardized_conv2d/kernel"
TIMM_BIT: Rules = (
    (r"stem\.conv\.weight", f"resnet/root_block/{CONV}"),
    (rf"norm{P}", "resnet/group_norm/{gamma}"),
    (rf"head\.fc{P}", "resnet/head/conv2d/{kernel}"),
    (rf"{UNIT}\.conv(?P<i>[123])\.weight", f"resnet/block{{s}}/unit{{u:02d}}/{{abc}}/{CONV}"),
    (rf"{UNIT}\.norm(?P<i>[123]){P}", "resnet/block{s}/unit{u:02d}/{abc}/group_norm/{gamma}"),
    (rf"{UNIT}\.downsample\.conv\.weight", f"resnet/block{{s}}/unit{{u:02d}}/a/proj/{CONV}"),
)
LEFT_OUT = ""
"""The key of a parameter that the network does not use."""
VIT = r"(?:vit\.)?"
LAYER = rf"{VIT}encoder\.layer\.(?P<n>\d+)\."
TRANSFORMERS: Rules = (
    (rf"{VIT}embeddings\.cls_token", "cls"),
    (rf"{VIT}embeddings\.position_embeddings", POSITIONS),
    (rf"{VIT}embeddings\.patch_embeddings\.projection{P}", "embedding/{kernel}"),
    (rf"{VIT}layernorm{P}", "Transformer/encoder_norm/{scale}"),
    # The pooler is no pre_logits: a classifier's head is applied to the class token, whatever pooler the file holds.
    (rf"{VIT}pooler\.dense{P}", LEFT_OUT),
    (rf"classifier{P}", "head/{kernel}"),
    (rf"{LAYER}layernorm_before{P}", f"{BLOCK}/LayerNorm_0/{{scale}}"),
    (rf"{LAYER}layernorm_after{P}", f"{BLOCK}/LayerNorm_2/{{scale}}"),
    (rf"{LAYER}attention\.attention\.(?P<part>query|key|value){P}", f"{ATTENTION}/{{part}}/{{kernel}}"),
    (rf"{LAYER}attention\.output\.dense{P}", f"{ATTENTION}/out/{{kernel}}"),
    (rf"{LAYER}intermediate\.dense{P}", f"{BLOCK}/MlpBlock_3/Dense_0/{{kernel}}"),
    (rf"{LAYER}output\.dense{P}", f"{BLOCK}/MlpBlock_3/Dense_1/{{kernel}}"),
)
TRANSFORMER = r"(?:transformer\.)?"
JEONS_LAYER = rf"{TRANSFORMER}encoder\.layer\.(?P<n>\d+)\."
JEONSWORLD: Rules = (
    (rf"{TRANSFORMER}embeddings\.cls_token", "cls"),
    (rf"{TRANSFORMER}embeddings\.position_embeddings", POSITIONS),
    (rf"{TRANSFORMER}embeddings\.patch_embeddings{P}", "embedding/{kernel}"),
    (rf"{TRANSFORMER}encoder\.encoder_norm{P}", "Transformer/encoder_norm/{scale}"),
    (rf"head{P}", "head/{kernel}"),
    (rf"{JEONS_LAYER}attention_norm{P}", f"{BLOCK}/LayerNorm_0/{{scale}}"),
    (rf"{JEONS_LAYER}ffn_norm{P}", f"{BLOCK}/LayerNorm_2/{{scale}}"),
    (rf"{JEONS_LAYER}attn\.(?P<part>query|key|value|out){P}", f"{ATTENTION}/{{part}}/{{kernel}}"),
    (rf"{JEONS_LAYER}ffn\.fc1{P}", f"{BLOCK}/MlpBlock_3/Dense_0/{{kernel}}"),
    (rf"{JEONS_LAYER}ffn\.fc2{P}", f"{BLOCK}/MlpBlock_3/Dense_1/{{kernel}}"),
)
HEAD = re.compile(r"(?:resnet/)?head[./].*|classifier\..*")
"""Names of a head's parameters, in every layout."""


def layout_of(arrays: Mapping[str, Array]) -> Layout:
    """Return the layout that the names are of; "timm" also for models that only timm knows."""
    if "embedding/kernel" in arrays:
        return "vit-npz"
    if any(name.startswith("resnet/") for name in arrays):
        return "bit-npz"
    if any(name.endswith("embeddings.patch_embeddings.weight") for name in arrays):
        return "jeonsworld"
    return "transformers" if any(name.endswith("embeddings.cls_token") for name in arrays) else "timm"


def headless(arrays: Mapping[str, Array]) -> bool:
    """Return whether a file of any layout has no head."""
    return not any(HEAD.fullmatch(name) for name in arrays)


def rules_of(arrays: Mapping[str, Array]) -> Rules | None:
    """Return the renaming rules for a PyTorch file; None if it holds neither a ViT, a hybrid nor a BiT."""
    if layout_of(arrays) == "transformers":
        return TRANSFORMERS
    if layout_of(arrays) == "jeonsworld":
        return JEONSWORLD
    if "cls_token" in arrays and "patch_embed.proj.weight" in arrays:
        return TIMM_VIT
    # BiT's units are pre-activation: a norm before the first convolution, and none in the stem.
    if "stages.0.blocks.0.conv3.weight" in arrays and "stem.norm.weight" not in arrays:
        return TIMM_BIT
    return None


def to_official(
    arrays: Mapping[str, Array], *, classes: int | None = None, heads: int | None = None, where: str = ""
) -> dict[str, Array]:
    """Return a PyTorch file's tensors under the keys and axes of the authors' npz files.

    Args:
        arrays: tensors by name. Names that no rule knows stay, for layouts.check to find them left over.
        classes: of the zero head that a file without a head gets: the authors' heads of ImageNet-21k are zero, and
            their copies on the hub leave them out.
        heads: of the attention, which the authors' own files state and PyTorch's do not.
        where: the place they come from, for error messages.

    Raises:
        ClaimsError: neither a ViT, a hybrid nor a BiT; no head and no number of classes; unknown heads.
    """
    prefix = f"{where}: " if where else ""
    if layout_of(arrays) in ("vit-npz", "bit-npz"):
        found, head = dict(arrays), "head" if "embedding/kernel" in arrays else "resnet/head/conv2d"
    else:
        rules = rules_of(arrays)
        _require_known(arrays, rules, prefix)
        found, head = (
            _renamed(arrays, rules or (), heads, prefix),
            "resnet/head/conv2d" if rules is TIMM_BIT else "head",
        )
    if f"{head}/kernel" not in found and f"{head}/bias" not in found:
        if classes is None:
            raise ClaimsError(f"{prefix}expected a head, found none; state the number of classes for a head of zeros")
        found |= zero_head(found, head, classes)
    return found


def _require_known(arrays: Mapping[str, Array], rules: Rules | None, prefix: str) -> None:
    if rules is None:
        first = min(arrays, default="nothing")
        raise ClaimsError(f"{prefix}expected a ViT, hybrid or BiT of timm's or transformers' layout, found {first}")
    hybrid = next((name for name in arrays if ".hybrid_model." in f".{name}"), None)
    if rules is JEONSWORLD and hybrid:
        raise ClaimsError(
            f"{prefix}expected a ViT without a ResNet in this layout, found {hybrid}; hybrids in this layout pad and"
            " normalise differently from the authors': use the authors' npz file"
        )
    projections = {name.rpartition(".")[2] for name in arrays if re.search(r"(query|qkv)\.(weight|bias)$", name)}
    if projections == {"weight"}:
        raise ClaimsError(f"{prefix}expected query, key and value projections with biases, found none (qkv_bias)")


def _renamed(arrays: Mapping[str, Array], rules: Rules, heads: int | None, prefix: str) -> dict[str, Array]:
    found: dict[str, Array] = {}
    for name, array in arrays.items():
        key = rename(name, rules)
        if key == LEFT_OUT:
            continue
        if "MultiHeadDotProductAttention" in key:
            found |= attention(key, array, heads, prefix)
        elif array.ndim == 4:
            found[key] = array.transpose(2, 3, 1, 0)
        else:
            found[key] = array.T if array.ndim == 2 else array
    return found


def rename(name: str, rules: Rules) -> str:
    """Return the npz key of a parameter, or the name itself if no rule knows it."""
    for pattern, template in rules:
        match = re.fullmatch(pattern, name)
        if match:
            parts = match.groupdict()
            weight = parts.get("p") == "weight"
            return template.format(
                kernel="kernel" if weight else "bias",
                scale="scale" if weight else "bias",
                gamma="gamma" if weight else "beta",
                s=int(parts.get("s", 0)) + 1,
                u=int(parts.get("u", 0)) + 1,
                n=parts.get("n"),
                i=parts.get("i"),
                abc=" abc"[int(parts.get("i", 0))],
                part=parts.get("part"),
            )
    return name


def attention(key: str, array: Array, heads: int | None, prefix: str) -> dict[str, Array]:
    """Return a projection split into heads: kernels (width, heads, size), of the output (heads, size, width)."""
    place, layer, kind = key.rsplit("/", 2)
    if layer == "out" and kind == "bias":
        return {key: array}
    if array.ndim != (2 if kind == "kernel" else 1):
        raise ClaimsError(f"{prefix}{key}: expected a projection's {kind}, found shape {array.shape}")
    width = array.shape[-1] if kind == "kernel" else array.shape[0] // (3 if layer == "qkv" else 1)
    if heads is None:
        raise ClaimsError(
            f"{prefix}expected the number of attention heads, which a PyTorch file of width {width} does not state,"
            " found none; say how many heads: heads = N in checkpoints.toml, or --heads N"
        )
    if heads < 1:
        raise ClaimsError(f"{prefix}expected a number of heads above 0, found {heads}")
    count = heads
    if width % count or array.shape[0] != width * (3 if layer == "qkv" else 1):
        raise ClaimsError(f"{prefix}{key}: expected {count} heads and square projections, found shape {array.shape}")
    if layer == "out":
        return {key: array.T.reshape(count, width // count, width)}
    names = ("query", "key", "value") if layer == "qkv" else (layer,)
    shape = (width, count, width // count) if kind == "kernel" else (count, width // count)
    parts = np.split(array, len(names))
    return {f"{place}/{name}/{kind}": part.T.reshape(shape) for name, part in zip(names, parts, strict=True)}


def zero_head(arrays: Mapping[str, Array], head: str, classes: int) -> dict[str, Array]:
    """Return a head of zeros for weights that have none."""
    if head != "head":
        width = arrays["resnet/group_norm/gamma"].shape[0]
        return {f"{head}/kernel": np.zeros((1, 1, width, classes), np.float32), f"{head}/bias": np.zeros(classes, "f4")}
    width = arrays["pre_logits/bias" if "pre_logits/bias" in arrays else "cls"].shape[-1]
    return {"head/kernel": np.zeros((width, classes), np.float32), "head/bias": np.zeros(classes, np.float32)}
