"""The files inside a tar or zip, read where they lie: nothing is unpacked.

Members of a plain tar and of a zip are read in any order. A compressed tar (.tar.gz) can only be read
from its start: one pass lists it, and reading is quick in the order of the members.
"""

from __future__ import annotations

import os
import tarfile
import threading
import zipfile
import zlib
from collections.abc import Callable
from dataclasses import dataclass
from pathlib import Path

from harness.core.errors import ClaimsError

ENDINGS = (".tar", ".tar.gz", ".tgz", ".zip")
JUNK = ("__MACOSX", "._", ".DS_Store")
"""How names begin that macOS adds to archives."""
LARGEST = 1 << 28
"""Bytes of the largest member that is read: far above any image, far below a bomb."""


@dataclass(frozen=True)
class Members:
    """An archive's files, in the order in which reading is quick."""

    path: Path
    names: tuple[str, ...]
    read: Callable[[int], bytes]
    """Gives the bytes of a member by its place in `names`."""


def is_archive(path: Path) -> bool:
    """Whether the name is that of an archive that can be read here."""
    return path.name.lower().endswith(ENDINGS)


def members(path: Path) -> Members:
    """List an archive's regular files; links and devices are passed over.

    Raises:
        ClaimsError: no archive, or a damaged one.
    """
    try:
        if path.name.lower().endswith(".zip"):
            return zip_members(path)
        return tar_members(path) if path.name.lower().endswith(".tar") else compressed_tar_members(path)
    except (tarfile.TarError, zipfile.BadZipFile, OSError, EOFError, zlib.error) as error:
        raise damaged(path, error) from None


def damaged(path: Path, error: Exception) -> ClaimsError:
    """Return the error for an archive that can't be read."""
    reason = getattr(error, "strerror", None) or error
    return ClaimsError(f"{path}: expected a tar or zip archive, found: {reason}; fetch it again")


def tar_members(path: Path) -> Members:
    """List a plain tar; members are read by their place in the file."""
    names, places = [], []
    with tarfile.open(path, "r:") as archive:
        for member in archive:
            if member.isreg():
                names.append(member.name)
                places.append((member.offset_data, member.size))
    handle = path.open("rb")  # kept open by the closure, closed with it

    def read(index: int) -> bytes:
        offset, length = places[index]
        content = os.pread(handle.fileno(), checked(path, names[index], length), offset)
        if len(content) != length:
            raise ClaimsError(f"{path}: {names[index]}: expected {length:,} bytes, found {len(content):,}; restore it")
        return content

    return Members(path, tuple(names), read)


def zip_members(path: Path) -> Members:
    """List a zip."""
    archive = zipfile.ZipFile(path)
    entries = [entry for entry in archive.infolist() if not entry.is_dir()]
    lock = threading.Lock()

    def read(index: int) -> bytes:
        entry = entries[index]
        checked(path, entry.filename, entry.file_size)
        try:
            with lock:
                return archive.read(entry)
        except (zipfile.BadZipFile, OSError, EOFError, zlib.error, RuntimeError, NotImplementedError) as error:
            raise ClaimsError(f"{path}: {entry.filename}: expected a readable member, found: {error}") from None

    return Members(path, tuple(entry.filename for entry in entries), read)


def compressed_tar_members(path: Path) -> Members:
    """List a compressed tar by one pass; a read behind the last one starts again from the beginning."""
    with tarfile.open(path, "r|*") as archive:
        names = tuple(member.name for member in archive if member.isreg())
    stream = Forwards(path)
    return Members(path, names, stream.read)


class Forwards:
    """Reads a compressed tar's regular files by number, quickest in ascending order."""

    def __init__(self, path: Path):
        self.path = path
        self.archive: tarfile.TarFile | None = None
        self.next = 0

    def read(self, index: int) -> bytes:
        """Return the bytes of regular file `index`."""
        try:
            if self.archive is None or index < self.next:
                self.archive = tarfile.open(self.path, "r|*")  # noqa: SIM115 - it stays open between reads
                self.next = 0
            while (member := self.archive.next()) is not None:
                if not member.isreg():
                    continue
                self.next += 1
                if self.next == index + 1:
                    checked(self.path, member.name, member.size)
                    content = self.archive.extractfile(member)
                    return content.read() if content else b""
        except (tarfile.TarError, OSError, EOFError, zlib.error) as error:
            raise damaged(self.path, error) from None
        raise ClaimsError(f"{self.path}: expected more than {self.next} members, found its end; the file has changed")


def checked(path: Path, name: str, size: int) -> int:
    """Return a member's size unless it is absurd."""
    if size > LARGEST:
        raise ClaimsError(f"{path}: {name}: expected an image of at most {LARGEST:,} bytes, found {size:,}")
    return size
