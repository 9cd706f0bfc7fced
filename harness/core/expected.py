"""The verdicts and answers on record: the file expected.toml beside the claim files, which `harness lock` writes."""

from __future__ import annotations

from collections.abc import Mapping
from functools import cache
from pathlib import Path
from typing import Any, get_args

from harness.core.claim import ExpectedVerdicts
from harness.core.claim_ids import claim_ids
from harness.core.errors import ClaimsError, nearest, unknown, warn_renamed
from harness.core.hypotheses import Expected
from harness.core.source import KINDS, Source
from harness.core.specs import build
from harness.core.toml import read_toml, table_stamp
from harness.core.verdict import AnswerName

FILE = "expected.toml"
ANSWERS = "answers"
"""The table of answers."""
LEDGER = "ledger"
"""The table that has the digest of the ledger's last line; all others are named after a claim file."""
OLD_FILE = "known.toml"


class ExpectedOf(dict[str, dict[str, Expected]]):
    """The expected verdicts of one claim file, with the file that they were read from."""

    def __init__(self, path: Path, stem: str):
        super().__init__()
        self.path = path
        self.stem = stem


def expected(claim_file: str, name: str = FILE) -> ExpectedVerdicts:
    """Return the expected verdicts of a claim file, by hypothesis id and source of evidence.

    Each is a table that `harness lock` wrote, or a line SOURCE = "VERDICT: reason" written by hand. A later change of
    the verdict fails the test; of a locked one, also a change of the hypothesis, of the rule or of the evidence.

    Args:
        claim_file: the claim module's `__file__`; its stem is the table's name.
        name: the file of expected verdicts beside it.

    Raises:
        ClaimsError: missing or malformed.
    """
    path = Path(claim_file).with_name(name)
    if not path.exists() and path.with_name(OLD_FILE).exists():
        path = path.with_name(OLD_FILE)
        warn_renamed(f"the file {path}", name)
    if not path.exists():
        raise ClaimsError(f"{path}: expected the file of verdicts on record, found none; create it, empty at first")
    tables = read_expected_file(path).get(Path(claim_file).stem, {})
    found = ExpectedOf(path, Path(claim_file).stem)
    for hypothesis, by_source in tables.items():
        where = f"{path.name} [{Path(claim_file).stem}.{hypothesis!r}]"
        if not isinstance(by_source, dict):
            raise ClaimsError(
                f'{where}: expected lines SOURCE = "VERDICT: reason", found {by_source!r}; correct the file'
            )
        found[hypothesis] = {source: read_expected(given, f"{where} {source}") for source, given in by_source.items()}
    return found


@cache
def _read_once(path: Path, stamp: tuple[int, ...]) -> Mapping[str, Any]:
    del stamp
    return read_toml(path)


def read_expected_file(path: Path) -> Mapping[str, Any]:
    """Return the tables of a file of expected verdicts, read once as long as it stays as it is.

    Raises:
        ClaimsError: missing or malformed.
    """
    return _read_once(path, table_stamp(path))


def expected_answers(path: Path) -> dict[tuple[str, str], str]:
    """Return the answers on record by (claim, source): the answer's name, e.g. "MIXED".

    Raises:
        ClaimsError: malformed, or there is no such source or answer.
    """
    tables = read_expected_file(path).get(ANSWERS, {}) if path.exists() else {}
    found: dict[tuple[str, str], str] = {}
    for claim, by_source in tables.items():
        if not isinstance(by_source, dict) or not all(isinstance(text, str) for text in by_source.values()):
            raise ClaimsError(f'{path.name} [{ANSWERS}.{claim}]: expected lines SOURCE = "ANSWER"; correct the file')
        for source, text in by_source.items():
            where = f"{path.name} [{ANSWERS}.{claim}]"
            if Source.parse(source).kind not in KINDS:
                raise unknown("source", source, KINDS, where)
            if text not in get_args(AnswerName):
                raise unknown("answer", text, get_args(AnswerName), where)
            found[claim, source] = text
    return found


def expected_last(path: Path) -> str:
    """Return the digest that the ledger's last line had when the file was written; "" where none is on record.

    Raises:
        ClaimsError: malformed.
    """
    table = read_expected_file(path).get(LEDGER, {}) if path.exists() else {}
    last = table.get("last", "") if isinstance(table, dict) else table
    if not isinstance(last, str):
        raise ClaimsError(f'{path.name} [{LEDGER}]: expected last = "SHA256", found {last!r}; run harness lock')
    return last


def require_files(records: ExpectedVerdicts) -> str:
    """Return where expected verdicts stand, having checked that each table of their file has a claim file beside it.

    Raises:
        ClaimsError: one names no Python file beside it, so that its verdicts would never be looked at; or an answer is
            on record of a claim that no file beside it states.
    """
    if not isinstance(records, ExpectedOf):
        return "records"
    require_claims(records.path)
    files = {file.stem for file in records.path.parent.glob("*.py")}
    for stem in read_expected_file(records.path):
        if stem not in files and stem not in (ANSWERS, LEDGER):
            raise ClaimsError(
                f"{records.path.name} [{stem}]: expected the name of a claim file beside it, found no {stem}.py"
                f"{nearest(stem, files)}; correct the name or remove the records"
            )
    return f"{records.path.name} [{records.stem}]"


def require_claims(path: Path) -> None:
    """Refuse answers of claims that no file beside theirs states, as far as these can be told: none would be compared.

    Raises:
        ClaimsError: with the nearest claim; or an answer is malformed.
    """
    claims = {claim for claim, _ in expected_answers(path)}
    stated = claim_ids(path.parent)
    for claim in sorted(claims - stated) if stated is not None else ():
        raise ClaimsError(
            f"{path.name} [{ANSWERS}.{claim}]: expected the id of a claim that a file beside it states, found none with"
            f" that id{nearest(claim, stated or ())}; correct the id or remove the answers"
        )


def recorded(claim_file: str, name: str = FILE) -> ExpectedVerdicts:
    """Return `expected(...)`, under its old name."""
    warn_renamed("harness.core.expected.recorded", "harness.core.expected.expected")
    return expected(claim_file, name)


def read_expected(text: object, where: str) -> Expected:
    """Return the expected verdict that a table, or "VERDICT: reason", holds."""
    if isinstance(text, dict):
        return build(Expected, text, where)
    verdict, colon, reason = str(text).partition(": ")
    if not colon:
        raise ClaimsError(f'{where}: expected "VERDICT: reason with figures", found {text!r}; correct the file')
    return build(Expected, {"verdict": verdict, "reason": reason}, where)
