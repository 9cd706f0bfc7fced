"""`python -m harness judge A.npz B.npz`: the difference of two sides' scores, over seeds and examples."""

from __future__ import annotations

import argparse
import json
import sys
from collections.abc import Callable, Iterator
from pathlib import Path
from typing import TYPE_CHECKING, Any

from harness.cli.scores import ScoresFile, read_scores, same_examples
from harness.core.errors import ClaimsError, printable, unknown

if TYPE_CHECKING:
    from harness.stats.predictions import Judgement

KEYS = {"a", "b", "margin", "level"}


def add_parser(commands: Any) -> None:
    """Add the command to the command line's subparsers."""
    parser = commands.add_parser("judge", help="judge two sides' scores, made anywhere, on the same test examples")
    parser.add_argument(
        "files",
        nargs="*",
        metavar="A B",
        help="npz with the array `scores`, shape (seeds, examples), or CSV with the columns seed, example, score",
    )
    parser.add_argument(
        "--batch",
        metavar="FILE",
        help='judge many pairs: JSON lines {"a": "A.npz", "b": "B.npz"}, each with "margin" and "level" if it likes;'
        " - is standard input",
    )
    parser.add_argument(
        "--margin", type=float, metavar="X", help="test equivalence within X, in the unit of the scores"
    )
    parser.add_argument(
        "--level", type=float, default=0.95, metavar="L", help="confidence level (default: %(default)s)"
    )
    parser.add_argument("--json", action="store_true", help="print one JSON object, with --batch one a line")


def run(options: argparse.Namespace) -> int:
    """Judge one pair, or each line of a batch; a bad line of a batch does not stop the others, and ends in 1."""
    from harness.stats.predictions import check

    check(options.margin, options.level)
    if options.batch is not None:
        if options.files:
            raise ClaimsError(f"expected either two files or --batch, found both: {' '.join(options.files)}")
        return run_batch(options)
    if len(options.files) != 2:
        raise ClaimsError(f"expected two files of scores, A and B, found {len(options.files)}")
    a, b = options.files
    found = judge_files(read_scores(a), read_scores(b), options.margin, options.level)
    print(json.dumps(found.record()) if options.json else text(found, a, b))
    return 0


def run_batch(options: argparse.Namespace) -> int:
    """Judge each line of a file, in its order."""
    read = recently_read()
    failed = False
    for number, line in lines_of(options.batch):
        where = f"{options.batch}, line {number}"
        try:
            a, b, margin, level = pair(line, options, where)
            found = judge_files(read(a), read(b), margin, level)
        except ClaimsError as error:
            failed = True
            said = str(error) if str(error).startswith(where) else f"{where}: {error}"
            if options.json:
                print(json.dumps({"error": said, "line": number}), flush=True)
            else:
                print(f"harness judge: {said}", file=sys.stderr, flush=True)
            continue
        print(json.dumps(found.record()) if options.json else first_line(found, a, b), flush=True)
    return int(failed)


def judge_files(a: ScoresFile, b: ScoresFile, margin: float | None, level: float) -> Judgement:
    """Return the judgement of two files' scores.

    Raises:
        ClaimsError: they are not on the same examples, or nothing can be said.
    """
    from harness.stats.predictions import judge_scores

    b = same_examples(a, b)
    if a.scores.shape[1] != b.scores.shape[1]:
        raise ClaimsError(
            f"expected both sides' scores on the same examples, found {a.scores.shape[1]:,} in {a.path} and"
            f" {b.scores.shape[1]:,} in {b.path}"
        )
    try:
        return judge_scores(a.scores, b.scores, margin, level, (a.deterministic, b.deterministic))
    except ClaimsError as error:
        raise ClaimsError(f"{a.path}, {b.path}: {error}") from None


def lines_of(batch: str) -> Iterator[tuple[int, str]]:
    """Yield the lines of a batch that are not empty, with their numbers.

    Raises:
        ClaimsError: the file is missing or no text.
    """
    try:
        content = sys.stdin.buffer.read() if batch == "-" else Path(batch).read_bytes()
        lines = content.decode("utf-8-sig").split("\n")
    except OSError as error:
        raise ClaimsError(f"--batch {batch}: expected a file of JSON lines, found: {error.strerror}") from None
    except UnicodeDecodeError:
        raise ClaimsError(f"--batch {batch}: expected JSON lines in UTF-8, found something else") from None
    if not content.strip():
        raise ClaimsError(f"--batch {batch}: expected JSON lines, found an empty file")
    yield from ((number, line) for number, line in enumerate(lines, start=1) if line.strip())


def pair(line: str, options: argparse.Namespace, where: str) -> tuple[str, str, float | None, float]:
    """Return the two files, the margin and the level that a line of a batch asks for.

    Raises:
        ClaimsError: the line is no such object.
    """
    from harness.stats.predictions import check

    try:
        asked = json.loads(line)
    except (ValueError, RecursionError) as error:
        raise ClaimsError(f"{where}: expected a JSON object, found: {error}") from None
    if not isinstance(asked, dict) or not all(isinstance(asked.get(side), str) for side in "ab"):
        raise ClaimsError(f'{where}: expected {{"a": "A.npz", "b": "B.npz"}}, found: {printable(line.strip()[:80])}')
    for key in asked.keys() - KEYS:
        raise unknown("key", key, KEYS, where)
    numbers = {"margin": options.margin, "level": options.level} | {
        key: asked[key] for key in ("margin", "level") if asked.get(key) is not None
    }
    for key, value in numbers.items():
        if value is not None and (isinstance(value, bool) or not isinstance(value, int | float)):
            raise ClaimsError(f"{where}: {key}: expected a number, found {value!r}")
    check(numbers["margin"], numbers["level"])
    a, b = (beside(asked[side], options.batch) for side in "ab")
    return a, b, numbers["margin"], numbers["level"]


def beside(path: str, batch: str) -> str:
    """Return where a file of a batch lies: as written, or relative to the batch's folder if it is only there."""
    other = Path(batch).parent / path
    return str(other) if not Path(path).exists() and batch != "-" and other.exists() else path


def recently_read() -> Callable[[str], ScoresFile]:
    """Return `read_scores` that remembers the last files, for a batch that compares many with one."""
    from functools import lru_cache

    return lru_cache(maxsize=8)(read_scores)


def first_line(found: Judgement, a: str, b: str) -> str:
    """Return the difference with its interval in one line."""
    one = found.crossed
    tested = f"; {found.verdict} within {found.margin:g}" if found.equivalence is not None else ""
    return (
        f"{a} minus {b}: {one.value:+.6g}, {percent(one.level)} interval {one.low:.6g} to {one.high:.6g},"
        f" p {one.p:.3g}{tested}"
    )


def percent(level: float) -> str:
    """Return a confidence level in percent with all its digits: 99.9999999 is not 100."""
    return f"{100 * level:.12g} %"


def text(found: Judgement, a: str, b: str) -> str:
    """Return a judgement for a reader."""
    one = found.crossed
    lines = [first_line(found, a, b), f"  {one.method}"]
    for name, mean, seeds, odd in zip((a, b), found.means, found.seeds, found.outliers, strict=True):
        flagged = f"; far from the others: row {', '.join(map(str, odd))} (counted from 0)" if odd else ""
        lines.append(f"  {name}: mean {mean:.6g} over {seeds} {'seed' if seeds == 1 else 'seeds'}{flagged}")
    if found.over_seeds is not None:
        lines.append(
            f"  new seeds, these examples: {found.over_seeds.low:.6g} to {found.over_seeds.high:.6g}"
            f" (standard error {one.se_seeds:.3g})"
        )
    lines.append(
        f"  new examples, these runs: {found.over_examples.low:.6g} to {found.over_examples.high:.6g}"
        f" (standard error {one.se_examples:.3g})"
    )
    if found.permutation_p is not None:
        lines.append(f"  permutation of the runs, these examples: p {found.permutation_p:.3g}")
    more = f"; {found.seeds_for_power:,} seeds a side would find the one seen" if found.seeds_for_power else ""
    lines.append(f"  smallest difference found with 80 % power: {found.smallest_detectable:.3g}{more}")
    if found.equivalence is not None:
        tested = found.equivalence
        lines.append(
            f"  within {found.margin:g}: {found.verdict} ({percent(1 - 2 * found.alpha)} interval"
            f" {tested.interval.low:.6g} to {tested.interval.high:.6g}, p {tested.p:.3g})"
        )
    return "\n".join(lines)
