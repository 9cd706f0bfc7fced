"""The file in which pins are kept: {"format": 1, "pins": {key: pin}}, written as a whole under a lock.

A pin says what material was when it was first seen. A damaged file is an error and never an empty store, so no pin is
lost unnoticed.
"""

from __future__ import annotations

import contextlib
import json
from abc import ABC, abstractmethod
from collections.abc import Iterator, Mapping
from pathlib import Path
from typing import Any, Generic, TypeVar

from harness.core.errors import ClaimsError, unknown
from harness.core.paths import held, write_atomic
from harness.core.text import read_text

FORMAT = 1

P = TypeVar("P")


class PinStore(ABC, Generic[P]):
    """The pins of one file; what a pin is, and how a damaged file is reported, its subclasses say.

    Args:
        path: the file; it need not exist.
        lock: what a process locks while it changes the file.
    """

    def __init__(self, path: Path, lock: Path):
        self.path = path
        self.lock = lock

    @abstractmethod
    def read_pin(self, key: str, value: Any) -> P:
        """Return a pin from its JSON value.

        Raises:
            ClaimsError: it is none.
        """

    @abstractmethod
    def json_value(self, pin: P) -> object:
        """Return a pin as a JSON value."""

    @abstractmethod
    def damaged(self, error: Exception) -> ClaimsError:
        """Return what to say of a file that can't be read."""

    def pins_in(self, content: dict[str, Any]) -> Mapping[str, Any]:
        """Return the pins of a file's content as JSON values by key.

        Raises:
            ClaimsError: it is of another format.
            ValueError: it is damaged.
        """
        pins = content.get("pins")
        if "format" not in content or not isinstance(pins, dict):
            raise ValueError('no "format" and "pins"')
        if content["format"] != FORMAT:
            raise ClaimsError(f"{self.path}: expected format {FORMAT}, found {content['format']!r}; update the project")
        return pins

    def all(self) -> Mapping[str, P]:
        """Return every pin by key; none if the file does not exist.

        Raises:
            ClaimsError: the file is damaged or of another format.
        """
        try:
            content = json.loads(read_text(self.path))
            if not isinstance(content, dict):
                raise ValueError(f"{type(content).__name__} instead of an object")
            pins = self.pins_in(content)
        except FileNotFoundError:
            return {}
        except (OSError, ValueError) as error:
            raise self.damaged(error) from None
        return {key: self.read_pin(key, value) for key, value in pins.items()}

    def get(self, key: str) -> P | None:
        """Return one pin, or None."""
        return self.all().get(key)

    def put(self, key: str, pin: P) -> None:
        """Store a pin."""
        with self.changing() as pins:
            pins[key] = pin

    def remove(self, key: str) -> P:
        """Forget a pin and return it.

        Raises:
            ClaimsError: there is none of this key.
        """
        with self.changing() as pins:
            if key not in pins:
                raise unknown("pin", key, pins)
            return pins.pop(key)

    @contextlib.contextmanager
    def changing(self) -> Iterator[dict[str, P]]:
        """Yield the pins to change; other processes wait meanwhile. Nothing is written if nothing was changed."""
        with held(self.lock):
            before = self.all()
            pins = dict(before)
            yield pins
            if pins != before:
                values = {key: self.json_value(pin) for key, pin in sorted(pins.items())}
                write_atomic(self.path, json.dumps({"format": FORMAT, "pins": values}, indent=1).encode())
