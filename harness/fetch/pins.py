"""The lock file of a cache: the sha256 that each file had when it was first fetched.

`pins.json` maps "id/file_name" to a pin. It is written as a whole under a lock, and a pin is only ever
replaced when the table of checkpoints or datasets itself names another digest, or after `cache unpin`.
"""

from __future__ import annotations

import contextlib
import dataclasses
import json
from collections.abc import Iterator, Mapping
from pathlib import Path

from pydantic.dataclasses import dataclass

from harness.core.errors import ClaimsError, unknown
from harness.core.paths import held, write_atomic
from harness.core.specs import STRICT, Natural, Sha256, build
from harness.core.text import read_text

FORMAT = 1


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


class Pins:
    """The pins of one cache."""

    def __init__(self, cache: Path):
        self.path = cache / "pins.json"

    def all(self) -> Mapping[str, Pin]:
        """Return every pin by key.

        Raises:
            ClaimsError: the file is damaged or of another format.
        """
        try:
            content = json.loads(read_text(self.path))
            found_format, entries = content["format"], content["pins"].items()
        except FileNotFoundError:
            return {}
        except (OSError, ValueError, KeyError, TypeError, AttributeError):
            raise ClaimsError(
                f"{self.path}: expected the digests of what was fetched, found a damaged file; restore it, or remove"
                " it to pin what the cache holds anew"
            ) from None
        if found_format != FORMAT:
            raise ClaimsError(f"{self.path}: expected format {FORMAT}, found {found_format!r}; update the project")
        return {key: build(Pin, pin, f"{self.path} [{key}]") for key, pin in entries}

    def get(self, key: str) -> Pin | None:
        """Return one pin, or None."""
        return self.all().get(key)

    def put(self, key: str, pin: Pin) -> None:
        """Store a pin."""
        with self.changing() as pins:
            pins[key] = pin

    def remove(self, key: str) -> Pin:
        """Forget a pin and return it.

        Raises:
            ClaimsError: there is none of this key.
        """
        with self.changing() as pins:
            if key not in pins:
                raise unknown("pin", key, pins)
            return pins.pop(key)

    @contextlib.contextmanager
    def changing(self) -> Iterator[dict[str, Pin]]:
        """Yield the pins to change; other processes wait meanwhile."""
        with held(self.path.parent / "pins.json.lock"):
            pins = dict(self.all())
            yield pins
            entries = {key: fields(pin) for key, pin in sorted(pins.items())}
            write_atomic(self.path, json.dumps({"format": FORMAT, "pins": entries}, indent=1).encode())


def fields(pin: Pin) -> dict[str, object]:
    """Return a pin as JSON values; what earlier versions do not know is left out where it says nothing."""
    return {name: value for name, value in dataclasses.asdict(pin).items() if name != "own" or value}
