"""The micro study's downstream tasks: real handwritten digits, and two structured synthetic tasks.

They stand to each other as VTAB's natural and structured groups do: digits are photographs of
handwriting (scikit-learn's copy of the UCI "Optical Recognition of Handwritten Digits" test set,
1,797 images of 8x8 pixels), `count` asks how many discs there are, `orientation` how a bar lies.
The synthetic ones are integer arithmetic on raw random words: the same bytes on every machine.
"""

from __future__ import annotations

import gzip
import hashlib
import math
from collections.abc import Callable
from functools import cache
from importlib.util import find_spec
from pathlib import Path

import numpy as np
import numpy.typing as npt

from harness.core.errors import ClaimsError, unknown
from harness.core.specs import Dataset
from harness.data.rng import Indices, below, permutation, raw_words
from harness.data.splits import Data, Split

SEED = 20201022
"""Seed of the splits and of the synthetic images (the day the paper appeared)."""
SIDE = 32
TRAIN, TEST = 1000, 1000
"""Examples of a synthetic task, as VTAB-1k trains on 1,000."""
MOST_DISCS = 6
BINS = 8
"""Orientation classes, over half a turn."""
FINE = 3
"""Angles within a bin; neighbouring bins stay two fine steps apart."""


def stored_digits() -> tuple[npt.NDArray[np.float64], npt.NDArray[np.float64]]:
    """Return scikit-learn's digits: (1797, 64) levels 0 ... 16, and their labels.

    The file is read without the library, whose import takes 2 s in each process; its bytes are checked all the same,
    by the dataset's digest. Where it is not in its place, the library says where it is.
    """
    found = find_spec("sklearn")
    file = Path(found.origin or "").parent / "datasets" / "data" / "digits.csv.gz" if found else None
    if file is None or not file.is_file():
        from sklearn.datasets import load_digits

        images, labels = load_digits(return_X_y=True)
        return images, labels
    with gzip.open(file, "rt", encoding="ascii") as lines:
        table = np.loadtxt(lines, delimiter=",")
    return table[:, :-1], table[:, -1]


def digits() -> Data:
    """Return the handwritten digits, grey 0 ... 255: 1,000 training and 797 test images by a fixed rule."""
    levels, classes = stored_digits()
    images = (levels.reshape(-1, 8, 8) * 255 // 16).astype(np.uint8)
    labels = classes.astype(np.int64)
    order = permutation(len(labels), SEED)
    train, test = np.sort(order[:1000]), np.sort(order[1000:])
    return Data(Split(images[train], labels[train]), Split(images[test], labels[test]))


def noise(n: int, stream: int) -> npt.NDArray[np.uint8]:
    """Return (n, SIDE, SIDE) background noise, grey 0 ... 63."""
    words = raw_words(SEED, stream, n * SIDE * SIDE // 8)
    grey: npt.NDArray[np.uint8] = words.astype("<u8").view(np.uint8).reshape(n, SIDE, SIDE) // np.uint8(4)
    return grey


def halves(images: npt.NDArray[np.uint8], labels: Indices) -> Data:
    """Split the generated examples: the first TRAIN train, the rest test."""
    return Data(Split(images[:TRAIN], labels[:TRAIN]), Split(images[TRAIN:], labels[TRAIN:]))


def count() -> Data:
    """Return the counting task: 1 to 6 discs of varying size and shade that never overlap; class = number - 1."""
    n = TRAIN + TEST
    images = noise(n, 1)
    words = raw_words(SEED, 2, n * (1 + MOST_DISCS)).reshape(n, 1 + MOST_DISCS)
    labels = below(MOST_DISCS, words[:, 0])
    rows, columns = np.mgrid[:SIDE, :SIDE]
    for i in range(n):
        cells = permutation(16, SEED, 3, i)  # a 4 x 4 grid of 8-pixel cells: no two discs in one cell
        for disc in range(labels[i] + 1):
            word = int(words[i, 1 + disc])
            radius = 2 + word % 2
            y = int(cells[disc]) // 4 * 8 + 3 + (word >> 8) % 2
            x = int(cells[disc]) % 4 * 8 + 3 + (word >> 16) % 2
            images[i][(rows - y) ** 2 + (columns - x) ** 2 <= radius * radius] = 128 + (word >> 24) % 128
    return halves(images, labels)


def orientation() -> Data:
    """Return the orientation task: one bar of varying place, length, width and shade; class = its bin of 8."""
    n = TRAIN + TEST
    images = noise(n, 4)
    words = raw_words(SEED, 5, n * 2).reshape(n, 2)
    labels = below(BINS, words[:, 0])
    # Directions in 1/1024, rounded: no entry lies near enough to a half for a last-bit error to matter.
    angles = [math.pi * (4 * bin_ + fine) / (4 * BINS) for bin_ in range(BINS) for fine in range(FINE)]
    direction = [(round(1024 * math.cos(angle)), round(1024 * math.sin(angle))) for angle in angles]
    rows, columns = np.mgrid[:SIDE, :SIDE]
    for i in range(n):
        word = int(words[i, 1])
        dx, dy = direction[int(labels[i]) * FINE + word % FINE]
        x, y = columns - (11 + (word >> 8) % 10), rows - (11 + (word >> 16) % 10)
        along, across = np.abs(x * dx + y * dy), np.abs(y * dx - x * dy)
        length, width = 1024 * (6 + (word >> 24) % 4), 1024 + 512 * ((word >> 32) % 3)
        images[i][(along <= length) & (across <= width)] = 128 + (word >> 40) % 128
    return halves(images, labels)


READERS: dict[str, Callable[[], Data]] = {"digits": digits, "count": count, "orientation": orientation}


def digest(data: Data) -> str:
    """Return the sha256 of the images' and labels' bytes (labels as little-endian 64-bit), train before test."""
    found = hashlib.sha256()
    for part in (data.train.array(), data.train.labels, data.test.array(), data.test.labels):
        found.update(str(part.shape).encode())
        found.update(np.ascontiguousarray(part, dtype=part.dtype.newbyteorder("<")).tobytes())
    return found.hexdigest()


@cache
def read(reader: str) -> Data:
    """Return the whole dataset that a reader gives, read once a process."""
    if reader not in READERS:
        raise unknown("reader", reader, READERS)
    return READERS[reader]()


def load(dataset: Dataset) -> Data:
    """Return a dataset after checking sizes, classes and digest.

    Raises:
        ClaimsError: what was read is not what the spec pins.
    """
    data = read(dataset.reader)
    found = (len(data.train), len(data.test), int(data.train.labels.max()) + 1)
    expected = (dataset.train, dataset.test, dataset.classes)
    if found != expected:
        raise ClaimsError(f"{dataset.id}: expected (train, test, classes) {expected}, found {found}; fix datasets.toml")
    if digest(data) != dataset.sha256:
        raise ClaimsError(
            f"{dataset.id}: expected the data with digest {dataset.sha256[:12]}..., found {digest(data)[:12]}...;"
            " install the pinned versions (constraints.txt)"
        )
    return data
