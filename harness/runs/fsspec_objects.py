"""Files that machines share at any address that fsspec knows, e.g. in an S3 bucket."""

from __future__ import annotations

import contextlib
from collections.abc import Callable
from pathlib import Path
from typing import Any, TypeVar

from harness.core.errors import ClaimsError
from harness.runs.patience import PATIENCE, Patience

T = TypeVar("T")

PACKAGES = {"s3": "s3fs", "s3a": "s3fs", "gs": "gcsfs", "gcs": "gcsfs", "az": "adlfs", "abfs": "adlfs"}
"""What fsspec needs for an address, by how it begins."""


class GoneHere(Exception):
    """A local file that was to be copied, and is no longer there."""


def _passing(error: Exception) -> bool:
    # Each of fsspec's libraries has errors of its own.
    return not isinstance(error, (FileNotFoundError, FileExistsError, GoneHere))


class FsspecObjects:
    """Files at an address that fsspec knows, e.g. in an S3 bucket. A server that does not answer is asked again.

    Args:
        address: e.g. "s3://bucket/folder".
        patience: seconds for which a server that does not answer is asked again.
        at_first: the same for the first question: what is wrong from the beginning may be the address.
    """

    def __init__(self, address: str, patience: float = PATIENCE, at_first: float = 0.0):
        import fsspec

        self.address = address.rstrip("/")
        self.patience = Patience(self.address, at_first, _passing)
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
        self.patience.seconds = patience

    def _at(self, name: str) -> str:
        return f"{self.root}/{name}"

    def _stored(self, request: Callable[[], T]) -> T:
        """The same for what is written: a bucket that is gone may come back."""

        def once() -> T:
            try:
                return request()
            except FileNotFoundError as error:
                raise ConnectionError(str(error)) from None

        return self.patience.ask(once)

    def read(self, name: str) -> bytes | None:
        """Return a file's content; None: there is none."""
        try:
            return bytes(self.patience.ask(lambda: self.fs.cat_file(self._at(name))))
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
            found = self.patience.ask(lambda: self.fs.find(self._at(under)))
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
            self.patience.ask(lambda: self.fs.get_file(self._at(name), str(path)))
        except FileNotFoundError:
            return False
        return True

    def remove(self, name: str) -> None:
        """Remove a file, if there is one."""
        with contextlib.suppress(FileNotFoundError):
            self.patience.ask(lambda: self.fs.rm_file(self._at(name)))
