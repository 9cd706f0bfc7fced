"""The run that a command line names, by ids or by a file and a folder, with the current digests of its inputs."""

from __future__ import annotations

import argparse
import contextlib
import math
import os
import re
import sys
from collections.abc import Iterator
from dataclasses import replace
from pathlib import Path
from typing import TYPE_CHECKING, Any

from harness.catalog.checkpoint_files import pinned
from harness.core.errors import ClaimsError, Gone
from harness.core.run import Run
from harness.core.specs import Checkpoint, Dataset, Recipe, build

if TYPE_CHECKING:  # images are read with numpy, which a lookup of the micro study's runs does not need
    from harness.data.registry import Entry

GIVEN = "own-"
"""What ids begin with that are made for a FILE or FOLDER (harness.data.registry)."""
LEVELS = ("mean", "std")
CHANNELS = 3
SEEDS = 2**63
STATED = ("resolution", "heads", "weights", "timm", *LEVELS, "classes_file")
"""Options that state what a FILE leaves open; they are fields of a Checkpoint."""


def asked_run(options: argparse.Namespace) -> Run:
    """Return the run that the options name, with the digests of its checkpoint and dataset.

    Raises:
        Gone: a user's own weights or images are not where they were.
        ClaimsError: a name that does not exist, material that is not here and can't be had, or options that don't fit.
    """
    from harness.catalog.datasets import pinned_dataset

    if not 0 <= options.seed < SEEDS:
        raise ClaimsError(f"--seed: expected a whole number from 0 to 2^63 - 1, found {options.seed}")
    entry = asked_checkpoint(options)
    images = asked_images(options)
    described = images if isinstance(images, Dataset) else counted(images)
    how = recipe_of(options, entry, described)
    if how.evaluates_only and entry.id.startswith(GIVEN) and entry.resolution is None:
        raise ClaimsError(
            f"{options.checkpoint}: expected a file that states its resolution, found none; give --resolution"
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
    with advice_for_files() if entry.id.startswith(GIVEN) else contextlib.nullcontext():
        parts |= settled(parts["checkpoint"], found, how)
    return build(Run, parts, "options")


def asked_checkpoint(options: argparse.Namespace) -> Checkpoint:
    """Return the checkpoint that the options name; the user's own with its digest and what its file states.

    Raises:
        ClaimsError: it is not known or not here, options are only for a FILE, or a FILE leaves something open.
    """
    from harness.catalog.checkpoint_files import file_of
    from harness.catalog.checkpoints import checkpoint, checkpoints, is_released
    from harness.catalog.given import checkpoint_at, is_path

    stated = {name: value for name in STATED if (value := getattr(options, name)) is not None}
    for name in LEVELS:
        if name in stated and len(stated[name]) not in (1, CHANNELS):
            raise ClaimsError(f"--{name}: expected one number, or one per channel (3), found {len(stated[name])}")
    stated |= {name: value[0] if len(value) == 1 else tuple(value) for name, value in stated.items() if name in LEVELS}
    if not is_path(options.checkpoint, checkpoints()):
        if stated:
            option = min(stated).replace("_", "-")
            raise ClaimsError(
                f"--{option}: expected a FILE as --checkpoint, found the id {options.checkpoint}; leave it out, or set"
                " it in the id's entry in checkpoints.toml"
            )
        entry = checkpoint(options.checkpoint)
        return entry if is_released(entry) else completed(pinned(entry), file_of(entry))
    if "classes_file" in stated:
        stated["classes_file"] = os.path.abspath(os.path.expanduser(stated["classes_file"]))
    with advice_for_files():
        entry = pinned(checkpoint_at(options.checkpoint, stated))
        return said_here(completed(entry, file_of(entry)))


@contextlib.contextmanager
def advice_for_files() -> Iterator[None]:
    """Name the options that state what an error asks for: a FILE has no entry in a table."""
    try:
        yield
    except Gone:
        raise
    except ClaimsError as error:
        if "its entry" not in str(error) and "the entry" not in str(error):
            raise
        advice = str(error).rpartition("; ")[2]
        named = [name for name in STATED if re.search(rf"\b{name}\b", advice)] or STATED
        options = " and ".join(f"--{name.replace('_', '-')}" for name in named)
        raise ClaimsError(f"{error}; a FILE has no entry: give {options} instead") from None


def said_here(found: Checkpoint) -> Checkpoint:
    """Return the checkpoint of a FILE, what options said of it marked as said on the command line."""
    from harness.catalog.stated import THE_ENTRY

    places = tuple((what, "the command line" if where == THE_ENTRY else where) for what, where in found.stated)
    return replace(found, stated=places)


def asked_images(options: argparse.Namespace) -> Dataset | Entry:
    """Return the dataset that the options name: a micro task as it is, or the entry of images."""
    from harness.catalog.datasets import dataset, datasets, real
    from harness.catalog.given import dataset_at, is_path
    from harness.core.paper import paper

    if options.dataset in datasets():
        return dataset(options.dataset)
    from harness.data.registry import entries  # and with it numpy

    known = {*entries(), *dict(paper().images)}
    return dataset_at(options.dataset) if is_path(options.dataset, known) else real(options.dataset)


def counted(entry: Entry) -> Dataset:
    """Return the spec of a dataset for resolving recipes; a user's own has the images that are there now.

    Raises:
        Gone: it is the user's own, and not there.
    """
    from harness.catalog.datasets import unpinned_dataset
    from harness.data.download.dataset import at_hand
    from harness.data.registry import load_parts

    if not entry.own or not entry.train:
        return unpinned_dataset(entry)
    parts = load_parts(entry, at_hand(entry))
    return unpinned_dataset(replace(entry, train=len(parts.train or ()), test=len(parts.test)))


def completed(found: Checkpoint, path: Path) -> Checkpoint:
    """Return a user's own checkpoint with what its file and those beside it state."""
    from harness.catalog.stated import complete

    return complete(found, path)


def settled(checkpoint: Checkpoint, dataset: Dataset, how: Recipe) -> dict[str, Any]:
    """Return the fields of a run that say which output of a kept head stands for which class."""
    if not how.evaluates_only:  # nothing heavy is imported for a run that trains
        return {}
    from harness.catalog.stated import settle

    return settle(checkpoint, dataset, how)


def usual_recipe(checkpoint: Checkpoint, dataset: Dataset) -> str:
    """Return the recipe for a checkpoint and a dataset where none is named.

    A FILE whose head is of the dataset's classes is evaluated; why one of as many classes is not, is said.
    """
    from harness.core.paper import paper

    defaults = paper().defaults
    usual = defaults.micro if checkpoint.shipped else defaults.protocol if dataset.train else defaults.evaluation
    if not checkpoint.id.startswith(GIVEN) or checkpoint.classes != dataset.classes:
        return usual
    from harness.catalog.datasets import class_names
    from harness.models.class_order import head_outputs

    try:
        head_outputs(checkpoint, class_names(dataset), dataset.id)
    except ClaimsError as error:
        if usual != defaults.evaluation:
            print(
                f"training a new head (--recipe {usual}), because the file's own can't be scored: {error}",
                file=sys.stderr,
            )
        return usual
    return defaults.evaluation


def recipe_of(options: argparse.Namespace, checkpoint: Checkpoint, dataset: Dataset) -> Recipe:
    """Return the recipe that the options name, resolved for a checkpoint and a dataset.

    Raises:
        ClaimsError: there is none, it is not for these, or its learning rate is still to be chosen.
    """
    from harness.catalog.recipes import protocol, resolve, with_rate

    name = options.recipe or usual_recipe(checkpoint, dataset)
    found = resolve(protocol(name, checkpoint.family), checkpoint, dataset)
    if options.learning_rate is not None:
        if not 0 < options.learning_rate < math.inf:
            raise ClaimsError(f"--learning-rate: expected a positive number, found {options.learning_rate:g}")
        return with_rate(found, options.learning_rate)
    if found.learning_rate is None and not found.frozen:
        grid = ", ".join(f"{rate:g}" for rate in found.learning_rate_grid)
        raise ClaimsError(f"recipe {found.id}: expected --learning-rate, one of its grid: {grid}")
    return found
