"""Unpack a dataset's published files into the folder that its reader reads; each part appears whole or not at all.

Archives are unpacked, and plain files linked, in a hidden folder of the dataset's own; each part is then moved
to its place by one rename. A mark is written before the moves, which names the parts, and again after the last:
a process that is killed at any moment leaves whole parts or none, and the next call puts right what it left.
"""

from __future__ import annotations

import json
import os
import shutil
from collections.abc import Mapping
from dataclasses import asdict, dataclass
from pathlib import Path

from harness.core.errors import ClaimsError
from harness.core.paths import make_folder, write_atomic
from harness.data.readers.archive import JUNK, is_archive
from harness.data.registry import Entry
from harness.fetch import unpack

MARK = ".obtained.json"
UNPACKING = ".unpacking"

UNPACKED = {
    "pets": ".",
    "flowers": ".",
    "caltech101": ".",
    "dtd": "dtd",
    "sun397": ".",
    "eurosat": ".",
    "clevr-count": "clevr",
    "clevr-distance": "clevr",
}
"""The folder, by reader, that its archives are unpacked into; other readers read the published files as they are."""
NESTED = {"caltech101": "caltech-101/101_ObjectCategories.tar.gz"}
"""The archive within the archive that holds a reader's images (the Caltech record's caltech-101.zip)."""
ROOM, RATIO = 1 << 28, 8
"""An archive may unpack to RATIO times its size and ROOM bytes: images hardly shrink, lists and scenes do."""


@dataclass(frozen=True)
class Mark:
    """What a dataset's folder got from here."""

    files: dict[str, str]
    """Published file name to its published digest, "" where none is."""
    placed: list[str]
    """The files and folders in the dataset's folder that were put there."""
    whole: bool
    """False: a process was putting them there."""


def read_mark(root: Path) -> Mark | None:
    """Return a folder's mark; None if it has none that can be read."""
    try:
        return Mark(**json.loads((root / MARK).read_bytes()))
    except (OSError, ValueError, TypeError):
        return None


def write_mark(root: Path, mark: Mark) -> None:
    """Write a folder's mark."""
    write_atomic(root / MARK, json.dumps(asdict(mark), indent=1).encode())


def cannot_install(root: Path, error: OSError) -> ClaimsError:
    """Return the error for a folder that can't be filled."""
    return ClaimsError(f"{root}: expected a folder that can be filled, found: {error.strerror or error}; check it")


def install(entry: Entry, root: Path, files: Mapping[str, Path]) -> None:
    """Put published files into a dataset's folder as its reader looks for them.

    Raises:
        ClaimsError: an archive is damaged or unsafe, something is in the way, or the disk is full.
    """
    hidden = root / UNPACKING
    try:
        if hidden.exists():  # a killed process left it
            shutil.rmtree(hidden)
        content = make_folder(hidden / "content")
        for name, path in files.items():
            if entry.reader in UNPACKED and is_archive(path.with_name(name)):
                target = make_folder(content / UNPACKED[entry.reader])
                gather(unpacked(entry, path, hidden / f"{name}.unpacked"), target, path)
            elif path != root / name:
                link(path, content / name)
        place(entry, root, content)
    except OSError as error:
        raise cannot_install(root, error) from None
    finally:
        shutil.rmtree(hidden, ignore_errors=True)


def unpacked(entry: Entry, archive: Path, folder: Path) -> Path:
    """Return a new folder with the content of an archive, or of the archive inside it that a reader needs."""
    unpack(archive, folder, max_bytes=ROOM + RATIO * archive.stat().st_size)
    inner = NESTED.get(entry.reader)
    if inner is None:
        return folder
    if not (folder / inner).is_file():
        raise ClaimsError(f"{entry.id}: {archive}: expected {inner} in it, found none; fetch the published archive")
    return unpacked_inner(folder / inner, folder.with_name(f"{folder.name}.inner"))


def unpacked_inner(archive: Path, folder: Path) -> Path:
    """Unpack an archive that came out of another."""
    return unpack(archive, folder, max_bytes=ROOM + RATIO * archive.stat().st_size)


def gather(folder: Path, target: Path, archive: Path) -> None:
    """Move the content of an archive into a folder shared with other archives."""
    for child in sorted(folder.iterdir()):
        if child.name.startswith(JUNK):
            continue
        if (target / child.name).exists():
            raise ClaimsError(f"{archive}: expected no {child.name}, which another of the archives has, found one")
        child.rename(target / child.name)


def link(path: Path, place: Path) -> None:
    """Link a file under a second name, or copy it where the disk can't do that."""
    try:
        os.link(path.resolve(), place)
    except OSError:
        shutil.copyfile(path, place)


def place(entry: Entry, root: Path, content: Path) -> None:
    """Move the content of a folder into the dataset's folder, each item by one rename; earlier items are replaced."""
    before = read_mark(root)
    ours = set(before.placed) if before else set()
    names = sorted(path.name for path in content.iterdir())
    for name in names:
        if (root / name).exists() and name not in ours:
            raise ClaimsError(
                f"{root / name}: expected nothing there yet, because {entry.id} is unpacked there, found other or"
                " incomplete files; move them away and fetch again"
            )
    write_mark(root, Mark(dict(entry.files), sorted(ours | set(names)), whole=False))
    aside = make_folder(root / UNPACKING / "old")
    for name in sorted(ours):
        if (root / name).exists():
            (root / name).rename(aside / name)
    for name in names:
        (content / name).rename(root / name)
    write_mark(root, Mark(dict(entry.files), names, whole=True))
