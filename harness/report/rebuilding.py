"""Rebuild a report from records: its own, and those of others that are merged into it."""

from __future__ import annotations

from collections.abc import Sequence
from pathlib import Path

from harness.core.paths import write_atomic
from harness.report.bundle import read_note
from harness.report.comparison import Change, compare
from harness.report.html import page
from harness.report.html.background import LAST, background
from harness.report.records import Records, merged, origins, read_folder
from harness.report.run_records import gathered
from harness.report.verdict_log import VerdictLog
from harness.report.verdict_store import HISTORY_FILE, locked
from harness.report.writing import write_records
from harness.runs.store import Store


def rebuild(
    folder: Path, others: Sequence[Records] = (), store: Store | None = None, baseline: Records | None = None
) -> Records:
    """Write all files of a report again and return its records.

    The page has a table of verdicts in place of the table of tests. What changed is said against the baseline, else, of
    a merged report, against the folder as it was, else as the last session said it.

    Args:
        folder: of the report; what it holds stays in it.
        others: reports to merge into it.
        store: where the results of runs lie; None: only the records say what they gave.
        baseline: the report to compare with.

    Raises:
        ClaimsError: a record is damaged, or a file can't be written.
    """
    with locked(folder):
        own = read_folder(folder)
        records = merged([own, *others], folder) if others else own
        # What the folder's own logs hold is in the records; those of others lie elsewhere.
        records.store.log_bytes, records.store.history_bytes = own.store.log_bytes, own.store.history_bytes
        records.runs, damaged = gathered(records.store.verdicts.values(), store, records.runs)
        records.store.notes += [*damaged, *origins(records.runs)]
        if (note := read_note(folder)) is not None:
            records.store.notes.append(str(note))
        history = VerdictLog(folder / HISTORY_FILE)
        for session in records.sessions:
            if session not in own.sessions:
                history.append(session)
        history.close()
        records.store.history_bytes = history.end
        changes, named = changed(own, records, bool(others), baseline)
        lines, against = said(changes, named, records)
        write_records(folder, records, lines, against)
    besides = background(
        records.store, folder, records.runs, store, changed=changes, since=named, sessions=records.sessions
    )
    shown = page.section(records.store, background=besides)
    write_atomic(folder / page.FILE, page.document(shown, records.store.sorted()).encode())
    return records


def changed(
    own: Records, records: Records, merging: bool, baseline: Records | None
) -> tuple[tuple[Change, ...] | None, str]:
    """Return what changed, and since which report; None where there is none to compare with.

    Args:
        own: what the folder held.
        records: what it holds now.
        merging: whether other reports were merged into it.
        baseline: the report to compare with.
    """
    if baseline is not None:
        return compare(baseline, records), str(baseline.place)
    if merging and own.store.verdicts:
        return compare(own, records), LAST
    return None, ""


def said(changes: Sequence[Change] | None, since: str, records: Records) -> tuple[Sequence[str], str]:
    """Return what changed, a line each, and the baseline by name; "" for the report as it was before."""
    if changes is not None:
        return [str(change) for change in changes], since if since != LAST else ""
    last = records.sessions[-1:]
    return (last[0].changed, last[0].baseline) if last else ((), "")
