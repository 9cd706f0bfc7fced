"""Files that machines share in a folder, e.g. on NFS."""

from __future__ import annotations

import errno
import os
import shutil
import tempfile
import uuid
from pathlib import Path

from harness.core.paths import make_folder, write_atomic
from harness.runs.patience import PATIENCE, Patience

AWAY = frozenset(
    getattr(errno, name)
    for name in (
        "ESTALE EIO ETIMEDOUT ENOTCONN ECONNREFUSED ECONNRESET ECONNABORTED EHOSTDOWN EHOSTUNREACH ENETDOWN"
        " ENETUNREACH EREMOTEIO ESHUTDOWN ENOLINK ENODEV"
    ).split()
    if hasattr(errno, name)
)
"""Errors of a file system whose server is away: it may come back."""
MARK = "probes"
"""A folder that is there as long as the place is: what is mounted at a path may be gone, and the path still there."""


def _passing(error: Exception) -> bool:
    cause = error if isinstance(error, OSError) else error.__context__  # behind a NotWritten
    return isinstance(cause, OSError) and cause.errno in AWAY


class FolderObjects:
    """Files in a folder: exclusive creation is a hard link, which is atomic on NFS, too. A server that is away is asked
    again.

    Args:
        folder: made if need be.
        patience: seconds for which it is asked again.
        known: whether the folder has been used before in this session, and is not to be made again.

    Raises:
        ClaimsError: it can't be made.
    """

    def __init__(self, folder: Path, patience: float = PATIENCE, known: bool = False):
        self.folder = folder
        self.address = str(folder)
        self.patience = Patience(self.address, patience, _passing)
        if not known:
            make_folder(make_folder(folder) / MARK)

    def _there(self) -> None:
        if not (self.folder / MARK).is_dir():
            raise OSError(errno.ENOTCONN, "the folder is gone; what is mounted there?", str(self.folder))

    def read(self, name: str) -> bytes | None:
        """Return a file's content; None: there is none."""

        def once() -> bytes | None:
            self._there()
            try:
                return (self.folder / name).read_bytes()
            except FileNotFoundError:
                return None

        return self.patience.ask(once)

    def create(self, name: str, content: bytes) -> bool:
        """Create a file, whole or not at all; return False, and change nothing, where there is one already."""
        tries = 0

        def once() -> bool:
            nonlocal tries
            tries += 1
            self._there()
            if _linked(self.folder / name, content):
                return True
            # It may be our own: an answer of the server can be lost.
            return tries > 1 and (self.folder / name).read_bytes() == content

        return self.patience.ask(once)

    def write(self, name: str, content: bytes) -> None:
        """Create or replace a file that only one machine writes."""

        def once() -> None:
            self._there()
            write_atomic(self.folder / name, content)

        self.patience.ask(once)

    def names(self, under: str) -> list[str]:
        """Return the names of all files in a folder and below it, in order."""

        def once() -> list[str]:
            self._there()
            return sorted(
                path.relative_to(self.folder).as_posix()
                for path in (self.folder / under).rglob("*")
                if not path.name.startswith(".") and path.is_file()
            )

        return self.patience.ask(once)

    def upload(self, path: Path, name: str) -> None:
        """Copy a local file."""

        def once() -> None:
            self._there()
            target = self.folder / name
            make_folder(target.parent)
            part = target.with_name(f".{target.name}.{uuid.uuid4().hex}")
            try:
                shutil.copyfile(path, part)
                part.replace(target)
            finally:
                part.unlink(missing_ok=True)

        self.patience.ask(once)

    def download(self, name: str, path: Path) -> bool:
        """Copy a file to this machine; return False where there is none."""

        def once() -> bool:
            self._there()
            try:
                shutil.copyfile(self.folder / name, path)
            except FileNotFoundError:
                return False
            return True

        return self.patience.ask(once)

    def remove(self, name: str) -> None:
        """Remove a file, if there is one."""

        def once() -> None:
            self._there()
            (self.folder / name).unlink(missing_ok=True)

        self.patience.ask(once)


def _linked(path: Path, content: bytes) -> bool:
    """Write a file and link it to a path; return whether there was none."""
    make_folder(path.parent)
    with tempfile.NamedTemporaryFile(dir=path.parent, prefix=".new-") as file:
        file.write(content)
        file.flush()
        os.fsync(file.fileno())
        os.fchmod(file.fileno(), 0o644)
        try:
            os.link(file.name, path)
        except FileExistsError:
            return False
    return True
