"""The VTAB tasks' own datasets (arXiv:1910.04867; facts from google-research/task_adaptation).

VTAB-1k trains on 1,000 examples: here by index (parts.subset) unless the published lists of the 1,000 lie
in the folder, 800 of them for training and 200 for choices by the dev split's rule. VTAB's own 1,000 are the
first 800 and 200 of TensorFlow Datasets' order, which its files define (that of dSprites and SmallNORB, which have
readers of their own, follows from the number of their images). Test sets are VTAB's, except where no
split is published (Caltech101, EuroSAT, Resisc45): there the sizes are VTAB's and the draw is by index.
"""

from __future__ import annotations

import json
from collections.abc import Callable, Mapping
from pathlib import Path
from typing import Any

import numpy as np

from harness.core.errors import ClaimsError
from harness.data.decoding import Pixels
from harness.data.examples import Examples, file_stamp, from_files, read_bytes, stamp_of
from harness.data.published_splits import Digests, PublishedSplits, check_digest, hold_out, per_class
from harness.data.readers.image_folder import image_folder
from harness.data.readers.oxford import inner, lines_of, mat

DISTANCES = (0.0, 8.0, 8.5, 9.0, 9.5, 10.0, 100.0)
"""Borders of Clevr's six distance classes (task_adaptation, data/clevr.py)."""
FEWEST = 3
"""Objects of Clevr's emptiest scenes: class 0 of the counting task."""


def lists(root: Path, classes: int) -> PublishedSplits | None:
    """Read the published lists of VTAB-1k, lines of path and class, or None where there are none.

    The training part is train800val200.txt, the test part test.txt; paths are relative to the folder.
    """
    if not (root / "train800val200.txt").is_file():
        return None
    return PublishedSplits(train=listed(root, "train800val200.txt", classes), test=listed(root, "test.txt", classes))


def listed(root: Path, name: str, classes: int) -> Examples:
    """Read one list."""
    files, labels = [], []
    for number, line in enumerate(lines_of(root / name), start=1):
        path, _, label = line.strip().rpartition(" ")
        if not path or not label.isdecimal() or int(label) >= classes or ".." in Path(path).parts:
            raise ClaimsError(
                f"{root / name}: line {number}: expected a path and a class below {classes}, found {line[:60]!r}"
            )
        files.append(root / path.lstrip("/"))
        labels.append(int(label))
    return from_files(str(root / name), files, labels, [str(label) for label in range(classes)])


def caltech101(root: Path, digests: Digests) -> PublishedSplits:
    """Read Caltech101: 102 classes with the background, 30 training images each (VTAB: TFDS, the same sizes)."""
    del digests
    base = inner(root, "caltech101", "101_ObjectCategories")
    return per_class(image_folder(base / "101_ObjectCategories"), 30)


def eurosat(root: Path, digests: Digests) -> PublishedSplits:
    """Read EuroSAT (RGB): 27,000 images, published without a split; a fifth is the test part."""
    del digests
    return hold_out(image_folder(inner(root, "eurosat", "2750") / "2750"), 0.2)


def resisc45(root: Path, digests: Digests) -> PublishedSplits:
    """Read Resisc45: 31,500 images in class folders, published without a split; a fifth is the test part."""
    del digests
    return hold_out(image_folder(inner(root, ".", "NWPU-RESISC45") / "NWPU-RESISC45"), 0.2)


def dtd(root: Path, digests: Digests) -> PublishedSplits:
    """Read Describable Textures, its first published partition: train, validation and test of 1,880."""
    del digests
    base = inner(root, "dtd/dtd", "images", "labels/train1.txt")
    classes = sorted(path.name for path in (base / "images").iterdir() if path.is_dir())

    def part(name: str) -> Examples:
        path = base / "labels" / f"{name}1.txt"
        lines = [line.strip() for line in lines_of(path)]
        for number, line in enumerate(lines, start=1):
            if line.count("/") != 1 or line.partition("/")[0] not in classes:
                raise ClaimsError(f"{path}: line {number}: expected CLASS/IMAGE of a class folder, found {line[:60]!r}")
        labels = [classes.index(line.partition("/")[0]) for line in lines]
        return from_files(str(base), [base / "images" / line for line in lines], labels, classes, base / "images")

    return PublishedSplits(train=part("train"), validation=part("val"), test=part("test"))


def svhn(root: Path, digests: Digests) -> PublishedSplits:
    """Read SVHN's cropped digits: train 73,257, test 26,032; the class of the digit 0 is 0 (10 in the file)."""
    return PublishedSplits(
        train=svhn_part(root / "train_32x32.mat", digests), test=svhn_part(root / "test_32x32.mat", digests)
    )


def svhn_part(path: Path, digests: Digests) -> Examples:
    """Read X (32, 32, 3, N) and y (N, 1)."""
    stamp = stamp_of([file_stamp(path)])
    check_digest(path, digests)
    images, labels = mat(path, "X"), np.ravel(mat(path, "y")).astype(np.int64) % 10
    if images.ndim != 4 or images.dtype != np.uint8 or images.shape[2:] != (3, len(labels)):
        raise ClaimsError(
            f"{path}: expected uint8 images (32, 32, 3, {len(labels)}), found {images.dtype} {images.shape}"
        )
    return in_memory(str(path), np.ascontiguousarray(np.moveaxis(images, 3, 0)), labels, 10, stamp)


def in_memory(where: str, images: Any, labels: Any, classes: int, stamp: str) -> Examples:
    """Return examples of an array (N, H, W, 3) that is read by index, in memory or an HDF5 dataset."""
    shape = images.shape[1:]

    def decode(content: bytes) -> Pixels:
        return np.frombuffer(content, dtype=np.uint8).reshape(shape)

    return Examples(
        where=where,
        names=tuple(f"{index:06d}" for index in range(len(labels))),
        labels=labels,
        classes=tuple(map(str, range(classes))),
        encoded=lambda index: np.asarray(images[index]).tobytes(),
        stamp=stamp,
        decode=decode,
    )


def patch_camelyon(root: Path, digests: Digests) -> PublishedSplits:
    """Read Patch Camelyon's HDF5 files, unzipped: train 262,144, validation 32,768, test 32,768."""

    def part(name: str) -> Examples:
        files = [base / f"camelyonpatch_level_2_split_{name}_{axis}.h5" for axis in "xy"]
        stamp = stamp_of(map(file_stamp, files))
        for file in files:
            check_digest(file, digests)
        images, labels = hdf5(files[0], "x"), np.ravel(hdf5(files[1], "y")[:]).astype(np.int64)
        return in_memory(str(files[0]), images, labels, 2, stamp)

    base = inner(root, "pcam", *(f"camelyonpatch_level_2_split_{name}_x.h5" for name in ("train", "valid", "test")))
    return PublishedSplits(train=part("train"), validation=part("valid"), test=part("test"))


def hdf5(path: Path, name: str) -> Any:
    """Return one dataset of an HDF5 file, read as it is indexed."""
    try:
        import h5py  # type: ignore[import-not-found, import-untyped, unused-ignore]
    except ImportError:
        raise ClaimsError(
            f"{path}: expected h5py to read HDF5 files, found it not installed; pip install 'vit-claims[data]'"
        ) from None
    try:
        return h5py.File(path, "r")[name]
    except (OSError, KeyError) as error:
        raise ClaimsError(f"{path}: expected an HDF5 file with {name!r}, found: {error}; fetch it again") from None


def sun397(root: Path, digests: Digests) -> PublishedSplits:
    """Read SUN397 with TensorFlow Datasets' published lists, sun397_tfds_{tr,va,te}.txt, beside it."""
    del digests
    base = inner(root, ".", "SUN397", *(f"sun397_tfds_{part}.txt" for part in ("tr", "va", "te")))
    names = {
        part: [x.strip().lstrip("/") for x in lines_of(base / f"sun397_tfds_{part}.txt")] for part in ("tr", "va", "te")
    }
    classes = sorted({line.rpartition("/")[0] for part in names.values() for line in part})
    number = {name: index for index, name in enumerate(classes)}

    def part(name: str) -> Examples:
        labels = [number[line.rpartition("/")[0]] for line in names[name]]
        files = [base / "SUN397" / line for line in names[name]]
        return from_files(str(base), files, labels, classes, base / "SUN397")

    return PublishedSplits(train=part("tr"), validation=part("va"), test=part("te"))


def clevr_count(root: Path, digests: Digests) -> PublishedSplits:
    """Read Clevr with the number of objects, 3 to 10, as the class; the test part is its validation split."""
    del digests
    return clevr(root, 8, lambda objects: len(objects) - FEWEST)


def clevr_distance(root: Path, digests: Digests) -> PublishedSplits:
    """Read Clevr with the distance of the closest object, in six steps, as the class."""
    del digests

    def closest(objects: list[Mapping[str, Any]]) -> int:
        distance = min(float(item["pixel_coords"][2]) for item in objects)
        return sum(border < distance for border in DISTANCES) - 1

    return clevr(root, 6, closest)


def clevr(root: Path, classes: int, label_of: Callable[[Any], int]) -> PublishedSplits:
    """Read Clevr's images and scenes, with a label made of a scene's objects."""
    base = inner(root, "clevr/CLEVR_v1.0", "images/train", "images/val", "scenes/CLEVR_train_scenes.json")

    def part(name: str) -> Examples:
        path = base / "scenes" / f"CLEVR_{name}_scenes.json"
        try:
            scenes = json.loads(read_bytes(path))["scenes"]
            labels = [label_of(scene["objects"]) for scene in scenes]
            files = [base / "images" / name / str(scene["image_filename"]) for scene in scenes]
        except (ValueError, KeyError, TypeError, IndexError) as error:
            raise ClaimsError(
                f"{path}: expected scenes with image_filename and objects, found {type(error).__name__}: {error}"
            ) from None
        if not all(0 <= label < classes for label in labels):
            raise ClaimsError(f"{path}: expected classes 0 to {classes - 1}, found {min(labels)} to {max(labels)}")
        return from_files(str(base), files, labels, [str(label) for label in range(classes)])

    return PublishedSplits(train=part("train"), test=part("val"))
