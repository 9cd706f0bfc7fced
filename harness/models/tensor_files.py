"""Named tensors of safetensors and PyTorch files; no pickle is run."""

from __future__ import annotations

import argparse
import json
import warnings
from collections.abc import Mapping
from dataclasses import dataclass
from pathlib import Path
from typing import Any, Literal

import numpy as np

from harness.core.errors import ClaimsError
from harness.models.npz import Array


@dataclass(frozen=True)
class Lazy:
    """A tensor of a file, which becomes an array when it is called: only those of the chosen set are converted."""

    path: Path
    name: str
    tensor: Any
    """A torch tensor, or an array already."""

    @property
    def dtype(self) -> str:
        """The type that it is stored in, e.g. "bfloat16"."""
        return str(self.tensor.dtype).removeprefix("torch.")

    def __call__(self) -> Array:
        """Return the array, half precision as float32.

        Raises:
            ClaimsError: a sparse or quantised tensor, or one without values.
        """
        if isinstance(self.tensor, np.ndarray):
            return self.tensor
        try:
            plain = self.tensor.detach()
            plain = plain.float() if plain.is_floating_point() and plain.element_size() < 4 else plain
            array: Array = plain.numpy()
        except (RuntimeError, TypeError, NotImplementedError) as error:
            first = str(error).splitlines()[0]
            raise ClaimsError(f"{self.path}: {self.name}: expected plain tensors, found: {first}") from None
        return array


def lazy(path: Path, tensors: Mapping[str, Any]) -> dict[str, Lazy]:
    """Return the tensors or arrays of a file, to be converted later."""
    return {name: Lazy(path, name, tensor) for name, tensor in tensors.items()}


def read(path: Path, kind: Literal["safetensors", "pytorch"]) -> dict[str, dict[str, Lazy]]:
    """Return the tensors of a safetensors or PyTorch file by the dictionary that holds them and by name.

    Half-precision tensors become float32.

    Returns:
        {"": tensors} for a plain file; a training checkpoint's dictionaries by their path, e.g. "model_ema".

    Raises:
        ClaimsError: missing, damaged, pickled objects, or no tensors.
    """
    return {"": _safetensors(path)} if kind == "safetensors" else _pytorch(path)


def _safetensors(path: Path) -> dict[str, Lazy]:
    from safetensors import SafetensorError, safe_open

    try:
        with safe_open(path, framework="pt") as file:  # numpy has no bfloat16
            tensors = {name: file.get_tensor(name) for name in file.keys()}  # noqa: SIM118
    except (SafetensorError, OSError, ValueError) as error:
        detail = " ".join(str(error).split())
        raise ClaimsError(
            f"{path}: expected a whole safetensors file; delete it and fetch it again ({detail})"
        ) from None
    return lazy(path, tensors)


def _pytorch(path: Path) -> dict[str, dict[str, Lazy]]:
    found = nested_tensors(_loaded(path))
    if not found:
        raise ClaimsError(f"{path}: expected tensors by name, found a PyTorch file of other things")
    return {place: lazy(path, tensors) for place, tensors in found.items()}


def _loaded(path: Path) -> Any:
    """Return the content of a PyTorch file with only tensors, plain values and the options of a training script."""
    import pickle

    import torch

    try:
        with warnings.catch_warnings(), torch.serialization.safe_globals([argparse.Namespace]):
            warnings.simplefilter("ignore")  # of torch, about the file: it is read or refused
            with path.open("rb") as file:  # by its path torch would take its kind from its suffix
                return torch.load(file, map_location="cpu", weights_only=True)
    except Exception as error:  # a malformed file makes torch stumble over anything
        detail = f"{error}".split("\n")[0][:200] or type(error).__name__
        if "TorchScript" in detail:
            detail = "a TorchScript archive, whose code is never run"
        elif isinstance(error, pickle.UnpicklingError) or "weights_only" in detail:  # advises to unpickle objects
            detail = "pickled objects, which are never loaded"
        raise ClaimsError(
            f"{path}: expected a PyTorch file with tensors only, found {detail}; save its state_dict alone"
        ) from None


def nested_tensors(content: Any, place: str = "") -> dict[str, dict[str, Any]]:
    """Return the dictionaries of tensors by name within a checkpoint, by their path.

    An optimiser's state has numbers for keys and is left out. A dictionary that holds dictionaries of tensors may
    hold other things, too; one that holds none must hold tensors alone.
    """
    import torch

    if not isinstance(content, Mapping) or not all(isinstance(key, str) for key in content):
        return {}
    direct = {name: value for name, value in content.items() if isinstance(value, torch.Tensor)}
    found: dict[str, dict[str, Any]] = {}
    for name, value in content.items():
        found |= nested_tensors(value, f"{place}.{name}" if place else name)
    if direct and (len(direct) == len(content) or (any(tensor.ndim for tensor in direct.values()) and found)):
        return {place: direct} | found
    return found


def dtypes(path: Path) -> set[str]:
    """Return the stored types of a safetensors file's tensors, e.g. "float16", from its header alone."""
    with path.open("rb") as file:
        length = int.from_bytes(file.read(8), "little")
        header = json.loads(file.read(length))
    names = {"F64": "float64", "F32": "float32", "F16": "float16", "BF16": "bfloat16"}
    return {names.get(entry["dtype"], entry["dtype"]) for name, entry in header.items() if name != "__metadata__"}


def torch_dtypes(nested: Mapping[str, Mapping[str, Lazy]]) -> set[str]:
    """Return the stored types of a PyTorch file's tensors, e.g. "bfloat16"."""
    return {tensor.dtype for tensors in nested.values() for tensor in tensors.values()}
