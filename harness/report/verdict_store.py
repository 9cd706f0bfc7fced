"""verdicts.json: the latest verdict for each (claim, hypothesis, source), kept from session to session."""

from __future__ import annotations

import contextlib
import json
import re
from collections import Counter
from collections.abc import Iterable, Iterator, Mapping
from dataclasses import dataclass, field
from datetime import UTC, datetime
from pathlib import Path
from typing import Any

from harness.core.claim import Claim
from harness.core.errors import ClaimsError
from harness.core.paths import held, write_atomic
from harness.core.specs import build
from harness.core.verdict import Answer, Verdict
from harness.judging.answer import answers
from harness.report import verdict_log
from harness.report.labels import natural, order
from harness.report.record_files import SCHEMA_VERSION, items, read_object
from harness.report.serialise import to_values

VERDICTS_FILE = "verdicts.json"
ANSWERS_FILE = "answers.json"
LOG_FILE = "verdicts.jsonl"
"""Every verdict as soon as it is reached."""
HISTORY_FILE = "history.jsonl"
"""A line for each session; in older folders every verdict, too."""

Key = tuple[str, str, str]
CLAIM_ID = re.compile(r"[a-z0-9_]+")


@dataclass
class VerdictStore:
    """All that a report knows: claims, their latest verdicts, and how much of the history is in them."""

    claims: dict[str, Claim] = field(default_factory=dict)
    verdicts: dict[Key, Verdict] = field(default_factory=dict)
    log_bytes: int = 0
    history_bytes: int = 0
    """How far the two logs were read: of verdicts, and of sessions, which held verdicts before there was the other."""
    notes: list[str] = field(default_factory=list)
    """What a reader must be told about the record itself, one line each."""

    def add(self, records: Iterable[Claim | Verdict]) -> None:
        """Take in records in the order they were made: of two verdicts with one key the later dated stays.

        A laptop's NOT RUN says nothing new, so it does not take the place of what was measured elsewhere before.
        """
        for record in records:
            if isinstance(record, Claim):
                self.claims[record.id] = record
                continue
            if not CLAIM_ID.fullmatch(record.claim):
                # It names files (tables/<claim>.csv) and places on the page.
                raise ClaimsError(
                    f"verdict on {record.hypothesis!r}: expected a claim id of a-z, 0-9 and _,"
                    f" found {record.claim!r}; correct or remove the record"
                )
            made = moment(record)
            before = self.verdicts.get(record.key)
            if before is None or (says(record), made) >= (says(before), moment(before)):
                self.verdicts[record.key] = record

    def keep_stated(self, stated: Mapping[str, Iterable[str]]) -> None:
        """Drop verdicts of collected claims whose hypotheses are no longer stated, and note it.

        Args:
            stated: claim id -> ids of all hypotheses the claim states. Claims not in it keep all verdicts.
        """
        kept = {claim: set(hypotheses) for claim, hypotheses in stated.items()}
        collected = [key for key in self.verdicts if key[0] in kept]
        gone = [key for key in collected if key[1] not in kept[key[0]]]
        # Publications had a verdict each before they were judged together.
        single = [key for key in collected if key[1] in kept[key[0]] and key[2].startswith("published/")]
        for key in (*gone, *single):
            del self.verdicts[key]
        for claim, count in sorted(Counter(key[0] for key in single).items()):
            self.notes.append(
                f"{claim}: dropped {count} verdict{'s' * (count > 1)} by one publication each; publications are judged"
                " together now"
            )
        for claim in sorted({key[0] for key in gone}):
            dropped = sorted({key[1] for key in gone if key[0] == claim})
            shown = "; ".join(dropped[:3]) + (f"; and {len(dropped) - 3} more" if len(dropped) > 3 else "")
            self.notes.append(f"{claim}: dropped the verdicts on what the claim no longer states: {shown}")

    def sorted(self) -> list[Verdict]:
        """Return the verdicts in the report's order."""
        return sorted(self.verdicts.values(), key=order)

    def answers(self) -> list[Answer]:
        """Return what each source says of each claim whose verdicts answer it, in the report's order."""
        verdicts = self.sorted()
        return [
            each
            for name in self.claim_ids()
            if name in self.claims
            for each in answers(self.claims[name], [verdict for verdict in verdicts if verdict.claim == name])
        ]

    def claim_ids(self) -> list[str]:
        """Return the ids of all claims that are known or that verdicts name, 2 before 10."""
        return sorted({*self.claims, *(verdict.claim for verdict in self.verdicts.values())}, key=natural)


def says(verdict: Verdict) -> bool:
    """Return whether a verdict says something of the hypothesis, and not only that it was not looked at."""
    return verdict.verdict != "NOT RUN"


def moment(verdict: Verdict) -> datetime:
    """Return when a verdict was made; an undated one is older than all others, a bare time is UTC."""
    if not verdict.date:
        return datetime.min.replace(tzinfo=UTC)
    try:
        made = datetime.fromisoformat(verdict.date)
    except ValueError:
        raise ClaimsError(
            f"verdict on {verdict.hypothesis!r} ({verdict.source}): expected an ISO 8601 date,"
            f" found {verdict.date!r}; correct or remove the record"
        ) from None
    return made if made.tzinfo else made.replace(tzinfo=UTC)


def load(folder: Path) -> VerdictStore:
    """Return verdicts.json merged with the logged verdicts that are newer than it. Writes nothing.

    Raises:
        ClaimsError: a file is damaged: one line that names the file and the place.
    """
    store = read_verdicts(folder / VERDICTS_FILE)
    older = verdict_log.read(folder / HISTORY_FILE, store.history_bytes)
    tail = verdict_log.read(folder / LOG_FILE, store.log_bytes)
    store.add([*older.records, *tail.records])
    store.history_bytes, store.log_bytes = older.end, tail.end
    store.notes.extend([*older.notes, *tail.notes])
    return store


def read_verdicts(path: Path) -> VerdictStore:
    """Return the store in verdicts.json, an empty one if there is no such file.

    Raises:
        ClaimsError: unreadable, not JSON (with the line), another version or a bad record (with its number).
    """
    values = read_object(path)
    if values is None:
        return VerdictStore()
    store = VerdictStore(
        log_bytes=offset(values, "log_bytes", path), history_bytes=offset(values, "history_bytes", path)
    )
    store.add(build(Claim, item, where) for item, where in items(values, "claims", path))
    store.add(build(Verdict, item, where) for item, where in items(values, "verdicts", path))
    return store


def offset(values: dict[str, Any], key: str, path: Path) -> int:
    """Return how many bytes of a log are in a file of verdicts; 0 where it names none, as older files do."""
    found = values.get(key, 0)
    if type(found) is not int or found < 0:
        raise ClaimsError(f"{path}: {key}: expected a number of bytes, found {found!r}; set it to 0")
    return found


def save(folder: Path, store: VerdictStore) -> None:
    """Write verdicts.json and answers.json, each whole or not at all, one record per line.

    Raises:
        ClaimsError: one can't be written; the file that was there stays.
    """
    claims = ",\n".join(json.dumps(to_values(store.claims[name])) for name in sorted(store.claims, key=natural))
    verdicts = ",\n".join(json.dumps(to_values(verdict)) for verdict in store.sorted())
    answers = ",\n".join(json.dumps(to_values(each)) for each in store.answers())
    text = (
        f'{{"schema_version": {SCHEMA_VERSION},\n"log_bytes": {store.log_bytes},\n'
        f'"history_bytes": {store.history_bytes},\n"answers": [\n{answers}\n],\n'
        f'"claims": [\n{claims}\n],\n"verdicts": [\n{verdicts}\n]}}\n'
    )
    write_atomic(folder / VERDICTS_FILE, text.encode())
    alone = f'{{"schema_version": {SCHEMA_VERSION},\n"answers": [\n{answers}\n]}}\n'
    write_atomic(folder / ANSWERS_FILE, alone.encode())


@contextlib.contextmanager
def locked(folder: Path) -> Iterator[None]:
    """Hold the folder against other sessions that end at the same moment.

    Raises:
        ClaimsError: another session holds it for more than a minute.
    """
    from filelock import Timeout

    with contextlib.ExitStack() as stack:
        try:
            stack.enter_context(held(folder / ".lock", timeout=60))
        except Timeout:
            raise ClaimsError(
                f"{folder}: expected to merge the verdicts, found that another session has held {folder / '.lock'}"
                " for a minute; run `python -m harness report` when it has ended"
            ) from None
        yield
