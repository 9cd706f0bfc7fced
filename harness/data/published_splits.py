"""The published parts of a dataset, how they are joined, and splits by rule if none are published."""

from __future__ import annotations

import hashlib
from collections.abc import Callable, Mapping
from dataclasses import dataclass
from pathlib import Path

import numpy as np

from harness.core.errors import ClaimsError
from harness.data.examples import Examples, file_stamp, stamp_of
from harness.data.rng import Indices, permutation

HOLD_OUT_STREAM = 0x7E57
"""Stream of test sets by rule."""
SUBSET_STREAM = 0x17AB
"""Stream of the 1,000 training examples of VTAB-1k."""


@dataclass(frozen=True, eq=False)
class PublishedSplits:
    """The published parts of a dataset; None where it has no such part here."""

    test: Examples
    train: Examples | None = None
    validation: Examples | None = None


Digests = Mapping[str, str]
"""File name to "algorithm:hexadecimal", as published."""
Reader = Callable[[Path, Digests], PublishedSplits]
"""Reads a dataset below a folder, checking the files whose digests are published."""


def check_digest(path: Path, digests: Digests) -> None:
    """Raise unless a file has its published digest; a file without one passes."""
    published = digests.get(path.name)
    if published is None:
        return
    file_stamp(path)
    algorithm, _, expected = published.partition(":")
    with path.open("rb") as file:
        found = hashlib.file_digest(file, algorithm).hexdigest()
    if found != expected:
        raise ClaimsError(f"{path}: expected {algorithm} {expected}, found {found}; fetch it again")


def apart(parts: PublishedSplits) -> PublishedSplits:
    """Return parts of one folder in which no image occurs twice.

    Raises:
        ClaimsError: one does: a list was changed, and a score would count what was trained on.
    """
    seen: set[str] = set()
    for part in (parts.train, parts.validation, parts.test):
        for name in part.names if part is not None else ():
            if name in seen:
                raise ClaimsError(
                    f"{parts.test.where}: expected each image in one list, found {name} twice; restore the lists"
                )
            seen.add(name)
    return parts


def join(first: Examples, second: Examples) -> Examples:
    """Return two splits of one form as one: the first's examples, then the second's.

    Raises:
        ClaimsError: their classes differ.
    """
    if first.classes != second.classes:
        raise ClaimsError(f"{first.where}: expected the classes of {second.where}, found others; restore the files")
    cut = len(first)
    return Examples(
        where=first.where if first.where == second.where else f"{first.where} and {second.where}",
        names=first.names + second.names,
        labels=np.concatenate([first.labels, second.labels]),
        classes=first.classes,
        encoded=lambda index: first.encoded(index) if index < cut else second.encoded(index - cut),
        stamp=stamp_of([first.stamp, second.stamp]),
        decode=first.decode,
        order=np.concatenate([first.reading_order, second.reading_order + cut]),
    )


def hold_out(examples: Examples, share: float) -> PublishedSplits:
    """Return train and test parts by index, for a set published without a split.

    The test part is round(N * share) examples of a fixed permutation: this project's rule, not that
    of TensorFlow Datasets, whose order its files define.
    """
    order = permutation(len(examples), HOLD_OUT_STREAM)
    held = round(len(examples) * share)
    return PublishedSplits(train=examples.take(np.sort(order[held:])), test=examples.take(np.sort(order[:held])))


def stratified(examples: Examples, share: float) -> PublishedSplits:
    """Return train and test parts by index and class, for a user's own set without a split.

    Of each class the test part is round(n * share) examples of a fixed permutation, at least one and never all of them;
    both parts keep the order of the examples. The same names in the same classes give the same parts.

    Raises:
        ClaimsError: a class has one image only.
    """
    test: list[Indices] = []
    for number, name in enumerate(examples.classes):
        of_class = np.flatnonzero(examples.labels == number)
        if len(of_class) < 2:
            raise ClaimsError(
                f"{examples.where}: expected at least 2 images of {name}, one to train on and one to test on, found"
                f" {len(of_class)}; add images, or make the folders train and test"
            )
        held = min(max(1, round(len(of_class) * share)), len(of_class) - 1)
        test.append(of_class[permutation(len(of_class), HOLD_OUT_STREAM)[:held]])
    chosen = np.sort(np.concatenate(test))
    rest = np.setdiff1d(np.arange(len(examples)), chosen)
    return PublishedSplits(train=examples.take(rest), test=examples.take(chosen))


def per_class(examples: Examples, shots: int) -> PublishedSplits:
    """Return `shots` examples of each class, by index, as the train part and the rest as the test part.

    Raises:
        ClaimsError: a class has no more than `shots` examples.
    """
    order = permutation(len(examples), HOLD_OUT_STREAM)
    train: list[Indices] = []
    for number, name in enumerate(examples.classes):
        of_class = order[examples.labels[order] == number]
        if len(of_class) <= shots:
            raise ClaimsError(
                f"{examples.where}: expected more than {shots} images of {name}, found {len(of_class)}; complete it"
            )
        train.append(of_class[:shots])
    chosen = np.sort(np.concatenate(train))
    rest = np.setdiff1d(np.arange(len(examples)), chosen)
    return PublishedSplits(train=examples.take(chosen), test=examples.take(rest))


def subset(examples: Examples, n: int) -> Examples:
    """Return n examples by index: the first n of a fixed permutation, in their old order (VTAB-1k: 1,000)."""
    if len(examples) < n:
        raise ClaimsError(f"{examples.where}: expected at least {n:,} training examples, found {len(examples):,}")
    return examples.take(np.sort(permutation(len(examples), SUBSET_STREAM)[:n]))
