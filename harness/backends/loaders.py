"""Any weights file to one in-memory form, and from there to a model with the semantics that its checkpoint names.

The form is the authors' npz keys and axes for ViT, hybrid and BiT, whatever file they came in, and timm's tensors
by name for weights that are run with timm's semantics.
"""

from __future__ import annotations

import contextlib
import hashlib
import os
import zipfile
from collections.abc import Mapping
from dataclasses import dataclass
from pathlib import Path
from typing import Any, Literal

import numpy as np

from harness.backends import layouts, npz, paper, tensors
from harness.backends.architectures import Architecture
from harness.backends.companions import heads_beside
from harness.backends.npz import Array
from harness.backends.official import Layout, layout_of, to_official
from harness.errors import ClaimsError
from harness.spec import Checkpoint

Semantics = Literal["reference", "timm"]


@dataclass(frozen=True)
class Weights:
    """What a file holds, as it is stored."""

    arrays: Mapping[str, Array]
    layout: Layout
    dtype: str
    """Stored type or types, e.g. "float32"."""


def kind_of(path: Path) -> Literal["npz", "safetensors", "pytorch"]:
    """Return what a weights file is by its first bytes: a fetched file has no suffix.

    Raises:
        ClaimsError: missing, or none of these.
    """
    try:
        with path.open("rb") as file:
            start = file.read(9)
    except OSError as error:
        raise ClaimsError(f"{path}: expected a weights file, found: {error.strerror}; fetch it first") from None
    if start[8:] == b"{":  # the header's length, then the header in JSON
        return "safetensors"
    if start[:1] == b"\x80":  # a pickle: PyTorch's older format
        return "pytorch"
    if start[:4] != b"PK\x03\x04" and path.suffix != ".npz":
        raise ClaimsError(f"{path}: expected npz, safetensors or PyTorch weights, found another kind of file")
    with contextlib.suppress(zipfile.BadZipFile, OSError, ValueError), zipfile.ZipFile(path) as archive:
        if any(name.endswith("data.pkl") for name in archive.namelist()):
            return "pytorch"
    return "npz"


def read_file(path: str | os.PathLike[str]) -> Weights:
    """Read a weights file of any kind; nothing in it is ever unpickled.

    Raises:
        ClaimsError: missing, damaged, of another kind, not finite floats.
    """
    path = Path(path)
    kind = kind_of(path)
    arrays = npz.read(path) if kind == "npz" else tensors.read(path, kind)
    stored = tensors.dtypes(path) if kind == "safetensors" else _dtypes(arrays)
    return Weights(arrays, layout_of(arrays), stored)


def official(path: str | os.PathLike[str], *, classes: int | None = None, heads: int | None = None) -> dict[str, Array]:
    """Return the weights of a ViT, hybrid or BiT file under the keys of the authors' npz files, checked.

    Args:
        path: npz, safetensors (timm's or transformers' names) or a PyTorch file.
        classes: of the zero head that a file without a head gets.
        heads: of the attention; None: from config.json beside the file, or known for the released widths.

    Raises:
        ClaimsError: as `read_file`; or weights missing, left over, of another shape.
    """
    heads = heads_beside(Path(path)) if heads is None else heads
    arrays = to_official(read_file(path).arrays, classes=classes, heads=heads, where=str(path))
    return layouts.check(arrays, layouts.describe(arrays, str(path)), str(path))


def weights_of(found: Checkpoint, path: str | os.PathLike[str]) -> dict[str, Array]:
    """Return a checkpoint's weights in the form that `build` takes, after checking that they are its model's.

    Raises:
        ClaimsError: as `official`; or the file holds another architecture than the checkpoint's entry says.
    """
    if found.semantics == "timm" and found.timm:
        return dict(read_file(path).arrays)
    arrays = official(path, classes=found.classes, heads=found.heads)
    paper.require(found, layouts.describe(arrays, found.id))
    return arrays


def build(
    arrays: Mapping[str, Array],
    *,
    semantics: Semantics = "reference",
    timm: str = "",
    classes: int | None = None,
    resolution: int | tuple[int, int] | None = None,
    where: str = "",
) -> Any:
    """Return the torch model (an nn.Module) of weights in memory.

    Args:
        arrays: the authors' keys, or timm's names.
        semantics: whose numerics.
        timm: timm's name of the model, for tensors under timm's names.
        classes: None keeps the head; a number gives a zero head (and drops pre_logits).
        resolution: input size in pixels, for a positional embedding.
        where: the place they come from, for error messages.

    Raises:
        ClaimsError: weights missing, left over, of another shape or not finite; a resolution that does not fit.
    """
    from harness.backends import models, models_timm

    if layout_of(arrays) in ("vit-npz", "bit-npz"):
        make = models.load if semantics == "reference" else models_timm.stock
        return make(arrays, classes=classes, resolution=resolution, where=where)
    if semantics == "timm" and timm:
        return models_timm.build(timm, arrays, classes=classes, resolution=resolution, where=where)
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
    return build(
        arrays, semantics=found.semantics, timm=found.timm, classes=classes, resolution=resolution, where=found.id
    )


def build_flax(
    arrays: Mapping[str, Array],
    *,
    semantics: Semantics = "reference",
    classes: int | None = None,
    resolution: int | tuple[int, int] | None = None,
    where: str = "",
) -> tuple[dict[str, Any], Architecture]:
    """Return the parameters and the architecture of weights under the authors' keys, for `flax_models.network`.

    Args:
        arrays: the authors' keys.
        semantics: whose numerics; there are only the reference's.
        classes: None keeps the head; a number gives a zero head (and drops pre_logits).
        resolution: input size in pixels, for a positional embedding.
        where: the place they come from, for error messages.

    Raises:
        ClaimsError: semantics of timm; otherwise as `build`.
    """
    require_reference(semantics, where)
    from harness.backends import flax_models

    return flax_models.load(arrays, classes=classes, resolution=resolution, where=where)


def build_checkpoint_flax(
    found: Checkpoint,
    arrays: Mapping[str, Array],
    *,
    classes: int | None = None,
    resolution: int | tuple[int, int] | None = None,
) -> tuple[dict[str, Any], Architecture]:
    """Return the parameters and the architecture of a checkpoint from the weights that `weights_of` gave.

    Raises:
        ClaimsError: as `build_flax`; the line names the checkpoint.
    """
    return build_flax(arrays, semantics=found.semantics, classes=classes, resolution=resolution, where=found.id)


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
    """Return the sha256 of weights: the same for the same float32 values, whatever file they came in."""
    hashed = hashlib.sha256()
    for key in sorted(arrays):
        array = np.ascontiguousarray(arrays[key], "<f4")
        hashed.update(f"{key}{array.shape}".encode())
        hashed.update(array.tobytes())
    return hashed.hexdigest()


def _dtypes(arrays: Mapping[str, Array]) -> str:
    return ", ".join(sorted({str(array.dtype) for array in arrays.values()}))
