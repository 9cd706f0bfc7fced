"""What a source of evidence found on a hypothesis, before anything is judged."""

from __future__ import annotations

from collections.abc import Mapping
from dataclasses import dataclass
from typing import Literal

from harness.core.claim import Contender, RecipeUsed, Searched
from harness.judging.scoring import Scored


@dataclass(frozen=True)
class Missing:
    """A source has no evidence, and why."""

    reason: str
    kind: Literal["not run", "not verifiable"] = "not run"
    """"not run": something is lacking here; "not verifiable": the material was never released."""


@dataclass(frozen=True)
class Accuracy:
    """A top-1 accuracy that is known as a number, not as predictions."""

    value: float
    """A fraction."""
    variance: float | None = 0.0
    """Squared standard error (fraction squared); None: not known."""


@dataclass(frozen=True)
class PublishedSide:
    """One contender's accuracy as a publication gives it."""

    title: str
    """The contender as a side of the verdict."""
    accuracy: Accuracy
    n: int | None
    """Test examples; None where there is no one number (VTAB's 19 tasks)."""
    seeds: int
    """Runs behind the value; 1 where the publication does not say."""


@dataclass(frozen=True)
class DivergedRun:
    """A run that has no predictions, for its loss was not finite."""

    run_id: str
    seed: int
    reason: str


@dataclass(frozen=True)
class RunsSide:
    """One contender's runs, a seed each."""

    title: str
    """The contender as a side of the verdict, e.g. "NET (PRE-TRAINING SET) as CHECKPOINT"."""
    runs: tuple[Scored | DivergedRun, ...]
    """In the order of their seeds, which is the same for every side."""
    recipe: RecipeUsed
    upstream: tuple[str, ...] = ()
    """The id of each run's checkpoint: which pre-trained network was fine-tuned (harness.judging.upstream)."""

    @property
    def scored(self) -> tuple[Scored, ...]:
        """The runs that have predictions."""
        return tuple(run for run in self.runs if isinstance(run, Scored))

    @property
    def diverged(self) -> tuple[DivergedRun, ...]:
        """The runs that have none."""
        return tuple(run for run in self.runs if isinstance(run, DivergedRun))


@dataclass(frozen=True)
class LearningRateSearch:
    """The learning rates that were tried for one contender on the dev split."""

    contender: Contender
    rates: tuple[Searched, ...]

    @property
    def chosen(self) -> float | None:
        """The rate of the final runs; None: training diverged with every rate."""
        return next((rate.learning_rate for rate in self.rates if rate.chosen), None)


@dataclass(frozen=True)
class PipelineCheck:
    """What released, fine-tuned weights of a family gave here; one that gives something else is an error."""

    family: str
    checkpoint: str
    dataset: str
    accuracy: float | None
    """Top-1 in percent, as others measured it; None: it could not be checked here."""


@dataclass(frozen=True)
class Evidence:
    """What one source found, on one framework."""

    sides: Mapping[Contender, PublishedSide] | Mapping[Contender, RunsSide]
    """Every contender's; empty where a search for a learning rate left nothing to run."""
    tolerance: float | None = None
    """Percentage points, for Close."""
    citations: tuple[str, ...] = ()
    task: str = ""
    """What stood for the dataset."""
    searches: tuple[LearningRateSearch, ...] = ()
    pipeline_checks: tuple[PipelineCheck, ...] = ()
    caveats: tuple[str, ...] = ()
    """What differs between the sides besides what the hypothesis is about."""

    @property
    def runs(self) -> tuple[RunsSide, ...]:
        """The sides that were computed."""
        return tuple(side for side in self.sides.values() if isinstance(side, RunsSide))

    @property
    def run_ids(self) -> tuple[str, ...]:
        """Ids of the runs, each once, in order."""
        return tuple(dict.fromkeys(run.run_id for side in self.runs for run in side.runs))
