"""All files of a report but its page, written from its records."""

from __future__ import annotations

from collections.abc import Sequence
from pathlib import Path

from harness.core.paths import write_atomic
from harness.report import export
from harness.report.job_summary import SUMMARY_FILE, markdown
from harness.report.model_files import write_models
from harness.report.records import Records
from harness.report.run_records import RUNS_FILE, save_runs
from harness.report.verdict_store import save

MODELS = "models"


def write_records(
    folder: Path, records: Records, changes: Sequence[str] = (), baseline: str = "", problems: Sequence[str] = ()
) -> None:
    """Write verdicts.json, answers.json, runs.json, summary.md, the tables and a file for each model.

    Args:
        folder: of the report; hold it (verdict_store.locked).
        records: what it knows.
        changes: what changed, a line each.
        baseline: what it changed against; "" for the report as it was before.
        problems: what went wrong, one line each.

    Raises:
        ClaimsError: a file can't be written; it stays as it was, as do those after it.
    """
    save(folder, records.store)
    save_runs(folder / RUNS_FILE, records.runs)
    export.write(folder, records.store)
    write_models(folder / MODELS, records.store.sorted(), records.runs)
    write_atomic(folder / SUMMARY_FILE, markdown(records.store, changes, baseline, problems).encode())
