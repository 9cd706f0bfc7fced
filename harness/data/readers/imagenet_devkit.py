"""The ILSVRC-2012 devkit: which class each validation image has.

The ground truth numbers classes by ILSVRC2012_ID, an order of the devkit's own; models number them by
sorted WordNet id (synset). meta.mat maps one to the other: its first synsets are the 1,000 leaves,
the rest are their ancestors.
"""

from __future__ import annotations

import io
from dataclasses import dataclass
from pathlib import Path

import numpy as np

from harness.core.errors import ClaimsError
from harness.core.text import text_of
from harness.data.examples import read_bytes
from harness.data.readers.archive import members
from harness.data.rng import Indices

FOLDER = "ILSVRC2012_devkit_t12"
TRUTH = "ILSVRC2012_validation_ground_truth.txt"


@dataclass(frozen=True, eq=False)
class GroundTruth:
    """The validation labels."""

    labels: Indices
    """(N,) classes by sorted synset; image k (1 ... N) has labels[k - 1]."""
    synsets: tuple[str, ...]
    """Sorted."""


def find_devkit(root: Path) -> Path | None:
    """Return the devkit's folder or archive at a folder or in it, or None."""
    places = [root, root / "data", root / FOLDER, root / "devkit", root / f"{FOLDER}.tar.gz"]
    for place in places:
        if place.is_file() or (place / TRUTH).is_file() or (place / "data" / TRUTH).is_file():
            return place
    return None


def ground_truth(devkit: Path, classes: int = 1000) -> GroundTruth:
    """Read the devkit, unpacked or as the .tar.gz it is distributed as.

    Args:
        devkit: its folder or archive.
        classes: how many leaf synsets it must have.

    Raises:
        ClaimsError: files are missing, malformed or do not fit each other.
    """
    truth, meta = (read_part(devkit, name) for name in (TRUTH, "meta.mat"))
    of_id = synset_of_id(meta, f"{devkit}: meta.mat", classes)
    synsets = tuple(sorted(of_id.values()))
    rank = {synset: number for number, synset in enumerate(synsets)}
    labels = []
    for line, word in enumerate(text_of(truth, "replace").split(), start=1):
        if not word.isdecimal() or int(word) not in of_id:
            raise ClaimsError(f"{devkit}: {TRUTH}: line {line}: expected a class number 1 to {classes}, found {word!r}")
        labels.append(rank[of_id[int(word)]])
    return GroundTruth(np.array(labels, dtype=np.int64), synsets)


def read_part(devkit: Path, name: str) -> bytes:
    """Return the bytes of one of the devkit's data files."""
    if devkit.is_file():
        inside = members(devkit)
        for index, member in enumerate(inside.names):
            if member.rpartition("/")[2] == name:
                return inside.read(index)
        raise ClaimsError(f"{devkit}: expected the member {name}, found none of that name; fetch the devkit again")
    place = devkit / name if (devkit / name).is_file() else devkit / "data" / name
    return read_bytes(place)


def synset_of_id(content: bytes, where: str, classes: int) -> dict[int, str]:
    """Return the synset of each ILSVRC2012_ID of a leaf class, from the bytes of meta.mat."""
    from scipy.io import loadmat

    try:
        table = loadmat(io.BytesIO(content), squeeze_me=True)["synsets"]
        rows = zip(table["ILSVRC2012_ID"].tolist(), table["WNID"].tolist(), table["num_children"].tolist(), strict=True)
        found = {int(number): str(synset) for number, synset, children in rows if int(children) == 0}
    except Exception as error:  # loadmat raises whatever a malformed file makes it stumble over
        raise ClaimsError(
            f"{where}: expected the table 'synsets' with ILSVRC2012_ID, WNID and num_children, found"
            f" {type(error).__name__}: {str(error).splitlines()[0] if str(error) else 'nothing'}"
        ) from None
    if sorted(found) != list(range(1, classes + 1)) or len(set(found.values())) != classes:
        raise ClaimsError(f"{where}: expected {classes} leaf synsets numbered from 1, found {len(found)}")
    return found
