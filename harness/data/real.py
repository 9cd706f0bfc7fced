"""A real dataset as a run needs it: counted, decoded once, memory-mapped, and the same bytes as last time."""

from __future__ import annotations

import json
from dataclasses import dataclass
from pathlib import Path

import numpy as np
from filelock import FileLock

from harness.data.cache import cached
from harness.data.entries import Entry, load_parts
from harness.data.preprocess import Resize
from harness.data.splits import Data, Split
from harness.errors import ClaimsError
from harness.home import make_folder, write_atomic


@dataclass(frozen=True, eq=False)
class Loaded:
    """A dataset and the digests of what it was decoded from."""

    data: Data
    """Memory-mapped; the train part is empty for a dataset that is only evaluated."""
    contents: tuple[tuple[str, str], ...]
    """(part, digest of its encoded bytes and labels) pairs, to be recorded with the run."""


def load_real(entry: Entry, root: Path, folder: Path, resize: Resize | None) -> Loaded:
    """Read a real dataset, decode it or take it from the cache, and compare it with the first time.

    The authors publish no digest of every form of a dataset, so the digest of what is read first is pinned
    in the cache folder; a later difference is an error.

    Args:
        entry: what it must hold.
        root: the folder or archive that holds it.
        folder: where caches and pins lie.
        resize: applied before storing; None for images of one size (CIFAR), stored as they are.

    Raises:
        ClaimsError: missing, incomplete, damaged, other images than before, or sizes that differ without a resize.
    """
    parts = load_parts(entry, root)
    test = cached(parts.test, folder, resize)
    contents = {"test": test.content}
    scored = Split(test.array(), test.labels)
    trained = scored.take(np.arange(0))
    if parts.train is not None:
        train = cached(parts.train, folder, resize)
        contents["train"] = train.content
        trained = Split(train.array(), train.labels)
    pin(entry.id, contents, folder)
    return Loaded(Data(trained, scored), tuple(sorted(contents.items())))


def pin(name: str, contents: dict[str, str], folder: Path) -> None:
    """Compare digests with those of the first time, or keep them if this is the first time.

    Raises:
        ClaimsError: they differ, or the pins can't be read.
    """
    path = folder / "pins" / f"{name}.json"
    with FileLock(make_folder(path.parent) / f"{name}.lock"):
        if not path.exists():
            write_atomic(path, json.dumps(contents, indent=1, sort_keys=True).encode())
            return
        try:
            known = dict(json.loads(path.read_bytes()))
        except (OSError, ValueError, TypeError) as error:
            raise ClaimsError(f"{path}: expected pinned digests, found: {error}; remove it to pin anew") from None
    for part, found in contents.items():
        if known.get(part) != found:
            raise ClaimsError(
                f"{name}: expected the {part} images with digest {str(known.get(part))[:16]}..., pinned at the first"
                f" read, found {found[:16]}...; restore them, or remove {path} to accept these"
            )
