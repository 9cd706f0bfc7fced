"""What the published record says of contenders, a row each publication, and which rows are independent evidence."""

from __future__ import annotations

from collections.abc import Iterable, Sequence
from dataclasses import dataclass

from harness.core.claim import Contender
from harness.evidence.published.figures import Origin, publications
from harness.evidence.published.matching import Published, published_comparisons, single
from harness.stats.intervals import Undefined
from harness.stats.synthesis import Effect, sum_of

WEAKEST_FIRST: tuple[Origin, ...] = ("re-evaluation", "replication", "paper")
"""A comparison replicates something only if no side of it is the authors' own weights evaluated again."""


@dataclass(frozen=True)
class Row:
    """What one publication says of every side, under one setting."""

    publication: str
    """Source, then table and setting where needed, e.g. "paper/table-6/7-epochs"; unique for contenders and dataset."""
    source: str
    """Id of the source."""
    cluster: str
    """Rows of one cluster are no independent evidence; sources.toml says why."""
    origin: Origin
    """Who made the weights; where sides differ, what says least."""
    sides: tuple[Published, ...]
    """One for each contender, in their order."""
    recipes: tuple[str, ...]
    """What each side's figure was made with (sources.toml, figures.json)."""

    @property
    def citations(self) -> tuple[str, ...]:
        """Source, table and address, each once."""
        return tuple(dict.fromkeys(side.citation for side in self.sides))

    def effect(self, weights: Sequence[float], target: float = 0.0) -> Effect:
        """Return a weighted sum of the sides minus a target, with its uncertainty.

        Args:
            weights: one for each side, e.g. (1, -1) for a difference, (1,) for one accuracy.
            target: what the sum is compared with, a fraction.

        Returns:
            Its variance is None where a side that counts has none. Degrees of freedom are Welch and Satterthwaite's,
            of the spreads over few seeds; None where only test examples speak. Sides are taken as independent, which
            is conservative on one test set.

        Raises:
            Undefined: not one weight for each side.
        """
        if len(weights) != len(self.sides):
            raise Undefined(f"{self.publication}: expected {len(self.sides)} weights, found {len(weights)}")
        counting = [(weight, side) for weight, side in zip(weights, self.sides, strict=True) if weight]
        value = sum(weight * side.value for weight, side in counting) - target
        if any(side.variance is None for _, side in counting):
            return Effect(value, None)
        return Effect(value, *sum_of((w * w * variance, df) for w, side in counting for variance, df in side.parts))


def rows(contenders: Sequence[Contender], on: str) -> tuple[Row, ...]:
    """Return what each publication that has all contenders says of them on a dataset.

    Args:
        contenders: two or more sides. One that nobody published gives no rows.
        on: the dataset.

    Raises:
        ClaimsError: a dataset that has no published figures.
    """
    return tuple(_row(found.publication, found.sides) for found in published_comparisons(contenders, on))


def rows_of_one(
    contender: Contender, on: str, exclude_sources: Iterable[str] = (), recipes: Iterable[str] | None = None
) -> tuple[Row, ...]:
    """Return each publication's figure of one contender on a dataset, e.g. to compare it with the paper's.

    Args:
        contender: the model.
        on: the dataset.
        exclude_sources: ids of sources to leave out, e.g. the paper whose figure is being checked.
        recipes: only figures that were made with one of these; None: with any.

    Raises:
        ClaimsError: a dataset that has no published figures, or an unknown source to leave out.
    """
    wanted = None if recipes is None else set(recipes)
    readings = single(contender, on, exclude_sources)
    return tuple(
        _row(reading.publication, (reading.published,))
        for reading in readings
        if wanted is None or reading.recipe in wanted
    )


def _row(publication: str, sides: tuple[Published, ...]) -> Row:
    figures = [figure for side in sides for figure in side.figures]
    source = publications()[figures[0].source]
    clusters = {source.cluster_of(figure) for figure in figures}
    origins = {source.origin_of(figure) for figure in figures}
    return Row(
        publication,
        source.id,
        # Sides of two clusters share runs with both: only the whole source is sure to be independent of others.
        clusters.pop() if len(clusters) == 1 else source.cluster or source.id,
        next(origin for origin in WEAKEST_FIRST if origin in origins),
        sides,
        tuple(side.figures[0].recipe or source.recipe for side in sides),
    )
