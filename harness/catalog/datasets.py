"""The datasets that exist as specs of runs: the micro study's tasks (datasets.toml) and the real ones, pinned."""

from __future__ import annotations

from collections.abc import Mapping
from functools import cache
from pathlib import Path
from types import MappingProxyType
from typing import TYPE_CHECKING

from harness.core.errors import ClaimsError, unknown
from harness.core.paper import paper
from harness.core.specs import Dataset
from harness.core.toml import read_specs

if TYPE_CHECKING:
    from harness.data.registry import Entry

UNPINNED = "0" * 64
"""The digest of a spec whose bytes nobody has looked at."""


def datasets() -> Mapping[str, Dataset]:
    """Return every task of the micro study by id."""
    path = paper().table("micro/datasets.toml")
    return {} if path is None else read_datasets(path)


@cache
def read_datasets(path: Path) -> Mapping[str, Dataset]:
    """Return the tasks of a table by id."""
    return MappingProxyType(read_specs(path, Dataset))


def dataset(name: str) -> Dataset:
    """Return one task of the micro study; an unknown name is an error that names the nearest."""
    known = datasets()
    if name not in known:
        raise unknown("dataset", name, known)
    return known[name]


def real(name: str) -> Entry:
    """Return the entry of a real dataset by its id, or by its name in claims.

    Raises:
        ClaimsError: there is none, or the name is that of other labels for another dataset's images.
    """
    from harness.data.registry import claimed, entries

    parts = claimed(name)
    if len(parts) > 1:
        raise ClaimsError(
            f"{name}: expected a dataset with images, found other labels for those of {parts[0]}; runs are on"
            f" {parts[0]}, whose predictions are scored by them"
        )
    if parts[0] not in entries():
        raise unknown("dataset", name, [*datasets(), *entries()])
    return entries()[parts[0]]


def unpinned_dataset(entry: Entry | str, *, train: bool = True) -> Dataset:
    """Return the spec of a real dataset for resolving recipes and planning, whether or not it is here.

    It has no digest and must not be part of a run.
    """
    from harness.data.pinned import spec_of

    found = real(entry) if isinstance(entry, str) else entry
    return spec_of(found, UNPINNED, train and found.train > 0)


def pinned_dataset(entry: Entry | str, *, train: bool = True, fetch: bool = True) -> Dataset:
    """Return the spec of a real dataset with the digest of its examples, for a run's identity.

    The digest is over those of the parts that such runs use: images and labels, whatever form they are in. Pinned
    at the first read, it is known at once from then on, whether or not the images are still here; whoever reads
    them for a run compares. A user's own dataset is looked at every time, and is whatever it is now.

    Args:
        entry: the dataset, or its id.
        train: False for runs that only evaluate: the training part is neither read nor named.
        fetch: fetch what is not here, as the settings allow; False: use only what is on this machine.

    Raises:
        harness.core.errors.Gone: it is the user's own, and not where its entry says.
        ClaimsError: it is not here and can't be had, with what to do; it is incomplete or damaged, or other images
            than at the first read.
    """
    from harness.data.download.dataset import at_hand
    from harness.data.paths import decoded_folder
    from harness.data.pinned import NUMBERED, digest, look, parts_of, pinned, read_and_pin, spec_of

    found = real(entry) if isinstance(entry, str) else entry
    train = train and found.train > 0
    if found.own:
        found, known = look(found, at_hand(found, fetch), decoded_folder(), train)
        return spec_of(found, digest(known, train), train, known[NUMBERED] == "true")
    known = pinned(found.id, decoded_folder())
    if not known.keys() >= set(parts_of(train)):
        known = read_and_pin(found, at_hand(found, fetch), decoded_folder(), train)
    return spec_of(found, digest(known, train), train, known.get(NUMBERED) == "true")


def class_names(found: Dataset) -> tuple[str, ...]:
    """Return the names of a dataset's classes in the order of its labels; a micro task's are their numbers.

    Raises:
        ClaimsError: the images are not here and can't be had, or are incomplete.
    """
    if found.id in datasets():
        return tuple(map(str, range(found.classes)))
    from harness.data.download.dataset import at_hand
    from harness.data.pinned import evaluated
    from harness.data.registry import load_parts, of_dataset

    entry = of_dataset(found)
    return load_parts(evaluated(entry), at_hand(entry)).test.classes


def why_not_here(entry: Entry | str) -> str:
    """Return in one line why a real dataset is not on this machine and what to do; "" if it is. Nothing is read.

    Args:
        entry: the dataset, its id, or its name in claims: "imagenet_real" needs images and labels.
    """
    from harness.data.download.dataset import state
    from harness.data.imagenet_real import ID, labels_not_here
    from harness.data.paths import location
    from harness.data.registry import claimed

    if isinstance(entry, str):
        parts = claimed(entry)
        reasons = [labels_not_here() if part == ID else why_not_here(real(part)) for part in parts]
        return "; ".join(filter(None, reasons))
    where, why = state(entry, location(entry.folder))
    if where == "here":
        return ""
    return f"{entry.id}: {why or f'not on this machine; python -m harness fetch {entry.id}'}"
