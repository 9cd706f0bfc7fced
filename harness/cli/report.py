"""`python -m harness report`: rebuild the page and the tables from records; merge shards or nights."""

from __future__ import annotations

import argparse
from pathlib import Path
from typing import TYPE_CHECKING, Any

from harness.core.errors import ClaimsError

if TYPE_CHECKING:
    from harness.report.records import Records

DEFAULT = "reports"


def add_parser(commands: Any) -> None:
    """Add the command to the command line's subparsers."""
    parser = commands.add_parser(
        "report",
        help="rebuild the page and tables from records; merge shards or nights",
        description="Rebuild the page and the tables from records. Several reports are merged: of two verdicts on one"
        " hypothesis by one source the later stays, and NOT RUN never replaces a measured one.",
    )
    parser.add_argument("reports", nargs="*", metavar="DIR", help="folders or bundles of reports to merge")
    parser.add_argument(
        "--report-dir",
        metavar="DIR",
        help=f"the folder that is written; what it holds is merged, too (default: the DIR if there is one, else"
        f" {DEFAULT})",
    )
    parser.add_argument("--latex", action="store_true", help="also write the tables as LaTeX: tables/*.tex")
    parser.add_argument(
        "--hub",
        metavar="DIR",
        help="also write CHECKPOINT/.eval_results/*.yaml there: accuracies in the form of the Hugging Face hub",
    )


def run(options: argparse.Namespace) -> int:
    """Rebuild the report of a session that was killed, of a folder that was moved, or of several reports."""
    from harness.core.config import home
    from harness.core.paths import write_atomic
    from harness.report import page
    from harness.report.records import merged, origins, read_folder, read_records
    from harness.report.run_records import gathered
    from harness.report.verdict_store import locked
    from harness.report.writing import write_records
    from harness.runs.store import Store

    parts = [read_records(Path(name)) for name in options.reports]
    folder = target(options.report_dir, options.reports)
    if not parts and not folder.is_dir():
        raise ClaimsError(f"--report-dir: expected a folder with verdicts, found no folder {folder}; run pytest claims")
    with locked(folder):
        own = read_folder(folder)
        others = [part for part in parts if part.place.resolve() != folder.resolve()]
        records = merged([own, *others], folder) if others else own
        # What the folder's own logs hold is in the records; those of others lie elsewhere.
        records.store.log_bytes, records.store.history_bytes = own.store.log_bytes, own.store.history_bytes
        records.runs, damaged = gathered(records.store.verdicts.values(), Store(home()), records.runs)
        records.store.notes += [*damaged, *origins(records.runs)]
        write_records(folder, records)
        keep_sessions(folder, own, records)
    write_atomic(folder / "report.html", page.document(page.section(records.store)).encode())
    print(
        f"{len(records.store.verdicts)} verdicts on {len(records.store.claim_ids())} claims, {len(records.runs)} runs:"
        f" {folder / 'report.html'}"
    )
    if options.latex:
        latex(folder, records)
    if options.hub is not None:
        hub(Path(options.hub), records)
    return 0


def target(report_dir: str | None, reports: list[str]) -> Path:
    """Return the folder that is written."""
    if report_dir is not None:
        return Path(report_dir)
    alone = Path(reports[0]) if len(reports) == 1 else None
    return alone if alone is not None and alone.is_dir() else Path(DEFAULT)


def keep_sessions(folder: Path, own: Records, records: Records) -> None:
    """Append the sessions of merged reports to the folder's history.

    Raises:
        ClaimsError: it can't be written.
    """
    from harness.report.verdict_log import VerdictLog
    from harness.report.verdict_store import HISTORY_FILE

    history = VerdictLog(folder / HISTORY_FILE)
    for session in records.sessions:
        if session not in own.sessions:
            history.append(session)
    history.close()


def latex(folder: Path, records: Records) -> None:
    """Write the LaTeX tables and say where."""
    from harness.report.latex import write_latex

    written = write_latex(folder, records.store)
    print(f"{len(written)} LaTeX tables, which need the packages booktabs and longtable: {folder / 'tables'}")


def hub(folder: Path, records: Records) -> None:
    """Write the hub's files, and say which datasets have no name there."""
    from harness.core.paper import paper
    from harness.report.hub_results import write_hub_results

    written, without = write_hub_results(folder, records.store.sorted(), records.runs, paper())
    print(f"{len(written)} files of results for the Hugging Face hub: {folder}")
    if without:
        print(f"left out, because [hub_datasets] of {paper().folder / 'paper.toml'} has no name: {'; '.join(without)}")
