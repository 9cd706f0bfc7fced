"""Recognise a file by its content, and check that it is complete, before its digest is pinned.

A pin makes any later file an error, so what is no weights file or archive at all (an error page, a git-LFS pointer,
the first half of a download) must not be pinned: the good file that comes next would be refused. Structure is
checked here, and the checksums that a zip archive has; values are checked by whoever reads the weights. No pickle is
unpickled.
"""

from __future__ import annotations

import bz2
import gzip
import json
import lzma
import math
import re
import tarfile
import zipfile
import zlib
from collections.abc import Callable, Iterable, Mapping
from pathlib import Path
from typing import Any, Literal

Holds = Literal["anything", "weights", "data"]
"""What a file must be: "weights" (npz, safetensors, PyTorch), "data" (an archive or other binary data)."""

START = 1024
"""Bytes by which a kind of file is told."""
LARGEST_HEADER = 100_000_000
"""Bytes of a safetensors header; the format allows no more."""
BITS = {"F64": 64, "I64": 64, "U64": 64, "F32": 32, "I32": 32, "U32": 32, "C64": 64} | dict.fromkeys(
    ("F16", "BF16", "I16", "U16"), 16
)
"""Bits of a safetensors type; others (of 8 bits and fewer) are checked by their offsets alone."""
STORAGES = {"Double": 8, "Float": 4, "Half": 2, "BFloat16": 2, "Long": 8, "Int": 4, "Short": 2} | dict.fromkeys(
    ("Char", "Byte", "Bool"), 1
)
"""Bytes of an element of PyTorch's storages."""
MAGIC = (
    (b"\x89HDF\r\n\x1a\n", "an HDF5 file"),
    (b"\x1f\x8b", "a gzip file"),
    (b"BZh", "a bzip2 file"),
    (b"\xfd7zXZ\x00", "an xz file"),
    (b"7z\xbc\xaf\x27\x1c", "a 7-Zip archive"),
    (b"Rar!\x1a\x07", "a RAR archive"),
    (b"%PDF-", "a PDF document"),
    (b"\x89PNG\r\n\x1a\n", "a PNG image"),
    (b"\xff\xd8\xff", "a JPEG image"),
    (b"GGUF", "a GGUF file"),
    (b"\x93NUMPY", "a single array (npy)"),
)
DAMAGE = (
    OSError,
    EOFError,
    ValueError,
    NotImplementedError,
    RuntimeError,
    zipfile.BadZipFile,
    zlib.error,
    tarfile.TarError,
    lzma.LZMAError,
)
OPENERS: tuple[tuple[bytes, Callable[[Path], Any]], ...] = (
    (b"\x1f\x8b", gzip.open),
    (b"BZh", bz2.open),
    (b"\xfd7zXZ\x00", lzma.open),
)
TEXT = (".txt", ".csv", ".json", ".md", ".xml", ".html")
"""Endings of published files that are text."""


def holds_of(name: str) -> Holds:
    """Return what a dataset's published file must be, by its name."""
    return "anything" if name.lower().endswith(TEXT) else "data"


def fault(path: Path, holds: Holds) -> str | None:
    """Return in one clause why a file is not what it should be, or None.

    Args:
        path: the file.
        holds: what it must be.

    Raises:
        OSError: it can't be read.
    """
    if path.is_dir():
        return "expected a file, found a folder"
    size = path.stat().st_size
    if size == 0:
        return "expected a file, found 0 bytes"
    if holds == "anything":
        return None
    with path.open("rb") as file:
        start = file.read(START)
    what = foreign(start, size)
    if holds == "data":
        return f"expected an archive or data, found {what}" if what else damaged_archive(path, start)
    if what is None and start[8:9] == b"{":
        return damaged_safetensors(path, size)
    if what is None and start[:4] == b"PK\x03\x04":
        return damaged_zip(path)
    if what is None and start[:1] == b"\x80":
        return damaged_pickle(path)
    what = what or magic(start) or f"{size:,} bytes of another kind"
    return f"expected weights (npz, safetensors or PyTorch), found {what}"


def foreign(start: bytes, size: int) -> str | None:
    """Return what text a file is in place of weights or an archive, by its start; None for anything binary."""
    if start.startswith(b"version https://git-lfs"):
        found = re.search(rb"^size (\d+)", start, re.MULTILINE)
        of = f" to a file of {int(found[1]):,} bytes" if found else ""
        return f"a git-LFS pointer{of} ({size:,} bytes of text); run git lfs pull, or download the file itself"
    if not any(start):
        return f"{size:,} bytes that begin with zeros: an unfinished download"
    text = as_text(start)
    if text is None:
        return None
    head = text.lstrip("\ufeff \t\r\n").lower()
    if re.match(r"<(!doctype html|html|head|body)\b", head) or "<html" in head:
        return f"an HTML page ({size:,} bytes), such as a server's error or log-in page"
    if head.startswith("<"):
        return f"an XML document ({size:,} bytes), such as a server's error"
    if head.startswith(("{", "[")):
        return f"JSON text ({size:,} bytes)"
    return f"text ({size:,} bytes): {' '.join(text.split())[:60]!r}"


def as_text(start: bytes) -> str | None:
    """Return the start of a file as text; None if it is binary."""
    if start[:2] in (b"\xff\xfe", b"\xfe\xff"):
        return start[: len(start) // 2 * 2].decode("utf-16", errors="ignore")
    if b"\0" in start:
        return None
    for cut in range(4):  # the start may end within a character
        try:
            text = start[: len(start) - cut].decode("utf-8")
        except UnicodeDecodeError:
            continue
        return None if re.search(r"[\x01-\x08\x0e-\x1f]", text) else text
    return None


def magic(start: bytes) -> str | None:
    """Return what a binary file is by its first bytes, or None."""
    return next((name for mark, name in MAGIC if start.startswith(mark)), None)


def damaged_safetensors(path: Path, size: int) -> str | None:
    """Return what is wrong with a safetensors file: its header does not parse, or its tensors are not all there."""
    with path.open("rb") as file:
        length = int.from_bytes(file.read(8), "little")
        if length > min(size - 8, LARGEST_HEADER):
            cut = 1 < length <= LARGEST_HEADER
            what = f"one cut off after {size:,} bytes, within its header" if cut else "a damaged header"
            return f"expected a whole safetensors file, found {what}"
        try:
            header = json.loads(file.read(length).decode())
            spans = sorted(span(name, entry) for name, entry in header.items() if name != "__metadata__")
        except (ValueError, TypeError, KeyError, AttributeError, RecursionError):
            return "expected a whole safetensors file, found a damaged header"
    expected = 8 + length + max((end for _, end in spans), default=0)
    if size != expected:
        found = "one cut off after" if size < expected else "one with more,"
        return f"expected a whole safetensors file of {expected:,} bytes, found {found} {size:,} bytes"
    ends = [0, *(end for _, end in spans)]
    if any(begin != end for (begin, _), end in zip(spans, ends, strict=False)):
        return "expected a safetensors file whose tensors follow each other, found gaps or overlaps: it is damaged"
    return None if spans else "expected weights, found a safetensors file without tensors"


def span(name: str, entry: Mapping[str, Any]) -> tuple[int, int]:
    """Return where a tensor begins and ends, in bytes after the header.

    Raises:
        ValueError: they are no such numbers, or not those that shape and type come to.
    """
    begin, end = entry["data_offsets"]
    bits = BITS.get(entry["dtype"])
    if not (type(begin) is type(end) is int and 0 <= begin <= end):
        raise ValueError(name)
    if bits is not None and math.prod(entry["shape"]) * bits != (end - begin) * 8:
        raise ValueError(name)
    return begin, end


def damaged_zip(path: Path) -> str | None:
    """Return what is wrong with an npz file or a PyTorch file in its zip form: not whole, a checksum, no weights."""
    try:
        with zipfile.ZipFile(path) as archive:
            names = archive.namelist()
            if any(name.endswith("data.pkl") for name in names):
                return None  # PyTorch may leave its checksums out; the directory at the end says that all is there
            if not any(name.endswith(".npy") for name in names):
                return (
                    f"expected weights (npz, safetensors or PyTorch), found a zip archive of {len(names)} other files"
                )
            broken = archive.testzip()
    except DAMAGE as error:
        return f"expected a whole npz or PyTorch file, found a truncated or damaged one ({said(error)})"
    return f"expected a whole npz file, found damage in {broken}" if broken else None


def damaged_pickle(path: Path) -> str | None:
    """Return what is wrong with a PyTorch file in its older form: five pickles, then the bytes of each storage."""
    import pickletools

    storages: dict[str, int] = {}
    with path.open("rb") as file:
        try:
            for number in range(5):
                if number == 1 and not file.peek(1):
                    return "expected a PyTorch file with tensors, found a lone pickle, which is never loaded"
                storages |= storages_of(pickletools.genops(file))  # it reads operations and carries none out
            expected = file.tell() + sum(storages.values())
        except Exception:  # pickletools may raise any error on a malformed pickle
            return "expected a whole PyTorch file, found a truncated or damaged one"
    size = path.stat().st_size
    if size < expected:
        return f"expected a whole PyTorch file of {expected:,} bytes, found a truncated one of {size:,} bytes"
    return None


def storages_of(operations: Iterable[tuple[Any, Any, Any]]) -> dict[str, int]:
    """Return the bytes that the storages which a pickle refers to take in the file, by key; 0 for an unknown type.

    A reference is ("storage", its class, key, device, number of elements, ...); strings seen before are looked up.
    """
    found: dict[str, int] = {}
    memo: dict[int, Any] = {}
    values: list[Any] = []
    for operation, argument, _ in operations:
        name = operation.name
        if name == "MARK":
            values = []
        elif "PUT" in name and values:
            memo[argument] = values[-1]
        elif "GET" in name:
            values.append(memo.get(argument))
        elif name == "BINPERSID" and values[:1] == ["storage"]:
            kind = str(values[1]).removesuffix("Storage").split()[-1]
            found[str(values[2])] = 8 + int(values[4]) * STORAGES[kind] if kind in STORAGES else 0
        elif argument is not None:
            values.append(argument)
    return found


def damaged_archive(path: Path, start: bytes) -> str | None:
    """Return why an archive can't be read to its end, judged by its content and not its name."""
    opener = next((opener for mark, opener in OPENERS if start.startswith(mark)), None)
    try:
        if start[:4] in (b"PK\x03\x04", b"PK\x05\x06"):
            with zipfile.ZipFile(path) as archive:
                broken = archive.testzip()
            return f"expected a whole archive, found damage in {broken}" if broken else None
        if opener is not None:  # the checksum is at the end
            with opener(path) as packed:
                while packed.read(1 << 20):
                    pass
        elif start[257:262] == b"ustar":
            with tarfile.open(path) as opened:
                end = max((member.offset_data + member.size * member.isreg() for member in opened), default=0)
            if path.stat().st_size < end:
                raise EOFError(f"{path.stat().st_size:,} of {end:,} bytes")
        elif (what := magic(start)) is not None and not what.endswith(("archive", "file")):
            return f"expected an archive, found {what}"
    except DAMAGE as error:
        return f"expected a whole archive, found a truncated or damaged one ({said(error)})"
    return None


def said(error: Exception) -> str:
    """Return a library's words, on one line and not too long."""
    return (" ".join(str(error).split()) or type(error).__name__)[:120]
