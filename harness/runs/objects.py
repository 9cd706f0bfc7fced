"""Files that all machines of a session reach, by name: in a shared folder, or at any address that fsspec knows.

What several machines may write at once is created, never overwritten: the first wins, and the others are told. That is
all that the store of results needs of a file system (harness/runs/shared_store.py).
"""

from __future__ import annotations

import uuid
from functools import cache
from pathlib import Path
from typing import Protocol

from harness.core.errors import ClaimsError
from harness.runs.folder_objects import MARK, FolderObjects
from harness.runs.patience import PATIENCE


class Objects(Protocol):
    """Files by name; a name is a path with slashes, e.g. "runs/ab/abcd.json"."""

    address: str
    """Where they are, for messages."""

    def read(self, name: str) -> bytes | None:
        """Return a file's content; None: there is none."""

    def create(self, name: str, content: bytes) -> bool:
        """Create a file, whole or not at all; return False, and change nothing, where there is one already."""

    def write(self, name: str, content: bytes) -> None:
        """Create or replace a file that only one machine writes."""

    def names(self, under: str) -> list[str]:
        """Return the names of all files in a folder and below it, in order."""

    def upload(self, path: Path, name: str) -> None:
        """Copy a local file."""

    def download(self, name: str, path: Path) -> bool:
        """Copy a file to this machine; return False where there is none."""

    def remove(self, name: str) -> None:
        """Remove a file, if there is one."""


@cache
def objects_at(address: str, known: bool = False, patience: float = PATIENCE) -> Objects:
    """Return the files at an address, once it is known that they can be created exclusively.

    Args:
        address: a folder, or an address of fsspec, e.g. "s3://bucket/folder".
        known: whether it has answered this session already: then it may be away for a while.
        patience: seconds for which a server that does not answer is asked again.

    Raises:
        ClaimsError: there is nothing of the kind, or it has no conditional writes.
    """
    found: Objects
    if "://" not in address or address.startswith("file://"):
        folder = Path(address.removeprefix("file://")).expanduser().absolute()
        found = FolderObjects(folder, patience, known)
    else:
        from harness.runs.fsspec_objects import FsspecObjects

        found = FsspecObjects(address, patience, patience if known else 0.0)
    require_exclusive(found)
    return found


def require_exclusive(objects: Objects) -> None:
    """Try that a file is created once only.

    Raises:
        ClaimsError: the second one replaced the first, or none can be written.
    """
    name = f"{MARK}/{uuid.uuid4().hex}"
    try:
        refused = objects.create(name, b"1") and not objects.create(name, b"2")
        kept = objects.read(name) == b"1"
        objects.remove(name)
    except OSError as error:
        raise ClaimsError(
            f"--store {objects.address}: expected a place that can be written, found: {error}; choose another"
        ) from None
    if not (refused and kept):
        raise ClaimsError(
            f"--store {objects.address}: expected conditional writes (a file is created only where there is none),"
            " found that a second one replaced the first; choose another place, or two machines could own one run"
        )
