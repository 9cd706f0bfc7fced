"""SmallNORB as VTAB's two tasks: from which side a toy is seen, and from how high.

Its binary matrix format (https://cs.nyu.edu/~ylclab/data/norb-v1.0-small/): a magic number that names the type, the
number of dimensions, at least three of them, then the values, all little-endian. 24,300 pairs of images of 96x96 for
training and as many of other toys for testing. VTAB (google-research/task_adaptation, data/smallnorb.py) takes the
first image of a pair; in the order of TensorFlow Datasets, the 1,000 are the first 800 of the training set and the
first 200 of the test set, whose second half is scored.
"""

from __future__ import annotations

import gzip
import math
import zlib
from pathlib import Path
from typing import IO, cast

import numpy as np
import numpy.typing as npt

from harness.core.errors import ClaimsError
from harness.data.examples import Examples, file_stamp, stamp_of
from harness.data.published_splits import Digests, PublishedSplits, check_digest, join
from harness.data.readers.one_pass import OnePass, chosen_rows
from harness.data.rng import Indices
from harness.data.tfds_order import tfds_order

BYTES, INTEGERS = 0x1E3D4C55, 0x1E3D4C54
"""The magic numbers of uint8 and int32."""
FILES = {"train": "smallnorb-5x46789x9x18x6x2x96x96-training", "test": "smallnorb-5x01235x9x18x6x2x96x96-testing"}
SIDE = 96
ELEVATION, AZIMUTH = 1, 2
"""Columns of the info file, after the toy and before the lighting."""
CLASSES = {ELEVATION: 9, AZIMUTH: 18}
TRAIN, VALIDATION = 800, 200
"""VTAB-1k's examples of the training and the test set."""


def smallnorb_azimuth(root: Path, digests: Digests) -> PublishedSplits:
    """Read SmallNORB with the azimuth, 18 steps of 20 degrees, as the class."""
    return smallnorb(root, digests, AZIMUTH)


def smallnorb_elevation(root: Path, digests: Digests) -> PublishedSplits:
    """Read SmallNORB with the elevation of the camera, 9 steps of 5 degrees, as the class."""
    return smallnorb(root, digests, ELEVATION)


def smallnorb(root: Path, digests: Digests, column: int) -> PublishedSplits:
    """Read SmallNORB's first images with a column of its info files as the class; pixels are read when asked for.

    Raises:
        ClaimsError: a file is not there, is not the published one, or holds something else.
    """
    labels = {part: labels_of(there(root, part, "info", digests), column) for part in FILES}
    order = {part: tfds_order(len(labels[part]), part) for part in FILES}
    half = len(order["test"]) // 2
    chosen = {"train": order["train"][:TRAIN], "validation": order["test"][:VALIDATION], "test": order["test"][half:]}

    def images(part: str, *of: str) -> OnePass:
        path = there(root, part, "dat", digests)
        wanted = np.concatenate([chosen[name] for name in of])
        stamp = stamp_of([file_stamp(path), file_stamp(there(root, part, "info", {}))])
        n = len(labels[part])
        return OnePass(str(path), lambda rows: first_images(path, n, rows), wanted, (SIDE, SIDE), 255, stamp)

    training, testing = images("train", "train"), images("test", "validation", "test")

    def examples(file: OnePass, part: str, name: str) -> Examples:
        return file.examples(chosen[name], labels[part][chosen[name]], CLASSES[column])

    return PublishedSplits(
        train=join(examples(training, "train", "train"), examples(testing, "test", "validation")),
        test=examples(testing, "test", "test"),
    )


def there(root: Path, part: str, kind: str, digests: Digests) -> Path:
    """Return the path of one of the files, compressed as published or not, after checking a published digest."""
    name = f"{FILES[part]}-{kind}.mat"
    path = root / name if (root / name).is_file() else root / f"{name}.gz"
    file_stamp(path)
    check_digest(path, digests)
    return path


def labels_of(path: Path, column: int) -> Indices:
    """Return the classes (N,) that a column of an info file holds."""
    with opened(path) as file:
        shape = header(file, path, INTEGERS, 2)
        if shape[1] != 4:
            raise ClaimsError(f"{path}: expected 4 columns, found {shape[1]}; fetch it again")
        content = read(file, path, 4 * math.prod(shape))
    values = np.frombuffer(content, "<i4").reshape(shape)[:, column].astype(np.int64)
    labels, odd = values, False
    if column == AZIMUTH:  # 0, 2, ... 34, in tens of degrees
        labels, odd = values // 2, bool((values % 2).any())
    if odd or not 0 <= labels.min(initial=0) <= labels.max(initial=0) < CLASSES[column]:
        raise ClaimsError(
            f"{path}: expected {CLASSES[column]} values of column {column}, found {values.min()} to {values.max()};"
            " fetch it again"
        )
    return labels


def first_images(path: Path, n: int, rows: Indices) -> npt.NDArray[np.uint8]:
    """Return the first images of the pairs of sorted numbers, uint8 (len(rows), 96, 96).

    Args:
        path: a dat file.
        n: how many pairs it must hold.
        rows: sorted.
    """
    with opened(path) as file:
        shape = header(file, path, BYTES, 4)
        if shape != (n, 2, SIDE, SIDE):
            raise ClaimsError(f"{path}: expected ({n}, 2, {SIDE}, {SIDE}) values, found {shape}; fetch it again")
        images = np.empty((len(rows), SIDE, SIDE), dtype=np.uint8)
        try:
            for place, pair in enumerate(chosen_rows(file, rows, 2 * SIDE * SIDE, str(path))):
                images[place] = np.frombuffer(pair, dtype=np.uint8).reshape(2, SIDE, SIDE)[0]
        except (OSError, EOFError, zlib.error) as error:
            raise damaged(path, error) from None
    return images


def opened(path: Path) -> IO[bytes]:
    """Return an open file, uncompressed on the way where its name says so."""
    return cast(IO[bytes], gzip.open(path, "rb")) if path.suffix == ".gz" else path.open("rb")


def header(file: IO[bytes], path: Path, type_: int, dimensions: int) -> tuple[int, ...]:
    """Return the shape that a file states, which then stands before its values.

    Raises:
        ClaimsError: it is no such matrix.
    """
    magic, stated = np.frombuffer(read(file, path, 8), "<i4").tolist()
    if (magic, stated) != (type_, dimensions):
        raise ClaimsError(
            f"{path}: expected a matrix with the magic number {type_:#x} and {dimensions} dimensions, found the magic"
            f" number {magic:#x} and {stated} dimensions; fetch it again"
        )
    return tuple(np.frombuffer(read(file, path, 4 * max(3, dimensions)), "<i4").tolist()[:dimensions])


def read(file: IO[bytes], path: Path, size: int) -> bytes:
    """Return the next bytes of a file.

    Raises:
        ClaimsError: there are fewer, or they are damaged.
    """
    try:
        found = file.read(size)
    except (OSError, EOFError, zlib.error) as error:
        raise damaged(path, error) from None
    if len(found) < size:
        raise ClaimsError(f"{path}: expected {size:,} bytes more, found {len(found):,}; fetch it again")
    return found


def damaged(path: Path, error: Exception) -> ClaimsError:
    """Return the error for a file that can't be uncompressed."""
    return ClaimsError(f"{path}: expected a whole gzip file, found: {error}; fetch it again")
