"""`python -m harness inspect FILE`: what a weights file describes."""

from __future__ import annotations

import argparse
import dataclasses
import json
from typing import Any


def add_parser(commands: Any) -> None:
    """Add the command to the command line's subparsers."""
    parser = commands.add_parser("inspect", help="print what a weights file describes")
    parser.add_argument("file", metavar="FILE", help="npz, safetensors or PyTorch")
    parser.add_argument("--heads", type=int, metavar="N", help="attention heads, for a PyTorch file of unusual width")
    parser.add_argument("--json", action="store_true", help="print one JSON object")


def run(options: argparse.Namespace) -> int:
    """Print the description."""
    from harness.describe import describe, lines

    found = describe(options.file, options.heads)
    if options.json:
        print(json.dumps(dataclasses.asdict(found)))
        return 0
    rows = lines(found)
    width = max(len(name) for name, _ in rows)
    for name, value in rows:
        print(f"{name.ljust(width)}  {value}")
    return 0
