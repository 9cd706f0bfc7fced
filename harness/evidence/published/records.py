"""What a published figure and its source are: the records of figures.json, figures.csv and sources.toml."""

from __future__ import annotations

from typing import Annotated, Literal

from pydantic import Field
from pydantic.dataclasses import dataclass

from harness.core.paper import paper
from harness.core.specs import STRICT, Count

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
    pretrain: str
    """What it was pre-trained on; "" for what is not pre-trained."""
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
