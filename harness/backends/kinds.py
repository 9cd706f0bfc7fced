"""What a weights file is by its first bytes: a fetched file has no suffix, and what came may be no weights at all."""

from __future__ import annotations

import zipfile
from pathlib import Path
from typing import Literal

from harness.errors import ClaimsError

Kind = Literal["npz", "safetensors", "pytorch"]

START = 512
"""Bytes that are enough to tell what a file is."""
EXPECTED = "expected npz, safetensors or PyTorch weights"
LFS = b"version https://git-lfs.github.com/spec/"
ARCHIVES = {
    b"\x1f\x8b": "a gzip archive; unpack it first",
    b"BZh": "a bzip2 archive; unpack it first",
    b"\xfd7zXZ": "an xz archive; unpack it first",
    b"\x28\xb5\x2f\xfd": "a zstandard archive; unpack it first",
    b"\x89HDF": "an HDF5 file; save the weights as safetensors or npz",
    b"\x93NUMPY": "a single numpy array (.npy); save the weights by name with numpy.savez",
    b"PK\x05\x06": "an empty zip archive",
    b"%PDF": "a PDF document",
    b"GGUF": "a GGUF file; save the weights as safetensors",
}


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
        raise ClaimsError(f"{path}: expected a weights file, found: {error.strerror}; fetch it first") from None
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
    """Return in words what a file that holds no weights is.

    Args:
        start: its first bytes.
        size: all of its bytes.
    """
    if start.startswith(LFS):
        return f"a git-LFS pointer ({size} bytes of text that stand for the file); fetch the file itself (git lfs pull)"
    for magic, words in ARCHIVES.items():
        if start.startswith(magic):
            return words
    text = start.lstrip(b"\xef\xbb\xbf \t\r\n").lower()
    if text.startswith((b"<!doctype html", b"<html", b"<head", b"<body")):
        return f"an HTML page ({size:,} bytes), such as a server's error or login page; download the file itself"
    if text.startswith((b"<?xml", b"<error")):
        return f"an XML document ({size:,} bytes), such as a server's error; download the file itself"
    if text.startswith((b"{", b"[")):
        return "a JSON file; name the weights file"
    if not any(byte < 9 or 13 < byte < 32 for byte in start):
        return f"another kind of file, {size:,} bytes of text"
    return "another kind of file"
