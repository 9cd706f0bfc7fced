"""The verdicts on record against a claim's hypotheses: the file expected.toml beside the claim files."""

from __future__ import annotations

from pathlib import Path

from harness.core.claim import Expected, ExpectedVerdicts
from harness.core.errors import ClaimsError, nearest, warn_renamed
from harness.core.specs import build
from harness.core.toml import read_toml

FILE = "expected.toml"
OLD_FILE = "known.toml"


class ExpectedOf(dict[str, dict[str, Expected]]):
    """The expected verdicts of one claim file, with the file that they were read from."""

    def __init__(self, path: Path, stem: str):
        super().__init__()
        self.path = path
        self.stem = stem


def expected(claim_file: str, name: str = FILE) -> ExpectedVerdicts:
    """Return the expected verdicts of a claim file, by hypothesis id and source of evidence.

    A line reads SOURCE = "VERDICT: reason with figures". It is written after a source was judged, and a
    later change of the verdict fails the test.

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
    tables = read_toml(path).get(Path(claim_file).stem, {})
    found = ExpectedOf(path, Path(claim_file).stem)
    for hypothesis, by_source in tables.items():
        where = f"{path.name} [{Path(claim_file).stem}.{hypothesis!r}]"
        if not isinstance(by_source, dict):
            raise ClaimsError(
                f'{where}: expected lines SOURCE = "VERDICT: reason", found {by_source!r}; correct the file'
            )
        found[hypothesis] = {source: read_expected(text, f"{where} {source}") for source, text in by_source.items()}
    return found


def require_files(records: ExpectedVerdicts) -> str:
    """Return where expected verdicts stand, having checked that each table of their file has a claim file beside it.

    Raises:
        ClaimsError: one names no Python file beside it, so that its verdicts would never be looked at.
    """
    if not isinstance(records, ExpectedOf):
        return "records"
    files = {file.stem for file in records.path.parent.glob("*.py")}
    for stem in read_toml(records.path):
        if stem not in files:
            raise ClaimsError(
                f"{records.path.name} [{stem}]: expected the name of a claim file beside it, found no {stem}.py"
                f"{nearest(stem, files)}; correct the name or remove the records"
            )
    return f"{records.path.name} [{records.stem}]"


def recorded(claim_file: str, name: str = FILE) -> ExpectedVerdicts:
    """Return `expected(...)`, under its old name."""
    warn_renamed("harness.core.expected.recorded", "harness.core.expected.expected")
    return expected(claim_file, name)


def read_expected(text: object, where: str) -> Expected:
    """Return the expected verdict that "VERDICT: reason" holds."""
    verdict, colon, reason = str(text).partition(": ")
    if not colon:
        raise ClaimsError(f'{where}: expected "VERDICT: reason with figures", found {text!r}; correct the file')
    return build(Expected, {"verdict": verdict, "reason": reason}, where)
