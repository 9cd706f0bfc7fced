"""Small facts about this machine, found by trying and good for every later run: a JSON file in the work folder."""

from __future__ import annotations

import contextlib
import json
from pathlib import Path
from typing import Any

from harness.core.errors import NotWritten
from harness.core.paths import held, write_atomic


class Notes:
    """Values by key, kept between runs where there is a folder for them.

    Args:
        path: of the file; None: nothing is kept.
    """

    def __init__(self, path: Path | None):
        self.path = path

    def get(self, key: str) -> Any:
        """Return what is noted under a key; None if nothing is, or the file can't be read."""
        return self._read().get(key)

    def put(self, key: str, value: Any) -> None:
        """Note a value, where there is room for it."""
        if self.path is None:
            return
        with contextlib.suppress(NotWritten), held(self.path.with_suffix(".lock")):
            content = json.dumps(self._read() | {key: value}, indent=1, sort_keys=True)
            write_atomic(self.path, content.encode())

    def _read(self) -> dict[str, Any]:
        try:
            entries = json.loads(self.path.read_bytes()) if self.path else {}
        except (OSError, ValueError):
            return {}
        return entries if isinstance(entries, dict) else {}
