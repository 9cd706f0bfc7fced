"""The one kind of error a user can cause: bad input, told in one line."""

from __future__ import annotations

import difflib
from collections.abc import Iterable


class ClaimsError(Exception):
    """Bad input or bad state: one line that says what was expected, what was found, what to do."""


class Changed(ClaimsError):
    """Material that is here, or was offered, and is not the bytes whose digest is known."""


class Gone(ClaimsError):
    """A user's own weights or images that are not where they were said to be."""


class TooLittleMemory(ClaimsError):
    """A run that does not fit this machine, one example at a time."""


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
