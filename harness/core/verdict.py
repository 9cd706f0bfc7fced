"""The records of a verdict and of an answer, as they stand in verdicts.json."""

from __future__ import annotations

from typing import Literal

from pydantic.dataclasses import dataclass

from harness.core.hypotheses import VerdictName
from harness.core.measure import POINTS, Direction
from harness.core.specs import STRICT

HypothesisKind = Literal[
    "Better", "Close", "Interaction", "Average", "Equivalent", "Increasing", "All", "AtLeast", "Ratio", "Robust"
]
AnswerName = Literal["SUPPORTED", "CONTRADICTED", "MIXED", "OPEN", "NOT TESTED"]


@dataclass(frozen=True, config=STRICT)
class Side:
    """One contender's measured or published accuracy, or its own number, as it entered a verdict."""

    name: str
    """The contender, and for micro evidence the checkpoint that stands for it."""
    accuracy: float
    """Percent, or in the unit of the verdict; the mean over seeds."""
    low: float | None
    high: float | None
    """95 % interval of it, in the same unit; None where no uncertainty is known."""
    n: int | None
    """Test examples; None where there is no one number (VTAB's 19 tasks), or each seed gives one number."""
    seeds: int


@dataclass(frozen=True, config=STRICT)
class RecipeUsed:
    """How the final runs of one checkpoint were made, every setting of it."""

    checkpoint: str
    recipe: str
    """Id of the recipe that was resolved for the checkpoint and the dataset."""
    settings: tuple[tuple[str, str, str], ...] = ()
    """(field, value, the paper's value where it differs, else "") as text."""


@dataclass(frozen=True, config=STRICT)
class Searched:
    """One learning rate that was tried on the dev split."""

    checkpoint: str
    learning_rate: float
    accuracy: float | None
    """Of the dev split, percent; None: the runs diverged."""
    chosen: bool
    """Whether the final runs used it."""
    runs: tuple[str, ...] = ()
    """Ids of the runs that it was judged by."""


@dataclass(frozen=True, config=STRICT)
class Reported:
    """One publication's own figures for a hypothesis: a row of the forest plot."""

    publication: str
    """Its id, e.g. "paper/table-2"."""
    origin: str
    """"paper", "replication", or "re-evaluation" (the authors' own weights, evaluated again)."""
    estimate: float
    low: float | None
    high: float | None
    """95 % interval, percentage points; None where no uncertainty is known."""
    weight: float
    """Its share in the synthesis, a fraction; 0: it does not enter."""
    accuracies: tuple[float, ...] = ()
    """Percent, of the sides in their order."""
    citation: str = ""
    dataset: str = ""


@dataclass(frozen=True, config=STRICT)
class Component:
    """One simple part of a compound hypothesis, e.g. one dataset of "on all"."""

    hypothesis: str
    estimate: float | None
    low: float | None
    high: float | None
    """Percentage points, at the level of the verdict."""
    p: float | None
    holds: bool | None
    """Whether it holds for itself; None: open."""


@dataclass(frozen=True, config=STRICT)
class Verdict:
    """What one source of evidence says about one hypothesis: the record in verdicts.json."""

    claim: str
    hypothesis: str
    kind: HypothesisKind
    dataset: str
    """The paper's datasets, joined by ", "; "" for costs."""
    source: str
    """Text form of the source of evidence (harness.core.source), e.g. "published", "micro@jax"."""
    verdict: VerdictName
    reason: str
    """One line for a reader."""
    estimate: float | None = None
    """Percentage points: the contrast of accuracies; the difference to the published figure (Close); of a compound
    hypothesis that of the part that decides. For costs the ratio."""
    low: float | None = None
    high: float | None = None
    level: float | None = None
    """Confidence level of [low, high], a fraction."""
    p: float | None = None
    method: str = ""
    """How estimate, interval and p were computed."""
    sides: tuple[Side, ...] = ()
    citations: tuple[str, ...] = ()
    runs: tuple[str, ...] = ()
    """Ids of the runs used."""
    task: str = ""
    """What stood for the dataset, e.g. the micro task."""
    tolerance: float | None = None
    """Percentage points, for Close and Equivalent."""
    published: float | None = None
    """The paper's figure in percent where the hypothesis has one (Close)."""
    known: str = ""
    """The expected verdict, if one is on record against the hypothesis; records keep the field's old name."""
    date: str = ""
    """When it was judged, ISO 8601 with time zone."""
    backend: str = ""
    """What computed the runs, e.g. "torch"; "" where nothing was computed, and in records from before it was kept."""
    recipes: tuple[RecipeUsed, ...] = ()
    """How the final runs were made, a checkpoint each."""
    searched: tuple[Searched, ...] = ()
    """The search for learning rates, if there was one."""
    family: str = ""
    """The hypotheses that share one error rate: how many, of which test function, and the procedure."""
    about: str = ""
    """The hypothesis in the micro study's own names."""
    statement: str = ""
    """The claim's statement that it answers, in plain words; "" for any other hypothesis."""
    se_seeds: float | None = None
    se_examples: float | None = None
    """Percentage points: the standard error from seeds alone, and from test examples alone."""
    smallest_detectable: float | None = None
    """Percentage points: the smallest difference that is found with 80 % power."""
    seeds_needed: int | None = None
    """Seeds in all that would find a difference as seen with 80 % power; None: not open, or no number would."""
    negligible: bool | None = None
    """Whether the interval lies within the claim's margin of differences that do not matter; None: no interval."""
    permutation_p: float | None = None
    """Exact p over the permutations of seeds between the sides; None below three seeds a side."""
    outliers: tuple[str, ...] = ()
    """Runs whose accuracy stands out among their side's seeds; they are counted as all others."""
    rows: tuple[Reported, ...] = ()
    """What each publication says, for published evidence."""
    components: tuple[Component, ...] = ()
    """The parts of a compound hypothesis."""
    tau: float | None = None
    i2: float | None = None
    """Heterogeneity between publications: standard deviation (percentage points), share of the variance (0 to 1)."""
    prediction: tuple[float, float] | None = None
    """Where another publication's figure would lie with 95 %, percentage points."""
    conditional: str = ""
    """What the verdict is conditional on; such a verdict can't carry a claim's answer alone."""
    evidence: tuple[str, ...] = ()
    """What it rests on, for the lock: publications with their figures, or runs with digests of their predictions."""
    rule: str = ""
    """Version of the rules, with the family."""
    digest: str = ""
    """Of the hypothesis."""
    unit: str = POINTS
    """Of the estimate, of all that is said to be in percentage points, and of the sides, which are percent where it is
    "points"."""
    better: Direction = "higher"
    """Which of two values is the better one. Where it is the lower, the estimate is turned: it is above 0 where the
    first side is better; the sides are as they were measured."""
    registered: str = ""
    """Of measured evidence: "preregistered on DATE", "locked on DATE" (with its first verdict), or "post hoc"."""

    @property
    def key(self) -> tuple[str, str, str]:
        """What identifies the verdict in a report: a later one replaces it."""
        return (self.claim, self.hypothesis, self.source)


@dataclass(frozen=True, config=STRICT)
class Answer:
    """What one source of evidence says of a whole claim."""

    claim: str
    source: str
    answer: AnswerName
    sentence: str
    """One sentence that a reader can quote."""
    hypotheses: tuple[str, ...] = ()
    """Ids of the statements' hypotheses, the deciding one first."""
    date: str = ""
    """Of the latest verdict that it follows from."""

    @property
    def key(self) -> tuple[str, str]:
        """What identifies the answer in a report."""
        return (self.claim, self.source)
