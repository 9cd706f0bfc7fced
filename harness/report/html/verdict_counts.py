"""How many verdicts of each name there are, as the chips of the page show them."""

from __future__ import annotations

from collections.abc import Sequence
from dataclasses import dataclass

from harness.core.verdict import Verdict
from harness.report.labels import BACKENDS, LOOKS, Look, by_backend, count


@dataclass(frozen=True)
class Chip:
    """How many verdicts have one name."""

    look: Look
    number: int


@dataclass(frozen=True)
class BackendChips:
    """The verdicts that one backend's runs ended in."""

    backend: str
    """Its name for a reader; "" where there is one backend only."""
    chips: tuple[Chip, ...]


def chips(verdicts: Sequence[Verdict]) -> tuple[Chip, ...]:
    """Return how many verdicts of each name there are, names without any left out."""
    counts = count(verdicts)
    return tuple(Chip(look, counts[name]) for name, look in LOOKS.items() if counts[name])


def chips_by_backend(verdicts: Sequence[Verdict]) -> tuple[BackendChips, ...]:
    """Return the counts, those of each backend apart if there are several."""
    parts = by_backend(verdicts)
    if len(parts) < 2:
        return (BackendChips("", chips(verdicts)),)
    return tuple(BackendChips(BACKENDS.get(name, name), chips(part)) for name, part in parts.items())
