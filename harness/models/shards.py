"""The file or files that a path to weights stands for: a file, a folder, or the index of a model in several shards.

transformers splits large models into shards with an index, `model.safetensors.index.json` or
`pytorch_model.bin.index.json`: {"weight_map": {tensor name: file name}}.
"""

from __future__ import annotations

import re
from collections.abc import Mapping
from dataclasses import dataclass, field
from pathlib import Path

from harness.core.errors import ClaimsError
from harness.models.json_files import read_json

USUAL = ("model.safetensors", "pytorch_model.bin")
"""Names that transformers and timm give a model's file, in their order of preference."""
INDEX = ".index.json"
SUFFIXES = (".safetensors", ".npz", ".bin", ".pth", ".pt", ".ckpt")
SHARD = re.compile(r"(?P<stem>.+)-(?P<number>\d{5})-of-(?P<count>\d{5})(?P<suffix>\.\w+)")


@dataclass(frozen=True)
class Place:
    """Where weights are."""

    path: Path
    """The file, or the index of the shards."""
    shards: Mapping[Path, frozenset[str]] = field(default_factory=dict)
    """The names that each shard holds; empty for one file."""

    @property
    def files(self) -> tuple[Path, ...]:
        """Every file whose bytes make up the weights: the file, or the index and the shards in order of their names."""
        return (self.path, *sorted(self.shards))

    @property
    def folder(self) -> Path:
        """Where a config.json for the weights would be."""
        return self.path.parent

    @property
    def size(self) -> int:
        """Bytes of the weights on disk."""
        return sum(path.stat().st_size for path in self.shards or (self.path,))


def place_of(path: Path) -> Place:
    """Return where the weights are that a path stands for.

    Args:
        path: a file, a shards' index, or a folder as transformers' save_pretrained writes it, or with one weights file.

    Raises:
        ClaimsError: a folder without weights or with several that may be meant; one shard of several; a malformed
            index, or shards that are missing.
    """
    if path.is_dir():
        path = _in_folder(path)
    if path.name.endswith(".json") and path.is_file():
        return _indexed(path)
    _refuse_lone_shard(path)
    return Place(path)


def _in_folder(folder: Path) -> Path:
    for name in USUAL:
        named = [folder / name, folder / f"{name}{INDEX}"]
        there = [path for path in named if path.is_file()]
        if len(there) > 1:
            names = ", ".join(path.name for path in there)
            raise ClaimsError(f"{folder}: expected one set of weights, found {names}; name the one that is meant")
        if there:
            return there[0]
    try:
        others = sorted(path for path in folder.iterdir() if path.is_file() and path.suffix in SUFFIXES)
    except OSError as error:
        raise ClaimsError(f"{folder}: expected a folder that can be read, found: {error.strerror}") from None
    whole = [path for path in others if _count(path) == 1]
    whole += sorted(path for path in folder.glob(f"*{INDEX}") if path.is_file())
    if len(whole) == 1:
        return whole[0]
    if whole:
        names = ", ".join(path.name for path in whole[:4]) + (", ..." if len(whole) > 4 else "")
        raise ClaimsError(f"{folder}: expected one weights file, found {len(whole)}: {names}; name one")
    if others:
        raise ClaimsError(f"{folder}: expected the index of the shards ({USUAL[0]}{INDEX}), found none; fetch it, too")
    raise ClaimsError(f"{folder}: expected a folder with a weights file, e.g. {USUAL[0]}, found none; name the file")


def _indexed(path: Path) -> Place:
    content = read_json(path)
    listed = content.get("weight_map") if isinstance(content, dict) else None
    if not isinstance(listed, dict) or not listed or not all(isinstance(name, str) for name in listed.values()):
        raise ClaimsError(f'{path}: expected weights, or the index of their shards ("weight_map"), found other JSON')
    shards: dict[Path, set[str]] = {}
    for name, file in listed.items():
        if Path(file).name != file or file in ("", ".", ".."):
            raise ClaimsError(f"{path}: weight_map: expected names of files beside it, found {file!r}")
        shards.setdefault(path.parent / file, set()).add(name)
    missing = sorted(shard.name for shard in shards if not shard.is_file())
    if missing:
        raise ClaimsError(
            f"{path}: expected its {len(shards)} shards beside it, found {len(missing)} missing; first: {missing[0]};"
            " fetch it, too"
        )
    return Place(path, {shard: frozenset(names) for shard, names in shards.items()})


def _refuse_lone_shard(path: Path) -> None:
    match = SHARD.fullmatch(path.name)
    if match and _count(path) > 1:
        index = path.with_name(f"{match['stem']}{match['suffix']}{INDEX}")
        raise ClaimsError(
            f"{path}: expected all of the weights, found shard {int(match['number'])} of {int(match['count'])}; name"
            f" the folder or the index {index.name}"
        )


def _count(path: Path) -> int:
    """Return how many shards a file's name says there are; 1 for any other name."""
    match = SHARD.fullmatch(path.name)
    return int(match["count"]) if match else 1
