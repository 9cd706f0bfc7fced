"""Published figures as a source of evidence: each publication that has all sides gives its own verdict."""

from __future__ import annotations

import math
from dataclasses import dataclass
from statistics import NormalDist

from harness.core.claim import Close, Contender, Hypothesis, Side, Verdict
from harness.evidence.published.figures import TEST_EXAMPLES
from harness.evidence.published.matching import Published, single
from harness.evidence.published.matching import comparisons as published_comparisons
from harness.judging.judge import SIDE_LEVEL, Evidence, Question, comparisons, judge
from harness.stats.intervals import Estimate, Undefined, unpaired

PAPER = "vit-paper"
"""The source whose figures a Close hypothesis quotes; it cannot confirm itself."""


@dataclass(frozen=True)
class Target:
    """A fixed figure to compare with."""

    value: float
    variance: float | None = 0.0


def evidence_by_publication(hypothesis: Hypothesis) -> dict[str, tuple[Published, ...]]:
    """Return what each publication says of a hypothesis' contenders, by publication id.

    A Close hypothesis takes only figures made with a recipe that it names a tolerance for. Nobody published figures
    of a dataset that only the user's own tables have.

    Raises:
        ClaimsError: a dataset that neither publications nor tables know.
    """
    if hypothesis.on not in TEST_EXAMPLES and is_table_s(hypothesis.on):
        return {}
    if isinstance(hypothesis, Close):
        readings = single(hypothesis.a, hypothesis.on, exclude_sources=(PAPER,))
        recipes = dict(hypothesis.within)
        return {r.publication: (r.published,) for r in readings if r.recipe in recipes}
    return {c.publication: c.sides for c in published_comparisons(hypothesis.contenders, hypothesis.on)}


def is_table_s(name: str) -> bool:
    """Return whether a dataset stands in the tables, e.g. in the user's own."""
    from harness.data.registry import entries

    return name in entries()


def publications(hypothesis: Hypothesis) -> tuple[str, ...]:
    """Return the ids of the publications that can judge a hypothesis."""
    return tuple(evidence_by_publication(hypothesis))


def answer(question: Question) -> Verdict:
    """Judge a question on the figures of its publication."""
    hypothesis = question.hypothesis
    publication = question.source.removeprefix("published/")
    figures = evidence_by_publication(hypothesis)[publication]
    by_contender = dict(zip(hypothesis.contenders, figures, strict=True))
    level = 1 - question.alpha
    estimates: list[Estimate | Undefined] = []
    for higher, lower in comparisons(hypothesis):
        against = Target(hypothesis.to / 100) if isinstance(hypothesis, Close) else by_contender[lower or higher]
        try:
            estimates.append(unpaired(by_contender[higher], against, level))
        except Undefined as reason:
            estimates.append(reason)
    return judge(
        question,
        Evidence(
            estimates=tuple(estimates),
            sides=tuple(side_of(contender, by_contender[contender]) for contender in hypothesis.contenders),
            tolerance=tolerance(hypothesis, publication) if isinstance(hypothesis, Close) else None,
            citations=tuple(dict.fromkeys(published.citation for published in figures)),
        ),
    )


def tolerance(hypothesis: Close, publication: str) -> float:
    """Return the tolerance (percentage points) for the recipe that a publication's figure was made with."""
    readings = single(hypothesis.a, hypothesis.on, exclude_sources=(PAPER,))
    recipe = next(reading.recipe for reading in readings if reading.publication == publication)
    return dict(hypothesis.within)[recipe]


def side_of(contender: Contender, published: Published) -> Side:
    """Return a published accuracy in percent, with its 95 % interval where its uncertainty is known."""
    low = high = None
    if published.variance is not None:
        half = NormalDist().inv_cdf((1 + SIDE_LEVEL) / 2) * math.sqrt(published.variance)
        low, high = 100 * max(0.0, published.value - half), 100 * min(1.0, published.value + half)
    return Side(str(contender), 100 * published.value, low, high, published.n, published.seeds)
