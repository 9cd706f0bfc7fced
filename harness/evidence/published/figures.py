"""Figures that others measured and published: figures.json and sources.toml, validated, cached, searchable."""

from __future__ import annotations

import json
from collections.abc import Mapping
from functools import cache
from pathlib import Path
from types import MappingProxyType
from typing import Annotated, Literal

from pydantic import Field, TypeAdapter, ValidationError
from pydantic.dataclasses import dataclass

from harness.core.errors import ClaimsError, unknown
from harness.core.paper import paper
from harness.core.specs import STRICT, Count, build
from harness.core.text import read_text
from harness.core.toml import read_toml

Percent = Annotated[float, Field(ge=0, le=100)]
Name = Annotated[str, Field(min_length=1)]
Id = Annotated[str, Field(pattern=r"^[\w./-]+$")]
Origin = Literal["paper", "replication", "re-evaluation"]
"""Who made the weights that a figure is about: the authors of the model, in the paper that reports it ("paper");
somebody, again, by training or fine-tuning ("replication"); or the authors, and somebody evaluated the released file
again ("re-evaluation"), which checks a pipeline and replicates nothing."""

PART_KEYS = ("table", "setting", "dataset", "variant", "family", "architecture", "pretrain")
"""Fields of Figure that tell figures of one source apart."""


@dataclass(frozen=True, config=STRICT)
class Part:
    """Figures of a source that were made by other runs than the rest of it."""

    table: str = ""
    """Those of one table; "": of any. So for each key below; what is given must hold together."""
    setting: str = ""
    dataset: str = ""
    variant: str = ""
    family: str = ""
    architecture: str = ""
    pretrain: str = ""
    origin: Origin | None = None
    """None: the source's."""
    cluster: Id | None = None
    """None: the source's."""

    def __post_init__(self) -> None:
        if not self.keys:
            raise ValueError(f"a part needs one of {', '.join(PART_KEYS)}; what holds for all is the source's")
        if self.origin is None and self.cluster is None:
            raise ValueError("a part says an origin or a cluster that is not the source's")

    @property
    def keys(self) -> dict[str, str]:
        """What tells its figures from the source's others, by field of Figure."""
        return {name: getattr(self, name) for name in PART_KEYS if getattr(self, name)}

    def has(self, figure: Figure) -> bool:
        """Return whether a figure of the source belongs to it."""
        return all(getattr(figure, key) == value for key, value in self.keys.items())


SEARCHABLE = ("architecture", "pretrain", "variant", "dataset", "source", "metric")
"""The fields of a figure that `matching_figures` can be given."""


@dataclass(frozen=True, config=STRICT)
class Publication:
    """One publication: a paper, a file at a revision of a repository, or a post in a thread."""

    id: Annotated[str, Field(pattern=r"^[\w.-]+$")]
    title: Name
    url: Annotated[str, Field(pattern=r"^https://")]
    kind: Literal["paper", "repo", "thread"]
    recipe: Name
    """What its figures were made with, unless a figure says otherwise."""
    tables: Annotated[tuple[tuple[Name, Annotated[str, Field(pattern=r"^[\w.-]*$")]], ...], Field(min_length=1)]
    """(name of the table in the source, its name in publication ids) pairs."""
    origin: Origin | None = None
    """Who made the weights that its figures are about; None: the authors, for the paper's own publication, else others
    who trained or fine-tuned again."""
    cluster: Id | None = None
    """What its figures are no independent evidence from, e.g. another evaluation of the same weights; None: only from
    each other."""
    parts: tuple[Part, ...] = ()
    """Figures for which that is different; the first part that has a figure speaks for what it says."""

    def origin_of(self, figure: Figure) -> Origin:
        """Return who made the weights that one of its figures is about."""
        of_part = next((part.origin for part in self.parts if part.origin and part.has(figure)), None)
        return of_part or self.origin or ("paper" if self.id == paper().defaults.publication else "replication")

    def cluster_of(self, figure: Figure) -> str:
        """Return the cluster of one of its figures; figures of different clusters are independent evidence."""
        own = self.cluster or self.id
        return next((part.cluster for part in self.parts if part.cluster and part.has(figure)), own)


@dataclass(frozen=True, config=STRICT)
class Figure:
    """One published accuracy and all that its publication says about it."""

    source: str
    """Id of the source."""
    table: str
    """Where in the source it stands."""
    model: Name
    """The name that the source gives the model."""
    architecture: Name
    """The same in the names that claims use, e.g. "ViT-L/16", "BiT-R152x4", "R50+ViT-B/16"."""
    family: Literal["vit", "bit", "hybrid", "convnext", "other"]
    pretrain: Name
    """What it was pre-trained on."""
    variant: Name
    """Which release of the weights: "orig" (the paper's own), or a name."""
    dataset: str
    metric: Name
    """"top1", or what stands for it (paper.toml [metrics]), or any other, which is never compared."""
    value: Percent
    """As published, percent: the mean or median where several runs were made."""
    resolution: Count | None = None
    """Side of the test input in pixels; None: not stated."""
    setting: str = ""
    """What tells it from the other figures of that model in that table, apart from the resolution,
    e.g. "7 epochs" of pre-training, "dropout 0.1"."""
    recipe: Name | None = None
    """What it was made with; None: the recipe of its source."""
    seeds: Count | None = None
    """Number of runs behind the value; None: not stated."""
    std: Annotated[float, Field(ge=0)] | None = None
    """Standard deviation over the runs, percentage points."""
    range: tuple[Percent, Percent] | None = None
    """Smallest and largest value of the runs, percent."""
    centre: Literal["mean", "median"] | None = None
    """What the value is of the runs; None: the mean, or the only run."""
    over: str = ""
    """What the range spans, where that is not the runs behind this one value."""
    scored: Count | None = None
    """Number of test examples scored, where that is not the whole test set."""
    notes: str = ""
    url: Annotated[str, Field(pattern=r"^https://")] | None = None
    """Address of the table; None: that of the source."""

    def __post_init__(self) -> None:
        if self.std is not None and self.range is not None:
            raise ValueError("a figure has a std or a range, not both; keep the one published")
        if self.range is not None and not self.range[0] <= self.value <= self.range[1]:
            raise ValueError(f"expected the value within its range, found {self.value:g} and {list(self.range)}")


def read(figures: Path, sources: Path) -> tuple[tuple[Figure, ...], Mapping[str, Publication]]:
    """Return the figures and sources of two files, checked against each other.

    Args:
        figures: JSON, a list of records, one per line; record 1 is the first.
        sources: TOML, one table for each source.

    Raises:
        ClaimsError: a file that does not parse, an unknown key, a bad value, or an unknown source, table or dataset.
    """
    known, here = _read_sources(sources), paper()
    for source in known.values():
        if here.made_with and source.recipe not in here.made_with:
            raise unknown("recipe", source.recipe, here.made_with, f"{sources.name} [{source.id}]")
    slugs = {source.id: dict(source.tables) for source in known.values()}
    listed = _read_figures(figures)
    for number, figure in enumerate(listed, start=1):
        where = f"{figures.name} record {number}"
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
    for source in known.values():
        of_source = [figure for figure in listed if figure.source == source.id]
        for part in source.parts:
            if not any(map(part.has, of_source)):
                raise ClaimsError(
                    f"{sources.name} [{source.id}] parts: expected figures of {part.keys}, found none; correct it"
                )
    return listed, known


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
    return read_once(figures, known) if figures is not None and known is not None else NO_FIGURES


@cache
def read_once(figures: Path, sources: Path) -> FigureIndex:
    """Return the figures and sources of two files, read and indexed once in a process."""
    return FigureIndex(*read(figures, sources))


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
