"""The pins of a cache: the sha256 that each file had when it was first fetched.

`pins.json` maps "id/file_name" to a pin. A pin is only ever replaced when the table of checkpoints or datasets itself
names another digest, or after `cache unpin`.
"""

from __future__ import annotations

import dataclasses
from pathlib import Path
from typing import Any

from pydantic.dataclasses import dataclass

from harness.core.errors import ClaimsError
from harness.core.specs import STRICT, Natural, Sha256, build
from harness.fetch.pin_store import PinStore


@dataclass(frozen=True, config=STRICT)
class Pin:
    """What a file was when it was first fetched."""

    sha256: Sha256
    size: Natural
    """Bytes."""
    source: str
    """Where it came from; for a hub with the commit."""
    checked: tuple[str, ...]
    """What it was checked against then: "sha256 known", "md5 stated", ...; empty: against nothing but its length."""
    pinned: str
    """When: UTC, ISO 8601."""
    elsewhere: str = ""
    """The absolute path of a file that is used where it lies; "": it is in the cache."""
    own: bool = False
    """Whether it is a user's own file: noted when it was last used, and free to change."""

    def path(self, cache: Path, key: str) -> Path:
        """Return where the file lies."""
        return Path(self.elsewhere) if self.elsewhere else cache / "files" / key


class Pins(PinStore[Pin]):
    """The pins of one cache."""

    def __init__(self, cache: Path):
        super().__init__(cache / "pins.json", cache / "pins.json.lock")

    def read_pin(self, key: str, value: Any) -> Pin:
        """Return a pin from its JSON value."""
        return build(Pin, value, f"{self.path} [{key}]")

    def json_value(self, pin: Pin) -> dict[str, object]:
        """Return a pin as a JSON value."""
        return fields(pin)

    def damaged(self, error: Exception) -> ClaimsError:
        """Return what to say of a file that can't be read."""
        return ClaimsError(
            f"{self.path}: expected the digests of what was fetched, found a damaged file; restore it, or remove"
            " it to pin what the cache holds anew"
        )


def fields(pin: Pin) -> dict[str, object]:
    """Return a pin as JSON values; what earlier versions do not know is left out where it says nothing."""
    return {name: value for name, value in dataclasses.asdict(pin).items() if name != "own" or value}
