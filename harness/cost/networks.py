"""The network that a checkpoint's run would build, without its weights."""

from __future__ import annotations

import dataclasses
import json
from pathlib import Path
from typing import TYPE_CHECKING, Literal

from harness.core.errors import ClaimsError
from harness.core.own_modules import source_digest
from harness.core.paper import paper
from harness.core.specs import Checkpoint
from harness.models import released
from harness.models.architectures import Architecture, BitArchitecture

if TYPE_CHECKING:
    from torch import nn


@dataclasses.dataclass(frozen=True)
class Network:
    """What decides the module that the backend builds, but for the number of classes and the input's size.

    The optional pre_logits layer is left out: fine-tuning drops it, and in an evaluation it is one product of
    width x width (0.002 of 123 GFLOP for ViT-L/16).
    """

    architecture: Architecture | None
    """None: timm's registry says."""
    timm: str = ""
    """timm's name of the model, where it is built by that."""
    semantics: Literal["reference", "timm"] = "reference"
    model: str = ""
    """What makes it, where that is a function of a paper's folder, with the digest of its source."""
    folder: Path | None = None
    """Of that paper."""

    @property
    def key(self) -> str:
        """The same text for the same network."""
        parts = dataclasses.asdict(self)
        del parts["folder"]
        return json.dumps(parts if self.model else {k: v for k, v in parts.items() if k != "model"}, sort_keys=True)


def network(checkpoint: Checkpoint, cache: Path | None = None) -> Network:
    """Return the network of a checkpoint, by its architecture's name or else from its file, if that is here.

    Args:
        checkpoint: as in the zoo; its file need not be here.
        cache: where downloads lie; None: only a shipped file is looked at.

    Raises:
        ClaimsError: the name does not say and the file is not here, or it can't be read.
    """
    if checkpoint.model:
        folder = paper().folder
        digest = source_digest(checkpoint.model.partition(":")[0], folder, f"checkpoint {checkpoint.id}: model")
        return Network(None, model=f"{checkpoint.model} {digest}", folder=folder)
    if checkpoint.semantics == "timm" and checkpoint.timm:
        return Network(None, checkpoint.timm, "timm")
    found = released.expected(checkpoint)
    if found is None:
        found = _of_file(checkpoint, cache)
    return Network(_plain(found), "", checkpoint.semantics)


def _of_file(checkpoint: Checkpoint, cache: Path | None) -> Architecture:
    from harness.catalog import checkpoint_files
    from harness.models import load, npz_layout

    if checkpoint.file:
        path: Path | None = checkpoint_files.shipped_file(checkpoint)
    else:
        path = checkpoint_files.here(checkpoint, cache) if cache else None
    if path is None:
        raise ClaimsError(
            f"{checkpoint.id}: expected an architecture whose name says its sizes, or the file, found"
            f" {checkpoint.architecture!r} and no file here; fetch it to know its cost"
        )
    arrays = load.official(path, classes=checkpoint.classes, heads=checkpoint.heads, weights=checkpoint.weights)
    return npz_layout.describe(arrays, checkpoint.id)


def _plain(found: Architecture) -> Architecture:
    if isinstance(found, BitArchitecture):
        return dataclasses.replace(found, classes=1)
    return dataclasses.replace(found, classes=1, representation_size=None)


def module(of: Network, resolution: int, classes: int = 1) -> nn.Module:
    """Return the module on the meta device: shapes without values.

    Args:
        of: the network.
        resolution: side of the input in pixels.
        classes: of the head.

    Raises:
        ClaimsError: it does not take that resolution, or timm does not know it.
    """
    import torch

    from harness.models.torch import timm_models
    from harness.models.torch.bit import bit_module
    from harness.models.torch.vit import ReferenceViT

    if of.model:
        from harness.models.torch import own

        name = of.model.partition(" ")[0]
        assert of.folder is not None
        return own.with_head(own.made(name, of.folder, name), classes, name).to("meta")
    with torch.device("meta"):
        if of.architecture is None:
            import timm

            if not timm.is_model(of.timm):
                raise ClaimsError(f"expected a model that timm knows, found {of.timm!r}; update timm")
            built: nn.Module = timm.create_model(of.timm, pretrained=False)
            return timm_models.adapt(built, classes, resolution, of.timm)
        architecture = dataclasses.replace(of.architecture, classes=classes)
        if not isinstance(architecture, BitArchitecture):
            architecture = dataclasses.replace(architecture, grid=architecture.grid_at(resolution))
        if of.semantics == "timm":
            return timm_models.stock_module(architecture)
        return bit_module(architecture) if isinstance(architecture, BitArchitecture) else ReferenceViT(architecture)
