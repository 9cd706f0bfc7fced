"""A cache of FLOPs and memory counts, in memory and in the home folder, by network and library versions."""

from __future__ import annotations

import dataclasses
import hashlib
import json
from contextlib import suppress
from importlib.metadata import version
from pathlib import Path
from typing import Any, TypeVar

from harness.core.errors import ClaimsError
from harness.core.paths import write_atomic
from harness.core.specs import build
from harness.core.text import read_text

VERSION = 2
"""Of what is counted and how; bumped by hand when another count of the same thing would come out."""
FOLDER = "counted"

S = TypeVar("S")

_counts: dict[str, Any] = {}


def get(key: str, spec: type[S], home: Path | None) -> S | None:
    """Return what was counted under a key, or None. A damaged file counts as none.

    Args:
        key: what was counted.
        spec: the pydantic dataclass that it is.
        home: the home folder; None: what this process counted.
    """
    if key not in _counts and home is not None:
        try:
            stored = json.loads(read_text(path(key, home)))
            if stored["of"] == key:
                _counts[key] = build(spec, stored["counted"], key)
        except (OSError, ValueError, KeyError, TypeError, ClaimsError):
            return None
    found = _counts.get(key)
    return found if isinstance(found, spec) else None


def put(key: str, found: S, home: Path | None) -> S:
    """Keep a count, in the home folder too where that can be written, and return it."""
    _counts[key] = found
    if home is not None:
        content = {"of": key, "counted": dataclasses.asdict(found)}  # type: ignore[call-overload]
        with suppress(ClaimsError, OSError):  # the next session counts again
            write_atomic(path(key, home), json.dumps(content).encode())
    return found


def path(key: str, home: Path) -> Path:
    """Return where a count is kept: another version of a library may count otherwise."""
    whole = json.dumps([VERSION, version("torch"), version("timm"), key])
    return home / FOLDER / f"{hashlib.sha256(whole.encode()).hexdigest()[:16]}.json"
