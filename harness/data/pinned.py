"""A real dataset for a run: checked against its pin, decoded once, memory-mapped.

The authors publish no digest of every form of a dataset, so the digests of what is read first are pinned, and a
later difference is an error. A user's own images are never pinned: they are looked at every time instead. Digests are
of encoded images and labels in order: the same for the same images in a folder, a tar, a zip or a table, and known
without decoding.
"""

from __future__ import annotations

import contextlib
import hashlib
import json
from collections.abc import Callable, Iterator, Mapping
from dataclasses import replace
from pathlib import Path
from typing import Any

from harness.core.errors import ClaimsError
from harness.core.paths import write_atomic
from harness.core.progress import width
from harness.core.run import Run
from harness.core.specs import Dataset, Recipe
from harness.data.examples import Examples
from harness.data.pixel_cache import PixelCache, cached
from harness.data.preprocess import Resize, eval_rule
from harness.data.published_splits import PublishedSplits
from harness.data.readers.imagenet import name_of
from harness.data.registry import Entry, load_parts
from harness.data.splits import Data, Split, held_out, trained_index, trained_on
from harness.fetch.pin_store import PinStore

MANY = 100_000
"""Training images above which few shots are decoded alone: ImageNet's would take 250 GB."""
NUMBERED = "numbered"
"""The key, beside those of the parts, of whether test images are in the order of ImageNet's image numbers."""


def parts_of(train: bool) -> tuple[str, ...]:
    """Return the parts that a run's identity names: those that it may read."""
    return ("train", "test") if train else ("test",)


class DatasetPins(PinStore[str]):
    """The digest of each part of one dataset, and under `NUMBERED` whether its test images are numbered.

    Args:
        name: the dataset's id.
        folder: where decoded images and pins lie.
    """

    def __init__(self, name: str, folder: Path):
        super().__init__(folder / "pins" / f"{name}.json", folder / "pins" / f"{name}.lock")

    def read_pin(self, key: str, value: Any) -> str:
        """Return a digest from its JSON value."""
        return str(value)

    def json_value(self, pin: str) -> str:
        """Return a digest as a JSON value."""
        return pin

    def damaged(self, error: Exception) -> ClaimsError:
        """Return what to say of a file that can't be read."""
        return ClaimsError(f"{self.path}: expected pinned digests, found: {error}; remove it to pin anew")

    def pins_in(self, content: dict[str, Any]) -> Mapping[str, Any]:
        """Return the digests of a file's content by key; until version 0.1 they were all of it."""
        return super().pins_in(content) if "format" in content else content


def pinned(name: str, folder: Path) -> dict[str, str]:
    """Return what is pinned of a dataset: each part's digest; empty if it was never read.

    Raises:
        ClaimsError: the pins can't be read.
    """
    return dict(DatasetPins(name, folder).all())


def pin(name: str, found: Mapping[str, str], folder: Path) -> None:
    """Compare digests with those of the first time, and keep those of parts that were not read before.

    Raises:
        ClaimsError: they differ, or the pins can't be read.
    """
    store = DatasetPins(name, folder)
    with store.changing() as known:
        for part, digest in found.items():
            if known.setdefault(part, digest) != digest:
                raise ClaimsError(
                    f"{name}: expected the {part} images with digest {known[part][:16]}..., pinned at the first read,"
                    f" found {digest[:16]}...; restore them, or remove {store.path} to accept these"
                )


def digest(contents: Mapping[str, str], train: bool) -> str:
    """Return the digest of a dataset's parts that stands for its bytes in a run's identity."""
    lines = "".join(f"{part} {contents[part]}\n" for part in parts_of(train))
    return hashlib.sha256(lines.encode()).hexdigest()


def read_and_pin(entry: Entry, root: Path, folder: Path, train: bool) -> dict[str, str]:
    """Read a dataset's parts, whose digests are then pinned. Nothing is decoded.

    Args:
        entry: what it must hold.
        root: the folder or archive that holds it.
        folder: where decoded images and pins lie.
        train: whether the training part is asked for, too.

    Raises:
        ClaimsError: missing, incomplete, damaged, or other images than before.
    """
    parts = load_parts(entry if train else evaluated(entry), root)
    found = {}
    for part in parts_of(train):
        examples = part_of(parts, part)
        with bar(len(examples), f"reading {entry.id}, {part} part") as on_image:
            found[part] = examples.content(on_image)
    found[NUMBERED] = is_numbered(parts.test)
    pin(entry.id, found, folder)
    return found


def look(entry: Entry, root: Path, folder: Path, train: bool) -> tuple[Entry, dict[str, str]]:
    """Return a user's own dataset as it is now: with the numbers of images found, and each part's digest.

    Every file's size and times are looked at; images are read again only where these have changed since the last look.

    Args:
        entry: what it must hold at least.
        root: the folder or archive that holds it.
        folder: where looks are remembered, in `looks/`.
        train: whether the training part is asked for, too.

    Raises:
        ClaimsError: missing, incomplete or damaged.
    """
    parts = load_parts(entry if train else evaluated(entry), root)
    found = {}
    for part in parts_of(train):
        examples = part_of(parts, part)
        note = folder / "looks" / f"{examples.stamp}.json"
        with contextlib.suppress(OSError, ValueError, KeyError, TypeError):
            found[part] = str(json.loads(note.read_bytes())["content"])
        if part not in found:
            with bar(len(examples), f"reading {entry.id}, {part} part") as on_image:
                found[part] = examples.content(on_image)
            with contextlib.suppress(ClaimsError):  # what can't be remembered is read again
                write_atomic(note, json.dumps({"content": found[part], "where": examples.where}).encode())
    found[NUMBERED] = is_numbered(parts.test)
    counted = replace(entry, test=len(parts.test))
    return replace(counted, train=len(part_of(parts, "train"))) if train else counted, found


def is_numbered(test: Examples) -> str:
    """Return "true" if test images are in the order of ImageNet's image numbers, else "false"."""
    return "true" if test.names == tuple(map(name_of, range(1, len(test) + 1))) else "false"


def evaluated(entry: Entry) -> Entry:
    """Return an entry of which only the test part is asked for."""
    return replace(entry, train=0, pool=None)


def part_of(parts: PublishedSplits, name: str) -> Examples:
    """Return one part by name, which must be there."""
    found = parts.train if name == "train" else parts.test
    assert found is not None  # load_parts counted it
    return found


def spec_of(entry: Entry, sha256: str, train: bool, in_order: bool = False) -> Dataset:
    """Return the spec of a real dataset for runs that train on it, or that only evaluate.

    Args:
        entry: what it must hold.
        sha256: the digest of the parts that such runs use.
        train: whether they train.
        in_order: whether test images are in the order of ImageNet's image numbers.
    """
    return Dataset(
        id=entry.id,
        classes=entry.classes,
        train=entry.train if train else 0,
        test=entry.test,
        reader=entry.reader,
        sha256=sha256,
        dev_fraction=entry.dev_fraction,
        title=entry.title,
        citation=entry.citation,
        protocol=entry.protocol,
        numbered=in_order,
        path=entry.path if entry.in_no_table else "",
    )


def train_rule(recipe: Recipe, raw: bool) -> Resize | None:
    """Return how training images are stored, so that every step finds them as small as its crop allows.

    None, as decoded, for images of one small size (CIFAR) and for Inception crops, which take a part of the whole.
    Least squares sees them as test images.
    """
    if recipe.method == "least squares":
        return eval_resize(recipe, raw)
    if raw or recipe.crop == "inception":
        return None
    return Resize("square", recipe.train_resize or recipe.resolution)


def eval_resize(recipe: Recipe, raw: bool) -> Resize | None:
    """Return how scored images are stored: resized as the recipe tests them; as they are if of one small size."""
    return None if raw else eval_rule(recipe).resize


def load_real(run: Run, entry: Entry, root: Path, folder: Path) -> Data:
    """Return what a run trains on and is scored on, decoded now or taken from the cache; only what it needs.

    Args:
        run: its dataset names the bytes, its recipe how images are stored.
        entry: what the dataset must hold.
        root: the folder or archive that holds it.
        folder: where decoded images and pins lie.

    Raises:
        ClaimsError: missing, incomplete, damaged, other images than the run names, or no room on the disk.
    """
    recipe = run.recipe
    parts = load_parts(evaluated(entry) if recipe.evaluates_only else entry, root)
    found = {}
    trained = scored = None
    if few_of_many(run, parts):
        examples = part_of(parts, "train")
        chosen = examples.take(trained_index(examples.labels, run))
        trained = split_of(decoded_part(entry, "train", chosen, folder, train_rule(recipe, examples.raw)))
    elif not recipe.evaluates_only:
        examples = part_of(parts, "train")
        rules = train_rule(recipe, examples.raw), eval_resize(recipe, examples.raw)
        cache = decoded_part(entry, "train", examples, folder, rules[0])
        found["train"] = cache.content
        whole = split_of(cache)
        trained = trained_on(whole, run)
        if run.split == "dev":
            held = held_out(len(examples), run)
            if rules[0] == rules[1]:
                scored = whole.take(held)
            else:  # resized for testing from the images themselves, not from what is stored for training
                scored = split_of(decoded_part(entry, "dev", examples.take(held), folder, rules[1]))
    if scored is None:
        cache = decoded_part(entry, "test", parts.test, folder, eval_resize(recipe, parts.test.raw))
        found |= {"test": cache.content, NUMBERED: is_numbered(parts.test)}
        scored = split_of(cache)
    check_bytes(run, entry, found, root, folder)
    return Data(scored.take_none() if trained is None else trained, scored)


def few_of_many(run: Run, parts: PublishedSplits) -> bool:
    """Return whether a run trains on so few of so many images that only these are decoded.

    The whole part was read when its digest was pinned; for a few of its images it is not read again.
    """
    drawn = run.recipe.shots is not None and run.split == "test"
    return drawn and len(part_of(parts, "train")) > MANY


def check_bytes(run: Run, entry: Entry, found: Mapping[str, str], root: Path, folder: Path) -> None:
    """Raise unless what was read is what the run names; a part that was not read is as it was pinned."""
    train = bool(run.dataset.train)
    if entry.own:
        known = look(entry, root, folder, train)[1] | dict(found)
    else:
        pin(entry.id, found, folder)
        known = pinned(entry.id, folder)
    if not known.keys() >= set(parts_of(train)):
        known = read_and_pin(entry, root, folder, train)
    if digest(known, train) != run.dataset.sha256:
        raise ClaimsError(
            f"{entry.id}: expected the images that run {run.id} names, digest {run.dataset.sha256[:16]}..., found"
            f" {digest(known, train)[:16]}... in {root}; restore them, or start a run on these"
        )


def split_of(cache: PixelCache) -> Split:
    """Return cached images as a split: one array where they have one size."""
    return Split(cache.array() if cache.one_size else cache, cache.labels)


def decoded_part(entry: Entry, part: str, examples: Examples, folder: Path, rule: Resize | None) -> PixelCache:
    """Return a part's decoded images; a progress bar on a terminal while they are decoded."""
    with bar(len(examples), f"decoding {entry.id}, {part} part") as on_image:
        return cached(examples, folder, rule, on_image)


@contextlib.contextmanager
def bar(total: int, what: str) -> Iterator[Callable[[int], None]]:
    """Yield a function that shows how many images are done, on a terminal; nothing appears before the first."""
    from tqdm import tqdm

    shown: list[tqdm[Any]] = []

    def on_image(done: int) -> None:
        if not shown:
            shown.append(tqdm(total=total, desc=what, unit="image", disable=None, **width()))
        shown[0].update(done - shown[0].n)

    try:
        yield on_image
    finally:
        for each in shown:
            each.close()
