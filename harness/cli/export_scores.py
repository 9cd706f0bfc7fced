"""`python -m harness export-scores RUN ... --out A.npz`: stored runs of one side, in the form that `judge` reads."""

from __future__ import annotations

import argparse
import dataclasses
import io
import re
from pathlib import Path
from typing import Any

from harness.core.errors import ClaimsError
from harness.core.result import Result
from harness.core.run import Run


def add_parser(commands: Any) -> None:
    """Add the command to the command line's subparsers."""
    parser = commands.add_parser("export-scores", help="write stored runs' scores in the form that judge reads")
    parser.add_argument(
        "runs", nargs="+", metavar="RUN", help="ids of runs that differ in their seed alone (run --json, verdicts.json)"
    )
    parser.add_argument(
        "--out",
        required=True,
        metavar="A.npz",
        help="output: `scores`, bool (seeds, examples), with `seeds`, `run_ids` and the labels' digest",
    )


def run(options: argparse.Namespace) -> int:
    """Write the scores."""
    import numpy as np

    from harness.core.config import home
    from harness.core.paths import write_atomic
    from harness.runs.store import Store

    store = Store(home())
    found = [stored(store, run_id) for run_id in options.runs]
    require_one_side(found)
    found.sort(key=lambda pair: pair[0].seed)
    first, result = found[0]
    buffer = io.BytesIO()
    np.savez(
        buffer,
        scores=np.stack([np.equal(each.predictions, each.labels) for _, each in found]),
        seeds=np.array([asked.seed for asked, _ in found]),
        run_ids=np.array([asked.id for asked, _ in found]),
        deterministic=np.array(first.recipe.steps == 0),
        examples_sha256=np.array(result.labels_sha256),
    )
    write_atomic(Path(options.out), buffer.getvalue())
    seeds = "1 seed" if len(found) == 1 else f"{len(found)} seeds"
    print(f"{options.out}: {first.label}: {seeds} x {result.n:,} examples")
    return 0


def stored(store: Any, run_id: str) -> tuple[Run, Result]:
    """Return a stored run with its predictions.

    Raises:
        ClaimsError: no such run is stored, or it diverged.
    """
    if not re.fullmatch(r"[0-9a-f]{16}", run_id):
        raise ClaimsError(f"expected the id of a run, sixteen hex digits, found {run_id!r}; run --json prints it")
    found: tuple[Run, Result] | None = store.load(run_id)
    if found is None:
        raise ClaimsError(f"run {run_id}: expected a stored result, found none in {store.home}; choose another --home")
    if found[1].diverged is not None:
        raise ClaimsError(f"run {run_id}: expected predictions, found none: {found[1].diverged}")
    return found


def require_one_side(found: list[tuple[Run, Result]]) -> None:
    """Refuse runs that are not one side's.

    Raises:
        ClaimsError: they differ in more than their seed, or a seed occurs twice.
    """
    first = found[0][0]
    for asked, result in found[1:]:
        if dataclasses.replace(asked, seed=first.seed).id != first.id:
            fields = [field.name for field in dataclasses.fields(Run) if field.name != "seed"]
            other = next(name for name in fields if getattr(asked, name) != getattr(first, name))
            raise ClaimsError(
                f"run {asked.id}: expected runs that differ from {first.id} in their seed alone, found another {other};"
                " export each side by itself"
            )
        if result.labels_sha256 != found[0][1].labels_sha256:
            raise ClaimsError(f"run {asked.id}: expected the labels of run {first.id}, found others")
    seeds = [asked.seed for asked, _ in found]
    for seed in seeds:
        if seeds.count(seed) > 1:
            raise ClaimsError(f"expected each seed once, found two runs with seed {seed}")
