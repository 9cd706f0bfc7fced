"""ledger.jsonl beside the claim files: when each hypothesis and each verdict was locked, in a chain of digests.

Every line carries the sha256 of the line before it, so that no line can be changed or left out unnoticed. A hypothesis
that was locked before it had a verdict is preregistered: the rule it would be decided by was fixed before its runs
existed.
"""

from __future__ import annotations

import hashlib
import json
from collections.abc import Iterable
from functools import cache
from pathlib import Path
from typing import Annotated, Literal

from pydantic import Field, ValidationError
from pydantic.dataclasses import dataclass

from harness.core.errors import ClaimsError
from harness.core.specs import STRICT, fault
from harness.core.toml import table_stamp

FILE = "ledger.jsonl"
FIRST = "0" * 64
"""What the first line carries."""
Digest = Annotated[str, Field(pattern=r"^[0-9a-f]{64}$")]


@dataclass(frozen=True, config=STRICT)
class Entry:
    """One verdict as it was locked, or a hypothesis that had none yet."""

    claim: str
    hypothesis: str
    source: str
    digest: str
    """Of the hypothesis."""
    rule: str
    verdict: str = ""
    """"": it had no verdict when it was locked."""
    evidence: str = ""
    """Digest of what the verdict rests on."""


@dataclass(frozen=True, config=STRICT)
class Line:
    """One locking: all that was new."""

    previous: Digest
    date: str
    entries: tuple[Entry, ...]
    kind: Literal["lock"] = "lock"


def read(path: Path) -> tuple[Line, ...]:
    """Return the lines of a ledger whose chain is whole; none where there is no file.

    Raises:
        ClaimsError: a line is damaged, or does not carry the digest of the one before it.
    """
    try:
        content = path.read_bytes()
    except FileNotFoundError:
        return ()
    except OSError as error:
        raise ClaimsError(f"{path}: expected a ledger, found: {error.strerror}") from None
    lines = []
    previous = FIRST
    for number, raw in enumerate(content.splitlines(), start=1):
        where = f"{path}:{number}"
        try:
            values = json.loads(raw)
            line = Line(**values)
        except (json.JSONDecodeError, UnicodeDecodeError, TypeError):
            raise ClaimsError(f"{where}: expected a line that `harness lock` wrote, found something else") from None
        except ValidationError as error:
            raise ClaimsError(f"{where}: {fault(error)}") from None
        if line.previous != previous:
            raise ClaimsError(
                f"{where}: expected the digest of the line before it, {previous[:16]}..., found"
                f" {line.previous[:16]}...; a line was changed, added or left out: restore the file"
            )
        previous = hashlib.sha256(raw).hexdigest()
        lines.append(line)
    return tuple(lines)


def last_digest(path: Path) -> str:
    """Return the sha256 of a ledger's last line; of one without lines what the first line carries."""
    lines = path.read_bytes().splitlines() if path.exists() else []
    return hashlib.sha256(lines[-1]).hexdigest() if lines else FIRST


def require_last(path: Path, last: str) -> None:
    """Refuse a ledger whose last line is not the one that the record of verdicts names: no line after it says so.

    Args:
        path: the ledger.
        last: sha256 of the last line; "": nothing is on record.

    Raises:
        ClaimsError: it was changed or left out, or one was added.
    """
    found = last_digest(path)
    if last and found != last:
        raise ClaimsError(
            f"{path}: expected the last line with the digest {last[:16]}... (expected.toml), found"
            f" {found[:16]}...; a line was changed, added or left out: restore the file"
        )


def read_once(path: Path) -> tuple[Line, ...]:
    """Return the lines of a ledger, read once as long as it stays as it is.

    Raises:
        ClaimsError: it is damaged.
    """
    return _read(path, table_stamp(path))


@cache
def _read(path: Path, stamp: tuple[int, ...]) -> tuple[Line, ...]:
    del stamp
    return read(path)


def appended(path: Path, entries: Iterable[Entry], date: str) -> bytes:
    """Return a ledger's content with one more line.

    Raises:
        ClaimsError: the ledger is damaged.
    """
    read(path)
    content = path.read_bytes() if path.exists() else b""
    from pydantic import TypeAdapter

    line = TypeAdapter(Line).dump_python(Line(last_digest(path), date, tuple(entries)), mode="json")
    whole = content if content.endswith(b"\n") or not content else content + b"\n"
    return whole + json.dumps(line).encode() + b"\n"


def registration(lines: Iterable[Line], source: str, hypothesis: str, digest: str, rule: str) -> str:
    """Return since when a hypothesis is on record for a source, as it is stated and judged now.

    Args:
        lines: of the ledger.
        source: text form of the source of evidence.
        hypothesis: its id.
        digest: of what it states.
        rule: how it is decided; a family that was made smaller since is another rule.

    Returns:
        "preregistered on DATE", "locked on DATE" (together with its first verdict), or "post hoc".
    """
    for line in lines:
        for entry in line.entries:
            if (entry.source, entry.hypothesis, entry.digest, entry.rule) == (source, hypothesis, digest, rule):
                how = "locked" if entry.verdict else "preregistered"
                return f"{how} on {line.date[:10]}"
    return "post hoc"
