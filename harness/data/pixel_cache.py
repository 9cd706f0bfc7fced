"""Decoded images on disk: uint8, memory-mapped, read-only; the second epoch and the second run decode nothing.

One folder per content and resize rule, `<content>-<rule>/`:

    header.json   format, content digest, rule, counts, digests of the two tables
    index.npy     (N, 4) int64: offset, height, width, crc32 of each image
    labels.npy    (N,) int64
    pixels.u8     the images' bytes (H, W, 3), each where the index says

An index of offsets, and not one array (N, H, W, 3), so that one format keeps both images of one size
(`array()` gives them as one array, without a copy) and images as they were decoded, which Inception
crops need: a fixed size would either crop away what a crop may take, or resample twice. Images lie in
the order of the examples where they have one size, else in the order in which they were read.

A cache is built in a folder beside and renamed when it is whole. It is checked when it is opened, each
image against its crc32 (a run reads every image anyway); a damaged one is reported on stderr and built again.
The name comes from what was read, not from where: the same images in a tar or a folder share a cache.
"""

from __future__ import annotations

import contextlib
import hashlib
import io
import json
import os
import shutil
import sys
import zlib
from collections.abc import Callable, Iterator
from concurrent.futures import ThreadPoolExecutor
from dataclasses import asdict, dataclass
from pathlib import Path

import numpy as np
import numpy.typing as npt

from harness.core.errors import ClaimsError
from harness.core.paths import held, make_folder, write_atomic
from harness.data.decoding import Pixels
from harness.data.examples import Examples, content_of
from harness.data.preprocess import Resize, stored
from harness.data.rng import Indices

FORMAT = 1
DECODING = 2
"""Version of what makes pixels of bytes; a cache of another version is not looked up. 2: 16-bit grey is scaled."""
CHUNK = 64
"""Images read before they are decoded side by side."""
MARGIN = 64 << 20
"""Bytes of free disk that a cache leaves."""


class Damaged(Exception):
    """A cache is not what its header says."""


@dataclass(frozen=True, eq=False)
class PixelCache:
    """Decoded images of one split, read-only."""

    path: Path
    content: str
    """Digest of the encoded bytes and labels that it was made of (examples.content_of)."""
    labels: Indices
    index: npt.NDArray[np.int64]
    """(N, 4): offset, height, width, crc32."""
    pixels: npt.NDArray[np.uint8]
    """All bytes, memory-mapped."""

    def __len__(self) -> int:
        return len(self.labels)

    def image(self, example: int) -> Pixels:
        """Return one image, uint8 (H, W, 3), a view that can't be written."""
        offset, height, width, _ = (int(value) for value in self.index[example])
        return self.pixels[offset : offset + height * width * 3].reshape(height, width, 3)

    @property
    def one_size(self) -> bool:
        """Whether all images have one size."""
        return bool((self.index[:, 1:3] == self.index[0, 1:3]).all())

    def array(self) -> Pixels:
        """Return all images as one memory-mapped array (N, H, W, 3).

        Without a copy, unless images of one size were cached without a resize from a compressed archive.

        Raises:
            ClaimsError: they have several sizes.
        """
        sizes = {(int(height), int(width)) for _, height, width, _ in self.index}
        if len(sizes) > 1:
            raise ClaimsError(
                f"{self.path}: expected images of one size, found {len(sizes)} sizes; cache them with a square resize"
            )
        height, width = sizes.pop()
        if (self.index[:, 0] != np.arange(len(self)) * (height * width * 3)).any():
            return np.stack([self.image(example) for example in range(len(self))])
        return self.pixels.reshape(len(self), height, width, 3)


def cached(
    examples: Examples,
    folder: Path,
    resize: Resize | None = None,
    on_image: Callable[[int], None] | None = None,
) -> PixelCache:
    """Return the decoded images of some examples, from the cache if they are there, else decoded now and kept.

    Rounding to whole levels after a resize moves an input by at most half a level (1/255 of [-1, 1]).

    Args:
        examples: what to decode.
        folder: where caches lie.
        resize: applied before storing; None: the images as decoded.
        on_image: called with the number of images done, while decoding.

    Raises:
        ClaimsError: an image is damaged, or the disk is full; nothing is left half-written.
    """
    key = hashlib.sha256(f"{examples.stamp}\n{rule_of(resize)}\n{DECODING}".encode()).hexdigest()[:32]
    known = folder / "seen" / f"{key}.json"
    with held(folder / "locks" / f"{key}.lock"):
        with contextlib.suppress(OSError, ValueError, KeyError, TypeError):
            path = folder / str(json.loads(known.read_bytes())["folder"])
            if path.exists():
                try:
                    return open_cache(path)
                except Damaged as damage:
                    print(f"{path}: {damage}; it is built again", file=sys.stderr)
                    shutil.rmtree(path, ignore_errors=True)
        path = build(examples, folder, resize, folder / f".building-{key}", on_image)
        write_atomic(known, json.dumps({"folder": path.name}).encode())
        try:
            return open_cache(path)
        except Damaged as damage:
            raise ClaimsError(f"{path}: expected the cache just written, found: {damage}; check the disk") from None


def rule_of(resize: Resize | None) -> str:
    """Return a resize rule as one line of JSON."""
    return json.dumps(None if resize is None else asdict(resize), sort_keys=True)


def build(
    examples: Examples,
    folder: Path,
    resize: Resize | None,
    temporary: Path,
    on_image: Callable[[int], None] | None,
) -> Path:
    """Decode all examples into a new cache and return its folder.

    The caller holds the lock of `temporary`, so what a killed process left there can go.
    """
    shutil.rmtree(temporary, ignore_errors=True)
    fixed = resize.side * resize.side * 3 if resize is not None and resize.to == "square" else None
    if fixed is not None:
        room(folder, fixed * len(examples), examples.where)
    try:
        make_folder(temporary)
        index, content = write_pixels(examples, resize, temporary / "pixels.u8", fixed, on_image)
        header = {"format": FORMAT, "content": content, "rule": rule_of(resize), "n": len(examples)}
        for name, table in (("index", index), ("labels", examples.labels)):
            buffer = io.BytesIO()
            np.save(buffer, table, allow_pickle=False)
            write_synced(temporary / f"{name}.npy", buffer.getvalue())
            header[f"{name}_sha256"] = hashlib.sha256(buffer.getvalue()).hexdigest()
        header["where"] = examples.where
        write_synced(temporary / "header.json", json.dumps(header, indent=1).encode())
        path = folder / f"{content[:24]}-{hashlib.sha256(rule_of(resize).encode()).hexdigest()[:8]}"
        settle(temporary, path)
        return path
    except OSError as error:
        raise ClaimsError(
            f"{folder}: expected to store the decoded images of {examples.where}, found: {error.strerror}; nothing was"
            " stored, free some space or choose another place"
        ) from None
    finally:
        shutil.rmtree(temporary, ignore_errors=True)


def settle(temporary: Path, path: Path) -> None:
    """Rename a complete cache to its final name, unless another process has put an intact one there."""
    if path.exists():
        with contextlib.suppress(Damaged):
            open_cache(path)
            return
        shutil.rmtree(path)
    temporary.rename(path)


def write_pixels(
    examples: Examples,
    resize: Resize | None,
    path: Path,
    fixed: int | None,
    on_image: Callable[[int], None] | None,
) -> tuple[npt.NDArray[np.int64], str]:
    """Write all images and return the index and the content digest."""
    index = np.zeros((len(examples), 4), dtype=np.int64)
    digests = np.empty((len(examples), 32), dtype=np.uint8)
    end = 0
    with path.open("wb") as file:
        for done, (example, digest, image) in enumerate(decoded(examples, resize), start=1):
            offset = end if fixed is None else example * fixed
            write_at(file.fileno(), image.data.cast("B"), offset)
            index[example] = (offset, *image.shape[:2], zlib.crc32(image.data))
            digests[example] = np.frombuffer(digest, dtype=np.uint8)
            end += image.nbytes
            if on_image is not None:
                on_image(done)
        os.fsync(file.fileno())
    return index, content_of(digests, examples.labels)


def write_at(descriptor: int, content: memoryview, offset: int) -> None:
    """Write all of some bytes; a nearly full disk may take only a part of them before it fails."""
    while content:
        written = os.pwrite(descriptor, content, offset)
        content, offset = content[written:], offset + written


def decoded(examples: Examples, resize: Resize | None) -> Iterator[tuple[int, bytes, Pixels]]:
    """Yield (example, digest of its encoded bytes, pixels) in reading order.

    Bytes are read by one thread, in order (an archive may need that); images are decoded side by side.
    """

    def work(job: tuple[int, bytes]) -> tuple[int, bytes, Pixels]:
        example, content = job
        image = np.ascontiguousarray(stored(examples.decoded(example, content), resize))
        return example, examples.digest(content), image

    order = [int(example) for example in examples.reading_order]
    with ThreadPoolExecutor(max_workers=min(8, os.cpu_count() or 1)) as pool:
        for first in range(0, len(order), CHUNK):
            jobs = [(example, examples.encoded(example)) for example in order[first : first + CHUNK]]
            yield from pool.map(work, jobs)


def write_synced(path: Path, content: bytes) -> None:
    """Write a file of a folder that nobody sees yet."""
    with path.open("wb") as file:
        file.write(content)
        file.flush()
        os.fsync(file.fileno())


def room(folder: Path, size: int, where: str) -> None:
    """Raise unless `size` more bytes and a margin fit on the disk."""
    free = shutil.disk_usage(make_folder(folder)).free
    if free < size + MARGIN:
        raise ClaimsError(
            f"{folder}: expected {size + MARGIN:,} bytes of free disk for the decoded images of {where}, found {free:,}"
            "; free some space or choose another place"
        )


def open_cache(path: Path) -> PixelCache:
    """Open a cache after checking all of it.

    Raises:
        Damaged: it is not what its header says.
    """
    try:
        header = json.loads((path / "header.json").read_bytes())
        tables = {name: (path / f"{name}.npy").read_bytes() for name in ("index", "labels")}
        for name, table in tables.items():
            if hashlib.sha256(table).hexdigest() != header[f"{name}_sha256"]:
                raise Damaged(f"expected {name}.npy with the digest in header.json, found another")
        index, labels = (np.load(io.BytesIO(table), allow_pickle=False) for table in tables.values())
        n, content, written = header["n"], str(header["content"]), header["format"]
        pixels = np.memmap(path / "pixels.u8", dtype=np.uint8, mode="r")
    except (OSError, ValueError, KeyError, TypeError) as error:
        raise Damaged(f"expected a cache of decoded images, found {type(error).__name__}: {error}") from None
    if written != FORMAT or len(index) != n or len(labels) != n:
        raise Damaged(f"expected format {FORMAT} and {n} images, found format {written} and {len(index)} images")
    size = int((index[:, 1] * index[:, 2]).sum()) * 3
    if len(pixels) != size:
        raise Damaged(f"expected {size:,} bytes of pixels, found {len(pixels):,}")
    cache = PixelCache(path, content, labels, index, pixels)
    for example in range(n):
        if zlib.crc32(cache.image(example).data) != index[example, 3]:
            raise Damaged(f"image {example} of {n}: expected crc32 {index[example, 3]:08x}, found another")
    return cache
