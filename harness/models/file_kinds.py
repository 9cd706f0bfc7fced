"""Recognise a weights file by its first bytes: a fetched file has no suffix, and may not hold weights at all."""

from __future__ import annotations

import zipfile
from pathlib import Path
from typing import Literal

from harness.core.errors import ClaimsError
from harness.fetch.content import START, foreign, magic

Kind = Literal["npz", "safetensors", "pytorch"]

EXPECTED = "expected npz, safetensors or PyTorch weights"


def kind_of(path: Path) -> Kind:
    """Return what a weights file is.

    Raises:
        ClaimsError: missing, a folder, empty, or none of these kinds; the line says what it is instead.
    """
    try:
        if path.exists() and not path.is_file():
            what = "a folder" if path.is_dir() else "no regular file"
            raise ClaimsError(f"{path}: expected a weights file, found {what}; name the file")
        size = path.stat().st_size
        with path.open("rb") as file:
            start = file.read(START)
    except OSError as error:
        raise ClaimsError(f"{path}: expected a weights file, found: {error.strerror}; check the path") from None
    if not start:
        raise ClaimsError(f"{path}: {EXPECTED}, found an empty file; delete it and fetch it again")
    if start[8:9] == b"{":  # the header's length, then the header in JSON
        return _whole_safetensors(path, start, size)
    if start[:1] == b"\x80":  # a pickle: PyTorch's older format
        return "pytorch"
    if start[:4] == b"PK\x03\x04":
        return _in_zip(path)
    raise ClaimsError(f"{path}: {EXPECTED}, found {other(start, size)}")


def _whole_safetensors(path: Path, start: bytes, size: int) -> Kind:
    length = int.from_bytes(start[:8], "little")
    if 8 + length > size:
        raise ClaimsError(
            f"{path}: expected a whole safetensors file, found a truncated one ({size:,} bytes, of which the header"
            f" alone would take {8 + length:,}); delete it and fetch it again"
        )
    return "safetensors"


def _in_zip(path: Path) -> Kind:
    try:
        with zipfile.ZipFile(path) as archive:
            names = archive.namelist()
    except (zipfile.BadZipFile, OSError, ValueError, NotImplementedError):
        raise ClaimsError(
            f"{path}: expected a whole npz or PyTorch file, found a truncated or damaged one; delete it and fetch it"
            " again"
        ) from None
    if any(name.endswith("data.pkl") for name in names):
        return "pytorch"
    if not any(name.endswith(".npy") for name in names):
        first = f" of {names[0]} and {len(names) - 1} more" if names else ""
        raise ClaimsError(f"{path}: {EXPECTED}, found a zip archive{first}; unpack it first")
    return "npz"


def other(start: bytes, size: int) -> str:
    """Return a description of a file that holds no weights.

    Args:
        start: its first bytes.
        size: all of its bytes.
    """
    words = foreign(start, size) or magic(start)
    if words is None:
        return "another kind of file"
    return f"another kind of file, {words}" if words.startswith("text") else words
