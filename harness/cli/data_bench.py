"""`python -m harness data-bench DATASET`: images per second of decoding, and of the cache of decoded images."""

from __future__ import annotations

import argparse
import json
import tempfile
import time
from dataclasses import asdict, dataclass
from pathlib import Path
from typing import TYPE_CHECKING, Any

from harness.core.errors import ClaimsError, unknown

if TYPE_CHECKING:
    from harness.data.examples import Examples
    from harness.data.pixel_cache import PixelCache
    from harness.data.preprocess import Resize

ANY_FOLDER = "folder"
"""The name of any folder of class folders, with --path."""


def add_parser(subparsers: Any) -> None:
    """Add the command to the command line."""
    parser = subparsers.add_parser(
        "data-bench",
        help="measure how fast images are decoded and read from the cache",
        description="Measure images/s of decoding, and of reading decoded images from the cache.",
    )
    parser.add_argument(
        "dataset", metavar="DATASET", help="a dataset's id (see: datasets), or the word folder, with --path"
    )
    parser.add_argument("--path", metavar="DIR", help="where its images are (default: $VIT_CLAIMS_DATA/DATASET)")
    parser.add_argument(
        "--images", type=int, default=1000, metavar="N", help="measure at most N images (default: %(default)s)"
    )
    parser.add_argument("--side", type=int, metavar="PIXELS", help="resize to a square first (default: as decoded)")
    parser.add_argument("--cache", dest="keep", metavar="DIR", help="keep the cache here (default: a temporary folder)")
    parser.add_argument("--json", action="store_true", help="print one JSON object")


@dataclass(frozen=True)
class DecodingSpeed:
    """What was measured, wall time of this machine."""

    dataset: str
    images: int
    encoded_bytes: int
    cache_bytes: int
    decode: float
    """Images per second: read, decode and resize, nothing kept."""
    first_epoch: float
    """Images per second: the same, and kept."""
    second_epoch: float
    """Images per second from the open cache, in a shuffled order."""
    second_run: float
    """Images per second from the cache, opened and checked again, in a shuffled order."""


def run(options: argparse.Namespace) -> int:
    """Measure and print."""
    from harness.data.preprocess import Resize

    for name in ("images", "side"):
        value = getattr(options, name)
        if value is not None and value < 1:
            raise ClaimsError(f"--{name}: expected a positive number, found {value}")
    examples = examples_of(options.dataset, options.path)
    resize = None if options.side is None else Resize("square", options.side)
    if options.keep:
        found = time_decoding(
            options.dataset, examples, options.images, resize, Path(options.keep).expanduser().absolute()
        )
    else:
        with tempfile.TemporaryDirectory(prefix="vit-claims-bench-") as folder:
            found = time_decoding(options.dataset, examples, options.images, resize, Path(folder))
    if options.json:
        print(json.dumps(asdict(found)))
        return 0
    size = "as decoded" if options.side is None else f"{options.side}x{options.side}"
    print(f"{found.dataset}: {found.images:,} images, {size} ({examples.where})")
    print(f"{found.encoded_bytes:,} bytes encoded, {found.cache_bytes:,} bytes in the cache")
    rows = (
        ("decoding, nothing kept", found.decode),
        ("first epoch: decoding and keeping", found.first_epoch),
        ("second epoch: from the cache", found.second_epoch),
        ("second run: cache opened and checked again", found.second_run),
    )
    for what, rate in rows:
        print(f"{what:<44}{rate:>12,.0f} images/s")
    return 0


def examples_of(name: str, path: str | None) -> Examples:
    """Return the examples to measure: the training part if there is one, else the test part.

    Raises:
        ClaimsError: unknown dataset, or its files are not there.
    """
    from harness.catalog.datasets import datasets
    from harness.data.examples import from_array
    from harness.data.paths import location
    from harness.data.registry import entries, folder, load_parts

    if name == ANY_FOLDER:
        if path is None:
            raise ClaimsError("folder: expected --path DIR, a folder with one folder of images per class; add it")
        parts = folder(location(name, path), {})
        return parts.train or parts.test
    if name in entries():
        entry = entries()[name]
        parts = load_parts(entry, location(entry.folder, path))
        return parts.train or parts.test
    micro = datasets()
    if name not in micro:
        raise unknown("dataset", name, [*micro, *entries(), ANY_FOLDER])
    from harness.data.readers.synthetic import load

    train = load(micro[name]).train
    classes = [str(label) for label in range(micro[name].classes)]
    return from_array(name, train.array(), train.labels, classes)


def time_decoding(name: str, examples: Examples, limit: int, resize: Resize | None, folder: Path) -> DecodingSpeed:
    """Measure decoding and the cache on the first `limit` examples in reading order."""
    import numpy as np

    from harness.data.pixel_cache import cached, decoded
    from harness.data.preprocess import stored

    if len(examples) > limit:
        examples = examples.take(np.sort(examples.reading_order[:limit]))
    n = len(examples)
    size = sum(len(examples.encoded(int(example))) for example in examples.reading_order)
    stored(examples.pixels(int(examples.reading_order[0])), resize)  # imports what decoding needs, untimed
    start = time.perf_counter()
    for _ in decoded(examples, resize):
        pass
    decode = n / (time.perf_counter() - start)
    start = time.perf_counter()
    cache = cached(examples, folder, resize)
    first = n / (time.perf_counter() - start)
    second = read_all(cache)
    start = time.perf_counter()
    again = cached(examples, folder, resize)
    opened = time.perf_counter() - start
    return DecodingSpeed(
        dataset=name,
        images=n,
        encoded_bytes=size,
        cache_bytes=int(cache.pixels.nbytes),
        decode=decode,
        first_epoch=first,
        second_epoch=n / second,
        second_run=n / (opened + read_all(again)),
    )


def read_all(cache: PixelCache) -> float:
    """Return the seconds that copying every image out of the cache takes, in a shuffled order."""
    from harness.data.rng import permutation

    order = permutation(len(cache), 1)
    start = time.perf_counter()
    for example in order:
        cache.image(int(example)).copy()
    return time.perf_counter() - start
