"""`python -m harness run`: perform or look up one run."""

from __future__ import annotations

import argparse
import json
import math
import os
import time
from typing import Any

from harness.errors import ClaimsError
from harness.launcher import process_count
from harness.spec import BACKENDS, Checkpoint, Dataset, Recipe, Result, Run, build
from harness.store import Busy, Store

WAIT = 0.2
"""Seconds between looks at a run that another process computes."""


def add_parser(commands: Any) -> None:
    """Add the command to the command line's subparsers."""
    parser = commands.add_parser("run", help="perform or look up one run and print its accuracy")
    parser.add_argument("--checkpoint", required=True, metavar="ID", help="what to fine-tune (see: zoo)")
    parser.add_argument("--dataset", required=True, metavar="ID", help="what to fine-tune on (see: datasets)")
    parser.add_argument(
        "--recipe", metavar="ID", help="how (see: recipes; default: micro, or for released checkpoints notebook)"
    )
    parser.add_argument("--learning-rate", type=float, metavar="X", help="one of the recipe's grid, if it has one")
    parser.add_argument("--seed", type=int, default=0, help="default: %(default)s")
    parser.add_argument("--split", choices=("test", "dev"), default="test", help="what is scored (default: test)")
    parser.add_argument("--backend", choices=BACKENDS, default=BACKENDS[0], help="default: %(default)s")
    parser.add_argument(
        "--device", default="auto", metavar="D", help="auto, cpu, cuda or cuda:N (default: an accelerator if there is)"
    )
    parser.add_argument(
        "--offline",
        action=argparse.BooleanOptionalAction,
        default=None,
        help="use only what is on this machine (default: $VIT_CLAIMS_OFFLINE, $HF_HUB_OFFLINE, the project's table)",
    )
    parser.add_argument("--json", action="store_true", help="print one JSON object")


def run(options: argparse.Namespace) -> int:
    """Print a run's accuracy with its interval, or all of it as JSON; one that diverged says where."""
    from harness.backends import first_process
    from harness.home import home
    from harness.statistics import wilson

    if process_count() > 1 and options.backend != "torch":
        raise ClaimsError(
            f"--backend {options.backend}: expected one process, found a launcher's; only torch shares a run"
        )
    if options.offline is not None:
        os.environ["VIT_CLAIMS_OFFLINE"] = str(int(options.offline))  # for all that this run reads
    store = Store(home())
    asked = asked_run(options)
    result = store.get(asked)
    cached = result is not None
    if result is None:
        result = compute(asked, store, options.device)
    interval = None
    if result.diverged is None:
        found = wilson(result.correct, result.n)
        interval = 100 * found.low, 100 * found.high
    if not first_process():
        return 0
    if options.json:
        print(json.dumps(record(asked, result, cached, interval)))
        return 0
    print(f"{asked.label} (run {asked.id}, {'stored' if cached else 'computed now'})")
    if interval is None:
        print(f"diverged, so there is no accuracy: {result.diverged}")
        return 0
    print(
        f"top-1 accuracy {result.accuracy:.2f} % ({result.correct} of {result.n}),"
        f" 95 % interval {interval[0]:.2f} to {interval[1]:.2f} (Wilson)"
    )
    return 0


def asked_run(options: argparse.Namespace) -> Run:
    """Return the run that the options name, with the digests of its checkpoint and dataset.

    Raises:
        ClaimsError: a name that does not exist, material that is not here and can't be had, or options that don't fit.
    """
    from harness.datasets import dataset, datasets, pinned_dataset, real, unpinned_dataset
    from harness.zoo import checkpoint, pinned

    entry = checkpoint(options.checkpoint)
    micro = options.dataset in datasets()
    described = dataset(options.dataset) if micro else unpinned_dataset(real(options.dataset))
    how = recipe_of(options, entry, described)
    parts = {
        "checkpoint": pinned(entry),
        "dataset": described if micro else pinned_dataset(described.id, train=not how.evaluates_only),
        "recipe": how,
        "seed": options.seed,
        "backend": options.backend,
        "split": options.split,
    }
    return build(Run, parts, "arguments")


def recipe_of(options: argparse.Namespace, checkpoint: Checkpoint, dataset: Dataset) -> Recipe:
    """Return the recipe that the options name, resolved for a checkpoint and a dataset.

    Raises:
        ClaimsError: there is none, it is not for these, or its learning rate is still to be chosen.
    """
    from harness.recipes import protocol, resolve, with_rate

    usual = "micro" if checkpoint.shipped else "notebook" if dataset.train else "evaluate"
    found = resolve(protocol(options.recipe or usual, checkpoint.family), checkpoint, dataset)
    if options.learning_rate is not None:
        if not 0 < options.learning_rate < math.inf:
            raise ClaimsError(f"--learning-rate: expected a positive number, found {options.learning_rate:g}")
        return with_rate(found, options.learning_rate)
    if found.learning_rate is None and not found.evaluates_only:
        grid = ", ".join(f"{rate:g}" for rate in found.learning_rate_grid)
        raise ClaimsError(f"recipe {found.id}: expected --learning-rate, one of its grid: {grid}")
    return found


def record(asked: Run, result: Result, cached: bool, interval: tuple[float, float] | None) -> dict[str, Any]:
    """Return a result as JSON values; accuracy and interval (95 %, Wilson) in percent, null for one that diverged."""
    return {
        "run_id": asked.id,
        "cached": cached,
        "n": result.n,
        "correct": result.correct,
        "accuracy": None if interval is None else result.accuracy,
        "interval": None if interval is None else list(interval),
        "predictions_sha256": result.predictions_sha256,
        "seconds": result.seconds,
        "images_per_second": result.images_per_second,
        "environment": dict(result.environment),
        **({"diverged": str(result.diverged)} if interval is None else {}),
    }


def compute(asked: Run, store: Store, device: str) -> Result:
    """Compute one run with a progress bar, waiting for another process that may be at it."""
    from harness.backends import Execution
    from harness.backends.devices import choose
    from harness.backends.history import bar
    from harness.measure import measure

    chosen = choose(asked, device)
    while True:
        try:
            with bar(asked) as on_step:
                return measure(asked, store, Execution(chosen, folder=store.work, on_step=on_step))
        except Busy:
            time.sleep(WAIT)
