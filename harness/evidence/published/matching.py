"""Which published figures are evidence for a comparison or a single accuracy, and with what uncertainty.

The rule: figures are compared only within one source; each source, and each table and setting in it
that has all sides, gives its own comparison. None is picked; publication_rows.py says which of them are independent.
"""

from __future__ import annotations

import itertools
import re
import statistics as stdlib_statistics
from collections.abc import Iterable, Sequence
from dataclasses import dataclass
from functools import cache
from pathlib import Path

from harness.core.errors import unknown
from harness.core.hypotheses import Contender
from harness.core.paper import paper
from harness.evidence.published.figures import (
    Figure,
    Publication,
    examples_by_dataset,
    matching_figures,
    of_paper,
    publications,
)
from harness.stats.intervals import binomial_variance, centre_variance, seed_sd_from_range


@dataclass(frozen=True)
class Published:
    """One contender's accuracy as one publication gives it, under one setting."""

    figures: tuple[Figure, ...]
    """One figure, or the repeated runs of one configuration."""
    value: float
    """Top-1 accuracy, a fraction; the mean of repeated runs."""
    variance: float | None
    """Squared standard error: the binomial variance over the test examples, plus that of the mean or
    median over seeds where a spread is published. None: there is neither."""
    n: int | None
    """Test examples; None where there is no one number (vtab1k)."""
    seeds: int
    """Runs behind the value; 1 where the publication does not say."""
    citation: str
    """Source, table and address."""
    over_seeds: float | None = None
    """The part of the variance that comes from the spread over seeds; None: no spread is published."""
    spread_of: int = 0
    """Runs that the published spread was estimated from; 0: no spread is published."""

    @property
    def parts(self) -> tuple[tuple[float, float | None], ...]:
        """The variance in (variance, degrees of freedom) parts; None: as good as known. Empty where there is none."""
        if self.variance is None:
            return ()
        over_seeds = self.over_seeds or 0.0
        known = (self.variance - over_seeds, None)
        return (known,) if self.over_seeds is None else (known, (over_seeds, float(self.spread_of - 1)))

    @property
    def setting(self) -> str:
        """What the figures share beside the resolution, e.g. "7 epochs"; often ""."""
        return self.figures[0].setting

    @property
    def resolution(self) -> int | None:
        """Side of the test input in pixels; None: not stated."""
        return self.figures[0].resolution


@dataclass(frozen=True)
class PublishedComparison:
    """All sides of a hypothesis as one publication gives them."""

    publication: str
    """Source, then table and setting where needed, e.g. "paper/table-6/7-epochs"; unique for a hypothesis."""
    source: str
    """Id of the source."""
    sides: tuple[Published, ...]
    """One for each contender, in their order."""


@dataclass(frozen=True)
class Reading:
    """One contender's accuracy as one publication gives it, with the recipe it was made with."""

    publication: str
    source: str
    recipe: str
    """What the figure was made with: see sources.toml."""
    published: Published


def published_comparisons(contenders: Sequence[Contender], on: str) -> tuple[PublishedComparison, ...]:
    """Return every publication's own comparison of the contenders on a dataset.

    A table that has all sides is compared within itself; tables of one source are combined only
    where none has all sides. Where sides share settings (pre-training epochs, dropout), and then
    resolutions, equal ones are paired; where they share none, each combination is a comparison
    of its own, labelled.

    Args:
        contenders: two or more sides. One that nobody published gives no comparison.
        on: the dataset.

    Raises:
        ClaimsError: a dataset that has no published figures.
    """
    sides = [_published(contender, on) for contender in contenders]
    found: list[PublishedComparison] = []
    for source in publications().values():
        within = [[side for side in listed if side.figures[0].source == source.id] for listed in sides]
        if all(within):
            found.extend(_compare(source, within))
    return tuple(found)


def single(contender: Contender, on: str, exclude_sources: Iterable[str] = ()) -> tuple[Reading, ...]:
    """Return every publication's own figure of one contender on a dataset.

    Args:
        contender: the model.
        on: the dataset.
        exclude_sources: ids of sources to leave out, e.g. the paper whose figure is being checked.

    Raises:
        ClaimsError: a dataset that has no published figures, or an unknown source to leave out.
    """
    excluded = set(exclude_sources)
    for name in sorted(excluded - set(publications())):
        raise unknown("source", name, publications())
    listed = [side for side in _published(contender, on) if side.figures[0].source not in excluded]
    found = []
    for side in listed:
        source = publications()[side.figures[0].source]
        rivals = [other for other in listed if _place(other) == _place(side)]
        publication = _label(source, (side,), with_resolution=len(rivals) > 1)
        recipe = side.figures[0].recipe or source.recipe
        found.append(Reading(publication, source.id, recipe, side))
    return tuple(found)


def _published(contender: Contender, on: str) -> tuple[Published, ...]:
    """Return the contender's figures on a dataset, repeated runs of one configuration taken together."""
    return _published_in(paper().folder, contender, on)


@cache
def _published_in(folder: Path, contender: Contender, on: str) -> tuple[Published, ...]:
    del folder  # the same contender may have other figures in another paper's tables
    if on not in examples_by_dataset():
        raise unknown("dataset", on, examples_by_dataset())
    wanted = (contender.architecture, contender.pretrained_on, contender.variant)
    if wanted not in of_paper().by_weights or on not in of_paper().names["dataset"]:
        return ()
    groups: dict[tuple[str, str, str, int | None], list[Figure]] = {}
    for figure in matching_figures(*wanted, dataset=on):
        if contender.resolution is not None and figure.resolution != contender.resolution:
            continue
        groups.setdefault((figure.source, figure.table, figure.setting, figure.resolution), []).append(figure)
    return tuple(_combined(tuple(figures)) for figures in groups.values())


def _combined(figures: tuple[Figure, ...]) -> Published:
    """Return the accuracy of one configuration with its variance, from one figure or from repeated runs."""
    first = figures[0]
    values = [figure.value / 100 for figure in figures]
    value = stdlib_statistics.fmean(values)
    n = first.scored or examples_by_dataset()[first.dataset]
    if len(figures) > 1:
        # The runs themselves are published: their own spread counts, not the range that repeats it.
        seeds = len(figures)
        over_seeds: float | None = stdlib_statistics.variance(values) / seeds
    else:
        seeds = first.seeds or 1
        over_seeds = _variance_over_seeds(first)
    spread_of = seeds if over_seeds is not None else 0
    parts = [] if n is None else [binomial_variance(value, n)]
    parts += [] if over_seeds is None else [over_seeds]
    source = publications()[first.source]
    citation = f"{source.title}, {first.table}, {first.url or source.url}"
    return Published(figures, value, sum(parts) if parts else None, n, seeds, citation, over_seeds, spread_of)


def _variance_over_seeds(figure: Figure) -> float | None:
    """Return the variance of the figure's mean or median over its runs (fraction squared); None: no spread published.

    A range over "at least five runs" is read as over five, the widest spread it can mean.
    """
    if figure.seeds is None or figure.seeds < 2:
        return None
    if figure.std is not None:
        sd = figure.std / 100
    elif figure.range is not None:
        sd = seed_sd_from_range(figure.range[0] / 100, figure.range[1] / 100, figure.seeds)
    else:
        return None
    return centre_variance(sd, figure.seeds, figure.centre or "mean")


def _compare(source: Publication, within: list[list[Published]]) -> list[PublishedComparison]:
    """Return the comparisons that one source makes between sides it has figures of."""
    tables = [table for table, _ in source.tables]
    for size in range(1, len(within) + 1):
        found: list[PublishedComparison] = []
        for chosen in itertools.combinations(tables, size):
            sides = [[side for side in listed if side.figures[0].table in chosen] for listed in within]
            several = any(len({_place(side) for side in listed}) < len(listed) for listed in sides)
            for combination in _pairs(sides):
                publication = _label(source, combination, with_resolution=several)
                found.append(PublishedComparison(publication, source.id, combination))
        if found:
            return found
    return []


def _pairs(sides: list[list[Published]]) -> list[tuple[Published, ...]]:
    """Return the combinations to compare: of equal setting where sides share one, then of equal resolution."""
    every = list(itertools.product(*sides))
    chosen = [combination for combination in every if len({side.setting for side in combination}) == 1] or every
    kept: list[tuple[Published, ...]] = []
    by_place: dict[tuple[tuple[str, str, str], ...], list[tuple[Published, ...]]] = {}
    for combination in chosen:
        by_place.setdefault(tuple(_place(side) for side in combination), []).append(combination)
    for alike in by_place.values():
        kept += [combination for combination in alike if len({side.resolution for side in combination}) == 1] or alike
    return kept


def _place(side: Published) -> tuple[str, str, str]:
    """Return where a figure stands: source, table and setting; only the resolution can still differ."""
    return (side.figures[0].source, side.figures[0].table, side.setting)


def _label(source: Publication, sides: tuple[Published, ...], with_resolution: bool) -> str:
    """Return the publication id: source / table / setting / resolution, parts that say nothing left out."""
    slugs = dict(source.tables)
    parts = [
        _joined([slugs[side.figures[0].table] for side in sides]),
        _joined([re.sub(r"[^\w.]+", "-", side.setting).strip("-").lower() for side in sides]),
    ]
    if with_resolution:
        parts.append(_joined([str(side.resolution or "unstated") for side in sides]))
    return "/".join([source.id, *filter(None, parts)])


def _joined(names: list[str]) -> str:
    """Return the one name that all sides share, or all of them, e.g. "384-vs-480"."""
    return names[0] if len(set(names)) == 1 else "-vs-".join(name or "unstated" for name in names)
