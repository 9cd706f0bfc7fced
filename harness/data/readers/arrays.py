"""Images and labels of one's own as arrays: an npz file, parquet files, or what a function of the paper's folder gives.

Images are uint8, (N, H, W) grey or (N, H, W, 3), labels whole numbers from 0. Without a test part a fifth of each class
is one, always the same fifth.
"""

from __future__ import annotations

import zlib
from collections.abc import Mapping
from functools import cache
from pathlib import Path
from typing import Any
from zipfile import BadZipFile

import numpy as np

from harness.core.errors import ClaimsError
from harness.core.own_modules import function_of, on_path, source_digest, told
from harness.core.paper import paper
from harness.data.examples import Examples, from_array
from harness.data.published_splits import Digests, PublishedSplits, Reader, stratified

NAMES = ("x", "y", "x_test", "y_test")
SHARE = 0.2
"""Of each class, for a test part where there is none."""


def npz(root: Path, digests: Digests) -> PublishedSplits:
    """Read a file with the arrays x and y, and x_test and y_test if it has a test part.

    Raises:
        ClaimsError: it is damaged, pickled, or holds other arrays.
    """
    del digests
    try:
        with np.load(root, allow_pickle=False) as file:
            found = {name: file[name] for name in NAMES if name in file.files}
            names = ", ".join(file.files) or "none"
    except (OSError, ValueError, KeyError, EOFError, AttributeError, TypeError, BadZipFile, zlib.error) as error:
        raise ClaimsError(f"{root}: expected an npz file without pickles, found: {error}") from None
    if not {"x", "y"} <= set(found):
        raise ClaimsError(f"{root}: expected the arrays x and y (and x_test, y_test), found: {names}")
    return parts_of(found, str(root))


def parquet(root: Path, digests: Digests) -> PublishedSplits:
    """Read parquet files, columns image {bytes, path} and label: test-*.parquet, if there is one, is the test part.

    Raises:
        ClaimsError: there is none, one is damaged, or an image is none.
    """
    del digests
    from harness.data.readers.parquet import Shards

    files = [root] if root.is_file() else sorted(root.glob("*.parquet"))
    if not files:
        raise ClaimsError(f"{root}: expected parquet files, found none")
    test = [path for path in files if path.name.startswith(("test", "val"))]

    def examples(paths: list[Path]) -> Examples:
        from harness.data.examples import file_stamp, stamp_of

        shards = Shards(paths)
        labels = labels_of(np.asarray(shards.labels), str(root))
        return Examples(
            where=str(root),
            names=tuple(f"{at:08d} {name}" for at, name in enumerate(shards.names)),
            labels=labels,
            classes=tuple(map(str, range(int(labels.max()) + 1))),
            encoded=shards.read,
            stamp=stamp_of(map(file_stamp, paths)),
        )

    if not test or len(test) == len(files):
        return stratified(examples(files), SHARE)
    return PublishedSplits(train=examples([path for path in files if path not in test]), test=examples(test))


def function_reader(name: str, dataset: str) -> Reader:
    """Return what reads a dataset by calling "module:function" of the current paper's folder, without arguments.

    It returns (x, y), (x, y, x_test, y_test) or a mapping with these names. It is called once a process as long as its
    source stays as it is.
    """

    def read(root: Path, digests: Digests) -> PublishedSplits:
        del root, digests
        where = f"dataset {dataset}: reader"
        folder = paper().folder
        return _called(name, folder, source_digest(name.partition(":")[0], folder, where), where)

    return read


@cache
def _called(name: str, folder: Path, digest: str, where: str) -> PublishedSplits:
    del digest
    function = function_of(name, folder, where)
    with on_path(folder), told(f"{where}: {name}", folder):
        found = function()
    if isinstance(found, Mapping):
        return parts_of(found, f"{where}: {name}")
    if not isinstance(found, tuple) or len(found) not in (2, 4):
        raise ClaimsError(
            f"{where}: expected {name} to return (x, y) or (x, y, x_test, y_test), found {type(found).__name__}"
        )
    return parts_of(dict(zip(NAMES, found, strict=False)), f"{where}: {name}")


def parts_of(found: Mapping[str, Any], where: str) -> PublishedSplits:
    """Return arrays as the parts of a dataset.

    Raises:
        ClaimsError: an array is missing, or no images or labels.
    """
    missing = [name for name in NAMES[: 4 if "x_test" in found else 2] if name not in found]
    if missing:
        raise ClaimsError(f"{where}: expected the arrays x and y, and x_test with y_test, found no {missing[0]}")
    labels = [labels_of(found[name], f"{where}: {name}") for name in NAMES[1::2] if name in found]
    classes = tuple(map(str, range(1 + max(int(each.max()) for each in labels))))
    made = [
        examples_of(found[name], of, classes, f"{where}: {name}") for name, of in zip(NAMES[::2], labels, strict=False)
    ]
    return PublishedSplits(train=made[0], test=made[1]) if len(made) > 1 else stratified(made[0], SHARE)


def labels_of(found: Any, where: str) -> Any:
    """Return labels as int64, shape (N,).

    Raises:
        ClaimsError: they are none.
    """
    labels = np.asarray(found)
    if labels.ndim != 1 or labels.dtype.kind not in "iub" or not labels.size or int(labels.min()) < 0:
        raise ClaimsError(f"{where}: expected whole numbers from 0, shape (N,), found {labels.dtype} {labels.shape}")
    return labels.astype(np.int64)


def examples_of(found: Any, labels: Any, classes: tuple[str, ...], where: str) -> Examples:
    """Return images with their labels.

    Raises:
        ClaimsError: they are no uint8 images, or another number of them.
    """
    images = np.asarray(found)
    if images.dtype != np.uint8 or not (images.ndim == 3 or (images.ndim == 4 and images.shape[3] == 3)):
        raise ClaimsError(
            f"{where}: expected uint8 images of shape (N, H, W) or (N, H, W, 3), found {images.dtype} {images.shape}"
        )
    if len(images) != len(labels):
        raise ClaimsError(f"{where}: expected as many images as labels ({len(labels):,}), found {len(images):,}")
    return from_array(where, images, labels, classes)
