"""`python -m harness datasets` and `recipes`: what exists."""

from __future__ import annotations

import argparse
import dataclasses
import json
from typing import Any

from harness.commands.zoo import print_table

COLUMNS = {
    "datasets": ("id", "title", "classes", "train", "test", "shots"),
    "recipes": ("id", "steps", "batch_size", "learning_rate", "warmup_steps", "resolution"),
}


def add_parser(commands: Any) -> None:
    """Add both commands to the command line's subparsers."""
    for name in COLUMNS:
        parser = commands.add_parser(name, help=f"list the {name} that exist")
        parser.add_argument("--json", action="store_true", help="print a JSON list")


def run(options: argparse.Namespace) -> int:
    """Print a table of specs, or all of each as JSON."""
    from harness.datasets import datasets
    from harness.recipes import recipes

    specs: list[Any] = list((datasets() if options.command == "datasets" else recipes()).values())
    if options.json:
        print(json.dumps([dataclasses.asdict(spec) for spec in specs], indent=1))
        return 0
    columns = COLUMNS[options.command]
    print_table(columns, [[shown(getattr(spec, column)) for column in columns] for spec in specs])
    return 0


def shown(value: Any) -> str:
    """Return a value as a table shows it: nothing as a dash."""
    return "-" if value is None else str(value)
