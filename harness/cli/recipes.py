"""`python -m harness recipes`: list them, show one resolved, and the differences of two."""

from __future__ import annotations

import argparse
import dataclasses
import itertools
import json
import shutil
import textwrap
from collections.abc import Mapping, Sequence
from typing import TYPE_CHECKING, Any

from harness.cli.zoo import print_table
from harness.core.errors import ClaimsError

if TYPE_CHECKING:
    from harness.catalog.recipe_diff import Row, Said
    from harness.catalog.recipe_layers import Definition
    from harness.core.specs import Checkpoint, Dataset

FIELD = 24
"""Width of the column of field names."""
GAP = 2
WIDEST = 120
NARROWEST = 70
COLUMNS = ("id", "steps", "batch size", "learning rate", "warm-up", "resolution", "cases", "based on")
Statements = Mapping[str, "tuple[Said, ...]"]


def add_parser(commands: Any) -> None:
    """Add the command to the command line's subparsers."""
    parser = commands.add_parser(
        "recipes",
        help="list the recipes, show one, or compare two",
        description="List the fine-tuning recipes and the protocols (a recipe for each family of checkpoints).",
    )
    parser.add_argument("--json", action="store_true", help="print a JSON list")
    actions = parser.add_subparsers(dest="action", metavar="ACTION")
    name = "a recipe; or a protocol, with --checkpoint and --dataset"
    words = "print every setting of a recipe with its source"
    show = actions.add_parser("show", help=words, description=f"{words.capitalize()}.")
    show.add_argument("a", metavar="NAME", help=name)
    words = "print where two recipes differ, with their sources"
    diff = actions.add_parser("diff", help=words, description=f"{words.capitalize()}.")
    diff.add_argument("a", metavar="A", help=name)
    diff.add_argument("b", metavar="B", help=name)
    for each in (show, diff):
        each.add_argument("--checkpoint", metavar="ID", help="with --dataset: the settings for this checkpoint")
        each.add_argument("--dataset", metavar="ID", help="with --checkpoint: the settings for this dataset")
        each.add_argument("--json", action="store_true", default=argparse.SUPPRESS, help="print JSON")


def run(options: argparse.Namespace) -> int:
    """Print the list, one recipe, or a table of differences."""
    if options.action is None:
        return list_all(options.json)
    subject = subject_of(options.checkpoint, options.dataset)
    if options.action == "show":
        return show(options.a, subject, options.json)
    return diff(options.a, options.b, subject, options.json)


def list_all(as_json: bool) -> int:
    """Print all recipes by what they say always, and the protocols."""
    from harness.catalog.recipe_diff import statements
    from harness.catalog.recipes import all_definitions, protocols, recipes

    if as_json:
        print(json.dumps([dataclasses.asdict(recipe) for recipe in recipes().values()], indent=1))
        return 0
    rows = []
    for name, found in all_definitions().items():
        said = statements(found)
        always = [said[field][0].value for field in ("steps", "batch_size", "learning_rate", "warmup_steps")]
        cases = sum(str(layer.when) != "" for layer in found.layers)
        rows.append([name, *always, said["resolution"][0].value, str(cases or "-"), found.based_on or "-"])
    print_table(COLUMNS, rows)
    print("\nProtocols: one name, a recipe for each family of checkpoints")
    print_table(
        ("name", "recipes"), [[n, ", ".join(f"{f}: {r}" for f, r in t.items())] for n, t in protocols().items()]
    )
    return 0


def subject_of(checkpoint: str | None, dataset: str | None) -> tuple[Checkpoint, Dataset] | None:
    """Return what recipes are to be resolved for; None: for nothing, their cases are shown.

    Raises:
        ClaimsError: only one of the two is given, or one does not exist.
    """
    if (checkpoint is None) != (dataset is None):
        given, other = ("--dataset", "--checkpoint") if checkpoint is None else ("--checkpoint", "--dataset")
        raise ClaimsError(f"{given}: expected {other}, too, found none; add it")
    if checkpoint is None or dataset is None:
        return None
    from harness.catalog.checkpoints import checkpoint as entry
    from harness.catalog.datasets import datasets, unpinned_dataset

    return entry(checkpoint), datasets().get(dataset) or unpinned_dataset(dataset)


def resolved(name: str, subject: tuple[Checkpoint, Dataset]) -> tuple[str, Statements]:
    """Return the title of what a recipe's or protocol's name means for a subject, and what that says of each field."""
    from harness.catalog.recipe_diff import settled
    from harness.catalog.recipes import protocol, resolve

    checkpoint, dataset = subject
    used = protocol(name, checkpoint.family)
    return name if used == name else f"{name}: {used}", settled(resolve(used, checkpoint, dataset))


def show(name: str, subject: tuple[Checkpoint, Dataset] | None, as_json: bool) -> int:
    """Print every setting of a recipe with its source."""
    from harness.catalog.recipe_diff import statements

    title, said = resolved(name, subject) if subject else (name, statements(recipe_named(name)))
    if as_json:
        print(json.dumps({field: [vars(each) for each in listed] for field, listed in said.items()}, indent=1))
        return 0
    print(heading(f"recipe {title}", subject) + "\n")
    width = line_width()
    left = min(max(len(line(each)) for listed in said.values() for each in listed), (width - FIELD) // 2)
    for field, listed in said.items():
        for number, each in enumerate(listed):
            source = wrap(each.source, width - FIELD - left - 2 * GAP)
            print_blocks([field if number == 0 else ""], wrap(line(each), left), source, left)
    return 0


def diff(a: str, b: str, subject: tuple[Checkpoint, Dataset] | None, as_json: bool) -> int:
    """Print the fields in which two recipes differ, side by side, each value over its source."""
    from harness.catalog.recipe_diff import ROWS, between, records

    if subject:
        (title_a, said_a), (title_b, said_b) = resolved(a, subject), resolved(b, subject)
        rows = between(said_a, said_b)
    else:
        title_a, title_b = a, b
        rows = in_general(a, b)
    if as_json:
        print(json.dumps(records(rows), indent=1))
        return 0
    print(heading(f"{title_a} against {title_b}", subject) + "\n")
    half = (line_width() - FIELD - 2 * GAP) // 2
    print_blocks([], [title_a], [title_b], half)
    print_blocks([], ["-" * half], ["-" * half], half)
    before = ""
    for row in rows:
        label = [
            *([row.field] if row.field != before else []),
            *(f"  {each}" for each in wrap(row.when, FIELD - 2) if each),
        ]
        if row.field != before and row.when:
            print(label.pop(0))
        print_blocks(label, block(row.a, half), block(row.b, half), half)
        before = row.field
    differing = {row.field for row in rows}
    same = ", ".join(field for field in ROWS if field not in differing)
    print("\n" + textwrap.fill(f"the same in both: {same}", line_width(), subsequent_indent="  "))
    return 0


def in_general(a: str, b: str) -> list[Row]:
    """Return where two recipes differ for any known checkpoint and dataset."""
    from harness.catalog.checkpoints import checkpoints
    from harness.catalog.datasets import unpinned_dataset
    from harness.catalog.recipe_diff import differences
    from harness.data.registry import entries

    trained_on = [unpinned_dataset(entry) for entry in entries().values() if entry.train]
    return differences(recipe_named(a), recipe_named(b), list(checkpoints().values()), trained_on)


def recipe_named(name: str) -> Definition:
    """Return a recipe as it is written.

    Raises:
        ClaimsError: there is none of that name; a protocol needs a checkpoint and a dataset to mean a recipe.
    """
    from harness.catalog.recipes import all_definitions, defined, protocols

    if name in protocols() and name not in all_definitions():
        listed = ", ".join(f"{recipe} ({family})" for family, recipe in protocols()[name].items())
        raise ClaimsError(
            f"expected a recipe, found the protocol {name!r}: {listed}; name one of these, or add --checkpoint and"
            " --dataset"
        )
    return defined(name)


def heading(words: str, subject: tuple[Checkpoint, Dataset] | None) -> str:
    """Return the first line: what is shown, and for what it was resolved."""
    if subject is None:
        return f"{words}, for all checkpoints and datasets; where several lines apply, the last one holds"
    return f"{words} (for {subject[0].id} on {subject[1].id})"


def line_width() -> int:
    """Return the width to print in: the terminal's, within readable limits; 120 without a terminal."""
    return max(NARROWEST, min(WIDEST, shutil.get_terminal_size((WIDEST, 24)).columns))


def line(said: Said) -> str:
    """Return a value with its condition."""
    return f"{said.value}  if {said.when}" if said.when else said.value


def block(said: Said, width: int) -> list[str]:
    """Return the lines of a value over its source."""
    return [*wrap(said.value, width), *(f"  {each}" for each in wrap(said.source, width - 2) if each)]


def wrap(words: str, width: int) -> list[str]:
    """Return text in lines of a width; long paths are kept whole where they fit."""
    return textwrap.wrap(words, width, break_on_hyphens=False, subsequent_indent="  ") or [""]


def print_blocks(label: Sequence[str], one: Sequence[str], two: Sequence[str], left: int) -> None:
    """Print three blocks of lines side by side."""
    for name, value, other in itertools.zip_longest(label, one, two, fillvalue=""):
        print(f"{name:<{FIELD}}{'':{GAP}}{value:<{left}}{'':{GAP}}{other}".rstrip())
