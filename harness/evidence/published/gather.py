"""Published figures as a source of evidence: each publication that has all sides of a comparison counts by itself."""

from __future__ import annotations

from harness.core.claim import Close, Hypothesis
from harness.core.paper import paper
from harness.evidence.published.figures import examples_by_dataset, publications
from harness.evidence.published.matching import Published, published_comparisons, single
from harness.judging.evidence import Accuracy, Evidence, PublishedSide
from harness.judging.question import Question


def quoted() -> tuple[str, ...]:
    """Return the source whose figures a Close hypothesis quotes, which can't confirm itself."""
    own = paper().defaults.publication
    return (own,) if own in publications() else ()


class PublishedFigures:
    """Gathers from the figures that others measured and published."""

    def gather(self, question: Question) -> Evidence:
        """Return what the publication that the question names says of every side."""
        hypothesis, publication = question.hypothesis, question.source.detail
        figures = figures_by_publication(hypothesis)[publication]
        return Evidence(
            sides={
                contender: PublishedSide(
                    str(contender), Accuracy(published.value, published.variance), published.n, published.seeds
                )
                for contender, published in zip(hypothesis.contenders, figures, strict=True)
            },
            tolerance=tolerance(hypothesis, publication) if isinstance(hypothesis, Close) else None,
            citations=tuple(dict.fromkeys(published.citation for published in figures)),
        )


def figures_by_publication(hypothesis: Hypothesis) -> dict[str, tuple[Published, ...]]:
    """Return what each publication says of a hypothesis' contenders, by publication id.

    A Close hypothesis takes only figures made with a recipe that it names a tolerance for. Nobody published figures
    of a dataset that only the user's own tables have.

    Raises:
        ClaimsError: a dataset that neither publications nor tables know.
    """
    if hypothesis.on not in examples_by_dataset() and in_tables(hypothesis.on):
        return {}
    if isinstance(hypothesis, Close):
        readings = single(hypothesis.a, hypothesis.on, exclude_sources=quoted())
        recipes = dict(hypothesis.within)
        return {r.publication: (r.published,) for r in readings if r.recipe in recipes}
    return {c.publication: c.sides for c in published_comparisons(hypothesis.contenders, hypothesis.on)}


def in_tables(name: str) -> bool:
    """Return whether a dataset stands in the tables, e.g. in the user's own."""
    from harness.data.registry import entries

    return name in entries()


def publications_judging(hypothesis: Hypothesis) -> tuple[str, ...]:
    """Return the ids of the publications that can judge a hypothesis."""
    return tuple(figures_by_publication(hypothesis))


def tolerance(hypothesis: Close, publication: str) -> float:
    """Return the tolerance (percentage points) for the recipe that a publication's figure was made with."""
    readings = single(hypothesis.a, hypothesis.on, exclude_sources=quoted())
    recipe = next(reading.recipe for reading in readings if reading.publication == publication)
    return dict(hypothesis.within)[recipe]
