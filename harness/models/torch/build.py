"""PyTorch models from official weights and back, with the reference implementations' numerics.

Importing this module imports torch and timm: import it where it is used.
"""

from __future__ import annotations

from collections.abc import Mapping

import numpy as np
import torch
from torch import Tensor, nn

from harness.core.errors import ClaimsError
from harness.models import npz_layout
from harness.models.architectures import REFERENCE, Architecture, BitArchitecture, Numerics, expected_shapes
from harness.models.initialise import initial_arrays
from harness.models.npz import Array
from harness.models.torch.bit import bit_module, bit_names
from harness.models.torch.pool import with_faster_pools
from harness.models.torch.vit import ReferenceViT, vit_names

__all__ = ["create", "export", "load"]


def create(architecture: Architecture, seed: int) -> nn.Module:
    """Return a model initialised at random as the reference does, the same for the same seed.

    Its forward takes float32 images (N, channels, height, width) in [-1, 1] and returns logits
    (N, classes). The global random state is neither read nor changed.
    """
    return _build(initial_arrays(architecture, seed), architecture)


def load(
    arrays: Mapping[str, Array],
    *,
    classes: int | None = None,
    resolution: int | tuple[int, int] | None = None,
    expected: str | Architecture | None = None,
    numerics: Numerics = REFERENCE,
    where: str = "",
) -> nn.Module:
    """Return the model that the arrays of an official file describe, with their weights.

    Args:
        arrays: weights by key, as `npz_layout.read` returns them; they are copied.
        classes: None keeps the file's head and pre_logits; a number gives a zero head of so many
            classes and drops pre_logits (the authors' rule for fine-tuning).
        resolution: input size in pixels; the positional embedding is interpolated to it.
        expected: a family ("vit", "hybrid", "bit") or architecture that the file must hold.
        numerics: of a transformer, where they are not the authors'.
        where: the place the arrays come from, for error messages.

    Raises:
        ClaimsError: the arrays are not exactly those of one architecture, or not of the expected one;
            the resolution does not fit.
    """
    architecture = npz_layout.describe(arrays, where, expected)
    checked = npz_layout.check(arrays, architecture, where)
    return _build(*npz_layout.adapt(checked, architecture, classes, resolution, where, numerics))


def export(model: nn.Module, architecture: Architecture) -> dict[str, Array]:
    """Return the weights of a model (float32 copies) under the keys of the official layout.

    Raises:
        ClaimsError: the model is not of the architecture.
    """
    state = model.state_dict()
    names = _names(architecture)
    different = sorted(state.keys() ^ names.keys())
    if different:
        raise ClaimsError(f"expected a model of {architecture}, found one that differs in {different[0]}")
    shapes = expected_shapes(architecture)
    arrays: dict[str, Array] = {}
    for name, keys in names.items():
        for key, part in zip(keys, state[name].detach().chunk(len(keys)), strict=True):
            if part.numel() != np.prod(shapes[key]):
                raise ClaimsError(f"{key}: expected shape {shapes[key]}, found a parameter {tuple(part.shape)}")
            stored = part.permute(2, 3, 1, 0) if part.ndim == 4 else part.t() if part.ndim == 2 else part
            arrays[key] = np.array(stored.cpu().numpy(), np.float32, order="C").reshape(shapes[key])
    return arrays


def _names(architecture: Architecture) -> dict[str, tuple[str, ...]]:
    return bit_names(architecture) if isinstance(architecture, BitArchitecture) else vit_names(architecture)


def _build(arrays: Mapping[str, Array], architecture: Architecture) -> nn.Module:
    # On the meta device nothing is allocated or drawn at random until the weights take their places.
    with torch.device("meta"):
        model: nn.Module
        model = bit_module(architecture) if isinstance(architecture, BitArchitecture) else ReferenceViT(architecture)
    model = with_faster_pools(model)
    names = _names(architecture)
    state = {
        name: _parameter([arrays[key] for key in names[name]], to.shape) for name, to in model.state_dict().items()
    }
    model.load_state_dict(state, strict=True, assign=True)
    return model


def _parameter(parts: list[Array], shape: torch.Size) -> Tensor:
    """Return the arrays as one new tensor of `shape`: kernels (..., in, out) become (out, in, ...)."""
    if len(shape) == 4:
        whole = np.concatenate([part.transpose(3, 2, 0, 1) for part in parts])
    elif len(shape) == 2:
        whole = np.concatenate([part.reshape(shape[1], -1).T for part in parts])
    else:
        whole = np.concatenate([part.reshape(-1) for part in parts]).reshape(shape)
    return torch.from_numpy(np.asarray(whole, np.float32, order="C"))
