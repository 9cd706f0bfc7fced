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
    parser.add_argument(
        "--reproducibility",
        metavar="OUT.md",
        help="also write the report of a reproducibility challenge, with gaps marked for its author",
    )
    parser.add_argument(
        "--baseline", metavar="DIR", help="say on the page what changed against this report, a folder or a bundle"
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
    from harness.report.html.page import FILE
    from harness.report.rebuilding import rebuild
    from harness.report.records import read_records
    from harness.runs.store import Store

    parts = [read_records(Path(name)) for name in options.reports]
    folder = target(options.report_dir, options.reports)
    if not parts and not folder.is_dir():
        raise ClaimsError(f"--report-dir: expected a folder with verdicts, found no folder {folder}; run pytest claims")
    others = [part for part in parts if part.place.resolve() != folder.resolve()]
    baseline = None if options.baseline is None else read_records(Path(options.baseline))
    records = rebuild(folder, others, Store(home()), baseline)
    print(
        f"{len(records.store.verdicts)} verdicts on {len(records.store.claim_ids())} claims, {len(records.runs)} runs:"
        f" {folder / FILE}"
    )
    if options.reproducibility is not None:
        write_reproducibility(Path(options.reproducibility), records)
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


def write_reproducibility(path: Path, records: Records) -> None:
    """Write the report of a reproducibility challenge and say how many gaps are left.

    Raises:
        ClaimsError: the file is there already: its gaps may have been filled.
    """
    from harness.core.paper import paper
    from harness.core.paths import write_atomic
    from harness.report.reproducibility import gap, reproducibility

    if path.exists():
        raise ClaimsError(
            f"--reproducibility {path}: expected a new file, found one, whose gaps may have been filled; name another"
        )
    text = reproducibility(records, paper())
    write_atomic(path, text.encode())
    print(f"{path}: {text.count(gap('')[:-3])} gaps to be filled by the author")


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
