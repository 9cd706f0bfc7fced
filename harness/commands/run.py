"""`python -m harness run`: perform or look up one run."""

from __future__ import annotations

import argparse
import json
import math
import os
import sys
import time
from dataclasses import replace
from pathlib import Path
from typing import TYPE_CHECKING, Any

from harness.commands.asked import recall, remember
from harness.errors import ClaimsError, Gone
from harness.spec import BACKENDS, Checkpoint, Dataset, Recipe, Result, Run, build
from harness.store import Busy, Store
from harness.zoo import pinned

if TYPE_CHECKING:  # images are read with numpy, which a lookup of the micro study's runs does not need
    from harness.data.entries import Entry

GIVEN = "own-"
"""What ids begin with that are made for a FILE or FOLDER (harness.data.entries)."""
EVALUATE = "evaluate"
LEVELS = ("mean", "std")
STATED = ("resolution", "heads", "weights", "timm", *LEVELS, "classes_file")
"""Options that state what a FILE leaves open; they are fields of a Checkpoint."""
WAIT = 0.2
"""Seconds between looks at a run that another process computes."""


def add_parser(commands: Any) -> None:
    """Add the command to the command line's subparsers."""
    parser = commands.add_parser("run", help="perform or look up one run and print its accuracy")
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
        help="what to fine-tune on: an id (see: datasets), or a folder of class folders, in train/ and test/ or not",
    )
    parser.add_argument(
        "--recipe",
        metavar="ID",
        help="how (see: recipes; default: micro, for other checkpoints notebook; evaluate for a FILE whose head is of"
        " the FOLDER's classes)",
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
    parser.add_argument(
        "--stored",
        action="store_true",
        help="compute nothing: give the stored result, also where your own weights or images are gone",
    )
    parser.add_argument("--json", action="store_true", help="print one JSON object")
    own = parser.add_argument_group("what a FILE does not say of itself (an id's entry in zoo.toml says it there)")
    own.add_argument("--resolution", type=int, metavar="N", help="side of the input in pixels")
    own.add_argument("--heads", type=int, metavar="N", help="attention heads")
    own.add_argument("--weights", metavar="NAME", help="which of several sets of weights in the file, e.g. model_ema")
    own.add_argument("--timm", metavar="NAME", help="timm's name of the model")
    own.add_argument("--mean", type=float, nargs="+", metavar="X", help="of the levels 0 to 1, one number or three")
    own.add_argument("--std", type=float, nargs="+", metavar="X", help="of the levels 0 to 1, one number or three")
    own.add_argument("--classes-file", metavar="FILE", help="one class name a line, in the order of the head's outputs")


def run(options: argparse.Namespace) -> int:
    """Print a run's accuracy with its interval, or all of it as JSON; one that diverged says where."""
    from harness.backends import first_process
    from harness.home import home

    if options.offline is not None:
        os.environ["VIT_CLAIMS_OFFLINE"] = str(int(options.offline))  # for all that this run reads
    store = Store(home())
    asked, result, cached = answer(options, store)
    if first_process():
        show(options, store, asked, result, cached)
    return 0


def answer(options: argparse.Namespace, store: Store) -> tuple[Run, Result, bool]:
    """Return the run that the options name, its result, and whether it was stored.

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
        return *found, True
    result = store.get(asked)
    cached = result is not None
    if result is None and options.stored:
        raise ClaimsError(
            f"{asked.label}: expected a stored result (run {asked.id}), found none for these weights and images; leave"
            " out --stored to compute it"
        )
    if result is None:
        result = compute(asked, store, options.device)
    remember(options, store, asked)
    return asked, result, cached


def show(options: argparse.Namespace, store: Store, asked: Run, result: Result, cached: bool) -> None:
    """Print a result in words or as JSON."""
    from harness.statistics import wilson

    interval = None
    if result.diverged is None:
        found = wilson(result.correct, result.n)
        interval = 100 * found.low, 100 * found.high
    if options.json:
        print(json.dumps(record(asked, result, cached, interval, store.computed(asked.id))))
        return
    print(f"{asked.label} (run {asked.id}, {'stored' if cached else 'computed now'})")
    if options.stored:
        weights, images = asked.checkpoint.sha256, asked.dataset.sha256
        print(f"computed {store.computed(asked.id)} with weights of sha256 {weights}\n  and images of sha256 {images}")
    if interval is None:
        print(f"diverged, so there is no accuracy: {result.diverged}")
        return
    print(
        f"top-1 accuracy {result.accuracy:.2f} % ({result.correct} of {result.n}),"
        f" 95 % interval {interval[0]:.2f} to {interval[1]:.2f} (Wilson)"
    )


def asked_run(options: argparse.Namespace) -> Run:
    """Return the run that the options name, with the digests of its checkpoint and dataset.

    Raises:
        Gone: a user's own weights or images are not where they were.
        ClaimsError: a name that does not exist, material that is not here and can't be had, or options that don't fit.
    """
    from harness.datasets import pinned_dataset

    entry = asked_checkpoint(options)
    images = asked_images(options)
    described = images if isinstance(images, Dataset) else counted(images)
    how = recipe_of(options, entry, described)
    if how.evaluates_only and entry.id.startswith(GIVEN) and entry.resolution is None:
        raise ClaimsError(
            f"{options.checkpoint}: expected a file that says its resolution, found none; give --resolution"
        )
    found = images if isinstance(images, Dataset) else pinned_dataset(images, train=not how.evaluates_only)
    parts = {
        "checkpoint": entry if entry.sha256 else pinned(entry),
        "dataset": found,
        "recipe": how,
        "seed": options.seed,
        "backend": options.backend,
        "split": options.split,
    }
    return build(Run, parts | settled(parts["checkpoint"], found, how), "arguments")


def asked_checkpoint(options: argparse.Namespace) -> Checkpoint:
    """Return the checkpoint that the options name; the user's own with its digest and what its file states.

    Raises:
        ClaimsError: it is not known or not here, options are only for a FILE, or a FILE leaves something open.
    """
    from harness.given import checkpoint_at, is_path
    from harness.zoo import checkpoint, checkpoints, file_of, is_released

    stated = {name: value for name in STATED if (value := getattr(options, name)) is not None}
    stated |= {name: value[0] if len(value) == 1 else tuple(value) for name, value in stated.items() if name in LEVELS}
    if not is_path(options.checkpoint, checkpoints()):
        if stated:
            option = min(stated).replace("_", "-")
            raise ClaimsError(
                f"--{option}: expected a FILE as --checkpoint, found the id {options.checkpoint}; say it in its entry"
                " in zoo.toml"
            )
        entry = checkpoint(options.checkpoint)
        return entry if is_released(entry) else completed(pinned(entry), file_of(entry))
    if "classes_file" in stated:
        stated["classes_file"] = os.path.abspath(os.path.expanduser(stated["classes_file"]))
    try:
        entry = pinned(checkpoint_at(options.checkpoint, stated))
        return completed(entry, file_of(entry))
    except Gone:
        raise
    except ClaimsError as error:
        if "its entry" not in str(error) and "the entry" not in str(error):
            raise
        advice = ", ".join(f"--{name.replace('_', '-')}" for name in STATED)
        raise ClaimsError(f"{error}; for a FILE without an entry the options {advice} say it") from None


def asked_images(options: argparse.Namespace) -> Dataset | Entry:
    """Return the dataset that the options name: a micro task as it is, or the entry of images."""
    from harness.data.entries import CLAIMED, entries
    from harness.datasets import dataset, datasets, real
    from harness.given import dataset_at, is_path

    if options.dataset in datasets():
        return dataset(options.dataset)
    known = {*entries(), *CLAIMED}
    return dataset_at(options.dataset) if is_path(options.dataset, known) else real(options.dataset)


def counted(entry: Entry) -> Dataset:
    """Return the spec of a dataset for resolving recipes; a user's own has the images that are there now.

    Raises:
        Gone: it is the user's own, and not there.
    """
    from harness.data.entries import load_parts
    from harness.data.obtain import at_hand
    from harness.datasets import unpinned_dataset

    if not entry.own or not entry.train:
        return unpinned_dataset(entry)
    parts = load_parts(entry, at_hand(entry))
    return unpinned_dataset(replace(entry, train=len(parts.train or ()), test=len(parts.test)))


def completed(found: Checkpoint, path: Path) -> Checkpoint:
    """Return a user's own checkpoint with what its file and those beside it state."""
    from harness.backends.stated import complete

    return complete(found, path)


def settled(checkpoint: Checkpoint, dataset: Dataset, how: Recipe) -> dict[str, Any]:
    """Return the fields of a run that say which output of a kept head stands for which class."""
    if not how.evaluates_only:  # nothing heavy is imported for a run that trains
        return {}
    from harness.backends.stated import settle

    return settle(checkpoint, dataset, how)


def usual_recipe(checkpoint: Checkpoint, dataset: Dataset) -> str:
    """Return the recipe for a checkpoint and a dataset where none is named.

    A FILE whose head is of the dataset's classes is evaluated; why one of as many classes is not, is said.
    """
    usual = "micro" if checkpoint.shipped else "notebook" if dataset.train else EVALUATE
    if not checkpoint.id.startswith(GIVEN) or checkpoint.classes != dataset.classes:
        return usual
    from harness.backends.class_order import head_outputs
    from harness.datasets import class_names

    try:
        head_outputs(checkpoint, class_names(dataset), dataset.id)
    except ClaimsError as error:
        if usual != EVALUATE:
            print(f"a new head is trained (--recipe {usual}), for {error}", file=sys.stderr)
        return usual
    return EVALUATE


def recipe_of(options: argparse.Namespace, checkpoint: Checkpoint, dataset: Dataset) -> Recipe:
    """Return the recipe that the options name, resolved for a checkpoint and a dataset.

    Raises:
        ClaimsError: there is none, it is not for these, or its learning rate is still to be chosen.
    """
    from harness.recipes import protocol, resolve, with_rate

    name = options.recipe or usual_recipe(checkpoint, dataset)
    found = resolve(protocol(name, checkpoint.family), checkpoint, dataset)
    if options.learning_rate is not None:
        if not 0 < options.learning_rate < math.inf:
            raise ClaimsError(f"--learning-rate: expected a positive number, found {options.learning_rate:g}")
        return with_rate(found, options.learning_rate)
    if found.learning_rate is None and not found.evaluates_only:
        grid = ", ".join(f"{rate:g}" for rate in found.learning_rate_grid)
        raise ClaimsError(f"recipe {found.id}: expected --learning-rate, one of its grid: {grid}")
    return found


def record(
    asked: Run, result: Result, cached: bool, interval: tuple[float, float] | None, computed: str
) -> dict[str, Any]:
    """Return a result as JSON values; accuracy and interval (95 %, Wilson) in percent, null for one that diverged."""
    return {
        "run_id": asked.id,
        "cached": cached,
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


def compute(asked: Run, store: Store, device: str) -> Result:
    """Compute one run with progress bars, waiting for another process that may be at it."""
    from harness.backends import Execution
    from harness.backends.devices import choose
    from harness.backends.history import bar, images_bar
    from harness.measure import measure

    chosen = choose(asked, device)
    while True:
        try:
            with bar(asked) as on_step, images_bar(asked) as on_images:
                execution = Execution(chosen, folder=store.work, on_step=on_step, on_images=on_images)
                return measure(asked, store, execution)
        except Busy:
            time.sleep(WAIT)
