"""What a source of evidence is, and where it gets the results of runs."""

from __future__ import annotations

from collections.abc import Sequence
from typing import Protocol

from harness.core.result import Result
from harness.core.run import Run
from harness.judging.evidence import Evidence, Missing
from harness.judging.question import Question


class EvidenceSource(Protocol):
    """Gathers what bears on a question; it judges nothing."""

    def gather(self, question: Question) -> Evidence | Missing:
        """Return the evidence on a question, or why there is none.

        Raises:
            ClaimsError: material differs from what was pinned, a check failed, or computing failed.
        """


class RunProvider(Protocol):
    """Interface for obtaining the results of runs."""

    @property
    def seeds(self) -> int:
        """Seeds of the final runs on released checkpoints."""

    @property
    def looks(self) -> tuple[int, ...]:
        """Numbers of seeds at which the results are judged, in order: one, or several where open questions get more."""

    @property
    def fetches(self) -> bool:
        """Whether what is not here is fetched; otherwise only what is on this machine is used."""

    def results_for(self, runs: Sequence[Run]) -> list[Result]:
        """Return the results of runs, in order, computing what is not stored.

        Raises:
            NotComputed: one is not stored and nothing is computed, with the reason.
        """

    def stored(self, runs: Sequence[Run]) -> list[Result]:
        """Return the results of runs, in order, computing nothing.

        Raises:
            NotComputed: one is not stored.
        """


class NotComputed(Exception):
    """A run is not stored, and this session does not compute it; says why."""
