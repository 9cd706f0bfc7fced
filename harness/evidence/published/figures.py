"""Figures that others measured and published: of figures.json, figures.csv and sources.toml, checked and cached."""

from __future__ import annotations

import json
from collections.abc import Mapping, Sequence
from functools import cache
from pathlib import Path
from types import MappingProxyType

from pydantic import TypeAdapter, ValidationError

from harness.core.errors import ClaimsError, unknown
from harness.core.paper import paper
from harness.core.specs import build
from harness.core.text import read_text
from harness.core.toml import read_toml
from harness.evidence.published import figures_csv
from harness.evidence.published.records import Figure as Figure
from harness.evidence.published.records import Name as Name
from harness.evidence.published.records import Origin as Origin
from harness.evidence.published.records import Part as Part
from harness.evidence.published.records import Publication as Publication

SEARCHABLE = ("architecture", "pretrain", "variant", "dataset", "source", "metric")
"""The fields of a figure that `matching_figures` can be given."""


def read(figures: Path, sources: Path) -> tuple[tuple[Figure, ...], Mapping[str, Publication]]:
    """Return the figures and sources of two files, checked against each other.

    Args:
        figures: JSON, a list of records, one per line; record 1 is the first.
        sources: TOML, one table for each source.

    Raises:
        ClaimsError: a file that does not parse, an unknown key, a bad value, or an unknown source, table or dataset.
    """
    return read_all(figures, sources, None)


def read_all(
    figures: Path | None, sources: Path | None, table: Path | None
) -> tuple[tuple[Figure, ...], Mapping[str, Publication]]:
    """Return the figures and sources of a paper's files, those that there are: as `read`, with a table (CSV), too."""
    known, here = ({} if sources is None else _read_sources(sources)), paper()
    for source in known.values():
        if here.made_with and source.recipe not in here.made_with:
            raise unknown("recipe", source.recipe, here.made_with, f"sources.toml [{source.id}]")
    listed = () if figures is None else _read_figures(figures)
    _check(listed, known, "" if figures is None else f"{figures.name} record")
    if table is not None:
        more, known = figures_csv.read_csv(table, known)
        _check(more, known, f"{table.name} figure")
        listed = (*listed, *more)
    for source in known.values():
        of_source = [figure for figure in listed if figure.source == source.id]
        for part in source.parts:
            if not any(map(part.has, of_source)):
                raise ClaimsError(
                    f"sources.toml [{source.id}] parts: expected figures of {part.keys}, found none; correct it"
                )
    return listed, MappingProxyType(dict(known))


def _check(listed: Sequence[Figure], known: Mapping[str, Publication], what: str) -> None:
    """Raise unless the names of figures are known.

    Args:
        listed: the figures of one file.
        known: the sources by id.
        what: the file and what it has a number of.
    """
    here = paper()
    slugs = {source.id: dict(source.tables) for source in known.values()}
    for number, figure in enumerate(listed, start=1):
        where = f"{what} {number}"
        if figure.source not in known:
            raise unknown("source", figure.source, known, where)
        if figure.table not in slugs[figure.source]:
            raise unknown(f"table of {figure.source}", figure.table, slugs[figure.source], where)
        if figure.dataset not in examples_by_dataset():
            raise unknown("dataset", figure.dataset, examples_by_dataset(), where)
        if here.pretraining and figure.pretrain not in here.pretraining:
            raise unknown("pretrain", figure.pretrain, here.pretraining, where)
        if here.made_with and figure.recipe is not None and figure.recipe not in here.made_with:
            raise unknown("recipe", figure.recipe, here.made_with, where)


def examples_by_dataset() -> Mapping[str, int | None]:
    """Return the number of test examples behind published figures by dataset; None: no one number."""
    return {name: n or None for name, n in paper().test_examples}


class FigureIndex:
    """A paper's figures and sources, in the order of their files, and what makes looking a figure up quick."""

    def __init__(self, figures: tuple[Figure, ...], known: Mapping[str, Publication]):
        self.figures = figures
        self.publications = known
        by_weights: dict[tuple[str, str, str], list[Figure]] = {}
        for figure in figures:
            by_weights.setdefault((figure.architecture, figure.pretrain, figure.variant), []).append(figure)
        self.by_weights = {weights: tuple(found) for weights, found in by_weights.items()}
        """(architecture, pre-training set, variant) -> the figures of those weights."""
        self.names = {key: frozenset(getattr(figure, key) for figure in figures) for key in SEARCHABLE}
        """Field -> the names that figures have in it."""


NO_FIGURES = FigureIndex((), {})
"""What a paper without published figures has."""


def of_paper() -> FigureIndex:
    """Return the figures and sources of the current paper; none where it has no `published` folder."""
    here = paper()
    figures, known = here.table("published/figures.json"), here.table("published/sources.toml")
    table = here.table(f"published/{figures_csv.FILE}")
    if table is not None:
        return read_once(figures, known, table)
    return read_once(figures, known) if figures is not None and known is not None else NO_FIGURES


@cache
def read_once(figures: Path | None, sources: Path | None, table: Path | None = None) -> FigureIndex:
    """Return the figures and sources of a paper's files, read and indexed once in a process."""
    return FigureIndex(*read_all(figures, sources, table))


def load() -> tuple[Figure, ...]:
    """Return all figures, in the order of the file."""
    return of_paper().figures


def publications() -> Mapping[str, Publication]:
    """Return the sources by id, in the order of the file."""
    return of_paper().publications


def matching_figures(
    architecture: str | None = None,
    pretrain: str | None = None,
    variant: str | None = None,
    dataset: str | None = None,
    source: str | None = None,
    metric: str = "top1",
) -> tuple[Figure, ...]:
    """Return the figures that match all arguments; None matches everything.

    On datasets that paper.toml names under [metrics], "top1" means also the metric that stands for it there.

    Raises:
        ClaimsError: a name that no figure has, with the nearest one that exists.
    """
    wanted = {
        "architecture": architecture,
        "pretrain": pretrain,
        "variant": variant,
        "dataset": dataset,
        "source": source,
        "metric": metric,
    }
    given = {key: value for key, value in wanted.items() if value is not None}
    index = of_paper()
    for key, value in given.items():
        if value not in index.names[key]:
            raise unknown(key, value, index.names[key])
    stands_for_top1 = dict(paper().metrics)
    if architecture is None or pretrain is None or variant is None:
        figures = index.figures
    else:
        figures = index.by_weights.get((architecture, pretrain, variant), ())
    return tuple(
        figure
        for figure in figures
        if all(getattr(figure, key) == value for key, value in given.items() if key != "metric")
        and (figure.metric == metric or (metric == "top1" and figure.metric == stands_for_top1.get(figure.dataset)))
    )


def _read_sources(path: Path) -> Mapping[str, Publication]:
    found: dict[str, Publication] = {}
    for key, table in read_toml(path).items():
        if not isinstance(table, dict):
            raise ClaimsError(f"{path.name}: expected one table for each source, found the key {key!r} outside of one")
        found[key] = build(Publication, {"id": key, **table}, f"{path.name} [{key}]")
    return MappingProxyType(found)


def _read_figures(path: Path) -> tuple[Figure, ...]:
    try:
        records = json.loads(read_text(path))
    except json.JSONDecodeError as error:
        raise ClaimsError(f"{path.name}: expected JSON, found: {error}; correct that line") from None
    if not isinstance(records, list):
        raise ClaimsError(f"{path.name}: expected a list of records, found {type(records).__name__}")
    try:
        # One validator for the whole list: building one for each record would take seconds.
        return TypeAdapter(tuple[Figure, ...]).validate_python(records)
    except ValidationError as error:
        index = int(error.errors()[0]["loc"][0])
        where = f"{path.name} record {index + 1}"
        if not isinstance(records[index], dict):
            raise ClaimsError(f"{where}: expected an object, found {records[index]!r}") from None
        build(Figure, records[index], where)
        raise
