"""`python -m harness compare A B`: what changed from one report to another."""

from __future__ import annotations

import argparse
import json
from dataclasses import asdict
from pathlib import Path
from typing import Any


def add_parser(commands: Any) -> None:
    """Add the command to the command line's subparsers."""
    parser = commands.add_parser(
        "compare",
        help="say what changed from one report to another; exits with 1 if an answer or verdict did",
        description="Say what changed from report A to report B: answers, verdicts, what is judged, accuracies beyond"
        " noise, speed, versions, digests.",
    )
    parser.add_argument("a", metavar="A", help="the earlier report: its folder, or a bundle of it")
    parser.add_argument("b", metavar="B", help="the later report")
    parser.add_argument("--json", action="store_true", help="print a JSON list")


def run(options: argparse.Namespace) -> int:
    """Print what changed."""
    from harness.report.comparison import compare
    from harness.report.records import read_records

    changes = compare(read_records(Path(options.a)), read_records(Path(options.b)))
    if options.json:
        print(json.dumps([{**asdict(change), "decisive": change.decisive} for change in changes], indent=1))
    else:
        for change in changes:
            print(change)
        if not changes:
            print("nothing changed")
    return int(any(change.decisive for change in changes))
