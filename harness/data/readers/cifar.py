"""CIFAR-10 and CIFAR-100 from their binary versions.

The Python versions, which torchvision's classes read, are pickles, which are never read here.

A record is one label byte (CIFAR-10) or two, coarse and fine (CIFAR-100), then 3,072 bytes: the 32x32
red, green and blue planes (https://www.cs.toronto.edu/~kriz/cifar.html, "Binary version").
"""

from __future__ import annotations

from collections.abc import Callable, Sequence
from dataclasses import dataclass
from pathlib import Path

import numpy as np

from harness.core.errors import ClaimsError
from harness.core.text import text_of
from harness.data.decoding import Pixels
from harness.data.examples import Examples, file_stamp, read_bytes, stamp_of
from harness.data.published_splits import Digests, PublishedSplits, check_digest
from harness.data.readers.archive import members

PLANES = (3, 32, 32)
IMAGE = 3 * 32 * 32


@dataclass(frozen=True)
class Layout:
    """The binary files of one of the two datasets."""

    archive: str
    folder: str
    train: tuple[str, ...]
    test: str
    names: str
    """The file with the class names."""
    label_bytes: int
    """The last label byte is the class."""
    classes: int


CIFAR_10 = Layout(
    archive="cifar-10-binary.tar.gz",
    folder="cifar-10-batches-bin",
    train=tuple(f"data_batch_{i}.bin" for i in range(1, 6)),
    test="test_batch.bin",
    names="batches.meta.txt",
    label_bytes=1,
    classes=10,
)
CIFAR_100 = Layout(
    archive="cifar-100-binary.tar.gz",
    folder="cifar-100-binary",
    train=("train.bin",),
    test="test.bin",
    names="fine_label_names.txt",
    label_bytes=2,
    classes=100,
)


def cifar10(root: Path, digests: Digests) -> PublishedSplits:
    """Read CIFAR-10 from its binary archive (whose digest is checked) or the unpacked folder."""
    return read(root, CIFAR_10, digests)


def cifar100(root: Path, digests: Digests) -> PublishedSplits:
    """Read CIFAR-100 (fine labels) from its binary archive (whose digest is checked) or the unpacked folder."""
    return read(root, CIFAR_100, digests)


def read(root: Path, layout: Layout, digests: Digests) -> PublishedSplits:
    """Read either of the two.

    Raises:
        ClaimsError: not there, another digest, or records of another size or class.
    """
    where, content, stamp = source(root, layout, digests)
    names = tuple(text_of(content(layout.names), "replace").split())
    if len(names) != layout.classes:
        raise ClaimsError(
            f"{where}: {layout.names}: expected {layout.classes} class names, found {len(names)}; fetch it again"
        )
    return PublishedSplits(
        train=records(where, [(name, content(name)) for name in layout.train], names, layout, stamp),
        test=records(where, [(layout.test, content(layout.test))], names, layout, stamp),
    )


def source(root: Path, layout: Layout, digests: Digests) -> tuple[str, Callable[[str], bytes], str]:
    """Return the place, what gives a file's bytes by name, and the stamp; the archive goes before the folder."""
    archive = root if root.is_file() else root / layout.archive
    if archive.is_file():
        check_digest(archive, digests)
        inside = members(archive)
        place = {name.rpartition("/")[2]: index for index, name in enumerate(inside.names)}

        def member(name: str) -> bytes:
            if name not in place:
                raise ClaimsError(f"{archive}: expected the member {name}, found none; fetch the binary version again")
            return inside.read(place[name])

        return str(archive), member, stamp_of([file_stamp(archive)])
    folder = root / layout.folder if (root / layout.folder).is_dir() else root
    if not (folder / layout.test).is_file():
        pickled = "; the Python version there is a pickle, which is not read" if any(root.glob("cifar-*-py*")) else ""
        raise ClaimsError(
            f"{root}: expected {layout.archive} or the folder {layout.folder}, found neither{pickled}; fetch the"
            " binary version"
        )
    files = [folder / name for name in (*layout.train, layout.test, layout.names)]
    return str(folder), lambda name: read_bytes(folder / name), stamp_of(map(file_stamp, files))


def records(
    where: str, files: Sequence[tuple[str, bytes]], names: tuple[str, ...], layout: Layout, stamp: str
) -> Examples:
    """Return the records of some files, put end to end."""
    size = layout.label_bytes + IMAGE
    for name, content in files:
        if not content or len(content) % size:
            raise ClaimsError(
                f"{where}: {name}: expected records of {size:,} bytes, found {len(content):,} bytes; fetch it again"
            )
    table = np.concatenate([np.frombuffer(content, dtype=np.uint8).reshape(-1, size) for _, content in files])
    labels = table[:, layout.label_bytes - 1].astype(np.int64)
    if labels.max() >= layout.classes:
        row = int(np.flatnonzero(labels >= layout.classes)[0])
        raise ClaimsError(
            f"{where}: record {row} of {files[0][0]}: expected a class below {layout.classes}, found {labels[row]}"
        )
    return Examples(
        where=where,
        names=tuple(f"{files[0][0]}:{row}" for row in range(len(table))),
        labels=labels,
        classes=names,
        encoded=lambda index: table[index, layout.label_bytes :].tobytes(),
        stamp=stamp_of([stamp, *(name for name, _ in files)]),
        decode=planes,
    )


def planes(content: bytes) -> Pixels:
    """Return three colour planes as (32, 32, 3)."""
    return np.ascontiguousarray(np.frombuffer(content, dtype=np.uint8).reshape(PLANES).transpose(1, 2, 0))
