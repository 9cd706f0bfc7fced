"""Flax networks that a function of the paper's folder makes, with the weights of a file.

Importing this module imports jax and flax: import it where it is used.
"""

from __future__ import annotations

import inspect
from collections.abc import Mapping
from dataclasses import dataclass
from pathlib import Path
from typing import Any

import jax
import jax.numpy as jnp
import numpy as np
from flax import linen as nn
from flax.traverse_util import flatten_dict, unflatten_dict

from harness.core.errors import ClaimsError
from harness.core.own_modules import function_of, on_path, told
from harness.core.paper import paper
from harness.core.specs import Checkpoint
from harness.models.npz import Array

CLASSES = ("classes", "num_classes")
"""What a factory's argument may be called that takes the number of classes."""
HEADS = ("head", "fc", "classifier")
"""What the layer that gives the logits may be called; else it is the last of its kind."""
Params = dict[str, Any]


@dataclass(frozen=True)
class OwnArchitecture:
    """What makes a network, and for how many classes: the counterpart of the architectures that this project builds."""

    id: str
    """Of the checkpoint, for messages."""
    model: str
    """"module:function"."""
    folder: Path
    """The paper's."""
    classes: int
    named: str = ""
    """The argument of the function that takes the number of classes; "": the function takes none."""

    def module(self) -> nn.Module:
        """Return the network.

        Raises:
            ClaimsError: the function raised something, or made something else.
        """
        factory = function_of(self.model, self.folder, f"checkpoint {self.id}")
        with on_path(self.folder), told(f"checkpoint {self.id}: {self.model}", self.folder):
            found = factory(**({self.named: self.classes} if self.named else {}))
        if not isinstance(found, nn.Module):
            kind = f"{type(found).__module__}.{type(found).__qualname__}"
            raise ClaimsError(
                f"checkpoint {self.id}: expected {self.model} to return a Flax module (flax.linen) for the backend jax,"
                f" found {kind}; return one, or use the backend torch"
            )
        return found

    def network(self, dtype: Any) -> OwnNetwork:
        """Return the function of parameters and images that the network is."""
        module = self.module()
        return OwnNetwork(module, "train" in inspect.signature(type(module).__call__).parameters, dtype)

    def shapes(self, side: int) -> dict[str, tuple[int, ...]]:
        """Return the shape of each parameter by its name, "layer/kernel", for images of so many pixels.

        Raises:
            ClaimsError: the network does not take such images, or has more than parameters.
        """
        network = self.network(jnp.float32)
        with told(f"checkpoint {self.id}: {self.model}", self.folder):
            images = jnp.zeros((1, side, side, 3))
            more: dict[str, Any] = {"train": False} if network.takes_train else {}
            found = jax.eval_shape(lambda: network.module.init(jax.random.key(0), images, **more))
        if others := sorted(set(found) - {"params"}):
            raise ClaimsError(
                f"checkpoint {self.id}: expected a network with parameters alone, found {', '.join(others)}, too;"
                " use layers without a running state, e.g. GroupNorm for BatchNorm"
            )
        return {name: leaf.shape for name, leaf in flatten_dict(found["params"], sep="/").items()}


@dataclass(frozen=True)
class OwnNetwork:
    """A module, called as this project's own networks are; hashable, and without weights."""

    module: nn.Module
    takes_train: bool
    dtype: Any
    """In which parameters and images are given to it."""

    def apply(self, variables: dict[str, Any], images: Any, train: bool = False, rngs: Any = None) -> jax.Array:
        """Return float32 logits (N, classes) of images (N, height, width, 3)."""
        lower = jax.tree.map(lambda array: array.astype(self.dtype), variables)
        # It drops out where the recipe has a rate, for only then there are random numbers.
        more: dict[str, Any] = {"train": train and bool(rngs)} if self.takes_train else {}
        found: Any = self.module.apply(lower, images.astype(self.dtype), rngs=rngs, **more)
        return found.astype(jnp.float32)  # type: ignore[no-any-return]


def load(
    found: Checkpoint, arrays: Mapping[str, Array], classes: int | None, side: int
) -> tuple[Params, OwnArchitecture]:
    """Return the parameters of a checkpoint's own network, and the network.

    Args:
        found: the checkpoint, of the current paper.
        arrays: by the network's names, "layer/kernel" or "layer.kernel".
        classes: None keeps the head; a number gives a zero head of so many classes.
        side: of the images, in pixels.

    Raises:
        ClaimsError: weights missing, left over or of another shape; a new head is asked for, and the function takes no
            number of classes.
    """
    folder = paper().folder
    factory = function_of(found.model, folder, f"checkpoint {found.id}")
    taken = set(inspect.signature(factory).parameters)
    named = next((name for name in CLASSES if name in taken), "")
    own = OwnArchitecture(found.id, found.model, folder, 0)
    shapes = own.shapes(side)
    read = {name.replace(".", "/"): array for name, array in arrays.items()}
    read = {name.removeprefix("params/"): array for name, array in read.items()}
    for name, shape in shapes.items():
        if name not in read:
            raise ClaimsError(f"checkpoint {found.id}: {name}: expected weights of shape {shape}, found none")
        if read[name].shape != shape:
            raise ClaimsError(f"checkpoint {found.id}: {name}: expected shape {shape}, found {read[name].shape}")
    if left := sorted(read.keys() - shapes.keys()):
        raise ClaimsError(f"checkpoint {found.id}: {left[0]}: expected no such weights, found {len(left)} of these")
    head = head_name(shapes, found.id)
    own = OwnArchitecture(found.id, found.model, folder, shapes[f"{head}/kernel"][-1])
    if classes is not None:
        if not named and classes != own.classes:
            raise ClaimsError(
                f"checkpoint {found.id}: expected {found.model} to take a number of classes for a new head of"
                f" {classes}, found that it does not; give it an argument `classes`"
            )
        own = OwnArchitecture(found.id, found.model, folder, classes, named)
        of_new = own.shapes(side) if named else shapes
        for name in (f"{head}/kernel", f"{head}/bias"):
            if name in of_new:
                read[name] = np.zeros(of_new[name], np.float32)
        if different := [name for name in of_new if name not in read or read[name].shape != of_new[name]]:
            raise ClaimsError(
                f"checkpoint {found.id}: {different[0]}: expected {found.model} to make the same network for {classes}"
                " classes but for its head, found another"
            )
    tree: Params = unflatten_dict({name: jnp.array(np.asarray(read[name], np.float32)) for name in shapes}, sep="/")
    return tree, own


def head_name(names: Mapping[str, Any], where: str) -> str:
    """Return the name of the layer that gives the logits.

    Raises:
        ClaimsError: there is none that could be.
    """
    dense = [name for name, shape in names.items() if name.endswith("/kernel") and len(shape) == 2]
    layers = [name.removesuffix("/kernel") for name in dense]
    if not layers:
        raise ClaimsError(f"checkpoint {where}: expected a network with a dense layer for the logits, found none")
    return next((name for name in layers if name.rpartition("/")[2] in HEADS), layers[-1])


def head_of(params: Params, own: OwnArchitecture) -> Params:
    """Return the kernel and bias of the layer that gives the logits; changing the dict changes the parameters."""
    shapes = {name: array.shape for name, array in flatten_dict(params, sep="/").items()}
    found = params
    for part in head_name(shapes, own.id).split("/"):
        found = found[part]
    return found
