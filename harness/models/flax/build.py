"""Flax models from official weights and back: the parameter tree is the file's key tree, so loading is reading.

Importing this module imports jax and flax: import it where it is used.
"""

from __future__ import annotations

import contextlib
from collections.abc import Callable, Mapping
from functools import partial
from typing import Any, Literal

import jax
import jax.numpy as jnp
import numpy as np
from flax import linen as nn
from flax.traverse_util import flatten_dict, unflatten_dict

from harness.core.errors import ClaimsError
from harness.models import npz_layout
from harness.models.architectures import REFERENCE, Architecture, BitArchitecture, Numerics, expected_shapes
from harness.models.flax import bit, vit
from harness.models.flax.attention import Attention
from harness.models.flax.own import OwnArchitecture
from harness.models.initialise import initial_arrays
from harness.models.npz import Array

__all__ = ["Params", "apply", "create", "export", "fold", "load", "logits", "network"]

Params = dict[str, Any]
"""Float32 arrays in nested dicts: the array of key "a/b" is params["a"]["b"]."""

Dtype = Literal["float32", "bfloat16"]
DTYPES: dict[str, Any] = {"float32": jnp.float32, "bfloat16": jnp.bfloat16}


def create(architecture: Architecture, seed: int) -> Params:
    """Return parameters initialised at random as the reference does, the same for the same seed.

    They are those of the PyTorch backend for this seed, bit for bit.
    """
    return _tree(initial_arrays(architecture, seed))


def load(
    arrays: Mapping[str, Array],
    *,
    classes: int | None = None,
    resolution: int | tuple[int, int] | None = None,
    expected: str | Architecture | None = None,
    numerics: Numerics = REFERENCE,
    where: str = "",
) -> tuple[Params, Architecture]:
    """Return the parameters that the arrays of an official file hold, and the architecture to run them with.

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
    adapted, architecture = npz_layout.adapt(checked, architecture, classes, resolution, where, numerics)
    return _tree(adapted), architecture


def export(params: Mapping[str, Any], architecture: Architecture) -> dict[str, Array]:
    """Return the parameters (float32 copies) under the keys of the official layout.

    Raises:
        ClaimsError: the parameters are not of the architecture.
    """
    flat = flatten_dict(dict(params), sep="/")
    shapes = expected_shapes(architecture)
    different = sorted(flat.keys() ^ shapes.keys())
    if different:
        raise ClaimsError(f"expected parameters of {architecture}, found some that differ in {different[0]}")
    for key, shape in shapes.items():
        if flat[key].shape != shape:
            raise ClaimsError(f"{key}: expected shape {shape}, found a parameter {flat[key].shape}")
    return {key: np.array(flat[key], np.float32, order="C") for key in shapes}


def network(
    architecture: Any,
    *,
    dtype: Dtype = "float32",
    dropout: float = 0.0,
    remat: bool = False,
    folded: bool = False,
    features: bool = False,
    attention: Attention = "flax",
) -> Any:
    """Return the function of parameters and images that an architecture is; it is hashable and holds no weights.

    Args:
        architecture: as `load` returns it: its grid and classes are those of the parameters.
        dtype: of the computation. Parameters, statistics of norms, softmax, the standardisation of weights,
            pre_logits and head are float32 in either case.
        dropout: rate in training (fraction), where the authors' `dropout_rate` acts; a BiT has none, as in PyTorch.
        remat: compute the features of each block or unit again in the backward pass: less memory, more time.
        folded: the parameters come from `fold`.
        features: without its head: what `apply` returns is the head's input (N, D), pre_logits included.
        attention: how a transformer's is computed: see harness.models.flax.attention.

    Raises:
        ClaimsError: an unknown type; a rate that is not in [0, 1).
    """
    if dtype not in DTYPES:
        raise ClaimsError(f"dtype: expected one of {', '.join(DTYPES)}, found {dtype}")
    if not 0 <= dropout < 1:
        raise ClaimsError(f"dropout: expected a rate in [0, 1), found {dropout}")
    if isinstance(architecture, OwnArchitecture):
        if features:
            raise ClaimsError(f"checkpoint {architecture.id}: expected the backend torch for features, found jax")
        return architecture.network(DTYPES[dtype])
    if isinstance(architecture, BitArchitecture):
        return bit.FlaxBiT(architecture, folded=folded, remat=remat, dtype=DTYPES[dtype], features=features)
    return vit.FlaxViT(
        architecture,
        dropout=dropout,
        folded=folded,
        remat=remat,
        dtype=DTYPES[dtype],
        features=features,
        attention=attention,
    )


def apply(
    model: Any, params: Params, images: Any, *, train: bool = False, dropout_rng: jax.Array | None = None
) -> jax.Array:
    """Return float32 logits (N, classes), or a headless network's features (N, D).

    Pure: trace it with jax.jit and jax.grad (of `params`).

    Args:
        model: as `network` returns it.
        params: as `load`, `create` or `fold` returns them.
        images: float32, (N, height, width, channels) in [-1, 1].
        train: drop out at the model's rate.
        dropout_rng: a random key, another one for each call; needed where a rate above 0 is trained with.
    """
    rngs = {} if dropout_rng is None else {"dropout": dropout_rng}
    # On accelerators jax would round float32 factors to fewer bits (TF32, bfloat16) without a word.
    exact = model.dtype == jnp.float32
    with jax.default_matmul_precision("highest") if exact else contextlib.nullcontext():
        found: jax.Array = model.apply({"params": params}, images, train, rngs=rngs)
    return found


def fold(params: Params, architecture: Any, standardise: Callable[[jax.Array], jax.Array] | None = None) -> Params:
    """Return parameters with their kernels already standardised, for `network(folded=True)`.

    For evaluation: the gradient with respect to folded kernels is another one. A plain ViT has nothing to fold.

    Args:
        params: as `load` or `create` returns them.
        architecture: theirs.
        standardise: how; None: as the network does it.
    """
    if isinstance(architecture, OwnArchitecture):
        return params
    family = bit if isinstance(architecture, BitArchitecture) else vit
    standardise = standardise or jax.jit(family.standardise)
    flat = flatten_dict(params, sep="/")
    folded = {key: standardise(array) if family.is_standardised(key) else array for key, array in flat.items()}
    tree: Params = unflatten_dict(folded, sep="/")
    return tree


def logits(model: nn.Module, params: Params, images: Array, batch: int = 32) -> Array:
    """Return float32 logits (N, classes), computed `batch` images at a time.

    Args:
        model: as `network` returns it.
        params: as `load`, `create` or `fold` returns them.
        images: float32, (N, height, width, channels) in [-1, 1].
        batch: images at once; the last part is filled up with zeros, so that one program serves all.
    """
    batch = min(batch, len(images))
    compute = jax.jit(partial(apply, model))
    parts = []
    for start in range(0, len(images), batch):
        part = images[start : start + batch]
        missing = batch - len(part)
        filled = np.pad(part, ((0, missing), (0, 0), (0, 0), (0, 0)))
        parts.append(np.asarray(compute(params, filled))[: len(part)])
    return np.concatenate(parts)


def _tree(arrays: Mapping[str, Array]) -> Params:
    # A copy: on a CPU jax would share the memory of the caller's array.
    copies = {key: jnp.array(np.asarray(array, np.float32)) for key, array in arrays.items()}
    tree: Params = unflatten_dict(copies, sep="/")
    return tree
