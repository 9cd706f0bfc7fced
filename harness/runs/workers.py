"""What computes runs beside the session: on this machine (`processes`) or on a cluster (`ray_workers`)."""

from __future__ import annotations

from concurrent.futures import Future
from dataclasses import dataclass
from pathlib import Path
from typing import Protocol, TypeAlias

from harness.core.errors import CardFailed, NotStored
from harness.core.run import Run

Outcome: TypeAlias = "bool | NotStored"
"""Whether a run's result is stored now (False: another process is computing it), or the result that can't be stored."""


@dataclass(frozen=True)
class Need:
    """What a run takes, as far as it is known."""

    seconds: float | None = None
    """On the accelerator that there is; None: unknown."""
    work: float = 0.0
    """What runs are ordered by where their seconds are unknown: more takes longer."""
    share: float = 1.0
    """Of an accelerator; of several runs that leave it idle more than one is computed on it at once."""
    memory: int = 0
    """Bytes of the machine's memory; 0: unknown."""


class WorkerDied(Exception):
    """A process that computed a run can't end it: it died, or its accelerator fails.

    Args:
        how: in a few words.
        advice: what to do where that happens again.
        crashed: whether it ended by a fault of its own, not because somebody ended it or memory ran out.
    """

    def __init__(self, how: str, advice: str = "start again with fewer --jobs", crashed: bool = False):
        super().__init__(how)
        self.advice, self.crashed = advice, crashed


def without_card(error: CardFailed, device: str) -> WorkerDied:
    """Return what becomes of a process whose accelerator fails: it will compute nothing any more."""
    return WorkerDied(f"found {device} failing ({error.why})", "look at it with nvidia-smi and start again")


class Workers(Protocol):
    """Processes that compute runs and store their results."""

    @property
    def most(self) -> int:
        """How many runs may be handed over and not yet computed; what is behind them stays in the session's order."""

    def submit(self, run: Run, folder: Path, need: Need, attempt: int) -> Future[Outcome]:
        """Hand over a run.

        Args:
            run: what to compute.
            folder: the run's paper, whose tables say where weights and images lie.
            need: what it takes.
            attempt: how often it was handed over before, to a process that died.

        Returns:
            What becomes of it: the outcome; `WorkerDied`; or what computing it raised.
        """

    def progress(self) -> dict[str, str]:
        """Return how far runs are that are being computed, by their labels, where nothing else shows it."""

    def close(self) -> None:
        """Stop. Runs in the middle save their state where they can; nothing half is stored."""
