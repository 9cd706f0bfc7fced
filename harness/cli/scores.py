"""Files of scores: npz with the array `scores`, or CSV with the columns seed, example, score."""

from __future__ import annotations

import csv
import io
from collections.abc import Sequence
from dataclasses import dataclass
from pathlib import Path
from typing import Any

from harness.core.errors import ClaimsError

COLUMNS = ("seed", "example", "score")
WORDS = {"true": 1.0, "false": 0.0}


@dataclass(frozen=True, eq=False)
class ScoresFile:
    """One side's scores."""

    path: str
    scores: Any
    """Array of shape (seeds, examples)."""
    deterministic: bool = False
    """The side was only evaluated."""
    examples: str = ""
    """Digest of the labels, in an export of the store's runs."""
    names: tuple[str, ...] = ()
    """The examples' names, in a CSV file."""


def read_scores(path: str) -> ScoresFile:
    """Return the scores that a file holds.

    Raises:
        ClaimsError: it is missing, damaged, pickled, or holds no scores; the line names the file.
    """
    where = Path(path)
    if not where.is_file():
        found = "a folder" if where.is_dir() else "no such file"
        raise ClaimsError(f"{path}: expected an npz or CSV file of scores, found {found}")
    with where.open("rb") as file:
        start = file.read(6)
    if start.startswith(b"PK"):
        return _read_npz(path)
    if start == b"\x93NUMPY":
        raise ClaimsError(
            f"{path}: expected an npz file with the array `scores`, found a single array; np.savez(FILE, scores=...)"
        )
    return _read_csv(path, where.read_bytes())


def same_examples(a: ScoresFile, b: ScoresFile) -> ScoresFile:
    """Return b with its examples in the order of a's.

    Raises:
        ClaimsError: the files name different examples, or were exported from runs on different ones.
    """
    if a.examples and b.examples and a.examples != b.examples:
        raise ClaimsError(f"{a.path}, {b.path}: expected scores on the same examples, found runs with other labels")
    if a.names and b.names and a.names != b.names:
        missing = sorted(set(a.names) ^ set(b.names))
        if missing:
            raise ClaimsError(
                f"{a.path}, {b.path}: expected the same examples in both, found example {missing[0]!r} in one alone"
            )
        place = {name: column for column, name in enumerate(b.names)}
        columns = [place[name] for name in a.names]
        return ScoresFile(b.path, b.scores[:, columns], b.deterministic, b.examples, a.names)
    for named, other in ((a, b), (b, a)):
        if named.names and not other.names and not all(name.isdecimal() for name in named.names):
            raise ClaimsError(
                f"{named.path}: expected examples by number to pair them with the order of {other.path}, found"
                f" {next(name for name in named.names if not name.isdecimal())!r}"
            )
    return b


def _read_npz(path: str) -> ScoresFile:
    import numpy as np

    from harness.models.npz import DAMAGE, damage
    from harness.stats.predictions import scores_of

    try:
        with np.load(path, allow_pickle=False) as file:
            if "scores" not in file.files:
                names = ", ".join(file.files) or "none"
                raise ClaimsError(f"{path}: expected the array `scores`, found: {names}")
            scores = file["scores"]
            deterministic = "deterministic" in file.files and bool(np.asarray(file["deterministic"]).all())
            examples = str(file["examples_sha256"]) if "examples_sha256" in file.files else ""
    except (*DAMAGE, AttributeError, TypeError) as error:
        raise ClaimsError(f"{path}: expected a whole npz file without pickles, found: {damage(error)}") from None
    return ScoresFile(path, scores_of(f"{path}: scores", scores), deterministic and len(scores) == 1, examples)


def _read_csv(path: str, content: bytes) -> ScoresFile:
    import numpy as np

    try:
        text = content.decode("utf-8-sig")
    except UnicodeDecodeError:
        raise ClaimsError(f"{path}: expected an npz file or CSV in UTF-8, found neither") from None
    reader = csv.reader(io.StringIO(text, newline=""), strict=True)
    cells: dict[tuple[str, str], float] = {}
    try:
        places = _columns(path, next(reader, None))
        for row in reader:
            if any(cell.strip() for cell in row):
                seed, example, score = _row(path, reader.line_num, row, places)
                if (seed, example) in cells:
                    raise ClaimsError(
                        f"{path}, line {reader.line_num}: expected one score for each seed and example, found a second"
                        f" one of seed {seed!r}, example {example!r}"
                    )
                cells[seed, example] = score
    except csv.Error as error:
        raise ClaimsError(f"{path}, line {reader.line_num}: expected CSV, found: {error}") from None
    if not cells:
        raise ClaimsError(f"{path}: expected a score in each row, found no rows below the header")
    seeds, examples = (_ordered({key[place] for key in cells}) for place in (0, 1))
    if len(cells) < len(seeds) * len(examples):
        lacking = next((s, e) for s in seeds for e in examples if (s, e) not in cells)
        raise ClaimsError(
            f"{path}: expected a score of every seed on every example ({len(seeds)} x {len(examples):,}), found"
            f" {len(cells):,}; seed {lacking[0]!r}, example {lacking[1]!r} has none"
        )
    scores = np.array([[cells[seed, example] for example in examples] for seed in seeds])
    return ScoresFile(path, scores, names=tuple(examples))


def _columns(path: str, header: Sequence[str] | None) -> tuple[int, ...]:
    """Return the places of the columns seed, example and score."""
    names = [name.strip().lower() for name in header or ()]
    if any(names.count(column) != 1 for column in COLUMNS):
        found = ",".join(header or ())[:60] or "an empty file"
        raise ClaimsError(f"{path}: expected an npz file or CSV with the columns {', '.join(COLUMNS)}, found: {found}")
    return tuple(names.index(column) for column in COLUMNS)


def _row(path: str, line: int, row: Sequence[str], places: Sequence[int]) -> tuple[str, str, float]:
    """Return seed, example and score of one row."""
    import math

    if len(row) <= max(places):
        raise ClaimsError(f"{path}, line {line}: expected {max(places) + 1} cells or more, found {len(row)}")
    seed, example, written = (row[place].strip() for place in places)
    if not seed or not example:
        raise ClaimsError(f"{path}, line {line}: expected a seed and an example, found an empty cell")
    try:
        score = WORDS[written.lower()] if written.lower() in WORDS else float(written)
    except ValueError:
        raise ClaimsError(f"{path}, line {line}: expected a score, a number, found {written!r}") from None
    if not math.isfinite(score):
        raise ClaimsError(f"{path}, line {line}: expected a finite score, found {written!r}")
    return seed, example, score


def _ordered(names: set[str]) -> list[str]:
    """Return names in order: numbers by value, anything else by spelling."""
    if all(name.isdecimal() for name in names):
        return sorted(names, key=lambda name: (int(name), name))
    return sorted(names)
