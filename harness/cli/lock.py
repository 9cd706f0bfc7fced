"""`python -m harness lock`: put verdicts and answers on record, so that no change of them goes unnoticed."""

from __future__ import annotations

import argparse
import hashlib
import sys
from collections.abc import Collection, Iterable, Mapping
from dataclasses import replace
from datetime import UTC, datetime
from pathlib import Path
from typing import TYPE_CHECKING, Any

from harness.core.claim import Claim
from harness.core.errors import ClaimsError, unknown
from harness.core.expected import LEDGER
from harness.core.hypotheses import Expected, Hypothesis
from harness.core.source import PUBLISHED
from harness.core.verdict import Verdict

if TYPE_CHECKING:
    from harness.report.verdict_store import VerdictStore

StatedFile = tuple[str, Claim, Iterable[Hypothesis]]
"""The name of a claim file, its claim, and what it states."""
Records = dict[str, dict[str, dict[str, Expected]]]
"""By claim file, hypothesis and source."""
Answers = dict[tuple[str, str], str]
"""By claim and source."""
HEAD = """\
# The verdicts and answers on record, written by `python -m harness lock`. Any change of one fails its test, with what
# it was, what it is, and because of which figure, run or rule. ledger.jsonl says when each was locked.
"""


def add_parser(commands: Any) -> None:
    """Add the command to the command line's subparsers."""
    parser = commands.add_parser(
        "lock", help="put the report's verdicts and answers on record (expected.toml, ledger.jsonl)"
    )
    parser.add_argument("--report-dir", default="reports", metavar="DIR", help="whose verdicts (default: %(default)s)")
    parser.add_argument("--claim", action="append", metavar="ID", help="this claim alone; may be given several times")
    parser.add_argument("--dry-run", action="store_true", help="show the difference and write nothing")
    parser.add_argument("--verify", action="store_true", help="check the ledger and write nothing")


def run(options: argparse.Namespace) -> int:
    """Show what differs from the record and write it; or check the ledger."""
    from harness.core.paper import paper
    from harness.judging import ledger

    folder = paper().folder
    if options.verify:
        require_agreement(folder, latest(ledger.read(folder / ledger.FILE)))
        lines = whole_ledger(folder)
        print(f"{folder / ledger.FILE}: {len(lines)} lines, the chain is whole")
        return 0
    return lock(folder, Path(options.report_dir), options.claim, write=not options.dry_run)


def require_agreement(folder: Path, on_ledger: Mapping[tuple[str, str, str], Any]) -> None:
    """Refuse a ledger whose latest entries are not the verdicts on record: no later line vouches for the last one.

    Args:
        folder: of the paper.
        on_ledger: the latest entry on each claim, hypothesis and source.

    Raises:
        ClaimsError: with the first verdict that differs.
    """
    from harness.catalog.claim_files import stated_files
    from harness.core.expected import FILE
    from harness.judging import ledger

    before = tables(folder / FILE)
    for stem, claim, hypotheses in stated_files(folder):
        for hypothesis in hypotheses:
            for source, record in before.get(stem, {}).get(hypothesis.id, {}).items():
                entry = on_ledger.get((claim.id, hypothesis.id, source))
                if not record.hypothesis:  # written by hand, so never locked
                    continue
                expected = (record.verdict, record.hypothesis, record.rule, evidence_digest(record))
                found = entry and (entry.verdict, entry.digest, entry.rule, entry.evidence)
                if found != expected:
                    raise ClaimsError(
                        f"{folder / ledger.FILE}: {claim.id}, {hypothesis.id}, {source}: expected the latest entry to"
                        f" be the verdict in {FILE}, {record.verdict}, found {found[0] if found else 'none'}"
                        f"{'' if not found or found[0] != record.verdict else ' on something else'}; one of the two"
                        " files was changed: restore it"
                    )


def evidence_digest(record: Expected) -> str:
    """Return the digest by which a ledger names what a verdict rests on."""
    return hashlib.sha256("\n".join(record.evidence).encode()).hexdigest()[:16]


def lock(folder: Path, reports: Path, names: list[str] | None, write: bool) -> int:
    """Show what differs between a report and the record of a paper, and write it.

    Raises:
        ClaimsError: there is no report, no such claim, or a verdict is of a hypothesis that was changed since.
    """
    from harness.catalog.claim_files import stated_files
    from harness.core.expected import FILE, expected_answers
    from harness.judging import ledger
    from harness.report.verdict_store import load

    if not (reports / "verdicts.json").exists():
        raise ClaimsError(f"--report-dir: expected a report with verdicts, found none in {reports}; run pytest claims")
    store = load(reports)
    stated = stated_files(folder)
    for name in names or ():
        if name not in {claim.id for _, claim, _ in stated}:
            raise unknown("claim", name, [claim.id for _, claim, _ in stated])
    path = folder / FILE
    before, known = tables(path), expected_answers(path)
    after, entries = locked(stated, store.verdicts.values(), before, names, latest(whole_ledger(folder)))
    here = {claim.id for _, claim, _ in stated}
    answers = locked_answers(known, store, names, here, on_record(stated, after))
    lines = [
        line
        for stem in dict.fromkeys((*before, *after))
        for line in differences(before.get(stem, {}), after.get(stem, {}))
    ]
    lines += [
        f"answer of {claim}, {source}: {known.get((claim, source), 'none')} -> {answers.get((claim, source), 'none')}"
        for claim, source in dict.fromkeys((*known, *answers))
        if known.get((claim, source)) != answers.get((claim, source))
    ]
    if entries:
        early = sum(not each.verdict for each in entries)
        lines.append(f"{ledger.FILE}: {len(entries)} new entries, {early} of them before there is a verdict")
    for line in lines:
        print(line)
    if not lines:
        print("nothing changed: the record is as the report says")
        return 0
    if not write:
        return 1
    put_on_record(folder, after, answers, entries)
    return 0


def locked(
    stated: Iterable[StatedFile],
    verdicts: Iterable[Verdict],
    before: Records,
    names: Collection[str] | None,
    on_ledger: Mapping[tuple[str, str, str], Any],
) -> tuple[Records, list[Any]]:
    """Return the records after locking, and the ledger's new entries.

    Args:
        stated: what each claim file states.
        verdicts: of the report.
        before: the records before.
        names: the claims that are locked; None: all.
        on_ledger: the latest entry on each claim, hypothesis and source.

    Raises:
        ClaimsError: a verdict is of a hypothesis that was changed since.
    """
    by_claim: dict[str, list[Verdict]] = {}
    for verdict in verdicts:
        by_claim.setdefault(verdict.claim, []).append(verdict)
    after: Records = {}
    entries: list[Any] = []
    for stem, claim, hypotheses in stated:
        for hypothesis in hypotheses:
            records = before.get(stem, {}).get(hypothesis.id, {})
            if not names or claim.id in names:
                found = by_claim.get(claim.id, [])
                records = recorded(claim, hypothesis, found, records)
                new = new_entries(claim, hypothesis, records, found)
                entries += [each for each in new if each != on_ledger.get(key(each))]
            if records:
                after.setdefault(stem, {})[hypothesis.id] = records
    return after, entries


def on_record(stated: Iterable[StatedFile], records: Records) -> set[tuple[str, str]]:
    """Return the claims and sources of which there is a verdict on record."""
    return {
        (claim.id, source)
        for stem, claim, hypotheses in stated
        for each in hypotheses
        for source in records.get(stem, {}).get(each.id, {})
    }


def locked_answers(
    known: Answers,
    store: VerdictStore,
    names: Collection[str] | None,
    here: Collection[str],
    on_record: Collection[tuple[str, str]],
) -> Answers:
    """Return the answers after locking: the report's, and those on record of what it has not judged.

    Args:
        known: the answers on record.
        store: the report.
        names: the claims that are locked; None: all.
        here: the claims that the paper states; a report may be of several papers.
        on_record: claims and sources of which there is a verdict on record.
    """
    judged = {
        (each.claim, each.source)
        for each in store.verdicts.values()
        if each.verdict not in ("NOT RUN", "NOT VERIFIABLE")
    }
    kept = {
        of: name
        for of, name in known.items()
        if (names and of[0] not in names) or (of not in judged and of in on_record)
    }
    return kept | {
        each.key: each.answer
        for each in store.answers()
        if each.claim in here and (not names or each.claim in names) and each.answer != "NOT TESTED"
    }


def put_on_record(folder: Path, records: Records, answers: Answers, entries: list[Any]) -> None:
    """Write the record of a paper, with what is new on its ledger."""
    from harness.core.expected import FILE
    from harness.core.paths import write_atomic
    from harness.judging import ledger

    path, book = folder / FILE, folder / ledger.FILE
    last, content = ledger.last_digest(book), b""
    if entries:
        now = datetime.now(UTC).isoformat(timespec="seconds")
        content = ledger.appended(book, entries, now)
        last = hashlib.sha256(content.splitlines()[-1]).hexdigest()
    write_atomic(path, to_toml(records, answers, last).encode())
    if entries:
        write_atomic(book, content)
    count = sum(len(of) for by_id in records.values() for of in by_id.values())
    print(f"{path}: {count} verdicts and {len(answers)} answers on record", file=sys.stderr)


def whole_ledger(folder: Path) -> tuple[Any, ...]:
    """Return the lines of a paper's ledger.

    Raises:
        ClaimsError: a line is damaged, changed, added or left out.
    """
    from harness.core.expected import FILE, expected_last
    from harness.judging import ledger

    lines = ledger.read(folder / ledger.FILE)
    ledger.require_last(folder / ledger.FILE, expected_last(folder / FILE))
    return lines


def tables(path: Path) -> dict[str, dict[str, dict[str, Expected]]]:
    """Return what is on record: by claim file, hypothesis and source; nothing where there is no file."""
    from harness.core.expected import ANSWERS, read_expected, read_expected_file

    if not path.exists():
        return {}
    return {
        stem: {
            name: {source: read_expected(given, f"{path.name} {name} {source}") for source, given in of.items()}
            for name, of in by_id.items()
        }
        for stem, by_id in read_expected_file(path).items()
        if stem not in (ANSWERS, LEDGER)
    }


def recorded(
    claim: Claim, hypothesis: Hypothesis, verdicts: Iterable[Verdict], before: Mapping[str, Expected]
) -> dict[str, Expected]:
    """Return what goes on record of a hypothesis: the report's verdicts, and of other sources what was there.

    Raises:
        ClaimsError: a verdict is of the hypothesis as it was stated before.
    """
    from harness.core.machine import processor
    from harness.judging.digest import hypothesis_digest

    digest = hypothesis_digest(hypothesis)
    records = {source: each for source, each in before.items() if not each.hypothesis or each.hypothesis == digest}
    for verdict in verdicts:
        if verdict.hypothesis != hypothesis.id or verdict.verdict in ("NOT RUN", "NOT VERIFIABLE"):
            continue
        if verdict.digest != digest:
            raise ClaimsError(
                f"{claim.id}, {hypothesis.id}: expected a verdict on the hypothesis as it is stated, found one"
                f" ({verdict.source}) on an earlier form of it; run pytest claims, then lock"
            )
        made = Expected(
            verdict.verdict,
            verdict.reason,
            verdict.digest,
            verdict.rule,
            verdict.evidence,
            processor() if verdict.runs else "",
            verdict.date[:10],
        )
        old = records.get(verdict.source)
        if old is None or replace(old, date="", machine="") != replace(made, date="", machine=""):
            records[verdict.source] = made
    # Each publication was a source of its own before they were judged together.
    return {source: each for source, each in records.items() if not source.startswith(f"{PUBLISHED}/")}


def new_entries(
    claim: Claim, hypothesis: Hypothesis, records: Mapping[str, Expected], verdicts: Iterable[Verdict]
) -> list[Any]:
    """Return a ledger's entries of one hypothesis: its verdicts, and sources that have none yet."""
    from harness.judging.digest import hypothesis_digest
    from harness.judging.ledger import Entry

    digest = hypothesis_digest(hypothesis)
    found = [
        Entry(
            claim.id,
            hypothesis.id,
            source,
            digest,
            each.rule,
            each.verdict,
            evidence_digest(each),
        )
        for source, each in records.items()
        if each.hypothesis  # one that was written by hand says nothing of what it rests on
    ]
    waiting = {v.source: v for v in verdicts if v.hypothesis == hypothesis.id and v.verdict == "NOT RUN"}
    for source, verdict in waiting.items():
        if source not in records:
            found.append(Entry(claim.id, hypothesis.id, source, digest, verdict.rule))
    return found


def key(entry: Any) -> tuple[str, str, str]:
    """Return what a ledger's entry is about."""
    return (entry.claim, entry.hypothesis, entry.source)


def latest(lines: Iterable[Any]) -> dict[tuple[str, str, str], Any]:
    """Return the latest entry on each claim, hypothesis and source."""
    return {key(entry): entry for line in lines for entry in line.entries}


def differences(before: Mapping[str, Mapping[str, Expected]], after: Mapping[str, Mapping[str, Expected]]) -> list[str]:
    """Return what differs between two records, a line each: was, is."""
    lines = []
    for name in dict.fromkeys((*before, *after)):
        old, new = before.get(name, {}), after.get(name, {})
        for source in dict.fromkeys((*old, *new)):
            a, b = old.get(source), new.get(source)
            if a == b:
                continue
            was, now = (each.verdict if each else "none" for each in (a, b))
            what = f"{was} -> {now}" if was != now else f"{now}, with other evidence, rule or statement"
            lines.append(f"{name}, {source}: {what}")
    return lines


def to_toml(
    records: Mapping[str, Mapping[str, Mapping[str, Expected]]], answers: Mapping[tuple[str, str], str], last: str = ""
) -> str:
    """Return the file of records.

    Args:
        records: by claim file, hypothesis and source.
        answers: by claim and source.
        last: digest of the ledger's last line.
    """
    parts = [HEAD, *([f"[{LEDGER}]\nlast = {quoted(last)}\n"] if last else [])]
    by_claim: dict[str, dict[str, str]] = {}
    for (claim, source), name in sorted(answers.items()):
        by_claim.setdefault(claim, {})[source] = name
    for claim, of in by_claim.items():
        parts.append(
            f"[answers.{claim}]\n" + "".join(f"{quoted(source)} = {quoted(name)}\n" for source, name in of.items())
        )
    for stem, by_id in records.items():
        for name, by_source in by_id.items():
            for source, each in by_source.items():
                parts.append(f"[{stem}.{quoted(name)}.{quoted(source)}]\n{record(each)}")
    return "\n".join(parts)


def record(each: Expected) -> str:
    """Return one record's lines."""
    lines = [
        f"{field} = {quoted(value)}\n"
        for field in ("verdict", "reason", "hypothesis", "rule", "machine", "date")
        if (value := getattr(each, field))
    ]
    if each.evidence:
        lines.append("evidence = [\n" + "".join(f"    {quoted(line)},\n" for line in each.evidence) + "]\n")
    return "".join(lines)


def quoted(text: str) -> str:
    """Return a text as a TOML string."""
    import json

    return json.dumps(text, ensure_ascii=False).replace("\x7f", "\\u007f")
