"""What a source of evidence found on a hypothesis, before anything is judged."""

from __future__ import annotations

from collections.abc import Mapping
from dataclasses import dataclass, field
from typing import TYPE_CHECKING, Literal

from harness.core.hypotheses import Close, Contender, Equivalent, Hypothesis
from harness.core.measure import POINTS, Direction
from harness.core.verdict import RecipeUsed, Searched
from harness.judging.scoring import Scored

if TYPE_CHECKING:
    from harness.stats.specification_curve import SpecificationCurve

Term = tuple[Contender, str]
"""A contender and the dataset that its accuracy is on."""


@dataclass(frozen=True)
class Missing:
    """A source has no evidence, and why."""

    reason: str
    kind: Literal["not run", "not verifiable"] = "not run"
    """"not run": something is lacking here; "not verifiable": the material was never released."""


@dataclass(frozen=True)
class PublishedSide:
    """One contender's accuracy on one dataset as a publication gives it."""

    title: str
    """The contender as a side of the verdict."""
    value: float
    """A fraction."""
    parts: tuple[tuple[float, float | None], ...]
    """(variance, its degrees of freedom) of the test examples, then of the seeds, as far as known; fractions squared.
    Without degrees of freedom a variance is as good as known."""
    n: int | None
    """Test examples; None where there is no one number (VTAB's 19 tasks)."""
    seeds: int
    """Runs behind the value; 1 where the publication does not say."""

    @property
    def variance(self) -> float | None:
        """Squared standard error of the accuracy; None: not known."""
        return sum(variance for variance, _ in self.parts) if self.parts else None


@dataclass(frozen=True)
class PublishedRow:
    """One publication's figures of all sides of a simple hypothesis."""

    publication: str
    """Its id, e.g. "paper/table-2"."""
    cluster: str
    """Rows of one cluster are one piece of evidence, e.g. snapshots of one evaluation of the same weights."""
    origin: str
    """"paper", "replication", or "re-evaluation" (the authors' own weights, evaluated again)."""
    sides: tuple[PublishedSide, ...]
    """In the order of the contrast's terms."""
    citation: str
    tolerance: float | None = None
    """Percentage points that the recipe behind the figure allows, for Close."""


@dataclass(frozen=True)
class DivergedRun:
    """A run that has no predictions, for its loss was not finite."""

    run_id: str
    seed: int
    reason: str


@dataclass(frozen=True)
class MeasuredAs:
    """What the scores of computed sides are."""

    unit: str = POINTS
    better: Direction = "higher"
    numbers: bool = False
    """Whether each seed gave one number: then there are no examples, and only seeds vary."""
    shared_examples: bool = True
    """Whether the sides were scored on the same examples, and so are paired."""
    name: str = ""
    """Of the measure, by which `Close` names its tolerance; "": there it names recipes."""
    negligible: float | None = None
    """In the unit, what does not matter; None: as the claim says, which speaks of points."""

    def sign(self, hypothesis: Hypothesis) -> float:
        """Return -1 where a hypothesis says which side is better and lower values are, else 1.

        It turns a contrast's weights, and this is the only place where a direction is turned: what is positive then
        speaks for the hypothesis. How far two values or a value and a figure are apart has no better direction.
        """
        directed = not isinstance(hypothesis, (Close, Equivalent))
        return -1.0 if directed and self.better == "lower" else 1.0


ACCURACY = MeasuredAs()
"""Of networks that predict classes."""


@dataclass(frozen=True)
class RunsSide:
    """One contender's runs, a seed each."""

    title: str
    """The contender as a side of the verdict, e.g. "NET (PRE-TRAINING SET) as CHECKPOINT"."""
    runs: tuple[Scored | DivergedRun, ...]
    """In the order of their seeds, which is the same for every side."""
    recipe: RecipeUsed
    deterministic: bool = False
    """Whether one file was only evaluated: nothing in it is random, and there is one run. Several files that were
    fine-tuned on the dataset are several runs, and what was random in them is the fine-tuning."""
    upstream: tuple[str, ...] = ()
    """Which pre-trained network each run was fine-tuned from: the id of its checkpoint, or what runs that were released
    fine-tuned share (harness.judging.upstream)."""
    no_more: bool = False
    """Whether these are all the runs that there are: several files that were released."""

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
class Cost:
    """What one contender costs, a figure without an error."""

    title: str
    value: float
    unit: str
    citation: str


@dataclass(frozen=True)
class Evidence:
    """What one source found, on one framework."""

    sides: Mapping[Term, RunsSide] = field(default_factory=dict)
    """Of computed evidence: every contender's runs on every dataset; empty where a search for a learning rate left
    nothing to run."""
    rows: Mapping[str, tuple[PublishedRow, ...]] = field(default_factory=dict)
    """Of published evidence: what each publication says, by the id of the simple hypothesis."""
    terms: Mapping[str, tuple[Term, ...]] = field(default_factory=dict)
    """Of published evidence: what the sides of a row are, by the id of the simple hypothesis."""
    costs: tuple[Cost, ...] = ()
    """Of a ratio of costs: its two sides."""
    tolerance: float | None = None
    """Percentage points, for Close."""
    citations: tuple[str, ...] = ()
    task: str = ""
    """What stood for the dataset."""
    searches: tuple[LearningRateSearch, ...] = ()
    pipeline_checks: tuple[PipelineCheck, ...] = ()
    curve: SpecificationCurve | None = None
    """Of a specification curve: every specification's effect, with the joint tests."""
    curve_runs: tuple[Scored | DivergedRun, ...] = ()
    """The runs behind it."""
    names: tuple[tuple[str, str], ...] = ()
    """(the paper's name, the source's own) pairs of contenders and datasets, for a source that has others."""
    measured_as: MeasuredAs = ACCURACY
    """What is compared, where that is no accuracy."""
    caveats: tuple[str, ...] = ()
    """What differs between the sides besides what the hypothesis is about."""

    @property
    def runs(self) -> tuple[RunsSide, ...]:
        """The sides that were computed."""
        return tuple(self.sides.values())

    @property
    def run_ids(self) -> tuple[str, ...]:
        """Ids of the runs, each once, in order."""
        return tuple(dict.fromkeys(run.run_id for run in self.all_runs))

    @property
    def all_runs(self) -> tuple[Scored | DivergedRun, ...]:
        """Every run, those of a curve, too."""
        return (*(run for side in self.runs for run in side.runs), *self.curve_runs)
