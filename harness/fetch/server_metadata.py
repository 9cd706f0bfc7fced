"""What a server's headers state about a file (length, digests, version), and whether the download agrees."""

from __future__ import annotations

import base64
import binascii
import contextlib
import hashlib
import re
from collections.abc import Mapping
from dataclasses import dataclass
from pathlib import Path

Digests = tuple[tuple[str, str], ...]


@dataclass(frozen=True)
class Stated:
    """A server's statement about the whole file."""

    size: int | None = None
    """Bytes; None: not stated, or stated for a compressed transfer."""
    digests: Digests = ()
    """(algorithm, hex digest) pairs; "git-sha1" is the hash of a git blob."""
    validator: str = ""
    """A strong ETag or a date that identifies this version of the file (for If-Range); "": none."""
    delimited: bool = True
    """Whether a body that ends early can be told from a whole one."""

    def digest(self, algorithm: str) -> str | None:
        """Return the stated digest by one algorithm, if there is one."""
        return dict(self.digests).get(algorithm)


def statement(headers: Mapping[str, str], whole: bool = True) -> Stated:
    """Return what the headers of an answer say about the file.

    Reads Content-Length, Content-MD5 (RFC 1864; of a whole answer only), x-goog-hash (Cloud Storage, md5 and
    crc32c), X-Linked-ETag and X-Linked-Size (hub), ETag and Last-Modified.

    Args:
        headers: case-insensitive.
        whole: False for a part of the file (206), whose Content-Length and Content-MD5 speak of the part.
    """
    encoded = headers.get("Content-Encoding", "identity").lower() not in ("identity", "")
    size = number(headers.get("X-Linked-Size")) or (number(headers.get("Content-Length")) if whole else None)
    digests: dict[str, str] = {}
    if whole:
        note(digests, "md5", headers.get("Content-MD5", ""))
    # The hash is of the stored bytes, which a server that decompresses on the way does not send.
    if headers.get("x-goog-stored-content-encoding", "identity").lower() == "identity":
        for part in headers.get("x-goog-hash", "").split(","):
            algorithm, _, value = part.strip().partition("=")
            if algorithm in ("md5", "crc32c"):
                note(digests, algorithm, value)
    digests |= dict(digests_of_etag(headers.get("X-Linked-ETag", "")))
    etag = headers.get("ETag", "")
    validator = etag if etag.startswith('"') else headers.get("Last-Modified", "")
    delimited = "Content-Length" in headers or "chunked" in headers.get("Transfer-Encoding", "").lower()
    if encoded:
        return Stated(delimited=delimited)
    return Stated(size, tuple(digests.items()), validator, delimited)


def number(text: str | None) -> int | None:
    """Return a header's decimal number, or None."""
    return int(text) if text is not None and re.fullmatch(r"[0-9]{1,18}", text.strip()) else None


def note(digests: dict[str, str], algorithm: str, base64_value: str) -> None:
    """Add a digest in base64; one that can't be read is left out."""
    length = {"md5": 16, "crc32c": 4}[algorithm]
    with contextlib.suppress(binascii.Error, ValueError):
        value = base64.b64decode(base64_value.strip(), validate=True)
        if len(value) == length:
            digests[algorithm] = value.hex()


def digests_of_etag(etag: str) -> Digests:
    """Return what a hub ETag says: sha256 of a large file (LFS, Xet), the git blob's sha1 of a small one."""
    value = etag.removeprefix("W/").strip('"').lower()
    if re.fullmatch(r"[0-9a-f]{64}", value):
        return (("sha256", value),)
    return (("git-sha1", value),) if re.fullmatch(r"[0-9a-f]{40}", value) else ()


def file_digest(path: Path, algorithm: str) -> str:
    """Return a file's digest in hexadecimal."""
    if algorithm == "crc32c":
        return file_crc32c(path)
    if algorithm == "git-sha1":
        content = path.read_bytes()
        return hashlib.sha1(b"blob %d\0" % len(content) + content, usedforsecurity=False).hexdigest()
    import pooch  # type: ignore[import-untyped]

    return str(pooch.file_hash(str(path), alg=algorithm))


def file_crc32c(path: Path) -> str:
    """Return a file's crc32c (Castagnoli; the only digest of a composite object in a bucket) in hexadecimal."""
    import google_crc32c

    value = 0
    with path.open("rb") as file:
        while chunk := file.read(1 << 20):
            value = google_crc32c.extend(value, chunk)
    return f"{value:08x}"


def disagreement(path: Path, stated: Stated) -> str | None:
    """Return one clause on the first stated fact that a file contradicts, or None."""
    found_size = path.stat().st_size
    if stated.size is not None and found_size != stated.size:
        return f"expected {stated.size:,} bytes as the server states, found {found_size:,}"
    for algorithm, expected in stated.digests:
        found = file_digest(path, algorithm)
        if found != expected:
            return f"expected {algorithm} {expected} as the server states, found {found}"
    return None


def checked_by(stated: Stated) -> tuple[str, ...]:
    """Return the algorithms that a statement is checked by."""
    return tuple(algorithm for algorithm, _ in stated.digests)
