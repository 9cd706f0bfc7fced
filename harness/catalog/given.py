"""A checkpoint and a dataset that are given as a file and a folder, without an entry in any table."""

from __future__ import annotations

import os
import re
from collections.abc import Container, Mapping
from pathlib import Path
from typing import TYPE_CHECKING, Any

from harness.core.errors import ClaimsError, Gone
from harness.core.specs import Checkpoint, build
from harness.fetch.owned import ENDINGS, main_file

if TYPE_CHECKING:  # images are read with numpy, which a lookup of the micro study's runs does not need
    from harness.data.registry import Entry


def is_path(text: str, known: Container[str]) -> bool:
    """Return whether an argument is a file or folder rather than an id: it looks like one, or there is one.

    Args:
        text: the argument.
        known: the ids that exist, which go before files of the same name in the current folder.
    """
    if text in known:
        return False
    separators = [os.sep, *filter(None, (os.altsep,))]
    looks = any(sign in text for sign in separators) or text.startswith(("~", ".")) or text.endswith(ENDINGS)
    return looks or os.path.lexists(text)


def checkpoint_at(text: str, stated: Mapping[str, Any]) -> Checkpoint:
    """Return the checkpoint of a weights file, or of a folder with one, with what its arrays reveal.

    Args:
        text: npz, safetensors, a PyTorch file, an index of shards, or a folder as save_pretrained writes it.
        stated: fields of a Checkpoint that the user gives, e.g. resolution.

    Raises:
        Gone: there is nothing at the path.
        ClaimsError: it is no weights file.
    """
    from harness.data.registry import GIVEN
    from harness.fetch.content import fault
    from harness.models.load import read_file

    path = Path(text).expanduser().absolute()
    file = main_file(path)
    if not file.name.endswith(".json") and (reason := fault(file, "weights")):
        raise ClaimsError(f"{file}: {reason}; give the whole file")
    held = read_file(file, *([stated["weights"]] if stated.get("weights") else []))
    name = path.name if path.is_dir() else path.name.removesuffix(path.suffix)
    family = family_of(held.arrays)
    values: dict[str, Any] = {
        "id": f"{GIVEN}{re.sub(r'[^A-Za-z0-9._-]', '_', name) or 'weights'}",
        "family": family,
        "architecture": f"{family} of {path.name}",
        "pretrained_on": "not stated",
        "layout": held.layout,
        "sources": (f"file:{path}",),
        "citation": str(path),
    }
    return build(Checkpoint, values | dict(stated), str(path))


def family_of(arrays: Mapping[str, Any]) -> str:
    """Return the family of the network that arrays are of, by their names; "other" for what only timm knows."""
    from harness.models.convert import TIMM_BIT, layout_of, rules_of

    if layout_of(arrays) == "bit-npz" or rules_of(arrays) is TIMM_BIT:
        return "bit"
    if layout_of(arrays) == "vit-npz" or rules_of(arrays) is not None:
        hybrid = any(name.startswith(("conv_root/", "patch_embed.backbone.")) for name in arrays)
        return "hybrid" if hybrid else "vit"
    return "convnext" if any(re.search(r"\.(conv_dw|dwconv)\.", name) for name in arrays) else "other"


def dataset_at(text: str) -> Entry:
    """Return the entry of a folder of class folders, with train/ and test/ (or val/) or without; images are counted.

    Raises:
        Gone: there is no such folder.
        ClaimsError: it holds no class folders, a class without images, or fewer than two classes.
    """
    from harness.data.registry import folder, given

    root = Path(text).expanduser().absolute()
    if not root.is_dir():
        what = "a file" if root.exists() else "no such folder"
        raise (ClaimsError if root.exists() else Gone)(
            f"expected a folder with one folder of images per class in {root}, found {what}"
        )
    parts = folder(root, {})
    classes = len(parts.test.classes)
    if classes < 2:
        raise ClaimsError(
            f"{root}: expected at least two folders of images, one per class, found {classes}; name the folder above it"
        )
    return given(root, classes, 0 if parts.train is None else len(parts.train), len(parts.test))
