"""The command line: `python -m harness run | zoo | datasets | recipes | report`."""

from __future__ import annotations

import argparse
import dataclasses
import json
import os
import sys
from collections.abc import Iterable, Sequence
from typing import Any

from harness.errors import ClaimsError


def main(arguments: Sequence[str] | None = None) -> int:
    """Run one command; bad input is one line on stderr and exit code 2."""
    parser = argparse.ArgumentParser(prog="python -m harness", description="Claim verification for ViT.")
    commands = parser.add_subparsers(dest="command", required=True, metavar="COMMAND")
    run = commands.add_parser("run", help="perform or look up one run and print its accuracy")
    run.add_argument("--checkpoint", required=True, metavar="ID", help="what to fine-tune (see: zoo)")
    run.add_argument("--dataset", required=True, metavar="ID", help="what to fine-tune on (see: datasets)")
    run.add_argument("--recipe", default="micro", metavar="ID", help="how (see: recipes; default: %(default)s)")
    run.add_argument("--seed", type=int, default=0, help="default: %(default)s")
    run.add_argument("--home", metavar="DIR", help="where runs lie (default: $VIT_CLAIMS_HOME, else the user cache)")
    run.add_argument("--json", action="store_true", help="print one JSON object")
    run.set_defaults(perform=run_command)
    for name, what in (("zoo", "checkpoints"), ("datasets", "datasets"), ("recipes", "recipes")):
        listing = commands.add_parser(name, help=f"list the {what} that exist")
        listing.add_argument("--json", action="store_true", help="print a JSON list")
        listing.set_defaults(perform=list_command)
    report = commands.add_parser("report", help="rebuild the page and tables from the verdicts on record")
    report.add_argument("--report-dir", default="reports", metavar="DIR", help="default: %(default)s")
    report.set_defaults(perform=report_command)
    options = parser.parse_args(arguments)
    try:
        return int(options.perform(options))
    except ClaimsError as error:
        print(f"harness {options.command}: {error}", file=sys.stderr)
        return 2
    except BrokenPipeError:
        os.dup2(os.open(os.devnull, os.O_WRONLY), sys.stdout.fileno())
        return 1


def list_command(options: argparse.Namespace) -> int:
    """List a table of what exists."""
    rows = list(specs(options.command))
    if options.json:
        print(json.dumps([dataclasses.asdict(row) for row in rows], indent=1))
        return 0
    columns = {
        "zoo": ("id", "family", "pretrained_on", "layout", "size", "sha256"),
        "datasets": ("id", "title", "classes", "train", "test", "shots"),
        "recipes": ("id", "steps", "batch_size", "learning_rate", "warmup_steps", "resolution"),
    }[options.command]
    print_table(columns, [[shown(getattr(row, column)) for column in columns] for row in rows])
    return 0


def specs(kind: str) -> Iterable[Any]:
    """Return the specs of one of the tables."""
    if kind == "zoo":
        from harness.zoo import checkpoints

        return checkpoints().values()
    if kind == "datasets":
        from harness.datasets import datasets

        return datasets().values()
    from harness.recipes import recipes

    return recipes().values()


def shown(value: Any) -> str:
    """Return a value as a table shows it: digests shortened, nothing as a dash."""
    if value is None:
        return "-"
    return f"{value[:12]}..." if isinstance(value, str) and len(value) == 64 else str(value)


def print_table(header: Sequence[str], rows: Sequence[Sequence[str]]) -> None:
    """Print rows in aligned columns."""
    widths = [max(len(row[i]) for row in (header, *rows)) for i in range(len(header))]
    for row in (header, *rows):
        print("  ".join(cell.ljust(width) for cell, width in zip(row, widths, strict=True)).rstrip())


def run_command(options: argparse.Namespace) -> int:
    """Perform or look up one run."""
    from harness.datasets import dataset
    from harness.home import home
    from harness.recipes import recipe
    from harness.spec import Run, build
    from harness.statistics import wilson
    from harness.store import Store

    chosen = recipe(options.recipe, options.checkpoint, options.dataset)
    values = {"dataset": dataset(options.dataset), "recipe": chosen, "seed": options.seed}
    from harness.zoo import checkpoint

    run = build(Run, {"checkpoint": checkpoint(options.checkpoint), **values}, "run")
    store = Store(home(options.home))
    result = store.get(run)
    cached = result is not None
    if result is None:
        result = compute(run, store)
    interval = wilson(result.correct, result.n)
    if options.json:
        print(
            json.dumps(
                {
                    "run_id": run.id,
                    "cached": cached,
                    "n": result.n,
                    "correct": result.correct,
                    "accuracy": result.accuracy,
                    "interval": [100 * interval.low, 100 * interval.high],
                    "predictions_sha256": result.predictions_sha256,
                    "seconds": result.seconds,
                    "images_per_second": result.images_per_second,
                    "environment": dict(result.environment),
                }
            )
        )
        return 0
    print(f"{run.label} (run {run.id}, {'stored' if cached else 'computed now'})")
    print(
        f"top-1 accuracy {result.accuracy:.2f} % ({result.correct} of {result.n}),"
        f" 95 % interval {100 * interval.low:.2f} to {100 * interval.high:.2f} (Wilson)"
    )
    return 0


def report_command(options: argparse.Namespace) -> int:
    """Rebuild the report of a session that was killed, or moved: what its verdicts and history say."""
    from pathlib import Path

    from harness.home import write_atomic
    from harness.report import page, tables
    from harness.report.book import load, locked, save

    folder = Path(options.report_dir)
    if not folder.is_dir():
        raise ClaimsError(f"--report-dir: expected a folder with verdicts, found no folder {folder}; run pytest claims")
    with locked(folder):
        book = load(folder)
        save(folder, book)
        tables.write(folder, book)
    write_atomic(folder / "report.html", page.document(page.section(book)).encode())
    print(f"{len(book.verdicts)} verdicts on {len(book.claim_ids())} claims: {folder / 'report.html'}")
    return 0


def compute(run: Any, store: Any) -> Any:
    """Compute one run with a progress bar, waiting for another process that may be at it."""
    import time

    from tqdm import tqdm

    from harness.backends import Execution
    from harness.measure import measure
    from harness.store import Busy

    while True:
        try:
            with tqdm(total=run.recipe.steps, desc=run.label, unit="step", disable=None) as bar:

                def on_step(step: int, loss: float) -> None:
                    bar.set_postfix(loss=f"{loss:.3f}", refresh=False)
                    bar.update(1)

                return measure(run, store, Execution(on_step=on_step))
        except Busy:
            time.sleep(0.2)


if __name__ == "__main__":
    sys.exit(main())
