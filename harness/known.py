"""What is recorded against a claim's hypotheses: the file known.toml beside the claim files."""

from __future__ import annotations

from pathlib import Path

from harness.claim import Known, Records
from harness.errors import ClaimsError
from harness.spec import build
from harness.tables import read_toml


def recorded(claim_file: str, name: str = "known.toml") -> Records:
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
    records = {}
    for hypothesis, by_source in tables.items():
        where = f"{path.name} [{Path(claim_file).stem}.{hypothesis!r}]"
        if not isinstance(by_source, dict):
            raise ClaimsError(f'{where}: expected lines SOURCE = "VERDICT: reason", found {by_source!r}; mend the file')
        records[hypothesis] = {source: read_record(text, f"{where} {source}") for source, text in by_source.items()}
    return records


def read_record(text: object, where: str) -> Known:
    """Return the record that "VERDICT: reason" holds."""
    verdict, colon, reason = str(text).partition(": ")
    if not colon:
        raise ClaimsError(f'{where}: expected "VERDICT: reason with figures", found {text!r}; mend the file')
    return build(Known, {"verdict": verdict, "reason": reason}, where)
