"""`python -m harness doctor`: what this machine has and lacks."""

from __future__ import annotations

import argparse
import dataclasses
import json
from typing import Any


def add_parser(commands: Any) -> None:
    """Add the command to the command line's subparsers."""
    parser = commands.add_parser(
        "doctor",
        help="show what this machine has, and what each claim still needs",
        description="Show this machine's packages, hardware, disk space and network access, and what each claim still"
        " needs before released checkpoints can be measured.",
    )
    parser.add_argument("--offline", action="store_true", default=None, help="contact no server")
    parser.add_argument("--cache", metavar="DIR", help="the folder of downloads (default: as configured)")
    parser.add_argument("--json", action="store_true", help="print a JSON list")


def run(options: argparse.Namespace) -> int:
    """Print the findings; what is missing is not a failure of the command."""
    from harness.cli.doctor_findings import examine
    from harness.core.config import home, settings

    chosen = settings(options.cache, options.offline)
    findings = examine(chosen.cache, home(), offline=chosen.offline)
    if options.json:
        print(json.dumps([dataclasses.asdict(finding) for finding in findings], indent=1))
        return 0
    width = max(len(finding.topic) for finding in findings)
    for finding in findings:
        print(f"{finding.topic.ljust(width)}  {finding.state.ljust(7)}  {finding.text}")
    return 0
