"""The checkpoints that exist (zoo.toml)."""

from __future__ import annotations

from collections.abc import Mapping
from functools import cache
from pathlib import Path
from types import MappingProxyType

from harness.errors import ClaimsError, unknown
from harness.spec import Checkpoint
from harness.tables import PACKAGE, read_specs


@cache
def checkpoints(path: Path = PACKAGE / "zoo.toml") -> Mapping[str, Checkpoint]:
    """Return every checkpoint by id."""
    return MappingProxyType(read_specs(path, Checkpoint))


def checkpoint(name: str) -> Checkpoint:
    """Return one checkpoint; an unknown name is an error that names the nearest."""
    known = checkpoints()
    if name not in known:
        raise unknown("checkpoint", name, known)
    return known[name]


def file_of(found: Checkpoint) -> Path:
    """Return where a checkpoint's file lies, after checking its digest.

    Raises:
        ClaimsError: missing, or not the pinned bytes.
    """
    import hashlib

    path = PACKAGE / found.file
    try:
        content = path.read_bytes()
    except OSError as error:
        raise ClaimsError(
            f"{found.id}: expected its weights in {path}, found: {error.strerror}; reinstall the project"
        ) from None
    digest = hashlib.sha256(content).hexdigest()
    if digest != found.sha256:
        raise ClaimsError(
            f"{found.id}: expected {path} with sha256 {found.sha256[:16]}..., found {digest[:16]}... ({len(content):,}"
            f" of {found.size:,} bytes); restore the file"
        )
    return path
