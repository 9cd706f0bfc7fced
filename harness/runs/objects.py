"""Files that all machines of a session reach, by name: in a shared folder, or at any address that fsspec knows.

What several machines may write at once is created, never overwritten: the first wins, and the others are told. That is
all that the store of results needs of a file system (harness/runs/shared_store.py).
"""

from __future__ import annotations

import contextlib
import os
import tempfile
import time
import uuid
from collections.abc import Callable
from functools import cache
from pathlib import Path
from typing import Any, Protocol, TypeVar

from harness.core.errors import ClaimsError, say_once
from harness.core.paths import make_folder, write_atomic

T = TypeVar("T")

LONGEST_WAIT = 30.0
"""Seconds between two tries at a server that does not answer."""
PACKAGES = {"s3": "s3fs", "s3a": "s3fs", "gs": "gcsfs", "gcs": "gcsfs", "az": "adlfs", "abfs": "adlfs"}
"""What fsspec needs for an address, by how it begins."""


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


class GoneHere(Exception):
    """A local file that was to be copied, and is no longer there."""


class StoreUnreachable(ClaimsError):
    """A store that does not answer."""


@cache
def objects_at(address: str, known: bool = False, patience: float = 600.0) -> Objects:
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
        found = FolderObjects(Path(address.removeprefix("file://")).expanduser().absolute())
    else:
        found = FsspecObjects(address, patience, patience if known else 0.0)
    require_exclusive(found)
    return found


def require_exclusive(objects: Objects) -> None:
    """Try that a file is created once only.

    Raises:
        ClaimsError: the second one replaced the first, or none can be written.
    """
    name = f"probes/{uuid.uuid4().hex}"
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


class FolderObjects:
    """Files in a folder, e.g. on NFS: exclusive creation is a hard link, which is atomic there, too.

    Args:
        folder: made if need be.
    """

    def __init__(self, folder: Path):
        self.folder = make_folder(folder)
        self.address = str(folder)

    def read(self, name: str) -> bytes | None:
        """Return a file's content; None: there is none."""
        try:
            return (self.folder / name).read_bytes()
        except FileNotFoundError:
            return None

    def create(self, name: str, content: bytes) -> bool:
        """Create a file, whole or not at all; return False, and change nothing, where there is one already."""
        path = self.folder / name
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

    def write(self, name: str, content: bytes) -> None:
        """Create or replace a file that only one machine writes."""
        write_atomic(self.folder / name, content)

    def names(self, under: str) -> list[str]:
        """Return the names of all files in a folder and below it, in order."""
        top = self.folder / under
        return sorted(
            path.relative_to(self.folder).as_posix()
            for path in top.rglob("*")
            if not path.name.startswith(".") and path.is_file()
        )

    def upload(self, path: Path, name: str) -> None:
        """Copy a local file."""
        import shutil

        target = self.folder / name
        make_folder(target.parent)
        part = target.with_name(f".{target.name}.{uuid.uuid4().hex}")
        try:
            shutil.copyfile(path, part)
            part.replace(target)
        finally:
            part.unlink(missing_ok=True)

    def download(self, name: str, path: Path) -> bool:
        """Copy a file to this machine; return False where there is none."""
        import shutil

        try:
            shutil.copyfile(self.folder / name, path)
        except FileNotFoundError:
            return False
        return True

    def remove(self, name: str) -> None:
        """Remove a file, if there is one."""
        (self.folder / name).unlink(missing_ok=True)


class FsspecObjects:
    """Files at an address that fsspec knows, e.g. in an S3 bucket. A server that does not answer is asked again.

    Args:
        address: e.g. "s3://bucket/folder".
        patience: seconds for which a server that does not answer is asked again.
        at_first: the same for the first question: what is wrong from the beginning may be the address.
    """

    def __init__(self, address: str, patience: float = 600.0, at_first: float = 0.0):
        import fsspec

        self.address = address.rstrip("/")
        self.patience = at_first
        kind = address.partition("://")[0]
        try:
            self.fs: Any = fsspec.filesystem(kind, use_listings_cache=False, skip_instance_cache=True)
            self.root = str(self.fs._strip_protocol(self.address)).rstrip("/")
            self._stored(lambda: self.fs.find(f"{self.root}/probes"))
        except ImportError:
            package = PACKAGES.get(kind, "a package that fsspec names")
            raise ClaimsError(
                f"--store {address}: expected {package} for {kind}:// addresses, found none; pip install {package}"
            ) from None
        except ValueError as error:
            raise ClaimsError(f"--store {address}: expected an address of fsspec, found: {error}") from None
        self.patience = patience

    def _at(self, name: str) -> str:
        return f"{self.root}/{name}"

    def _asked(self, request: Callable[[], T]) -> T:
        """Return what a request gives; repeated while the server does not answer.

        Raises:
            FileNotFoundError: there is no such file.
            FileExistsError: there is one already.
            StoreUnreachable: it did not answer for a long time.
        """
        end, wait = time.monotonic() + self.patience, 0.5
        while True:
            try:
                return request()
            except (FileNotFoundError, FileExistsError, GoneHere):
                raise
            except Exception as error:  # each of fsspec's libraries has errors of its own
                if time.monotonic() + wait > end:
                    raise StoreUnreachable(
                        f"--store {self.address}: expected it to answer, found: {type(error).__name__}: {error};"
                        " check the address, the network and your credentials"
                    ) from None
                say_once(f"--store {self.address}: does not answer ({type(error).__name__}); it is asked again")
            time.sleep(wait)
            wait = min(2 * wait, LONGEST_WAIT)

    def _stored(self, request: Callable[[], T]) -> T:
        """The same for what is written: a bucket that is gone may come back."""

        def once() -> T:
            try:
                return request()
            except FileNotFoundError as error:
                raise ConnectionError(str(error)) from None

        return self._asked(once)

    def read(self, name: str) -> bytes | None:
        """Return a file's content; None: there is none."""
        try:
            return bytes(self._asked(lambda: self.fs.cat_file(self._at(name))))
        except FileNotFoundError:
            return None

    def create(self, name: str, content: bytes) -> bool:
        """Create a file, whole or not at all; return False, and change nothing, where there is one already."""
        try:
            self._stored(lambda: self.fs.pipe_file(self._at(name), content, mode="create"))
        except FileExistsError:
            # It may be our own: a request whose answer was lost is repeated.
            return self.read(name) == content
        return True

    def write(self, name: str, content: bytes) -> None:
        """Create or replace a file that only one machine writes."""
        self._stored(lambda: self.fs.pipe_file(self._at(name), content))

    def names(self, under: str) -> list[str]:
        """Return the names of all files in a folder and below it, in order."""
        try:
            found = self._asked(lambda: self.fs.find(self._at(under)))
        except FileNotFoundError:
            return []
        return sorted(str(path).removeprefix(f"{self.root}/") for path in found)

    def upload(self, path: Path, name: str) -> None:
        """Copy a local file."""

        def put() -> None:
            if not path.exists():
                raise GoneHere(path)
            self.fs.put_file(str(path), self._at(name))

        try:
            self._stored(put)
        except GoneHere:
            raise FileNotFoundError(str(path)) from None

    def download(self, name: str, path: Path) -> bool:
        """Copy a file to this machine; return False where there is none."""
        try:
            self._asked(lambda: self.fs.get_file(self._at(name), str(path)))
        except FileNotFoundError:
            return False
        return True

    def remove(self, name: str) -> None:
        """Remove a file, if there is one."""
        with contextlib.suppress(FileNotFoundError):
            self._asked(lambda: self.fs.rm_file(self._at(name)))
