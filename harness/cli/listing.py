"""`python -m harness datasets`: the known datasets, and which are here."""

from __future__ import annotations

import argparse
import dataclasses
import json
from collections.abc import Mapping
from typing import Any

from harness.cli.zoo import print_table

COLUMNS = ("id", "title", "group", "classes", "train", "test", "shots", "state")


def add_parser(commands: Any) -> None:
    """Add the command to the command line's subparsers."""
    parser = commands.add_parser(
        "datasets",
        help="list the datasets",
        description="List the datasets: which are on this machine, and how to get the others.",
    )
    parser.add_argument("--json", action="store_true", help="print a JSON list")


def run(options: argparse.Namespace) -> int:
    """Print a table of specs, or all of each as JSON."""
    records = [*shipped_datasets(), *real_datasets()]
    if options.json:
        print(json.dumps(records, indent=1))
        return 0
    print_table(COLUMNS, [[shown(record, column) for column in COLUMNS] for record in records])
    return 0


def shipped_datasets() -> list[dict[str, Any]]:
    """Return the micro study's tasks, which come with the project."""
    from harness.catalog.datasets import datasets

    return [dataclasses.asdict(spec) | {"group": "micro", "state": "shipped"} for spec in datasets().values()]


def real_datasets() -> list[dict[str, Any]]:
    """Return the datasets that others published, each with its state here: "here", "to fetch" or "by hand"."""
    from harness.data.download.dataset import state
    from harness.data.paths import location
    from harness.data.registry import entries

    found = []
    for entry in entries().values():
        where, why = state(entry, location(entry.folder))
        found.append(dataclasses.asdict(entry) | {"state": where, "why": why})
    return [*found, real_labels()]


def real_labels() -> dict[str, Any]:
    """Return the ReaL labels of ImageNet's validation images, which are no images of their own."""
    from harness.data.imagenet_real import CLASSES, ID, LABELLED, labels_not_here

    why = labels_not_here()
    state = {"state": "to fetch" if why else "here", "why": why.partition("; ")[2]}
    return {"id": ID, "title": "ReaL labels of ImageNet validation", "classes": CLASSES, "test": LABELLED, **state}


def shown(record: Mapping[str, Any], column: str) -> str:
    """Return a value as a table shows it: nothing as a dash, a state with its reason."""
    value = record.get(column)
    if column == "state" and record.get("why"):
        return f"{value}: {record['why']}"
    return "-" if value in (None, "") else str(value)
