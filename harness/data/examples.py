"""Labelled images as stored on disk: encoded bytes, how to decode them, and what identifies them.

Every reader of this folder gives `Examples`, whatever form the images have (files, members of an
archive, rows of a table, records of a binary file), so that decoding, caching and digests are one
piece of code. Nothing is decoded before it is asked for.
"""

from __future__ import annotations

import hashlib
import stat
from collections.abc import Callable, Iterable, Sequence
from dataclasses import dataclass, replace
from pathlib import Path
from typing import Any

import numpy as np
import numpy.typing as npt

from harness.core.errors import ClaimsError
from harness.data.decoding import Pixels, decode_image, image_digest
from harness.data.rng import Indices


@dataclass(frozen=True, eq=False)
class Examples:
    """Labelled images of one split."""

    where: str
    """The place they come from, for messages."""
    names: tuple[str, ...]
    """What each example is called there; names order the examples the same way in every form."""
    labels: Indices
    """(N,) int64, 0 ... len(classes) - 1."""
    classes: tuple[str, ...]
    encoded: Callable[[int], bytes]
    """Gives the stored bytes of an example."""
    stamp: str
    """Changes whenever the files may have changed (names, sizes, times); cheap, says nothing of content."""
    decode: Callable[[bytes], Pixels] = decode_image
    passed_over: str = ""
    """What lies beside the images and was not read, in words, e.g. "3 .heic"; "" for nothing."""
    order: Indices | None = None
    """The order in which reading is quick, where it isn't 0 ... N-1 (a compressed archive)."""

    def __post_init__(self) -> None:
        if not self.names or len(self.names) != len(self.labels):
            raise ClaimsError(
                f"{self.where}: expected images with one label each, found {len(self.names):,} images and"
                f" {len(self.labels):,} labels"
            )

    def __len__(self) -> int:
        return len(self.names)

    @property
    def reading_order(self) -> Indices:
        """The order in which reading is quick, (N,)."""
        return np.arange(len(self)) if self.order is None else self.order

    def decoded(self, index: int, content: bytes) -> Pixels:
        """Decode the bytes of example `index`.

        Raises:
            ClaimsError: they are no image.
        """
        try:
            return self.decode(content)
        except ValueError as error:
            raise ClaimsError(f"{self.where}: {self.names[index]}: {error}") from None

    def pixels(self, index: int) -> Pixels:
        """Read and decode one example, uint8 (H, W, 3)."""
        return self.decoded(index, self.encoded(index))

    def take(self, chosen: Indices) -> Examples:
        """Return the chosen examples, in the order given."""
        ranks = None
        if self.order is not None:
            place = np.empty(len(self), dtype=np.int64)
            place[self.order] = np.arange(len(self))
            ranks = np.argsort(place[chosen], kind="stable").astype(np.int64)
        source = self.encoded
        return replace(
            self,
            names=tuple(self.names[i] for i in chosen),
            labels=self.labels[chosen],
            encoded=lambda index: source(int(chosen[index])),
            stamp=stamp_of([self.stamp, chosen.astype("<i8").tobytes().hex()]),
            order=ranks,
        )

    @property
    def raw(self) -> bool:
        """Whether the stored bytes are the pixels themselves, of images of one size, and no image files."""
        return self.decode is not decode_image

    def digest(self, content: bytes) -> bytes:
        """Return the sha256 that stands for an example's encoded bytes, 32 bytes."""
        return hashlib.sha256(content).digest() if self.raw else image_digest(content)

    def content(self, on_image: Callable[[int], None] | None = None) -> str:
        """Return the digest of all encoded bytes and labels, reading them all; see `content_of`.

        Args:
            on_image: called with the number of images read so far.
        """
        digests = np.empty((len(self), 32), dtype=np.uint8)
        for done, i in enumerate(self.reading_order, start=1):
            digests[i] = np.frombuffer(self.digest(self.encoded(int(i))), dtype=np.uint8)
            if on_image is not None:
                on_image(done)
        return content_of(digests, self.labels)


def content_of(digests: npt.NDArray[np.uint8], labels: Indices) -> str:
    """Return the sha256 over each example's sha256 (N, 32) and label, in order.

    It is the same for the same images in another form: a folder, a tar, a zip, a table.
    """
    return hashlib.sha256(digests.tobytes() + labels.astype("<i8").tobytes()).hexdigest()


def stamp_of(parts: Iterable[Any]) -> str:
    """Return the sha256 of parts written out, one a line."""
    return hashlib.sha256("\n".join(str(part) for part in parts).encode(errors="surrogateescape")).hexdigest()


def file_stamp(path: Path) -> str:
    """Return a file's path, size, inode and times of change in one word.

    The time of the last change of the inode is among them, which no copy and no tool that restores times can set.

    Raises:
        ClaimsError: it is not there, or no file.
    """
    try:
        found = path.stat()
    except OSError as error:
        what = f"a link to {path.readlink()}, which is not there" if path.is_symlink() else error.strerror
        raise ClaimsError(f"{path}: expected a file, found: {what}; restore it") from None
    if not stat.S_ISREG(found.st_mode):  # reading a pipe would wait for ever
        kind = "a folder" if stat.S_ISDIR(found.st_mode) else "something else"
        raise ClaimsError(f"{path}: expected a file, found {kind}; remove or rename it")
    return f"{path.absolute()}:{found.st_dev}:{found.st_ino}:{found.st_size}:{found.st_mtime_ns}:{found.st_ctime_ns}"


def read_bytes(path: Path) -> bytes:
    """Return a file's bytes.

    Raises:
        ClaimsError: it can't be read.
    """
    try:
        return path.read_bytes()
    except OSError as error:
        raise ClaimsError(f"{path}: expected a file, found: {error.strerror}; restore it") from None


def from_files(
    where: str,
    files: Sequence[Path],
    labels: Sequence[int],
    classes: Sequence[str],
    root: Path | None = None,
    passed_over: str = "",
) -> Examples:
    """Return examples that are image files.

    Args:
        where: the place, for messages.
        files: one path an example; each is looked at now (size and time), read later.
        labels: one class number an example.
        classes: the names of the classes.
        root: what the names are relative to; None: the bare file names.
        passed_over: what lies beside them and is not read.
    """
    names = tuple(file.relative_to(root).as_posix() if root else file.name for file in files)
    return Examples(
        where=where,
        names=names,
        labels=np.asarray(labels, dtype=np.int64),
        classes=tuple(classes),
        encoded=lambda index: read_bytes(files[index]),
        stamp=stamp_of([*map(file_stamp, files), *labels]),
        passed_over=passed_over,
    )


def from_array(where: str, images: Pixels, labels: Indices, classes: Sequence[str]) -> Examples:
    """Return examples that are in memory: uint8 (N, H, W) grey or (N, H, W, 3)."""
    shape = images.shape[1:]

    def decode(content: bytes) -> Pixels:
        image = np.frombuffer(content, dtype=np.uint8).reshape(shape)
        return np.repeat(image[:, :, None], 3, axis=2) if image.ndim == 2 else image

    return Examples(
        where=where,
        names=tuple(f"{i:06d}" for i in range(len(images))),
        labels=labels.astype(np.int64),
        classes=tuple(classes),
        encoded=lambda index: images[index].tobytes(),
        stamp=stamp_of([shape, hashlib.sha256(np.ascontiguousarray(images).data).hexdigest(), *labels.tolist()]),
        decode=decode,
    )
