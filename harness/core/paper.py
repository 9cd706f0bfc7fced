"""A paper is a folder: paper.toml says what its names mean, and its tables are beside it.

The engine knows no paper. What it reads of one, it reads from the current paper's folder: that of the claim files at
hand, else the configured one (`--paper`), else the nearest folder with a paper.toml, else the checkout's `claims`.
"""

from __future__ import annotations

import contextlib
import os
from collections.abc import Iterable, Iterator
from contextvars import ContextVar
from functools import cache
from pathlib import Path
from typing import Annotated, TypeVar

from pydantic import BeforeValidator, Field
from pydantic.dataclasses import dataclass

from harness.core.config import config
from harness.core.errors import ClaimsError, unknown, warn_renamed
from harness.core.measure import Measure
from harness.core.specs import STRICT, Count, Natural, Sources, build, pairs
from harness.core.toml import read_toml

FILE = "paper.toml"
MICRO = "micro"
"""The folder, in a paper's, of the scaled-down study: its checkpoints.toml, datasets.toml and proxies.toml."""
CHECKOUT = Path(__file__).parents[2] / "claims"
"""The paper of this project's own checkout."""

S = TypeVar("S")
Lists = Annotated[tuple[tuple[str, tuple[str, ...]], ...], BeforeValidator(pairs)]
Numbers = Annotated[tuple[tuple[str, Natural], ...], BeforeValidator(pairs)]


@dataclass(frozen=True, config=STRICT)
class Defaults:
    """What holds where the command line says nothing."""

    protocol: str = ""
    """Whose recipes released checkpoints are fine-tuned by (protocols.toml)."""
    compared_with: str = ""
    """The protocol that every run's settings are compared with; "": none."""
    evaluation: str = "evaluate"
    """The recipe of a checkpoint that is scored with its own head."""
    check: str = ""
    """The same for the check of the pipeline; "": the recipe of an evaluation."""
    micro: str = "micro"
    """The recipe of the micro study."""
    publication: str = ""
    """The source of published figures that is the paper itself: it can't confirm its own figures."""
    seeds: Count = 3
    """Of final runs on released checkpoints."""


@dataclass(frozen=True, config=STRICT)
class Head:
    """Whose classes a head of so many classes has."""

    classes: Count
    pretraining: str = ""
    """The dataset's name as a pre-training set: weights pre-trained on it were not fine-tuned on it afterwards."""
    scored: tuple[str, ...] = ()
    """The claims' datasets on which a checkpoint with such a head is evaluated as it is."""
    training: str = ""
    """The dataset with the training set, for checkpoints without such a head."""


@dataclass(frozen=True, config=STRICT)
class Probe:
    """One file to check that a source answers."""

    name: str
    checkpoint: str
    source: Natural = 0
    """Which of the checkpoint's sources."""


Measures = Annotated[tuple[tuple[str, Measure], ...], BeforeValidator(pairs)]
Heads = Annotated[tuple[tuple[str, Head], ...], BeforeValidator(pairs)]


@dataclass(frozen=True, config=STRICT)
class Paper:
    """A paper, and what its names mean."""

    folder: Path
    """Where its tables lie."""
    title: str = ""
    identifier: str = ""
    """E.g. its arXiv number or DOI."""
    address: Annotated[str, Field(pattern=r"^(https://\S+)?$")] = ""
    defaults: Defaults = Defaults()
    images: Lists = ()
    """(a claim's dataset, ids of what holds its images and other labels for them) pairs, where those differ."""
    groups: Lists = ()
    """(name, ids of the datasets that it is the mean of) pairs, e.g. a benchmark of many tasks."""
    titles: Sources = ()
    """(a claim's dataset, how the report writes it) pairs."""
    test_examples: Numbers = ()
    """(a claim's dataset, test examples behind a published accuracy) pairs; 0: no one number."""
    pretraining_images: Numbers = ()
    """(name of a pre-training set, images in it) pairs, for the report's figure of size against accuracy."""
    pretraining: tuple[str, ...] = ()
    """Names of the pre-training sets that published figures may name; empty: any."""
    made_with: tuple[str, ...] = ()
    """What published figures may be made with; empty: anything."""
    metrics: Sources = ()
    """(a claim's dataset, the metric that stands for top-1 accuracy in published figures) pairs."""
    hub_datasets: Sources = ()
    """(dataset, its name on the Hugging Face hub, OWNER/NAME or OWNER/NAME#TASK) pairs, for results published there."""
    measured_by: Sources = ()
    """(a claim's dataset or group, the protocol or recipe that belongs to it) pairs, e.g. few-shot evaluation on its
    images; a group's holds for each of its datasets."""
    heads: Heads = ()
    """(dataset, whose head has its classes) pairs."""
    stands_for: Sources = ()
    """(release, the release that stands for it where it has no entry) pairs."""
    caveats: Sources = ()
    """(release, what it changes besides what a hypothesis is about) pairs."""
    refusing: Sources = ()
    """(beginning of an address, why it refuses anonymous users) pairs."""
    probes: tuple[Probe, ...] = ()
    """Files that tell which places answer."""
    measures: Measures = ()
    """(name, a number that a function of this folder measures) pairs, for claims about it."""

    def measure(self, name: str) -> Measure:
        """Return the measure that a claim names: one of `measures`, or "module:function" with all defaults.

        Raises:
            ClaimsError: there is none of that name.
        """
        known = dict(self.measures)
        if name not in known and ":" not in name:
            raise unknown("measure", name, known, FILE)
        return known[name] if name in known else build(Measure, {"function": name}, "measure")

    def table(self, name: str) -> Path | None:
        """Return the path of one of the paper's tables, e.g. "recipes.toml"; None: it has none."""
        path = self.folder / name
        return path if path.is_file() else None

    def tables(self, name: str) -> tuple[Path, ...]:
        """Return the paths of the paper's and its micro study's tables of a name, those that exist."""
        return tuple(path for path in (self.table(name), self.table(f"{MICRO}/{name}")) if path is not None)

    def images_of(self, dataset: str) -> tuple[str, ...]:
        """Return the ids of what a claim's dataset is made of: images, then other labels for them."""
        return dict(self.images).get(dataset, (dataset,))

    def measured_by_on(self, dataset: str) -> str:
        """Return the protocol or recipe by which a claim's dataset is measured, whatever the session asks; "": none."""
        ways = dict(self.measured_by)
        names = (dataset, *(group for group, members in self.groups if dataset in members))
        return next((ways[name] for name in names if name in ways), "")

    def members_of(self, dataset: str) -> tuple[str, ...]:
        """Return the ids of the datasets that a name is the mean of; of one dataset itself."""
        return dict(self.groups).get(dataset, (dataset,))

    def group_of(self, datasets: Iterable[str]) -> str:
        """Return the name of the mean over just these datasets; "" where they have none."""
        asked = set(datasets)
        return next((name for name, members in self.groups if set(members) == asked), "")

    def head_of(self, classes: int | None) -> Head | None:
        """Return whose classes a head has, by their number; None where nothing says."""
        return next((head for _, head in self.heads if head.classes == classes), None)

    def scored_by(self, dataset: str) -> Head | None:
        """Return the head with which a checkpoint is evaluated as it is on a claim's dataset, if there is one."""
        return next((head for _, head in self.heads if dataset in head.scored), None)


def read_paper(folder: Path) -> Paper:
    """Return the paper of a folder; one without a paper.toml has no names of its own.

    Raises:
        ClaimsError: paper.toml is malformed.
    """
    try:
        changed = os.stat(os.path.join(folder, FILE)).st_mtime_ns
    except OSError:
        return Paper(folder)
    return _read(folder, changed)


@cache
def _read(folder: Path, changed: int) -> Paper:
    del changed  # a file that was changed is read again
    path = folder / FILE
    values = read_toml(path)
    if "folder" in values:
        raise ClaimsError(f"{path}: unknown key 'folder'; the paper is the folder that {FILE} lies in, remove it")
    own = {"folder": path.parent, **values}
    # Each by itself, so that a fault is said of it.
    for name, spec in (("defaults", Defaults), ("measures", Measure)):
        found = own.get(name)
        if name == "measures" and isinstance(found, dict):
            own[name] = {key: built(spec, value, f"{path} [{name}.{key}]") for key, value in found.items()}
        elif name in own:
            own[name] = built(spec, found, f"{path} [{name}]")
    return build(Paper, own, str(path))


def built(spec: type[S], found: object, where: str) -> S:
    """Return a table of paper.toml as a spec.

    Raises:
        ClaimsError: it is none, or malformed.
    """
    if not isinstance(found, dict):
        raise ClaimsError(f"{where}: expected a table, found {found!r}; fix the file")
    return build(spec, found, where)


_current: ContextVar[Path | None] = ContextVar("paper", default=None)


@contextlib.contextmanager
def using(folder: Path | None) -> Iterator[None]:
    """Make a folder's paper the current one for as long as the context lasts; None changes nothing."""
    token = _current.set(folder or _current.get())
    try:
        yield
    finally:
        _current.reset(token)


def paper() -> Paper:
    """Return the current paper.

    Raises:
        ClaimsError: its paper.toml is malformed, or the configured folder has none.
    """
    current = _current.get()
    chosen = config().paper if current is None else None
    if chosen is not None and not (chosen / FILE).is_file():
        raise ClaimsError(
            f"{config().origin('paper')}: expected a folder with a {FILE}, found none at {chosen}; correct it"
        )
    return read_paper(current or chosen or nearest(os.getcwd()))


@cache
def nearest(start: str) -> Path:
    """Return the folder of the nearest paper: `start` or a folder above it, or `claims` in one; else the checkout's."""
    for place in map(str, (Path(start), *Path(start).parents)):
        for folder in (place, os.path.join(place, "claims")):
            if os.path.isfile(os.path.join(folder, FILE)):
                return Path(folder)
    return CHECKOUT


def folder_of(claim_file: str | Path) -> Path | None:
    """Return the paper's folder that a claim file is in; None if there is no paper.toml beside it."""
    folder = Path(claim_file).absolute().parent
    return folder if (folder / FILE).is_file() else None


def members(claim_file: str | Path, group: str) -> tuple[str, ...]:
    """Return the datasets that a name is the mean of, in the paper of a claim file: `members(__file__, GROUP)`.

    Raises:
        ClaimsError: its paper.toml has no group of that name.
    """
    known = dict(read_paper(Path(claim_file).absolute().parent).groups)
    if group not in known:
        raise unknown("group", group, known, FILE)
    return known[group]


OLD_NAMES = {"checkpoints.toml": "zoo.toml"}
"""Names of a user's own tables until version 0.1, still read."""


def own_table(name: str) -> Path | None:
    """Return the user's own table of a name, e.g. "recipes.toml", or None if there is none.

    Its entries stand beside the paper's; a name that exists there already is an error.

    Raises:
        ClaimsError: the configured folder is none.
    """
    chosen = config()
    if chosen.tables is None:
        return None
    if not chosen.tables.is_dir():
        raise ClaimsError(
            f"{chosen.origin('tables')}: expected a folder of tables, found none at {chosen.tables}; correct it"
        )
    path, old = chosen.tables / name, chosen.tables / OLD_NAMES.get(name, name)
    if not there(path) and there(old):
        warn_renamed(f"the file {old}", name)
        return old
    return path if there(path) else None


def there(path: Path) -> bool:
    """Return whether there is something at a path; whoever reads it reports what can't be read."""
    return path.exists() or path.is_symlink()
