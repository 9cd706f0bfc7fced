"""Networks that a function of the paper's folder makes, with the weights of a file.

Importing this module imports torch and timm: import it where it is used.
"""

from __future__ import annotations

from collections.abc import Mapping
from functools import partial
from pathlib import Path
from typing import Any

import numpy as np
import torch
from torch import nn

from harness.core.errors import ClaimsError
from harness.core.own_modules import CONFIG, function_of, on_path, told
from harness.core.paper import paper
from harness.core.specs import Checkpoint
from harness.models.npz import Array
from harness.models.torch.timm_models import COUNTER, fill

HEADS = ("fc", "head", "classifier", "head.fc")
"""Where networks have the layer that gives the logits; else it is the last linear layer."""


class _Logits:
    """Makes a class of transformers return the logits alone."""

    def forward(self, images: torch.Tensor) -> torch.Tensor:
        """Return logits (N, classes) of images (N, 3, side, side)."""
        found: torch.Tensor = super().forward(images).logits  # type: ignore[misc]
        return found


def of_transformers(factory: type, arrays: Mapping[str, Array], config: Path, where: str) -> nn.Module:
    """Return a network of transformers with its weights, by the library's own loading: it renames what it saved.

    Args:
        factory: a class with a `config_class`, e.g. ViTForImageClassification.
        arrays: tensors as the library saved them.
        config: the config.json beside them.
        where: what names it, for messages.

    Raises:
        ClaimsError: there is no config.json; or weights missing, left over or of another shape.
    """
    from transformers.utils import logging

    if not config.is_file():
        raise ClaimsError(
            f"{where}: expected the config.json of {factory.__name__} beside its weights, found no {config}"
        )
    # A class, not a method of the module: its moving average is a copy of it.
    of_logits: Any = type(f"{factory.__name__}Logits", (_Logits, factory), {})
    tensors = {name: torch.from_numpy(np.array(array)) for name, array in arrays.items()}
    level = logging.get_verbosity()
    logging.set_verbosity_error()
    logging.disable_progress_bar()
    try:
        with told(where, config.parent):
            model, found = of_logits.from_pretrained(
                None,
                config=factory.config_class.from_json_file(config),  # type: ignore[attr-defined]
                state_dict=tensors,
                dtype=torch.float32,
                ignore_mismatched_sizes=True,
                output_loading_info=True,
            )
    finally:
        logging.set_verbosity(level)
        logging.enable_progress_bar()
    for kind in ("missing", "unexpected", "mismatched"):
        if names := sorted(name for name in map(str, found[f"{kind}_keys"]) if not name.endswith(COUNTER)):
            raise ClaimsError(
                f"{where}: expected the weights of {factory.__name__} as {config} describes it, found"
                f" {len(names)} {kind}; first: {names[0]}"
            )
    loaded: nn.Module = model
    return loaded


def made(model: str, folder: Path, where: str) -> nn.Module:
    """Return the module that a function makes, its initial weights the same each time.

    Args:
        model: "module:function".
        folder: the paper's.
        where: what names it, for messages.

    Raises:
        ClaimsError: it can't be imported, raised something, or made something else.
    """
    factory = function_of(model, folder, where)
    with torch.random.fork_rng(devices=[]), on_path(folder), told(f"{where}: {model}", folder):
        torch.manual_seed(0)
        found = factory()
    if not isinstance(found, nn.Module):
        kind = f"{type(found).__module__}.{type(found).__qualname__}"
        hint = "; use --backend jax for a Flax module" if kind.startswith("flax") else ""
        raise ClaimsError(f"{where}: expected {model} to return a torch module (nn.Module), found {kind}{hint}")
    return found


def build(found: Checkpoint, arrays: Mapping[str, Array], classes: int | None = None) -> nn.Module:
    """Return a checkpoint's own module with its weights.

    Args:
        found: the checkpoint, of the current paper.
        arrays: tensors by the module's names.
        classes: None keeps the head; a number gives a zero head of so many classes.

    Raises:
        ClaimsError: as `made`; or weights missing, left over or of another shape, or no linear layer for a new head.
    """
    folder = paper().folder
    where = f"checkpoint {found.id}"
    factory = function_of(found.model, folder, where)
    if isinstance(factory, type) and getattr(factory, "config_class", None) is not None:
        model = of_transformers(factory, arrays, (folder / found.file).with_name(CONFIG), where)
    else:
        model = made(found.model, folder, where)
        fill(model, under_its_names(model, arrays), found.id)
    return with_head(model, classes, found.id)


def under_its_names(model: nn.Module, arrays: Mapping[str, Array]) -> Mapping[str, Array]:
    """Return tensors under a module's names, where all that these have besides is one part at their beginning.

    A beginning that passes for a wrapper's, or for transformers', was dropped when the file was read.
    """
    names = model.state_dict().keys()
    beginnings = {name.partition(".")[0] for name in names}

    def under(name: str) -> str:
        longer = [f"{first}.{name}" for first in beginnings if f"{first}.{name}" in names]
        return longer[0] if name not in names and len(longer) == 1 and longer[0] not in arrays else name

    return {under(name): array for name, array in arrays.items()}


def with_head(model: nn.Module, classes: int | None, where: str) -> nn.Module:
    """Return a module whose `get_classifier` gives the layer of the logits; with a number of classes a new one, zeros.

    Raises:
        ClaimsError: it has no linear layer.
    """
    layers = {name: layer for name, layer in model.named_modules() if isinstance(layer, nn.Linear)}
    name = next((each for each in HEADS if each in layers), None) or next(reversed(layers), None)
    if name is None:
        raise ClaimsError(f"{where}: expected a network with a linear layer that gives the logits, found none")
    if classes is not None:
        parent, _, own = name.rpartition(".")
        head = nn.Linear(layers[name].in_features, classes)
        nn.init.zeros_(head.weight)
        nn.init.zeros_(head.bias)
        setattr(model.get_submodule(parent), own, head)
    # By name: a copy of the module (its moving average) has a head of its own.
    setattr(model, "get_classifier", partial(_head, model, name))  # noqa: B010
    return model


def _head(model: nn.Module, name: str) -> nn.Module:
    return model.get_submodule(name)
