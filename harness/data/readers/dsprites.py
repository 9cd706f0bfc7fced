"""dSprites as VTAB's two tasks: where a sprite is from left to right, and how it is turned.

One npz with every combination of the latents, 737,280 binary images of 64x64, in the order of the latents; nothing of
it is unpickled (the member `metadata` is never read). VTAB (google-research/task_adaptation, data/dsprites.py): 80 %
of the images are for training and 10 % for validation, in the order of TensorFlow Datasets; the 1,000 are the first 800
of the one and the first 200 of the other, the rest is the test set. Neighbouring values share one of 16 classes.
"""

from __future__ import annotations

import zipfile
import zlib
from pathlib import Path
from typing import Any

import numpy as np
import numpy.typing as npt

from harness.core.errors import ClaimsError
from harness.data.examples import file_stamp, stamp_of
from harness.data.published_splits import Digests, PublishedSplits, check_digest
from harness.data.readers.one_pass import OnePass, chosen_rows
from harness.data.rng import Indices
from harness.data.tfds_order import tfds_order

NAME = "dsprites_ndarray_co1sh3sc6or40x32y32_64x64.npz"
LATENTS = ("color", "shape", "scale", "orientation", "x position", "y position")
VALUES = {"orientation": 40, "x position": 32}
"""How many values a latent has."""
CLASSES = 16
TRAIN, VALIDATION = 800, 200
"""VTAB-1k's examples of either part."""


def dsprites_location(root: Path, digests: Digests) -> PublishedSplits:
    """Read dSprites with the x position, of 32 two to a class, as the class."""
    return dsprites(root, digests, "x position")


def dsprites_orientation(root: Path, digests: Digests) -> PublishedSplits:
    """Read dSprites with the orientation, of 40 two or three to a class, as the class."""
    return dsprites(root, digests, "orientation")


def dsprites(root: Path, digests: Digests, latent: str) -> PublishedSplits:
    """Read dSprites' images with one of its latents as the class; images are read when the first is asked for.

    Raises:
        ClaimsError: the file is not there, is not the published one, or holds something else.
    """
    path = root if root.is_file() else root / NAME
    stamp = stamp_of([file_stamp(path)])
    check_digest(path, digests)
    latents = member(path, "latents_classes")
    if latents.dtype != np.int64 or latents.ndim != 2 or latents.shape[1] != len(LATENTS):
        raise ClaimsError(
            f"{path}: expected int64 latents_classes (N, {len(LATENTS)}), found {latents.dtype} {latents.shape};"
            " fetch it again"
        )
    values = latents[:, LATENTS.index(latent)]
    if not 0 <= values.min() <= values.max() < VALUES[latent]:
        raise ClaimsError(
            f"{path}: expected values 0 to {VALUES[latent] - 1} of the {latent}, found {values.min()} to {values.max()}"
        )
    labels = values * CLASSES // VALUES[latent]
    train, test = vtab_split(len(latents))
    images = OnePass(
        str(path), lambda rows: images_of(path, len(latents), rows), np.concatenate([train, test]), (64, 64), 1, stamp
    )
    return PublishedSplits(
        train=images.examples(train, labels[train], CLASSES), test=images.examples(test, labels[test], CLASSES)
    )


def vtab_split(n: int) -> tuple[Indices, Indices]:
    """Return the numbers of VTAB-1k's training (800, then 200 of validation) and test images of n images."""
    order = tfds_order(n, "train")
    trained, validated = 80 * n // 100, 10 * n // 100
    train = np.concatenate([order[:TRAIN], order[trained : trained + VALIDATION]])
    return train, order[trained + validated :]


def member(path: Path, name: str) -> npt.NDArray[Any]:
    """Return one array of an npz file; none is unpickled.

    Raises:
        ClaimsError: it can't be read.
    """
    try:
        with np.load(path, allow_pickle=False) as archive:
            found: npt.NDArray[Any] = archive[name]
            return found
    except (OSError, ValueError, KeyError, TypeError, EOFError, zipfile.BadZipFile, zlib.error) as error:
        raise ClaimsError(f"{path}: expected an npz file with {name}, found: {error}; fetch it again") from None


def images_of(path: Path, n: int, rows: Indices) -> npt.NDArray[np.uint8]:
    """Return the images of sorted numbers, uint8 (len(rows), 64, 64) of 0 and 1.

    Args:
        path: the npz file; its 3 GB are unpacked as a stream.
        n: how many it must hold.
        rows: sorted.

    Raises:
        ClaimsError: they are others, or damaged.
    """
    try:
        with zipfile.ZipFile(path) as archive, archive.open("imgs.npy") as file:
            version = np.lib.format.read_magic(file)
            header = np.lib.format.read_array_header_1_0 if version == (1, 0) else np.lib.format.read_array_header_2_0
            shape, by_column, dtype = header(file)
            if shape != (n, 64, 64) or by_column or dtype != np.uint8:
                raise ValueError(f"{dtype} {shape}")
            images = np.empty((len(rows), 64, 64), dtype=np.uint8)
            for place, row in enumerate(chosen_rows(file, rows, 64 * 64, str(path))):
                images[place] = np.frombuffer(row, dtype=np.uint8).reshape(64, 64)
    except (OSError, ValueError, KeyError, EOFError, zipfile.BadZipFile, zlib.error) as error:
        raise ClaimsError(f"{path}: expected uint8 imgs ({n}, 64, 64), found: {error}; fetch it again") from None
    if images.max(initial=0) > 1:
        raise ClaimsError(f"{path}: expected images of 0 and 1, found {images.max()}; fetch it again")
    return images
