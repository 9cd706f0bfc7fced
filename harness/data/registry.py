"""The real datasets (datasets.toml): what each must hold, and how it is read from a folder."""

from __future__ import annotations

import re
from collections.abc import Iterator, Mapping
from dataclasses import replace
from functools import cache
from pathlib import Path
from typing import Annotated, Literal

import numpy as np
from pydantic import Field
from pydantic.dataclasses import dataclass

from harness.core.errors import ClaimsError, unknown
from harness.core.paper import own_table, paper
from harness.core.specs import STRICT, Count, Dataset, Natural, Sources, build
from harness.core.toml import read_specs, read_tables, read_toml, table_stamp
from harness.data.examples import Examples
from harness.data.published_splits import Digests, PublishedSplits, Reader, join, stratified, subset
from harness.data.readers import arrays, cifar, dsprites, oxford, smallnorb, vtab
from harness.data.readers.image_folder import image_folder
from harness.data.readers.imagenet import imagenet_train, imagenet_validation

UNCOUNTED = -1
GIVEN = "own-"
"""What ids begin with that are made for files and folders which no table has; no recipe has a case for them."""
Group = Literal["", "natural", "specialized", "structured"]


@dataclass(frozen=True, config=STRICT)
class Entry:
    """A dataset that others published."""

    id: str
    title: str = ""
    reader: str = "folder"
    """What reads it (READERS), or "module:function" of the paper's folder, which returns arrays (readers/arrays.py)."""
    classes: Natural = 0
    """0, of one's own: counted."""
    train: Annotated[int, Field(ge=UNCOUNTED)] = UNCOUNTED
    """Training examples of a run; 0: it is only evaluated; UNCOUNTED, of one's own: counted."""
    test: Natural = 0
    """Test examples; every result scores exactly these; 0, of one's own: counted."""
    dev_fraction: Annotated[float, Field(gt=0, lt=1)] = 0.1
    """Share of the training examples that choices are made on."""
    pool: Count | None = None
    """Examples that the training examples are drawn from by index; None: all of them are used."""
    train_on: Literal["train", "train+validation"] = "train"
    """Which published parts the pool is."""
    protocol: str = ""
    """Whose protocol that is."""
    group: Group = ""
    """VTAB's group."""
    lists: str = ""
    """The folder's name among the published lists of VTAB-1k; where they are, they are used."""
    files: Sources = ()
    """(file name, "algorithm:digest") pairs of what is published; "" where no digest is."""
    sources: Sources = ()
    """(file name, address) pairs."""
    missing: str = ""
    """Why it can't be read here as published; "" if it can."""
    citation: str = ""
    path: str = ""
    """Where it lies, where that is not the usual place: absolute, or from the folder of the table it is in."""
    own: bool = False
    """Whether it is the user's own, which may change at any time; set for the user's tables, whatever they say."""

    @property
    def in_no_table(self) -> bool:
        """Whether it was made for a folder on the command line, so that its spec must state the path."""
        return self.own and self.id.startswith(GIVEN)

    @property
    def whole(self) -> bool:
        """Whether it says how many classes and examples it has."""
        return self.classes > 0 and self.train != UNCOUNTED and self.test > 0

    def __post_init__(self) -> None:
        if self.classes == 1:
            raise ValueError("expected 2 classes or more, found 1")
        mine = self.own or self.path or ":" in self.reader
        if not mine and not self.whole:
            raise ValueError("expected classes, train and test of a dataset without a path, whose examples are counted")
        for name, _ in (*self.files, *self.sources):
            if Path(name).name != name or name.startswith("."):  # they are fetched into the dataset's own folder
                raise ValueError(f"expected names of files without a folder in files and sources, found {name!r}")

    @property
    def folder(self) -> str:
        """The usual name of its folder, or its path; a VTAB task uses the folder of its dataset."""
        return self.path or self.id.removeprefix("vtab-")


def of_dataset(found: Dataset) -> Entry:
    """Return the entry of a run's dataset.

    Raises:
        ClaimsError: it is in no table.
    """
    if found.path:
        return given(Path(found.path), found.classes, found.train, found.test)
    if found.id not in entries():
        raise unknown("dataset", found.id, entries())
    return entries()[found.id]


def given(path: Path, classes: int, train: int, test: int) -> Entry:
    """Return the entry of a folder of class folders that no table has.

    Args:
        path: absolute.
        classes: how many class folders it has.
        train: training images; 0: it is only evaluated.
        test: test images.
    """
    name = re.sub(r"[^A-Za-z0-9._-]", "_", path.name) or "images"
    values = {
        "id": f"{GIVEN}{name}",
        "title": str(path),
        "reader": "folder",
        "classes": classes,
        "train": train,
        "test": test,
        "dev_fraction": 0.1,
        "protocol": "class folders, trained on train/ and scored on test/; without these a fifth is scored",
        "path": str(path),
        "own": True,
    }
    return build(Entry, values, str(path))


def claimed(name: str) -> tuple[str, ...]:
    """Return the ids of what a claim's dataset is made of."""
    return paper().images_of(name)


def entries() -> Mapping[str, Entry]:
    """Return every real dataset by id: the paper's and the user's own (`tables`/datasets.toml).

    Raises:
        ClaimsError: malformed, an id that is given twice, or a reader that does not exist.
    """
    here, own = paper(), own_table("datasets.toml")
    return all_of(here.table("datasets.toml"), own, here.table("micro/datasets.toml"), table_stamp(own))


class Entries(Mapping[str, Entry]):
    """The datasets of some tables; those of one's own that leave it out get the numbers of what they hold.

    Args:
        entries: as the tables have them.
    """

    def __init__(self, entries: Mapping[str, Entry]):
        self._entries = entries

    def __getitem__(self, name: str) -> Entry:
        """Return an entry with its numbers of examples and classes.

        Raises:
            KeyError: there is none.
            ClaimsError: it has to be counted, and can't be read.
        """
        found = self._entries[name]
        return found if found.whole else counted(found)

    def __iter__(self) -> Iterator[str]:
        return iter(self._entries)

    def __len__(self) -> int:
        return len(self._entries)

    def __contains__(self, name: object) -> bool:
        return name in self._entries


@cache
def counted(entry: Entry) -> Entry:
    """Return a dataset of one's own with the numbers of examples and classes that it holds, counted once a process.

    Raises:
        ClaimsError: it can't be read.
    """
    root = Path(entry.path)
    if not root.exists():
        raise ClaimsError(f"{entry.id}: expected it in {root}, found no such folder or file; restore it")
    parts = reader_of(entry)(root, {})
    train = parts.train if entry.train != 0 else None
    classes = entry.classes or 1 + max(int(part.labels.max()) for part in (train, parts.test) if part is not None)
    if classes < 2:
        raise ClaimsError(f"{entry.id}: expected examples of two classes or more, found one in {root}")
    n = len(train) if train is not None else 0
    return replace(
        entry, classes=classes, train=n if entry.train < 0 else entry.train, test=entry.test or len(parts.test)
    )


def reader_of(entry: Entry) -> Reader:
    """Return what reads a dataset.

    Raises:
        ClaimsError: it is a function that can't be imported.
    """
    if ":" not in entry.reader:
        return READERS[entry.reader]
    return arrays.function_reader(entry.reader, entry.id)


@cache
def all_of(path: Path | None, own: Path | None, micro: Path | None, stamp: object = None) -> Mapping[str, Entry]:
    """Return the datasets of a table and of the user's own, which is read again where its stamp is another.

    Ids of the user's own must not be the micro study's.
    """
    del stamp
    found = read_tables((path, own), Entry)
    for name, entry in list(found.items()):
        if entry.reader not in READERS and ":" not in entry.reader and not entry.missing:
            raise unknown("reader", entry.reader, READERS, f"dataset {entry.id}")
        if path is not None and (entry.path or ":" in entry.reader):
            # What lies in the paper's folder is its own. A function is asked, not a folder.
            found[name] = replace(entry, path=str(path.parent / entry.path), own=True)
    if own is not None:
        reserved = read_toml(micro) if micro is not None else {}
        for name, entry in read_specs(own, Entry).items():
            if name in reserved:
                raise ClaimsError(f"{own} [{name}]: expected a new id, found one of the micro study's; rename it")
            path_given = str(own.parent / Path(entry.path).expanduser()) if entry.path else ""
            found[name] = replace(entry, path=path_given, own=True)
    return Entries({name: replace(entry, title=entry.title or name) for name, entry in found.items()})


def imagenet(root: Path, digests: Digests) -> PublishedSplits:
    """Read ImageNet validation in any of its forms; it is counted, not hashed (its tar has 6.7 GB)."""
    del digests
    return PublishedSplits(test=imagenet_validation(root))


def imagenet_with_train(root: Path, digests: Digests) -> PublishedSplits:
    """Read ImageNet: the training folder `train/<synset>/*.JPEG` and validation in any of its forms."""
    test = imagenet(root, digests).test
    train = imagenet_train(root)
    if test.classes != train.classes and test.classes[0].startswith("n"):
        raise ClaimsError(f"{train.where}: expected the synsets of {test.where}, found others; complete it")
    return PublishedSplits(test=test, train=train)


def folder(root: Path, digests: Digests) -> PublishedSplits:
    """Read any folder of class folders: train/ and test/ (or val/), else a fifth of each class as test part."""
    del digests
    test = next((root / name for name in ("test", "val", "validation") if (root / name).is_dir()), None)
    if test is not None and (root / "train").is_dir():
        train = image_folder(root / "train")
        return PublishedSplits(train=train, test=image_folder(test, classes=train.classes))
    return stratified(image_folder(root), 0.2)


READERS: dict[str, Reader] = {
    "folder": folder,
    "npz": arrays.npz,
    "parquet": arrays.parquet,
    "imagenet": imagenet,
    "imagenet-with-train": imagenet_with_train,
    "cifar10": cifar.cifar10,
    "cifar100": cifar.cifar100,
    "pets": oxford.pets,
    "flowers": oxford.flowers,
    "caltech101": vtab.caltech101,
    "dtd": vtab.dtd,
    "sun397": vtab.sun397,
    "svhn": vtab.svhn,
    "eurosat": vtab.eurosat,
    "resisc45": vtab.resisc45,
    "patch-camelyon": vtab.patch_camelyon,
    "clevr-count": vtab.clevr_count,
    "clevr-distance": vtab.clevr_distance,
    "dsprites-location": dsprites.dsprites_location,
    "dsprites-orientation": dsprites.dsprites_orientation,
    "smallnorb-azimuth": smallnorb.smallnorb_azimuth,
    "smallnorb-elevation": smallnorb.smallnorb_elevation,
}


def load_parts(entry: Entry, root: Path) -> PublishedSplits:
    """Read a real dataset and check that it is all there. Nothing is decoded.

    Args:
        entry: what it must hold.
        root: the folder (or archive) that holds it.

    Returns:
        The test part, and the training part with what `train_on` and `pool` say; None if only evaluated.

    Raises:
        ClaimsError: missing, incomplete, damaged, or not readable here.
    """
    parts = published_lists(entry, root)
    if parts is None:
        if entry.missing:
            raise ClaimsError(f"{entry.id}: {entry.missing}")
        if not root.exists():
            raise ClaimsError(f"{entry.id}: expected it in {root}, found no such folder; name the folder that holds it")
        parts = reader_of(entry)(root, {name: digest for name, digest in entry.files if digest})
        if entry.train_on == "train+validation" and parts.train is not None and parts.validation is not None:
            parts = PublishedSplits(train=join(parts.train, parts.validation), test=parts.test)
        check(entry, "training", parts.train, entry.pool or entry.train)
        check_classes(entry, "training", parts.train)
        if entry.pool is not None and parts.train is not None:
            parts = PublishedSplits(train=subset(parts.train, entry.train), test=parts.test)
    check(entry, "training", parts.train, entry.train)
    check(entry, "test", parts.test, entry.test)
    check_classes(entry, "test", parts.test)
    return PublishedSplits(train=parts.train if entry.train else None, test=parts.test)


def published_lists(entry: Entry, root: Path) -> PublishedSplits | None:
    """Return the parts that the published lists of VTAB-1k name, if they are in the folder."""
    if not entry.lists:
        return None
    return vtab.lists(root, entry.classes) or vtab.lists(root / entry.lists, entry.classes)


def check(entry: Entry, part: str, found: Examples | None, expected: int) -> None:
    """Raise unless a part has the expected number of examples; a user may add to one's own."""
    n = 0 if found is None else len(found)
    if entry.own and entry.pool is None and n >= expected:
        return
    if expected and n != expected:
        where = "" if found is None else f" in {found.where}"
        advice = "complete it, or correct its entry" if entry.own else "complete it"
        over = f" (passed over: {found.passed_over})" if found is not None and found.passed_over else ""
        raise ClaimsError(f"{entry.id}: expected {expected:,} {part} images, found {n:,}{where}{over}; {advice}")


def check_classes(entry: Entry, part: str, found: Examples | None) -> None:
    """Raise unless every class occurs in a part (1,000 drawn from a pool may miss some)."""
    if found is None:
        return
    classes = len(np.unique(found.labels))
    if classes != entry.classes or int(found.labels.max()) >= entry.classes:
        raise ClaimsError(
            f"{entry.id}: expected {entry.classes:,} classes among the {part} images, found {classes:,} in"
            f" {found.where}; complete it"
        )
