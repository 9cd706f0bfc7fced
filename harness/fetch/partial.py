"""A download in progress on disk: its bytes so far, and the address and version that they are from.

The note beside the bytes is written before the first byte, so that a process killed at any moment leaves
something that the next one can continue or knows to discard.
"""

from __future__ import annotations

import dataclasses
import json
from pathlib import Path
from typing import BinaryIO

from harness.core.errors import ClaimsError
from harness.core.paths import make_folder, write_atomic
from harness.core.text import read_text
from harness.fetch.server_metadata import Stated


class Partial:
    """The bytes `<cache>/partial/<id>--<file>` and the note `.json` beside them."""

    def __init__(self, path: Path):
        self.path = path
        self.note = path.with_name(f"{path.name}.json")

    @property
    def size(self) -> int:
        """Bytes that are there."""
        return self.path.stat().st_size if self.path.exists() else 0

    def stated(self, address: str) -> Stated | None:
        """Return what the server stated when it sent these bytes, or None: then they cannot be continued."""
        try:
            note = json.loads(read_text(self.note))
            if note["address"] != address:
                return None
            stated = note["stated"]
            digests = tuple((str(algorithm), str(value)) for algorithm, value in stated.pop("digests"))
            return Stated(digests=digests, **stated)
        except (OSError, ValueError, KeyError, TypeError, AttributeError):
            return None

    def begin(self, address: str, stated: Stated) -> None:
        """Start from zero and note the version to be downloaded."""
        self.discard()
        content = {"address": address, "stated": dataclasses.asdict(stated)}
        write_atomic(self.note, json.dumps(content).encode())

    def open(self) -> BinaryIO:
        """Open the bytes for appending.

        Raises:
            ClaimsError: they can't be written.
        """
        make_folder(self.path.parent)
        try:
            return self.path.open("ab")
        except OSError as error:
            raise ClaimsError(f"{self.path}: expected a file to write, found: {error.strerror}") from None

    def discard(self) -> None:
        """Remove what has come."""
        self.path.unlink(missing_ok=True)
        self.note.unlink(missing_ok=True)
