"""`python -m harness export-scores RUN ... --out A.npz`: stored runs of one side, in the form that `judge` reads."""

from __future__ import annotations

import argparse
import dataclasses
import io
import re
from pathlib import Path
from typing import TYPE_CHECKING, Any

from harness.core.errors import ClaimsError
from harness.core.measurement import Measurement, Scores
from harness.core.result import Result
from harness.core.run import Run

if TYPE_CHECKING:
    from harness.runs.store import Store


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
        scores=np.stack([scores_of(each) for _, each in found]),
        seeds=np.array([asked.seed for asked, _ in found]),
        run_ids=np.array([asked.id for asked, _ in found]),
        deterministic=np.array(isinstance(first, Run) and first.recipe.steps == 0),
        examples_sha256=np.array(examples_of(result)),
    )
    write_atomic(Path(options.out), buffer.getvalue())
    seeds = "1 seed" if len(found) == 1 else f"{len(found)} seeds"
    print(f"{options.out}: {first.label}: {seeds} x {result.n:,} examples")
    return 0


def scores_of(result: Result | Scores) -> Any:
    """Return the score of each example, shape (n,): of a run whether it was predicted correctly."""
    import numpy as np

    return np.array(result.values) if isinstance(result, Scores) else np.equal(result.predictions, result.labels)


def examples_of(result: Result | Scores) -> str:
    """Return the digest of the examples."""
    return result.examples_sha256 if isinstance(result, Scores) else result.labels_sha256


def stored(store: Store, run_id: str) -> tuple[Run | Measurement, Result | Scores]:
    """Return a stored run with its predictions, or a measurement with its scores.

    Raises:
        ClaimsError: no such run is stored, or it diverged.
    """
    if not re.fullmatch(r"[0-9a-f]{16}", run_id):
        raise ClaimsError(f"expected the id of a run, sixteen hex digits, found {run_id!r}; run --json prints it")
    found = store.load(run_id)
    if found is None:
        raise ClaimsError(f"run {run_id}: expected a stored result, found none in {store.home}; choose another --home")
    if isinstance(found[1], Result) and found[1].diverged is not None:
        raise ClaimsError(f"run {run_id}: expected predictions, found none: {found[1].diverged}")
    return found


def require_one_side(found: list[tuple[Run | Measurement, Result | Scores]]) -> None:
    """Refuse runs that are not one side's.

    Raises:
        ClaimsError: they differ in more than their seed, or a seed occurs twice.
    """
    first = found[0][0]
    for asked, result in found[1:]:
        if type(asked) is not type(first):
            raise ClaimsError(f"run {asked.id}: expected what {first.id} is, found a run and a measurement")
        if dataclasses.replace(asked, seed=first.seed).id != first.id:
            fields = [field.name for field in dataclasses.fields(first) if field.name != "seed"]
            other = next(name for name in fields if getattr(asked, name) != getattr(first, name))
            raise ClaimsError(
                f"run {asked.id}: expected runs that differ from {first.id} in their seed alone, found another {other};"
                " export each side by itself"
            )
        if examples_of(result) != examples_of(found[0][1]):
            raise ClaimsError(f"run {asked.id}: expected the labels of run {first.id}, found others")
    seeds = [asked.seed for asked, _ in found]
    for seed in seeds:
        if seeds.count(seed) > 1:
            raise ClaimsError(f"expected each seed once, found two runs with seed {seed}")
