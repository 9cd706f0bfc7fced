"""`python -m harness run`: perform or look up one run."""

from __future__ import annotations

import argparse
import json
import sys
import time
from dataclasses import dataclass
from typing import Any

from harness.cli.asked import asked_run
from harness.cli.recall import recall, remember
from harness.core.errors import ClaimsError, Gone, NotStored
from harness.core.launcher import process_count
from harness.core.result import Result
from harness.core.run import Run
from harness.core.specs import BACKENDS
from harness.runs.store import Busy, Store

WAIT = 0.2
"""Seconds between looks at a run that another process computes."""


def add_parser(commands: Any) -> None:
    """Add the command to the command line's subparsers."""
    parser = commands.add_parser(
        "run",
        help="perform or look up one run and print its accuracy",
        description="Fine-tune and evaluate a checkpoint on a dataset, or look the run up where it is stored, and print"
        " the accuracy with its interval.",
    )
    parser.add_argument(
        "--checkpoint",
        required=True,
        metavar="ID|FILE",
        help="what to fine-tune: an id (see: zoo), a weights file, or a folder that save_pretrained wrote",
    )
    parser.add_argument(
        "--dataset",
        required=True,
        metavar="ID|FOLDER",
        help="what to fine-tune on: an id (see: datasets), or a folder with one folder of images per class",
    )
    parser.add_argument(
        "--recipe",
        metavar="ID",
        help="how to fine-tune (see: recipes); default: the paper's recipe for the checkpoint, or evaluate for a FILE"
        " whose head has the FOLDER's classes",
    )
    parser.add_argument(
        "--learning-rate", type=float, metavar="X", help="use this rate; needed where the recipe has a grid of rates"
    )
    parser.add_argument("--seed", type=int, default=0, metavar="N", help="default: %(default)s")
    parser.add_argument(
        "--split", choices=("test", "dev"), default="test", help="which part to score (default: %(default)s)"
    )
    parser.add_argument("--backend", choices=BACKENDS, default=BACKENDS[0], help="default: %(default)s")
    parser.add_argument(
        "--device",
        default="auto",
        metavar="D",
        help="auto, cpu, cuda or cuda:N (default: auto, an accelerator if there is one)",
    )
    parser.add_argument(
        "--gpus-per-run",
        type=int,
        default=1,
        metavar="N",
        help="compute the run on N accelerators, each with a share of every batch; with --device cpu, by N processes"
        " (default: %(default)s)",
    )
    parser.add_argument(
        "--offline",
        action=argparse.BooleanOptionalAction,
        default=None,
        help="use only what is on this machine (default: as configured, else --no-offline)",
    )
    parser.add_argument(
        "--stored",
        action="store_true",
        help="print the stored result and compute nothing; works even if your own weights or images are gone",
    )
    parser.add_argument("--json", action="store_true", help="print one JSON object")
    own = parser.add_argument_group("what a FILE does not state itself (for an id: its entry in checkpoints.toml)")
    own.add_argument("--resolution", type=int, metavar="N", help="side of the input in pixels")
    own.add_argument("--heads", type=int, metavar="N", help="attention heads")
    own.add_argument("--weights", metavar="NAME", help="which set of weights, if the file has several, e.g. model_ema")
    own.add_argument("--timm", metavar="NAME", help="timm's name for the model")
    for name in ("--mean", "--std"):
        own.add_argument(
            name,
            type=float,
            nargs="+",
            metavar="X",
            help=f"{name.strip('-')} for normalising pixels scaled to 0..1: one number, or one per channel",
        )
    own.add_argument("--classes-file", metavar="FILE", help="class names, one per line, in the order of the outputs")


def run(options: argparse.Namespace) -> int:
    """Print a run's accuracy with its interval, or everything as JSON; for a run that diverged, where it did."""
    from harness.core.config import home
    from harness.training.api import first_process

    if process_count() > 1 and options.backend != "torch":
        raise ClaimsError(
            f"--backend {options.backend}: expected one process, found a launcher's; only torch shares a run"
        )
    store = Store(home())
    found = answer(options, store)
    if first_process():
        show(options, store, found)
    return int(bool(found.lost))


@dataclass(frozen=True)
class Answer:
    """What a command line asked for."""

    run: Run
    result: Result
    cached: bool
    """Whether it was stored before."""
    lost: str = ""
    """Why the result could not be stored; "" if it is."""


def answer(options: argparse.Namespace, store: Store) -> Answer:
    """Return the run that the options name with its result, stored or computed now.

    Raises:
        ClaimsError: as `asked_run`; a user's own weights or images are gone, or nothing is stored, where --stored
            asks for it.
    """
    try:
        asked = asked_run(options)
    except Gone as error:
        found = recall(options, store)
        if found is None:
            raise
        if not options.stored:
            when = store.computed(found[0].id)
            raise ClaimsError(f"{error}, or --stored gives the result of {when} (run {found[0].id})") from None
        return Answer(*found, cached=True)
    result = store.get(asked)
    cached, lost = result is not None, ""
    if result is None and options.stored:
        raise ClaimsError(
            f"{asked.label}: expected a stored result (run {asked.id}), found none for these weights and images; leave"
            " out --stored to compute it"
        )
    if result is None:
        try:
            result = compute(asked, store, options.device, options.gpus_per_run)
        except NotStored as fault:
            result, lost = fault.result, str(fault)
    if not lost:
        remember(options, store, asked)
    return Answer(asked, result, cached, lost)


def show(options: argparse.Namespace, store: Store, found: Answer) -> None:
    """Print an answer as text or JSON, and on stderr if its result could not be stored."""
    from harness.stats.intervals import wilson

    interval = None
    if found.result.diverged is None:
        bounds = wilson(found.result.correct, found.result.n)
        interval = 100 * bounds.low, 100 * bounds.high
    if options.json:
        print(json.dumps(record(found, interval, store.computed(found.run.id))))
    else:
        print(text(found, interval, store.computed(found.run.id) if options.stored else ""))
    if found.lost:
        print(f"harness run: the result above was not stored: {found.lost}", file=sys.stderr)


def text(found: Answer, interval: tuple[float, float] | None, computed: str = "") -> str:
    """Return an answer in two lines: what was run, and its accuracy with the interval, or where it diverged.

    Args:
        found: the answer.
        interval: in percent.
        computed: when; then a line says from what, too.
    """
    run, result = found.run, found.result
    first = f"{run.label} (run {run.id}, {'stored' if found.cached else 'computed now'})\n"
    if computed:
        weights, images = run.checkpoint.sha256, run.dataset.sha256
        first += f"computed {computed} with weights of sha256 {weights}\n  and images of sha256 {images}\n"
    if interval is None:
        return f"{first}diverged, so there is no accuracy: {result.diverged}"
    return (
        f"{first}top-1 accuracy {result.accuracy:.2f} % ({result.correct} of {result.n}),"
        f" 95 % interval {interval[0]:.2f} to {interval[1]:.2f} (Wilson)"
    )


def record(found: Answer, interval: tuple[float, float] | None, computed: str) -> dict[str, Any]:
    """Return an answer as JSON values; accuracy and interval (95 %, Wilson) in percent, null if the run diverged."""
    asked, result = found.run, found.result
    return {
        "run_id": asked.id,
        "cached": found.cached,
        "computed": computed,
        "checkpoint_sha256": asked.checkpoint.sha256,
        "dataset_sha256": asked.dataset.sha256,
        "recipe": asked.recipe.id,
        "n": result.n,
        "correct": result.correct,
        "accuracy": None if interval is None else result.accuracy,
        "interval": None if interval is None else list(interval),
        "stated": dict(asked.checkpoint.stated) | ({"class order": asked.class_order} if asked.class_order else {}),
        "predictions_sha256": result.predictions_sha256,
        "seconds": result.seconds,
        "images_per_second": result.images_per_second,
        "environment": dict(result.environment),
        **({"diverged": str(result.diverged)} if interval is None else {}),
    }


def compute(asked: Run, store: Store, device: str, accelerators: int = 1) -> Result:
    """Compute one run with progress bars, waiting for another process that may be at it.

    Args:
        asked: the run.
        store: where its result goes.
        device: as the option names it.
        accelerators: on which it is computed.

    Raises:
        ClaimsError: there are fewer, or they can't share the run.
    """
    from harness.runs.run import measure
    from harness.runs.together import devices_for
    from harness.training.api import Execution
    from harness.training.devices import choose
    from harness.training.metric_log import bar, images_bar

    chosen = choose(asked, device)
    together = devices_for(asked, chosen, accelerators)
    while True:
        try:
            with bar(asked) as on_step, images_bar(asked) as on_images:
                execution = Execution(
                    chosen, folder=store.work, on_step=on_step, on_images=on_images, together=together
                )
                return measure(asked, store, execution)
        except Busy:
            time.sleep(WAIT)
