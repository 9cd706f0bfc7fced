"""The parts of a group: each is measured by itself, so that one that fails or takes too long costs the others nothing.

A group's module says what its parts are in `parts(n)`, the most important first; one with `rows(n)` is a single part.
"""

from __future__ import annotations

import importlib
from collections.abc import Callable, Iterator
from dataclasses import dataclass
from functools import partial

from bench.rows import Row


@dataclass(frozen=True)
class Part:
    """Some rows that are measured together."""

    name: str
    rows: Callable[[], Iterator[Row]]
    """Yields each as soon as it is measured."""
    seconds: float = 0.0
    """About how long it takes, a little too long rather than too short; 0: not known."""
    alone: bool = False
    """In a process that has measured nothing else and will measure nothing else."""


def parts_of(module: str, n: int) -> list[Part]:
    """Return a module's parts, of n rounds."""
    found = importlib.import_module(module)
    if hasattr(found, "parts"):
        made: list[Part] = found.parts(n)
        return made
    return [Part(module.rpartition(".")[2], partial(found.rows, n))]
