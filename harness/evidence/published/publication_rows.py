"""What the published record says of contenders, a row each publication, and which rows are independent evidence."""

from __future__ import annotations

from collections.abc import Iterable, Sequence
from dataclasses import dataclass

from harness.core.hypotheses import Contender
from harness.core.paper import paper
from harness.evidence.published.figures import Origin, publications
from harness.evidence.published.matching import Published, published_comparisons, single
from harness.evidence.published.seed_spread import SeedSpread
from harness.stats.intervals import Undefined
from harness.stats.synthesis import Effect, sum_of

WEAKEST_FIRST: tuple[Origin, ...] = ("re-evaluation", "paper", "replication")
"""A comparison replicates something only if every side was trained or fine-tuned again; one side of weights that were
evaluated again makes it a check of a pipeline."""


@dataclass(frozen=True)
class Row:
    """What one publication says of every side, under one setting."""

    publication: str
    """Source, then table and setting where needed, e.g. "paper/table-6/7-epochs"; unique for contenders and dataset."""
    source: str
    """Id of the source."""
    cluster: str
    """Rows of one cluster are no independent evidence: sides of theirs share runs or weights. The clusters of
    sources.toml that are linked so, e.g. "paper+paper/7-epochs"."""
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

    def effect(self, weights: Sequence[float], target: float = 0.0, spread: SeedSpread | None = None) -> Effect:
        """Return a weighted sum of the sides minus a target, with its uncertainty.

        Args:
            weights: one for each side, e.g. (1, -1) for a difference, (1,) for one accuracy.
            target: what the sum is compared with, a fraction.
            spread: what fine-tuned sides without a spread of their own are taken to vary by over seeds; None: nothing,
                so that the effect is conditional on their one run.

        Returns:
            Its variance is None where a side that counts has none. Degrees of freedom are Welch and Satterthwaite's,
            of the spreads over few seeds; None where only test examples speak. Sides are taken as independent, which
            is conservative on one test set.

        Raises:
            Undefined: not one weight for each side.
        """
        if len(weights) != len(self.sides):
            raise Undefined(f"{self.publication}: expected {len(self.sides)} weights, found {len(weights)}")
        counting = [each for each in zip(weights, self.sides, self.recipes, strict=True) if each[0]]
        value = sum(weight * side.value for weight, side, _ in counting) - target
        if any(side.variance is None for _, side, _ in counting):
            return Effect(value, None)
        parts = [(w * w * variance, df) for w, side, _ in counting for variance, df in side.parts]
        # One estimate stands for every side without its own, so that it counts once, with its degrees of freedom.
        evaluated = paper().defaults.evaluation
        runs = sum(w * w / side.seeds for w, side, made in counting if side.over_seeds is None and made != evaluated)
        if spread is not None and runs:
            parts.append((runs * spread.variance, spread.df))
        return Effect(value, *sum_of(parts))


def rows(contenders: Sequence[Contender], on: str) -> tuple[Row, ...]:
    """Return what each publication that has all contenders says of them on a dataset.

    Args:
        contenders: two or more sides. One that nobody published gives no rows.
        on: the dataset.

    Raises:
        ClaimsError: a dataset that has no published figures.
    """
    return _rows((found.publication, found.sides) for found in published_comparisons(contenders, on))


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
    return _rows(
        (reading.publication, (reading.published,))
        for reading in readings
        if wanted is None or reading.recipe in wanted
    )


def _rows(found: Iterable[tuple[str, tuple[Published, ...]]]) -> tuple[Row, ...]:
    """Return publications as rows, those with a cluster in common in one cluster."""
    listed = list(found)
    names = linked([_clusters(sides) for _, sides in listed])
    return tuple(_row(publication, sides, name) for (publication, sides), name in zip(listed, names, strict=True))


def linked(clusters: Sequence[frozenset[str]]) -> list[str]:
    """Return one name for each row: rows that have a cluster in common, directly or through others, have one name."""
    groups: list[frozenset[str]] = []
    for each in clusters:
        touching = [group for group in groups if group & each]
        groups = [group for group in groups if group not in touching] + [each.union(*touching)]
    return ["+".join(sorted(next(group for group in groups if each <= group))) for each in clusters]


def _clusters(sides: tuple[Published, ...]) -> frozenset[str]:
    """Return the clusters that sources.toml gives the figures of a row's sides."""
    return frozenset(publications()[figure.source].cluster_of(figure) for side in sides for figure in side.figures)


def _row(publication: str, sides: tuple[Published, ...], cluster: str) -> Row:
    figures = [figure for side in sides for figure in side.figures]
    source = publications()[figures[0].source]
    origins = {source.origin_of(figure) for figure in figures}
    return Row(
        publication,
        source.id,
        cluster,
        next(origin for origin in WEAKEST_FIRST if origin in origins),
        sides,
        tuple(side.figures[0].recipe or source.recipe for side in sides),
    )
