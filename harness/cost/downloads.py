"""What runs would have to download: bytes of checkpoints and datasets, and what is already here."""

from __future__ import annotations

from collections.abc import Iterable, Sequence
from dataclasses import dataclass, replace
from functools import cache
from pathlib import Path
from typing import TYPE_CHECKING, Literal

from harness.core.errors import ClaimsError
from harness.core.paper import paper
from harness.core.specs import Checkpoint
from harness.core.toml import read_toml

if TYPE_CHECKING:
    from harness.data.registry import Entry
    from harness.fetch import Material


@dataclass(frozen=True)
class Download:
    """A checkpoint or a dataset that runs need."""

    kind: Literal["checkpoint", "dataset"]
    id: str
    bytes: int | None
    """Bytes to download, 0 if it is here; None: unknown."""
    about: bool = False
    """The bytes are an estimate: four per parameter, or an archive that holds the same."""
    here: bool = False
    note: str = ""
    """What must be done by hand, or why nothing is known."""
    network: str = ""
    """Of one of many files that were released fine-tuned: which pre-trained network it was fine-tuned from."""


def published_sizes() -> dict[str, int]:
    """Return the bytes of published archives by FOLDER/FILE (the paper's archives.toml)."""
    path = paper().table("archives.toml")
    return {} if path is None else read_sizes(path)


@cache
def read_sizes(path: Path) -> dict[str, int]:
    """Return the bytes that a table states."""
    return {name: size for table in read_toml(path).values() for name, size in table["sizes"].items()}


def downloads(
    checkpoints: Iterable[Checkpoint], datasets: Iterable[str], cache_folder: Path, *, offline: bool = True
) -> list[Download]:
    """Return what runs need, each once. Nothing is downloaded or hashed.

    Args:
        checkpoints: of the runs; those that were never released are left out.
        datasets: ids; those that are no real datasets (made here) need nothing.
        cache_folder: where downloads lie.
        offline: ask no server for sizes; they are then the tables', or estimates.
    """
    from harness.data.registry import entries

    found = {each.id: of_checkpoint(each, cache_folder, offline) for each in checkpoints if not each.never_released}
    known = entries()
    named = dict.fromkeys(name for name in datasets if name in known)
    return [*found.values(), *(of_dataset(known[name], cache_folder, offline) for name in named)]


def of_checkpoint(checkpoint: Checkpoint, cache_folder: Path, offline: bool = True) -> Download:
    """Return what a checkpoint's file takes."""
    from harness.catalog import checkpoint_files

    if checkpoint_files.state(checkpoint, cache_folder) in ("shipped", "fetched"):
        return Download("checkpoint", checkpoint.id, 0, here=True)
    found = _sum("checkpoint", checkpoint.id, checkpoint_files.materials(checkpoint), cache_folder, offline)
    return replace(found, network=checkpoint.upstream) if checkpoint.tuned_on else found


def of_dataset(entry: Entry, cache_folder: Path, offline: bool = True) -> Download:
    """Return what a dataset's files take."""
    from harness.data.download.dataset import HUB_READER, materials, state
    from harness.data.paths import location

    root = location(entry.folder)
    where, why = state(entry, root)
    if where == "here":
        return Download("dataset", entry.id, 0, here=True)
    if where == "to fetch" and entry.reader != HUB_READER:
        try:
            return _sum("dataset", entry.id, materials(entry, root), cache_folder, offline)
        except ClaimsError as error:
            return Download("dataset", entry.id, None, note=str(error))
    sizes = [published_sizes().get(f"{entry.folder}/{name}") for name, _ in entry.files]
    known = [size for size in sizes if size]
    return Download("dataset", entry.id, sum(known) or None, about=bool(known), note=f"by hand: {why}" if why else "")


def _sum(
    kind: Literal["checkpoint", "dataset"], name: str, files: Sequence[Material], cache_folder: Path, offline: bool
) -> Download:
    from harness.fetch.dry_run import plan_all

    sized = [replace(file, size=file.size or published_sizes().get(f"{name}/{file.file_name}")) for file in files]
    planned = plan_all(sized, cache_folder, offline=offline)
    parts = [each.to_download for each in planned]
    total = None if any(part is None for part in parts) else sum(part or 0 for part in parts)
    silent = [each for each in planned if each.answered is False]
    return Download(
        kind,
        name,
        total,
        about=any(each.size_from == "estimate" for each in planned),
        here=all(each.present for each in planned),
        note=f"no source answers: {silent[0].note}" if silent else "",
    )
