"""The tensors of all weights files of a checkpoint, by name, before one set of weights is chosen."""

from __future__ import annotations

from collections.abc import Callable, Mapping
from dataclasses import dataclass
from pathlib import Path

from harness.core.errors import ClaimsError
from harness.models import npz, tensor_files, weight_sets
from harness.models.file_kinds import kind_of
from harness.models.shards import Place
from harness.models.tensor_files import Lazy


@dataclass(frozen=True)
class Stored:
    """The tensors of a file or of a model's shards."""

    nested: Mapping[str, Mapping[str, Lazy]]
    """By the path of the dictionary that holds them ("" for a file's own names) and by name."""
    dtypes: Callable[[], set[str]]
    """Gives the types that they are stored in."""

    def sets(self, by_names: bool = True) -> dict[str, dict[str, Lazy]]:
        """Return every set of weights by name; `by_names` as `weight_sets.split` takes it."""
        return weight_sets.split(self.nested, by_names)

    def dtype(self) -> str:
        """Return the stored type or types, e.g. "float32"."""
        return ", ".join(sorted(self.dtypes()))


def stored_at(place: Place) -> Stored:
    """Return what a place holds.

    Raises:
        ClaimsError: missing, damaged, no weights, or shards that do not hold what their index says.
    """
    if not place.shards:
        return _of_file(place.path)
    parts = {shard: _of_file(shard) for shard in sorted(place.shards)}
    whole: dict[str, Lazy] = {}
    for shard, part in parts.items():
        held = part.nested.get("", {})
        missing, left_over = sorted(place.shards[shard] - held.keys()), sorted(held.keys() - place.shards[shard])
        if missing or left_over:
            what = f"{missing[0]}, which is missing" if missing else f"no {left_over[0]}, which it holds"
            raise ClaimsError(
                f"{place.path}: expected in the shard {shard.name} {what}; fetch index and shards of one model again"
            )
        whole |= held
    return Stored({"": whole}, lambda: set().union(*(part.dtypes() for part in parts.values())))


def _of_file(path: Path) -> Stored:
    kind = kind_of(path)
    if kind == "npz":
        arrays = npz.load(path)
        return Stored({"": tensor_files.lazy(path, arrays)}, lambda: npz.stored_dtypes(path, arrays))
    found = tensor_files.read(path, kind)
    return Stored(
        found, lambda: tensor_files.dtypes(path) if kind == "safetensors" else tensor_files.torch_dtypes(found)
    )
