"""Named tensors of safetensors and PyTorch files; no pickle is run."""

from __future__ import annotations

import json
import warnings
from pathlib import Path
from typing import Any, Literal

import numpy as np

from harness.backends.npz import Array, require_finite_floats
from harness.errors import ClaimsError

NESTS = ("model", "state_dict", "model_ema")
"""Keys under which training scripts put the weights."""


def read(path: Path, kind: Literal["safetensors", "pytorch"]) -> dict[str, Array]:
    """Return every tensor of a safetensors or PyTorch file by name.

    Half-precision tensors become float32. Integer buffers are refused with the rest that is not floating point.

    Raises:
        ClaimsError: missing, damaged, pickled objects, no tensors, or not finite floats.
    """
    tensors = _safetensors(path) if kind == "safetensors" else _pytorch(path)
    # Batch normalisation's count of training steps is an integer, and part of no computation here.
    tensors = {name: array for name, array in tensors.items() if not name.endswith(".num_batches_tracked")}
    if not tensors:
        raise ClaimsError(f"{path}: expected a file with weights, found an empty one")
    for name, array in tensors.items():
        require_finite_floats(name, array, str(path))
    return tensors


def _safetensors(path: Path) -> dict[str, Array]:
    from safetensors import SafetensorError, safe_open

    try:
        with safe_open(path, framework="pt") as file:  # numpy has no bfloat16
            return {name: _array(file.get_tensor(name)) for name in file.keys()}  # noqa: SIM118
    except (SafetensorError, OSError, ValueError) as error:
        detail = " ".join(str(error).split())
        raise ClaimsError(
            f"{path}: expected a whole safetensors file; delete it and fetch it again ({detail})"
        ) from None


def _pytorch(path: Path) -> dict[str, Array]:
    import pickle

    import torch

    try:
        with warnings.catch_warnings():
            warnings.simplefilter("ignore")  # of torch, about the file: it is read or refused
            content = torch.load(path, map_location="cpu", weights_only=True)
    except Exception as error:  # a malformed file makes torch stumble over anything
        objects = isinstance(error, pickle.UnpicklingError)  # torch's words advise to unpickle them
        detail = "pickled objects, which are never loaded" if objects else f"{error}".split("\n")[0][:200]
        raise ClaimsError(
            f"{path}: expected a PyTorch file with tensors only, found {detail or type(error).__name__}; prefer another"
            " source"
        ) from None
    for nest in NESTS:
        if isinstance(content, dict) and isinstance(content.get(nest), dict):
            content = content[nest]
    if not isinstance(content, dict) or not all(isinstance(value, torch.Tensor) for value in content.values()):
        raise ClaimsError(f"{path}: expected tensors by name, found a {type(content).__name__} of other things")
    try:
        return {str(name): _array(value) for name, value in content.items()}
    except (RuntimeError, TypeError, NotImplementedError) as error:  # sparse, quantised or without values
        raise ClaimsError(f"{path}: expected plain tensors, found: {str(error).splitlines()[0]}") from None


def _array(tensor: Any) -> Array:
    plain = tensor.detach()
    array: Array = (plain.float() if plain.is_floating_point() and plain.element_size() < 4 else plain).numpy()
    return array


def dtypes(path: Path) -> str:
    """Return the stored types of a safetensors file's tensors, e.g. "float16", from its header alone."""
    with path.open("rb") as file:
        length = int.from_bytes(file.read(8), "little")
        header = json.loads(file.read(length))
    names = {"F64": "float64", "F32": "float32", "F16": "float16", "BF16": "bfloat16"}
    kinds = {names.get(entry["dtype"], entry["dtype"]) for name, entry in header.items() if name != "__metadata__"}
    return ", ".join(sorted(kinds))


def as_float32(arrays: dict[str, Array]) -> dict[str, Array]:
    """Return the arrays as float32."""
    return {name: np.asarray(array, np.float32) for name, array in arrays.items()}
