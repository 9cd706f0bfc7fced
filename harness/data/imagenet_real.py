"""ImageNet ReaL: reassessed labels of the validation set; an image may have several, or none.

"Are we done with ImageNet?" (Beyer et al., arXiv:2006.07159); real.json holds one list of class numbers
per validation image, in the order of the images' numbers. A prediction is right if it is any of the
image's labels; images without one (3,163 of 50,000) are not scored.
"""

from __future__ import annotations

import json
from pathlib import Path

from harness.core.errors import ClaimsError
from harness.core.specs import Dataset
from harness.data.examples import read_bytes
from harness.data.paths import location
from harness.fetch import Local, Material, Url, fetch, settings

IMAGES = 50_000
LABELLED = 46_837
CLASSES = 1_000

ID = "imagenet-real"
FILE = "real.json"
ADDRESS = "https://raw.githubusercontent.com/google-research/reassessed-imagenet/master/real.json"
"""Where the authors publish the labels; no digest is, so the first fetch pins it and reading counts them."""

RealLabels = tuple[tuple[int, ...], ...]


def material() -> Material:
    """Return the labels' file as what can be fetched; the user's own, <data>/imagenet-real/real.json, comes first."""
    own = location(ID) / FILE
    mine = (Local(str(own)),) if own.is_file() else ()
    return Material(id=ID, file_name=FILE, sources=(*mine, Url(ADDRESS)))


def labels_not_here() -> str:
    """Return in one line why the labels are not on this machine and what to do; "" if they are. Nothing is read."""
    wanted = material()
    if wanted.path(settings().cache).is_file() or isinstance(wanted.sources[0], Local):
        return ""
    return f"{ID}: not on this machine; python -m harness fetch {ID}"


def labels_here(dataset: Dataset, fetch_them: bool = True) -> RealLabels:
    """Return the ReaL labels of an ImageNet run's images.

    Args:
        dataset: what was scored.
        fetch_them: fetch the file if it is not here, as the settings allow; False: use only what is on this machine.

    Raises:
        ClaimsError: they are missing or malformed, or the images' order is not known to be that of their numbers.
    """
    if not dataset.numbered:
        raise ClaimsError(
            f"{dataset.id}: expected images in the order of their numbers for the ReaL labels, found names without"
            " numbers; use the folder, tar or zip, whose names are like ILSVRC2012_val_00000001.JPEG"
        )
    chosen = settings()
    path = fetch(material(), chosen.cache, offline=chosen.offline or not fetch_them)
    return read_real(path, dataset.test, LABELLED if dataset.test == IMAGES else None, dataset.classes)


def read_real(path: Path, images: int = IMAGES, labelled: int | None = LABELLED, classes: int = CLASSES) -> RealLabels:
    """Read real.json.

    Args:
        path: the file.
        images: how many lists it must have.
        labelled: how many of them must not be empty; None: any number.
        classes: how many classes there are.

    Raises:
        ClaimsError: other JSON than a list of lists of class numbers, or other counts.
    """
    try:
        content = json.loads(read_bytes(path))
    except (ValueError, RecursionError) as error:
        raise ClaimsError(f"{path}: expected JSON, found: {error}; fetch it again") from None
    if not isinstance(content, list) or not all(isinstance(item, list) for item in content):
        raise ClaimsError(f"{path}: expected a list of lists of class numbers, found other JSON; fetch real.json again")
    for image, labels in enumerate(content):
        for label in labels:
            if type(label) is not int or not 0 <= label < classes:
                raise ClaimsError(f"{path}: image {image}: expected class numbers 0 to {classes - 1}, found {label!r}")
    found = sum(bool(labels) for labels in content)
    if len(content) != images or labelled not in (None, found):
        counted = f", {labelled:,} of them labelled" if labelled is not None else ""
        raise ClaimsError(
            f"{path}: expected {images:,} images{counted}, found {len(content):,} and {found:,}; fetch real.json again"
        )
    return tuple(tuple(labels) for labels in content)
