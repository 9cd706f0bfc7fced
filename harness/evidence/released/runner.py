"""What a session lends to measure with."""

from __future__ import annotations

from collections.abc import Sequence
from typing import Protocol

from harness.core.specs import Result, Run


class NotComputed(Exception):
    """A run is not stored, and this session does not compute it; says why."""


class Lab(Protocol):
    """What a session lends to measure with."""

    @property
    def seeds(self) -> int:
        """Seeds of the final runs."""

    @property
    def fetches(self) -> bool:
        """Whether what is not here is fetched; otherwise only what is on this machine is used."""

    def give(self, runs: Sequence[Run]) -> list[Result]:
        """Return the results of runs, in order.

        Raises:
            NotComputed: one is not stored and nothing is computed, with the reason.
        """
