"""Folders and files on disk: made, and written whole or not at all."""

from __future__ import annotations

import contextlib
import os
import tempfile
from collections.abc import Iterator
from pathlib import Path

from harness.core.errors import NotWritten


def make_folder(path: Path) -> Path:
    """Create a folder with its parents and return it.

    Raises:
        NotWritten: it can't be made.
    """
    try:
        path.mkdir(parents=True, exist_ok=True)
    except OSError as error:
        raise NotWritten(
            f"{path}: expected a folder that can be written, found: {error.strerror}; choose another place"
        ) from None
    return path


@contextlib.contextmanager
def held(path: Path, timeout: float = -1) -> Iterator[None]:
    """Hold a lock file, made with its folder if need be.

    Args:
        path: the file.
        timeout: seconds to wait for another process that holds it; -1: as long as it takes.

    Raises:
        filelock.Timeout: another process holds it.
        NotWritten: the file can't be made.
    """
    from filelock import FileLock, Timeout

    make_folder(path.parent)
    lock = FileLock(path, timeout=timeout)
    try:
        lock.acquire()
    except Timeout:
        raise
    except OSError as error:
        raise NotWritten(
            f"{path}: expected to make a lock file, found: {error.strerror or error}; choose another place"
        ) from None
    try:
        yield
    finally:
        lock.release()


def write_atomic(path: Path, content: bytes) -> None:
    """Write a file so that other processes, and a crash at any moment, see the whole of it or nothing.

    Raises:
        NotWritten: the disk is full or read-only; nothing is left behind.
    """
    make_folder(path.parent)
    temporary = None
    try:
        with tempfile.NamedTemporaryFile(dir=path.parent, prefix=f".{path.name}.", delete=False) as file:
            temporary = Path(file.name)
            file.write(content)
            file.flush()
            os.fsync(file.fileno())
        temporary.chmod(0o666 & ~umask())
        temporary.replace(path)
    except OSError as error:
        raise NotWritten(
            f"{path}: expected to write {len(content):,} bytes, found: {error.strerror}; nothing was stored,"
            " free some space or choose another place"
        ) from None
    finally:
        if temporary is not None:
            temporary.unlink(missing_ok=True)


def umask() -> int:
    """Return the process' file mode creation mask (it can only be read by setting it)."""
    mask = os.umask(0o077)
    os.umask(mask)
    return mask
