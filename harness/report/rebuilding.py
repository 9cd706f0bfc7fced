"""Rebuild a report from records: its own, and those of others that are merged into it."""

from __future__ import annotations

from collections.abc import Sequence
from pathlib import Path

from harness.core.paths import write_atomic
from harness.report.bundle import read_note
from harness.report.html import page
from harness.report.html.background import background
from harness.report.records import Records, merged, origins, read_folder
from harness.report.run_records import gathered
from harness.report.verdict_log import VerdictLog
from harness.report.verdict_store import HISTORY_FILE, locked
from harness.report.writing import write_records
from harness.runs.store import Store


def rebuild(folder: Path, others: Sequence[Records] = (), store: Store | None = None) -> Records:
    """Write all files of a report again, its page with the claims section alone, and return its records.

    Args:
        folder: of the report; what it holds stays in it.
        others: reports to merge into it.
        store: where the results of runs lie; None: only the records say what they gave.

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
        write_records(folder, records)
    besides = background(records.store, folder, records.runs, store, sessions=records.sessions)
    shown = page.section(records.store, background=besides)
    write_atomic(folder / page.FILE, page.document(shown).encode())
    return records
