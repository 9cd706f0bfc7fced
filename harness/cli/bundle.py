"""`python -m harness bundle`: all that a report's verdicts rest on in one file; check one; import its runs."""

from __future__ import annotations

import argparse
from pathlib import Path
from typing import Any

from harness.core.errors import ClaimsError


def add_parser(commands: Any) -> None:
    """Add the command to the command line's subparsers."""
    parser = commands.add_parser(
        "bundle",
        help="pack everything that a report's verdicts rest on into one file; check one; import its runs",
        description="Pack everything that a report's verdicts rest on into one zip file: records, predictions, recipes,"
        " evidence, versions and the ledger, with a manifest and a script that checks them.",
    )
    parser.add_argument("out", nargs="?", metavar="OUT.zip", help="the bundle to write")
    parser.add_argument("--report-dir", default="reports", metavar="DIR", help="whose verdicts (default: %(default)s)")
    parser.add_argument(
        "--import",
        dest="import_from",
        metavar="FILE",
        help="store the runs of this bundle, so that the next session judges them here; they say where they come from",
    )
    parser.add_argument(
        "--verify", metavar="FILE", help="check this bundle: digests, ledger, and figures computed again"
    )


def run(options: argparse.Namespace) -> int:
    """Write a bundle, check one or import one."""
    given = [each for each in (options.out, options.import_from, options.verify) if each is not None]
    if len(given) != 1:
        raise ClaimsError(f"expected OUT.zip, --import FILE or --verify FILE, found {len(given)} of them")
    if options.import_from is not None:
        return take(Path(options.import_from))
    if options.verify is not None:
        return verify(Path(options.verify))
    return write(Path(options.out), Path(options.report_dir))


def write(out: Path, report: Path) -> int:
    """Write a bundle, and rebuild the report, which names its digest."""
    from harness.core.config import home
    from harness.core.paper import paper
    from harness.report.bundle import save_note, write_bundle
    from harness.report.rebuilding import rebuild
    from harness.report.verdict_store import locked
    from harness.runs.store import Store

    if not report.is_dir():
        raise ClaimsError(f"--report-dir: expected a folder with verdicts, found no folder {report}; run pytest claims")
    store = Store(home())
    records = rebuild(report, store=store)  # so that all files of the report say the same
    with locked(report):
        made = write_bundle(out, report, records, store, paper())
        save_note(report, made.note)
    rebuild(report, store=store)
    print(f"{out}: {made.note.files} files, {made.note.runs} runs with predictions, sha256 {made.note.sha256}")
    if made.without:
        print(f"without predictions, which are not on this machine: {len(made.without)} runs, e.g. {made.without[0]}")
    return 0


def verify(path: Path) -> int:
    """Check a bundle with the script that is in it; exit with 1 if something is wrong."""
    from harness.report.bundle import verified
    from harness.report.bundle_verify import main

    if not path.exists():
        verified(path)  # says so
    return main([str(path)])


def take(path: Path) -> int:
    """Import a bundle's runs and say what became of them."""
    from harness.core.config import home
    from harness.report.bundle_import import import_runs
    from harness.runs.store import Store

    found = import_runs(path, Store(home()))
    print(
        f"{path}: {len(found.new)} runs stored, {len(found.known)} were there before; run pytest claims to judge them"
    )
    for ids, what in (
        (found.kept, "are stored with other predictions, which were kept"),
        (found.other_version, "are of another version of the project and can't be judged here"),
    ):
        if ids:
            print(f"{len(ids)} runs {what}, e.g. {ids[0]}")
    for line in found.pinned_otherwise:
        print(line)
    return 0
