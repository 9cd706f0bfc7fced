"""`python -m harness run`: perform or look up one run."""

from __future__ import annotations

import argparse
import json
import time
from typing import Any

from harness.errors import ClaimsError
from harness.spec import Result, Run, build
from harness.store import Busy, Store

WAIT = 0.2
"""Seconds between looks at a run that another process computes."""


def add_parser(commands: Any) -> None:
    """Add the command to the command line's subparsers."""
    parser = commands.add_parser("run", help="perform or look up one run and print its accuracy")
    parser.add_argument("--checkpoint", required=True, metavar="ID", help="what to fine-tune (see: zoo)")
    parser.add_argument("--dataset", required=True, metavar="ID", help="what to fine-tune on (see: datasets)")
    parser.add_argument("--recipe", default="micro", metavar="ID", help="how (see: recipes; default: %(default)s)")
    parser.add_argument("--seed", type=int, default=0, help="default: %(default)s")
    parser.add_argument("--home", metavar="DIR", help="where runs lie (default: $VIT_CLAIMS_HOME, else the user cache)")
    parser.add_argument("--json", action="store_true", help="print one JSON object")


def run(options: argparse.Namespace) -> int:
    """Print a run's accuracy with its interval, or all of it as JSON."""
    from harness.datasets import dataset, datasets
    from harness.home import home
    from harness.recipes import recipe
    from harness.statistics import wilson
    from harness.zoo import checkpoint, pinned

    entry = checkpoint(options.checkpoint)
    if options.dataset not in datasets():
        refuse_real(options.dataset)
    parts = {
        "checkpoint": entry if entry.file else pinned(entry),
        "dataset": dataset(options.dataset),
        "recipe": recipe(options.recipe, options.checkpoint, options.dataset),
        "seed": options.seed,
    }
    asked = build(Run, parts, "arguments")
    store = Store(home(options.home))
    result = store.get(asked)
    cached = result is not None
    if result is None:
        result = compute(asked, store)
    interval = wilson(result.correct, result.n)
    if options.json:
        print(json.dumps(record(asked, result, cached, (100 * interval.low, 100 * interval.high))))
        return 0
    print(f"{asked.label} (run {asked.id}, {'stored' if cached else 'computed now'})")
    print(
        f"top-1 accuracy {result.accuracy:.2f} % ({result.correct} of {result.n}),"
        f" 95 % interval {100 * interval.low:.2f} to {100 * interval.high:.2f} (Wilson)"
    )
    return 0


def refuse_real(name: str) -> None:
    """Raise for a dataset that exists but that no recipe here is for yet."""
    from harness.data.entries import entries

    if name in entries():
        raise ClaimsError(f"{name} can be fetched and read, but not yet fine-tuned on; see the micro tasks: datasets")


def record(asked: Run, result: Result, cached: bool, interval: tuple[float, float]) -> dict[str, Any]:
    """Return a result as JSON values; accuracy and interval (95 %, Wilson) in percent."""
    return {
        "run_id": asked.id,
        "cached": cached,
        "n": result.n,
        "correct": result.correct,
        "accuracy": result.accuracy,
        "interval": list(interval),
        "predictions_sha256": result.predictions_sha256,
        "seconds": result.seconds,
        "images_per_second": result.images_per_second,
        "environment": dict(result.environment),
    }


def compute(asked: Run, store: Store) -> Result:
    """Compute one run with a progress bar, waiting for another process that may be at it."""
    from tqdm import tqdm

    from harness.backends import Execution
    from harness.measure import measure

    while True:
        try:
            with tqdm(total=asked.recipe.steps, desc=asked.label, unit="step", disable=None) as bar:

                def on_step(step: int, loss: float) -> None:
                    bar.set_postfix(loss=f"{loss:.3f}", refresh=False)
                    bar.update(1)

                return measure(asked, store, Execution(on_step=on_step))
        except Busy:
            time.sleep(WAIT)
