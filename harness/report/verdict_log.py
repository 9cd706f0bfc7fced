"""Append-only logs of a report: verdicts.jsonl, every verdict as soon as it is reached, and history.jsonl, sessions.

A killed session still has a report, because its verdicts were logged. Each line is {"verdict": {...}}, {"claim": {...}}
or {"session": {...}}. A session that is killed may leave half a line. The next one closes it with a mark that
`json.dumps` never writes (it holds a raw tab), so that a torn line is told from a damaged one for ever.
"""

from __future__ import annotations

import io
import json
from dataclasses import dataclass
from pathlib import Path
from typing import BinaryIO

from harness.core.claim import Claim
from harness.core.errors import ClaimsError
from harness.core.paths import make_folder
from harness.core.text import text_of
from harness.core.verdict import Verdict
from harness.report.serialise import check_finite, from_json, parse, to_values
from harness.report.session_record import SessionRecord

TORN = b"\t<torn>\n"
Record = Claim | Verdict | SessionRecord
KINDS: dict[str, type[Record]] = {"claim": Claim, "verdict": Verdict, "session": SessionRecord}


class VerdictLog:
    """The open log of one session: append and flush."""

    def __init__(self, path: Path):
        self.path = path
        self.file: BinaryIO | None = None

    def append(self, record: Record) -> None:
        """Append one record and hand it to the operating system.

        Raises:
            ClaimsError: a figure is not finite, or the file can't be written.
        """
        kind = next(name for name, of in KINDS.items() if isinstance(record, of))
        line = json.dumps({kind: to_values(record)}).encode() + b"\n"
        try:
            if self.file is None:
                self.file = self._open()
            # One write of one line in append mode: two sessions in one folder do not mix their lines.
            written = self.file.write(line)
            fault = "" if written == len(line) else f"only {written} of {len(line)} bytes fitted"
        except OSError as error:
            fault = str(error.strerror)
        if fault:
            self.close()  # so that the next append marks what may be half a line
            raise ClaimsError(
                f"{self.path}: expected to append a {kind}, found: {fault};"
                " free some space or choose another --report-dir"
            )

    def _open(self) -> BinaryIO:
        make_folder(self.path.parent)
        file: BinaryIO = self.path.open("ab+", buffering=0)
        end = file.seek(0, 2)
        if end:
            file.seek(end - 1)
            if file.read(1) != b"\n":
                file.write(TORN)
        return file

    @property
    def end(self) -> int:
        """Bytes of the file; 0 where there is none."""
        return self.path.stat().st_size if self.path.exists() else 0

    def close(self) -> None:
        """Close the file; a later append opens it again."""
        if self.file is not None:
            self.file.close()
            self.file = None


@dataclass(frozen=True)
class Tail:
    """What was appended to a log after a byte offset."""

    records: tuple[Claim | Verdict, ...]
    end: int
    """Offset after the last whole line: where the next reading starts."""
    notes: tuple[str, ...]
    """One line for each torn line."""
    sessions: tuple[SessionRecord, ...] = ()


def read(path: Path, start: int = 0) -> Tail:
    """Return the records of a log from byte `start` on.

    A start that is not the beginning of a line (the file was replaced) reads the whole file.

    Raises:
        ClaimsError: a whole line is damaged, with its number, or the file can't be read.
    """
    try:
        content = path.read_bytes()
    except FileNotFoundError:
        return Tail((), 0, ())
    except OSError as error:
        raise ClaimsError(f"{path}: expected a log of verdicts, found: {error.strerror}; move it away") from None
    if start > len(content) or (start and content[start - 1 : start] != b"\n"):
        start = 0
    records: list[Record] = []
    notes: list[str] = []
    first = content.count(b"\n", 0, start) + 1
    for number, line in enumerate(io.BytesIO(content[start:]), start=first):
        where = f"{path}:{number}"
        torn = not line.endswith(b"\n") or line.endswith(TORN)
        try:
            if line.strip():
                records.append(read_line(line.removesuffix(TORN), where))
        except ClaimsError:
            if not torn:
                raise
            notes.append(f"{where}: the line was cut off when its session was killed; judge that hypothesis again")
    end = start + content[start:].rfind(b"\n") + 1
    sessions = tuple(each for each in records if isinstance(each, SessionRecord))
    return Tail(tuple(each for each in records if not isinstance(each, SessionRecord)), end, tuple(notes), sessions)


def read_line(line: bytes, where: str) -> Record:
    """Return the record of one line.

    Raises:
        ClaimsError: it is not {"verdict": {...}}, {"claim": {...}} or {"session": {...}}.
    """
    try:
        values = parse(text_of(line), where)
    except UnicodeDecodeError:
        raise ClaimsError(f"{where}: expected UTF-8, found other bytes; remove the line") from None
    check_finite(values, where)
    if isinstance(values, dict) and len(values) == 1:
        ((kind, record),) = values.items()
        if kind in KINDS and isinstance(record, dict):
            return from_json(KINDS[kind], json.dumps(record), where)
    raise ClaimsError(
        f'{where}: expected {{"verdict": ...}}, {{"claim": ...}} or {{"session": ...}}, found other keys;'
        " remove the line"
    )
