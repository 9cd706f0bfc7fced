"""What is recorded against a claim's hypotheses: the file expected.toml beside the claim files."""

from __future__ import annotations

from pathlib import Path

from harness.core.claim import Known, Records
from harness.core.errors import ClaimsError, nearest
from harness.core.specs import build
from harness.core.toml import read_toml


class RecordsOf(dict[str, dict[str, Known]]):
    """The records for one claim file, with the file that they were read from."""

    def __init__(self, path: Path, stem: str):
        super().__init__()
        self.path = path
        self.stem = stem


def recorded(claim_file: str, name: str = "expected.toml") -> Records:
    """Return the records for a claim file, by hypothesis id and source of evidence.

    A record reads "VERDICT: reason with figures". It is written after a source was judged, and a
    later change of the verdict fails the test.

    Args:
        claim_file: the claim module's `__file__`; its stem is the table's name.
        name: the file of records beside it.

    Raises:
        ClaimsError: malformed.
    """
    path = Path(claim_file).with_name(name)
    tables = read_toml(path).get(Path(claim_file).stem, {})
    records = RecordsOf(path, Path(claim_file).stem)
    for hypothesis, by_source in tables.items():
        where = f"{path.name} [{Path(claim_file).stem}.{hypothesis!r}]"
        if not isinstance(by_source, dict):
            raise ClaimsError(f'{where}: expected lines SOURCE = "VERDICT: reason", found {by_source!r}; mend the file')
        records[hypothesis] = {source: read_record(text, f"{where} {source}") for source, text in by_source.items()}
    return records


def require_files(records: Records) -> str:
    """Return where records stand, for messages, having seen that every table of their file is of a claim file.

    Raises:
        ClaimsError: one names no Python file beside it, so that its records would never be looked at.
    """
    if not isinstance(records, RecordsOf):
        return "records"
    files = {file.stem for file in records.path.parent.glob("*.py")}
    for stem in read_toml(records.path):
        if stem not in files:
            raise ClaimsError(
                f"{records.path.name} [{stem}]: expected the name of a claim file beside it, found no {stem}.py"
                f"{nearest(stem, files)}; correct the name or remove the records"
            )
    return f"{records.path.name} [{records.stem}]"


def read_record(text: object, where: str) -> Known:
    """Return the record that "VERDICT: reason" holds."""
    verdict, colon, reason = str(text).partition(": ")
    if not colon:
        raise ClaimsError(f'{where}: expected "VERDICT: reason with figures", found {text!r}; mend the file')
    return build(Known, {"verdict": verdict, "reason": reason}, where)
