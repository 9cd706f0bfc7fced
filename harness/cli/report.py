"""`python -m harness report`: rebuild the page and the tables from the verdicts on record."""

from __future__ import annotations

import argparse
from pathlib import Path
from typing import Any

from harness.core.errors import ClaimsError


def add_parser(commands: Any) -> None:
    """Add the command to the command line's subparsers."""
    parser = commands.add_parser(
        "report",
        help="rebuild the page and tables from the verdicts on record",
        description="Rebuild the page and the tables from the verdicts on record.",
    )
    parser.add_argument(
        "--report-dir", default="reports", metavar="DIR", help="the folder with the verdicts (default: %(default)s)"
    )


def run(options: argparse.Namespace) -> int:
    """Rebuild the report of a session that was killed, or of a folder that was moved."""
    from harness.core.config import home
    from harness.core.paths import write_atomic
    from harness.report import export, page
    from harness.report.background import background
    from harness.report.verdict_store import load, locked, save
    from harness.runs.store import Store

    folder = Path(options.report_dir)
    if not folder.is_dir():
        raise ClaimsError(f"--report-dir: expected a folder with verdicts, found no folder {folder}; run pytest claims")
    with locked(folder):
        store = load(folder)
        save(folder, store)
        export.write(folder, store)
    shown = page.section(store, background=background(store, folder, Store(home())))
    write_atomic(folder / "report.html", page.document(shown).encode())
    print(f"{len(store.verdicts)} verdicts on {len(store.claim_ids())} claims: {folder / 'report.html'}")
    return 0
