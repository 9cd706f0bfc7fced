"""`python -m harness inspect FILE`: what a weights file says about itself."""

from __future__ import annotations

import argparse
import dataclasses
import json
from typing import TYPE_CHECKING, Any

if TYPE_CHECKING:
    from harness.models.describe import Description


def add_parser(commands: Any) -> None:
    """Add the command to the command line's subparsers."""
    parser = commands.add_parser(
        "inspect",
        help="print what a weights file says about itself",
        description="Print what a weights file says about itself: layout, architecture, sizes, classes.",
    )
    parser.add_argument(
        "file", metavar="FILE", help="an npz, safetensors or PyTorch file, an index of shards, or the shards' folder"
    )
    parser.add_argument("--heads", type=int, metavar="N", help="attention heads, if the file does not state them")
    parser.add_argument("--weights", default="", metavar="NAME", help="which set of weights, if the file has several")
    parser.add_argument("--json", action="store_true", help="print one JSON object")


def run(options: argparse.Namespace) -> int:
    """Print the description, or that of each set of weights."""
    from harness.models.describe import describe
    from harness.models.load import sets_of

    names = sets_of(options.file)
    if options.weights or len(names) == 1:
        found = describe(options.file, options.heads, options.weights)
        print(json.dumps(dataclasses.asdict(found)) if options.json else text(found))
        return 0
    several = {name: describe(options.file, options.heads, name) for name in sorted(names)}
    if options.json:
        sets = {name: dataclasses.asdict(found) for name, found in several.items()}
        print(json.dumps({"file": options.file, "sets": sets}))
        return 0
    print(f"{len(several)} sets of weights; choose one with --weights: {', '.join(several)}")
    for found in several.values():
        print(f"\n{text(found)}")
    return 0


def text(found: Description) -> str:
    """Return a description as aligned lines."""
    from harness.models.describe import lines

    rows = lines(found)
    width = max(len(name) for name, _ in rows)
    return "\n".join(f"{name.ljust(width)}  {value}" for name, value in rows)
