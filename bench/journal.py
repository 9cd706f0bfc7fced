"""Figures as lines of JSON in a file, each on the disk as soon as it is measured: what was killed keeps the others."""

from __future__ import annotations

import json
import os
from collections.abc import Mapping
from datetime import UTC, datetime
from pathlib import Path
from typing import Any

from bench.rows import Row
from bench.table import plain


class Journal:
    """A file to which lines are added.

    Each call of the bench writes one line about itself ("call"), then a line for each figure.

    Args:
        path: the file; a last line that is not whole, of a call that was killed, is ended.
    """

    def __init__(self, path: Path):
        path.parent.mkdir(parents=True, exist_ok=True)
        self._file = path.open("ab")
        if path.stat().st_size and path.read_bytes()[-1:] != b"\n":
            self._add(b"\n")

    def begin(self, machine: Mapping[str, str], **call: Any) -> None:
        """Write what the figures that follow were measured on, and how."""
        self._line({"call": {"began": now(), "machine": dict(machine)} | call})

    def add(self, group: str, part: str, row: Row) -> None:
        """Write one figure of a part of a group."""
        self._line({"group": group, "part": part, "measured": now()} | plain(row))

    def _line(self, values: Mapping[str, Any]) -> None:
        self._add(json.dumps(values).encode() + b"\n")

    def _add(self, content: bytes) -> None:
        self._file.write(content)
        self._file.flush()
        os.fsync(self._file.fileno())


def read(path: Path) -> list[dict[str, Any]]:
    """Return the lines of a file in order, without what is not whole."""
    found = []
    for line in path.read_text(encoding="utf-8").splitlines():
        try:
            found.append(json.loads(line))
        except ValueError:
            continue
    return found


def now() -> str:
    """Return the time, UTC, to the second."""
    return datetime.now(UTC).isoformat(timespec="seconds")
