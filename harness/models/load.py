"""Any weights file to one in-memory form, and from there to a model with the semantics that its checkpoint names.

The form is the authors' npz keys and axes for ViT, hybrid and BiT, whatever file they came in, and timm's tensors
by name for weights that are run with timm's semantics.
"""

from __future__ import annotations

import dataclasses
import hashlib
import os
from collections.abc import Mapping
from dataclasses import dataclass
from pathlib import Path
from typing import Any, Literal

import numpy as np

from harness.core.errors import ClaimsError
from harness.core.specs import Checkpoint
from harness.models import hub_config, npz, npz_layout, weight_sets
from harness.models import released as paper
from harness.models.architectures import REFERENCE, Architecture, Numerics, ViTArchitecture
from harness.models.convert import Layout, headless, layout_of, to_official
from harness.models.npz import Array
from harness.models.shards import Place, place_of
from harness.models.stored import stored_at

Semantics = Literal["reference", "timm"]


CHANNELS = 3
"""Of the images of every dataset: red, green and blue."""

USUAL_SIDE = 224
"""Pixels of a side of the images of a network that states none."""


@dataclass(frozen=True)
class Weights:
    """What a file holds, as it is stored."""

    arrays: Mapping[str, Array]
    layout: Layout
    dtype: str
    """Stored type or types, e.g. "float32"."""
    place: Place
    """The file, or the index of its shards."""
    name: str = ""
    """Of the set of weights in the file, e.g. "model_ema"; "" for one without a name."""

    @property
    def config(self) -> hub_config.HubConfig | None:
        """The config.json beside a PyTorch file."""
        return hub_config.beside(self.place.folder, self.layout)


def read_file(path: str | os.PathLike[str], weights: str = "", own: bool = False) -> Weights:
    """Read weights of any kind; nothing in a file is ever unpickled.

    Args:
        path: a file, the index of a model in several shards, or a folder that holds one of them.
        weights: the name of the set of weights in the file, e.g. "model_ema"; "": the only one.
        own: whether they are of a network of a paper's own; its sets are those that dictionaries name, unless `weights`
            names another one.

    Raises:
        ClaimsError: missing, damaged, of another kind, several sets and no name, or not finite floats.
    """
    place = place_of(Path(path))
    stored = stored_at(place)
    sets = stored.sets(by_names=not own)
    if weights not in sets and weights:
        sets = stored.sets()
    name, tensors = weight_sets.choose(sets, weights, str(path))
    arrays = {key: tensor() for key, tensor in tensors.items()}
    if not arrays:
        raise ClaimsError(f"{path}: expected a file with weights, found an empty one")
    for key, array in arrays.items():
        npz.require_finite_floats(key, array, str(path))
    return Weights(arrays, layout_of(arrays), stored.dtype(), place, name)


def sets_of(path: str | os.PathLike[str]) -> tuple[str, ...]:
    """Return the names of the sets of weights in a file; ("",) for one without a name.

    Raises:
        ClaimsError: as `read_file`.
    """
    return tuple(stored_at(place_of(Path(path))).sets())


def official(
    path: str | os.PathLike[str], *, classes: int | None = None, heads: int | None = None, weights: str = ""
) -> dict[str, Array]:
    """Return the weights of a ViT, hybrid or BiT under the keys of the authors' npz files, checked.

    Args:
        path: as `read_file`.
        classes: of the zero head that a file without a head gets.
        heads: of the attention; None: as a PyTorch file's config.json states.
        weights: the name of the set of weights in the file; "": the only one.

    Raises:
        ClaimsError: as `read_file`; or weights missing, left over, of another shape, heads that nothing states, or
            another network than the config.json beside the file states.
    """
    return official_of(read_file(path, weights), classes=classes, heads=heads, where=str(path))


def official_of(held: Weights, *, classes: int | None = None, heads: int | None = None, where: str) -> dict[str, Array]:
    """Return what `official` does of weights that were read."""
    config = held.config
    heads = hub_config.agreed_heads(config, heads)
    arrays = to_official(held.arrays, classes=classes, heads=heads, where=where)
    found = npz_layout.describe(arrays, where)
    checked = npz_layout.check(arrays, found, where)
    if config:
        config.require(found, headless(held.arrays))
    return checked


def weights_of(found: Checkpoint, path: str | os.PathLike[str], released: bool = False) -> dict[str, Array]:
    """Return a checkpoint's weights in the form that `build` takes, after checking that they are its model's.

    Args:
        found: the checkpoint.
        path: its file.
        released: whether it is of the project's tables, which say whose numerics it has, whatever a config.json does.

    Raises:
        ClaimsError: as `official`; or the file holds another architecture than the checkpoint's entry says, a network
            for other images than colour ones, or one with other numerics than the entry's.
    """
    held = read_file(path, found.weights, own=bool(found.model))
    if found.model:
        return without_prefix(found, held.arrays)
    if found.semantics == "timm" and found.timm:
        return dict(held.arrays)
    named = paper.expected(found)
    heads = named.heads if isinstance(named, ViTArchitecture) else None
    if heads and found.heads not in (None, heads):
        raise ClaimsError(f"{found.id}: expected {found.architecture} with {heads} heads, found heads = {found.heads}")
    arrays = official_of(held, classes=found.classes, heads=heads or found.heads, where=f"{found.id}: {path}")
    described = npz_layout.describe(arrays, found.id)
    paper.require(found, described)
    if held.config and found.semantics == "reference" and not released:
        stated = held.config.numerics()
        if stated != numerics_of(found):
            raise held.config.error(f"expected the numerics {numerics_of(found)} of {found.id}, found {stated}")
    if described.channels != CHANNELS:
        raise ClaimsError(
            f"{found.id}: expected a network for images with {CHANNELS} channels, which all datasets have, found one"
            f" for {described.channels}"
        )
    return arrays


def without_prefix(found: Checkpoint, arrays: Mapping[str, Array]) -> dict[str, Array]:
    """Return tensors under the names of the checkpoint's own module: those that begin with its prefix, without it.

    A wrapper's prefix that all of a file's names share was dropped when it was read, and is none any more.
    """
    chosen = {key: array for key, array in arrays.items() if key.startswith(found.prefix)} or arrays
    return {key.removeprefix(found.prefix): array for key, array in chosen.items()}


def numerics_of(found: Checkpoint) -> Numerics:
    """Return the numerics of a checkpoint's transformer: the authors', but for what its entry or config.json states."""
    changed: dict[str, Any] = {}
    if found.activation:
        changed["activation"] = found.activation
    if found.layer_norm_epsilon is not None:
        changed["epsilon"] = found.layer_norm_epsilon
    return dataclasses.replace(REFERENCE, **changed)


def with_numerics(found: Checkpoint, config: hub_config.HubConfig | None) -> Checkpoint:
    """Return a checkpoint of the user's own with the numerics that the config.json beside its file states.

    transformers' ViT has the exact GELU and an epsilon of 1e-12 unless its config.json says otherwise. Where that
    states the authors' numerics, the checkpoint and with it the ids of its runs stay as they are.

    Raises:
        ClaimsError: it states what can't be computed, or something else than the checkpoint's entry.
    """
    if config is None or found.semantics == "timm":
        return found
    stated = config.numerics()
    given = numerics_of(found)
    if (found.activation and given.activation != stated.activation) or (
        found.layer_norm_epsilon is not None and given.epsilon != stated.epsilon
    ):
        raise ClaimsError(
            f"{found.id}: expected the numerics of its config.json ({stated.activation}, epsilon {stated.epsilon:g}),"
            f" found those of its entry ({given.activation}, epsilon {given.epsilon:g}); correct one of them"
        )
    said = (("activation", hub_config.NAME), ("layer_norm_epsilon", hub_config.NAME))
    return dataclasses.replace(
        found,
        activation="" if stated.activation == REFERENCE.activation else stated.activation,
        layer_norm_epsilon=None if stated.epsilon == REFERENCE.epsilon else stated.epsilon,
        stated=found.stated + (() if stated == REFERENCE else said),
    )


def build(
    arrays: Mapping[str, Array],
    *,
    semantics: Semantics = "reference",
    timm: str = "",
    classes: int | None = None,
    resolution: int | tuple[int, int] | None = None,
    numerics: Numerics = REFERENCE,
    where: str = "",
) -> Any:
    """Return the torch model (an nn.Module) of weights in memory.

    Args:
        arrays: the authors' keys, or timm's names.
        semantics: whose numerics.
        timm: timm's name of the model, for tensors under timm's names.
        classes: None keeps the head; a number gives a zero head (and drops pre_logits).
        resolution: input size in pixels, for a positional embedding.
        numerics: of a transformer with the reference's semantics, where they are not the authors'.
        where: the place they come from, for error messages.

    Raises:
        ClaimsError: weights missing, left over, of another shape or not finite; a resolution that does not fit.
    """
    from harness.models.torch import build as models
    from harness.models.torch import timm_models

    if layout_of(arrays) in ("vit-npz", "bit-npz"):
        if semantics == "reference":
            return models.load(arrays, classes=classes, resolution=resolution, numerics=numerics, where=where)
        return timm_models.stock(arrays, classes=classes, resolution=resolution, where=where)
    if semantics == "timm" and timm:
        return timm_models.build(timm, arrays, classes=classes, resolution=resolution, where=where)
    raise ClaimsError(
        f"{where or 'weights'}: expected the authors' keys, or timm's name of the model with timm's names"
    )


def build_checkpoint(
    found: Checkpoint,
    arrays: Mapping[str, Array],
    *,
    classes: int | None = None,
    resolution: int | tuple[int, int] | None = None,
) -> Any:
    """Return the torch model of a checkpoint from the weights that `weights_of` gave."""
    if found.model:
        from harness.models.torch import own

        return own.build(found, arrays, classes)
    return build(
        arrays,
        semantics=found.semantics,
        timm=found.timm,
        classes=classes,
        resolution=resolution,
        numerics=numerics_of(found),
        where=found.id,
    )


def build_flax(
    arrays: Mapping[str, Array],
    *,
    semantics: Semantics = "reference",
    classes: int | None = None,
    resolution: int | tuple[int, int] | None = None,
    numerics: Numerics = REFERENCE,
    where: str = "",
) -> tuple[dict[str, Any], Architecture]:
    """Return the parameters and the architecture of weights under the authors' keys, for `flax_models.network`.

    Args:
        arrays: the authors' keys.
        semantics: whose numerics; there are only the reference's.
        classes: None keeps the head; a number gives a zero head (and drops pre_logits).
        resolution: input size in pixels, for a positional embedding.
        numerics: of a transformer with the reference's semantics, where they are not the authors'.
        where: the place they come from, for error messages.

    Raises:
        ClaimsError: semantics of timm; otherwise as `build`.
    """
    require_reference(semantics, where)
    from harness.models.flax import build as flax_models

    return flax_models.load(arrays, classes=classes, resolution=resolution, numerics=numerics, where=where)


def build_checkpoint_flax(
    found: Checkpoint,
    arrays: Mapping[str, Array],
    *,
    classes: int | None = None,
    resolution: int | tuple[int, int] | None = None,
) -> tuple[dict[str, Any], Any]:
    """Return the parameters and the architecture of a checkpoint from the weights that `weights_of` gave.

    Raises:
        ClaimsError: as `build_flax`, or as `harness.models.flax.own.load`; the line names the checkpoint.
    """
    if found.model:
        from harness.models.flax import own

        side = resolution[0] if isinstance(resolution, tuple) else resolution
        return own.load(found, arrays, classes, side or found.resolution or USUAL_SIDE)
    return build_flax(
        arrays,
        semantics=found.semantics,
        classes=classes,
        resolution=resolution,
        numerics=numerics_of(found),
        where=found.id,
    )


def require_reference(semantics: Semantics, where: str) -> None:
    """Refuse weights to be run with timm's semantics where the backend is JAX.

    Raises:
        ClaimsError: the semantics are timm's.
    """
    if semantics != "reference":
        raise ClaimsError(
            f"{where or 'weights'}: expected the reference's semantics, the only ones of the backend jax,"
            f" found {semantics}; use the backend torch"
        )


def logits(model: Any, images: Array, batch: int = 32) -> Array:
    """Return float32 logits (N, classes) of a torch model.

    Args:
        model: an nn.Module, as `build` returns it.
        images: float32, (N, height, width, channels) in [-1, 1].
        batch: images at once.
    """
    import torch

    model.eval()
    parts = []
    with torch.inference_mode():
        for start in range(0, len(images), batch):
            part = np.ascontiguousarray(images[start : start + batch].transpose(0, 3, 1, 2))
            parts.append(model(torch.from_numpy(part)))
    result: Array = torch.cat(parts).numpy()
    return result


def digest(arrays: Mapping[str, Array]) -> str:
    """Return the sha256 of weights, which depends only on their float32 values, not on the file format."""
    hashed = hashlib.sha256()
    for key in sorted(arrays):
        array = np.ascontiguousarray(arrays[key], "<f4")
        hashed.update(f"{key}{array.shape}".encode())
        hashed.update(array.tobytes())
    return hashed.hexdigest()
