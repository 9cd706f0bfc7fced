"""ImageNet validation (ILSVRC-2012), in each form in which people have it, as the same 50,000 examples.

Forms, looked for in this order below the given folder (or the file itself may be named):

1. folders by synset, `val/n01440764/ILSVRC2012_val_00000293.JPEG`;
2. a flat folder `val/ILSVRC2012_val_00000001.JPEG` with the devkit beside it;
3. a tar or zip, read without unpacking; the devkit is needed unless names carry the synset, as a folder
   or as the hub's older data/val_images.tar.gz writes it, `ILSVRC2012_val_00000293_n01440764.JPEG`;
4. the hub's parquet shards, `data/validation-*.parquet`.

Examples are in the order of the number in the name, 1 to 50,000: the order of the ReaL labels. Only shards whose
names carry no number give them in the order of their rows; they are named by row then, and ReaL refuses them.
Classes are numbered by sorted synset, as every released head numbers them.
"""

from __future__ import annotations

import re
from collections.abc import Callable, Sequence
from dataclasses import dataclass
from pathlib import Path

import numpy as np

from harness.core.errors import ClaimsError
from harness.data.examples import Examples, file_stamp, read_bytes, stamp_of
from harness.data.readers.archive import JUNK, is_archive, members
from harness.data.readers.image_folder import image_files, image_folder
from harness.data.readers.imagenet_devkit import find_devkit, ground_truth
from harness.data.rng import Indices

NAME = re.compile(r"ILSVRC2012_val_(\d{8})(?:_(n\d{8}))?\.JPEG$", re.IGNORECASE)
SYNSET = re.compile(r"^n\d{8}$")
ARCHIVES = ("ILSVRC2012_img_val.tar", "val_images.tar.gz", "val.zip", "val.tar", "val.tar.gz")
"""Names under which the validation images are distributed; any other archive can be named itself."""


@dataclass(frozen=True)
class Sizes:
    """How many there must be; only tests have others than the dataset's own."""

    images: int = 50_000
    classes: int = 1_000


@dataclass(frozen=True)
class Found:
    """Images of one form before they are ordered."""

    where: str
    names: Sequence[str]
    """Paths in the folder, archive or table."""
    read: Callable[[int], bytes]
    stamp: str
    labels: Sequence[int] | None = None
    """Classes, where the form has them itself (parquet)."""
    forwards: bool = False
    """Whether reading is quick only in the order of `names`."""


def imagenet_validation(root: Path, sizes: Sizes | None = None) -> Examples:
    """Read the validation set from a folder or file in any of the forms.

    Args:
        root: the folder that holds it, or the archive.
        sizes: how many images and classes there must be.

    Raises:
        ClaimsError: no form of it is there, labels are missing, or counts are wrong.
    """
    sizes = sizes or Sizes()
    found = locate(root)
    if found.labels is not None and not any(NAME.search(name) for name in found.names):
        return by_row(found, sizes)
    numbers, synsets = zip(*(parsed(found.where, name) for name in found.names), strict=True)
    expected = f"{found.where}: expected the {sizes.images:,} images ILSVRC2012_val_00000001 to {sizes.images:08d}"
    if sorted(numbers) != list(range(1, sizes.images + 1)):
        missing = sorted(set(range(1, sizes.images + 1)) - set(numbers))
        first = f"; the first missing is number {missing[0]}" if missing else ""
        raise ClaimsError(f"{expected}, found {len(numbers):,} ({len(set(numbers)):,} different){first}; complete it")
    place = np.argsort(numbers)
    by_name = None if found.labels is not None else from_synsets([synsets[i] for i in place], sizes)
    stamp = found.stamp
    if found.labels is not None:
        labels = np.asarray(found.labels, dtype=np.int64)[place]
        classes = tuple(str(number) for number in range(sizes.classes))
    elif by_name is not None:
        labels, classes = by_name
    else:
        devkit = devkit_for(root, found)
        truth = ground_truth(devkit, sizes.classes)
        labels, classes = truth.labels, truth.synsets
        stamp = stamp_of([stamp, *labels.tolist()])
    check_labels(found.where, labels, sizes)
    return Examples(
        where=found.where,
        names=tuple(map(name_of, range(1, sizes.images + 1))),
        labels=labels,
        classes=classes,
        encoded=lambda index: found.read(int(place[index])),
        stamp=stamp,
        order=np.argsort(place) if found.forwards else None,
    )


def name_of(number: int) -> str:
    """Return the name of a validation image."""
    return f"ILSVRC2012_val_{number:08d}"


def by_row(found: Found, sizes: Sizes) -> Examples:
    """Return a table's images in the order of its rows, where their names say nothing of their numbers."""
    labels = np.asarray(found.labels, dtype=np.int64)
    check_labels(found.where, labels, sizes)
    return Examples(
        where=found.where,
        names=tuple(f"row {row}" for row in range(sizes.images)),
        labels=labels,
        classes=tuple(str(number) for number in range(sizes.classes)),
        encoded=found.read,
        stamp=found.stamp,
    )


def imagenet_train(root: Path) -> Examples:
    """Read the training set: `train/<synset>/*.JPEG` below a folder."""
    return image_folder(root / "train")


def locate(root: Path) -> Found:
    """Return the first form of the validation set that a folder or file holds."""
    if root.is_file():
        return in_archive(root)
    for folder in (root / "val", root):
        if folder.is_dir():
            files = image_files(folder) if folder.name == "val" or is_flat_or_synsets(folder) else []
            if files:
                return in_folder(folder, files)
    for name in ARCHIVES:
        for path in (root / name, root / "data" / name):
            if path.is_file():
                return in_archive(path)
    shards = sorted(path for folder in (root, root / "data") for path in folder.glob("validation-*.parquet"))
    if shards:
        return in_parquet(shards)
    raise ClaimsError(
        f"{root}: expected ImageNet validation (val/<synset>/*.JPEG, val/*.JPEG with the devkit,"
        f" {', '.join(ARCHIVES[:3])} or data/validation-*.parquet), found none of them; name the folder that holds one"
    )


def is_flat_or_synsets(folder: Path) -> bool:
    """Whether a folder itself holds validation images or folders by synset."""
    return any(SYNSET.match(path.name) or NAME.search(path.name) for path in folder.iterdir())


def in_folder(folder: Path, files: Sequence[Path]) -> Found:
    """Return a folder's images."""
    names = [path.relative_to(folder).as_posix() for path in files]
    return Found(str(folder), names, lambda index: read_bytes(files[index]), stamp_of(map(file_stamp, files)))


def in_archive(path: Path) -> Found:
    """Return an archive's images."""
    if not is_archive(path):
        raise ClaimsError(f"{path}: expected a .tar, .tar.gz or .zip, found another kind of file; name the archive")
    inside = members(path)
    kept = [
        index
        for index, name in enumerate(inside.names)
        if name.lower().endswith(".jpeg") and not any(step.startswith(JUNK) for step in name.split("/"))
    ]
    if not kept:
        raise ClaimsError(f"{path}: expected .JPEG images, found none among {len(inside.names):,} members")
    return Found(
        where=str(path),
        names=[inside.names[index] for index in kept],
        read=lambda index: inside.read(kept[index]),
        stamp=stamp_of([file_stamp(path)]),
        forwards=not path.name.lower().endswith((".tar", ".zip")),
    )


def in_parquet(shards: Sequence[Path]) -> Found:
    """Return the hub's shards' images."""
    from harness.data.readers.parquet import Shards

    table = Shards(shards)
    where = str(shards[0].parent / "validation-*.parquet")
    return Found(where, table.names, table.read, stamp_of(map(file_stamp, shards)), table.labels, forwards=True)


def parsed(where: str, name: str) -> tuple[int, str | None]:
    """Return the image number and the synset (or None) that a path states."""
    match = NAME.search(name)
    if match is None:
        raise ClaimsError(
            f"{where}: expected names like ILSVRC2012_val_00000001.JPEG, found {name!r}; remove or rename"
        )
    folder = name.rpartition("/")[0].rpartition("/")[2]
    return int(match[1]), match[2] or (folder if SYNSET.match(folder) else None)


def from_synsets(synsets: Sequence[str | None], sizes: Sizes) -> tuple[Indices, tuple[str, ...]] | None:
    """Return labels and sorted synsets, or None where a name carries no synset."""
    known = [synset for synset in synsets if synset is not None]
    if len(known) < sizes.images:
        return None
    classes = tuple(sorted(set(known)))
    number = {synset: rank for rank, synset in enumerate(classes)}
    return np.array([number[synset] for synset in known], dtype=np.int64), classes


def devkit_for(root: Path, found: Found) -> Path:
    """Return the devkit beside the images."""
    start = root.parent if root.is_file() else root
    devkit = find_devkit(start) or find_devkit(start.parent)
    if devkit is None:
        raise ClaimsError(
            f"{found.where}: expected ILSVRC2012_devkit_t12 (folder or .tar.gz) beside images whose names carry no"
            " synset, found none; fetch the devkit, it holds their labels"
        )
    return devkit


def check_labels(where: str, labels: Indices, sizes: Sizes) -> None:
    """Raise unless every class has the same number of images, 50 of ImageNet's."""
    if len(labels) != sizes.images:
        raise ClaimsError(f"{where}: expected {sizes.images:,} labels, found {len(labels):,}; fetch the devkit again")
    if labels.min() < 0 or labels.max() >= sizes.classes:
        raise ClaimsError(f"{where}: expected classes 0 to {sizes.classes - 1}, found {labels.min()} to {labels.max()}")
    counts = np.bincount(labels, minlength=sizes.classes)
    each = sizes.images // sizes.classes
    if (counts != each).any():
        odd = int(np.flatnonzero(counts != each)[0])
        raise ClaimsError(
            f"{where}: expected {sizes.classes:,} classes with {each} images each, found {np.count_nonzero(counts):,}"
            f" classes, and {counts[odd]} images of class {odd}; fetch it again"
        )
