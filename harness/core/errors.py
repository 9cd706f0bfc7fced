"""Errors that a user can cause: bad input, reported in one line."""

from __future__ import annotations

import difflib
import re
import sys
import warnings
from collections.abc import Iterable
from functools import cache
from typing import Any


class ClaimsError(Exception):
    """Bad input or bad state: one line that says what was expected, what was found, what to do."""

    def __str__(self) -> str:
        return printable(super().__str__())


class Changed(ClaimsError):
    """A file, here or on a server, whose digest is not the known one."""


class Gone(ClaimsError):
    """A user's own weights or images that are not where they were said to be."""


class NotWritten(ClaimsError):
    """A file or folder that could not be written, e.g. because the disk is full or read-only."""


class NotStored(ClaimsError):
    """A run that was computed and whose result could not be stored; the result is not lost.

    Args:
        line: why.
        result: what was computed (harness.core.result.Result).
    """

    def __init__(self, line: str, result: Any):
        super().__init__(line)
        self.result = result

    def __reduce__(self) -> tuple[Any, ...]:
        return type(self), (self.args[0], self.result)


class CardFailed(ClaimsError):
    """An accelerator that is not there, is taken, or fails: no call of this process to it will work again.

    Args:
        line: the whole line.
        why: what was found, in a few words.
    """

    def __init__(self, line: str, why: str):
        super().__init__(line)
        self.why = why

    def __reduce__(self) -> tuple[Any, ...]:
        return type(self), (self.args[0], self.why)

    @classmethod
    def computing(cls, label: str, device: str, why: str) -> CardFailed:
        """Return the error of a run that an accelerator was to compute."""
        return cls(
            f"{label}: expected {device} to compute, found it failing ({why}); look at it with nvidia-smi and start"
            " again, the run goes on from its last saved state",
            why,
        )


class TooLittleMemory(ClaimsError):
    """A run that does not fit this machine, one example at a time."""


def printable(text: str) -> str:
    """Return text as one line that any terminal or file takes: a file's name may hold line breaks or bytes of no text.

    Line breaks become blanks; control characters, and bytes that were not UTF-8, are written as escapes.
    """
    joined = re.sub(r"\s*[\r\n]+\s*", " ", text)
    return "".join(char if char.isprintable() else escaped(char) for char in joined)


def escaped(char: str) -> str:
    """Return one character as an escape, e.g. "\\xff" for a byte of a file's name that was not UTF-8."""
    code = ord(char)
    if 0xDC80 <= code <= 0xDCFF:  # how Python keeps such a byte (PEP 383)
        code -= 0xDC00
    return f"\\x{code:02x}" if code < 0x100 else f"\\u{code:04x}" if code < 0x10000 else f"\\U{code:08x}"


@cache
def say_once(line: str) -> None:
    """Print a line on stderr, once in this process."""
    print(printable(line), file=sys.stderr)


def nearest(found: str, known: Iterable[str]) -> str:
    """Return " (did you mean 'x'?)" for the known name nearest to `found`, or "" if none is near."""
    lowered = {name.lower(): name for name in known}
    match = difflib.get_close_matches(found.lower(), lowered, n=1, cutoff=0.5)
    return f" (did you mean {lowered[match[0]]!r}?)" if match else ""


def unknown(kind: str, found: str, known: Iterable[str], where: str = "") -> ClaimsError:
    """Return the error for a name that does not exist, with what exists and the nearest name.

    Args:
        kind: what the name names, e.g. "checkpoint".
        found: the name that was given.
        known: the names that exist.
        where: a prefix that says where it was found, e.g. "recipes.toml [micro]".
    """
    names = sorted(known)
    shown = ", ".join(names[:12]) + (f", ... ({len(names)} in all)" if len(names) > 12 else "")
    prefix = f"{where}: " if where else ""
    return ClaimsError(
        f"{prefix}unknown {kind} {found!r}{nearest(found, names)}; expected one of: {shown or 'none exist'}"
    )


def warn_renamed(old: str, new: str) -> None:
    """Warn in one line that an old spelling was read, and say what to write."""
    warnings.warn(f"{old} is now {new}; the old spelling is read for one more version", FutureWarning, stacklevel=3)
