"""Measure the project's speed: a table on the terminal, lines of JSON in bench/results/.

    python -m bench [--only GROUP ...] [--parts TEXT ...] [--minutes M] [--rounds N] [--note TEXT] [--out FILE]

Nothing here passes or fails. Times depend on the machine and its load, so compare only figures from the same call.
"""

from __future__ import annotations

import argparse
import os
import platform
import subprocess
from pathlib import Path

from bench.groups import GROUPS, Budget, described, measure
from bench.journal import Journal
from bench.table import HEAD

ROOT = Path(__file__).parents[1]
RESULTS = ROOT / "bench" / "results"


def main() -> None:
    parser = argparse.ArgumentParser(
        prog="python -m bench", description=__doc__, formatter_class=argparse.RawDescriptionHelpFormatter
    )
    add = parser.add_argument
    add("--only", nargs="+", choices=GROUPS, default=list(GROUPS), metavar="GROUP", help=", ".join(GROUPS))
    add("--parts", nargs="+", default=(), metavar="TEXT", help="only parts whose name contains one of these texts")
    add(
        "--minutes",
        type=float,
        metavar="M",
        help="end after so long: parts that would not fit are left out, and one that is late is stopped",
    )
    add("--rounds", type=int, default=5, metavar="N", help="rounds to take medians of (default: %(default)s)")
    add("--note", default="", metavar="TEXT", help="a note for the record, e.g. what else the machine is doing")
    add(
        "--out",
        type=Path,
        default=RESULTS / f"{platform.node()}.jsonl",
        metavar="FILE",
        help="lines are added to it as soon as they are measured (default: %(default)s)",
    )
    options = parser.parse_args()
    budget = Budget(options.minutes)
    machine = described()
    print("  ".join(f"{key} {value}" for key, value in machine.items()))
    print(HEAD, flush=True)
    journal = Journal(options.out)
    load = round(os.getloadavg()[0], 2)
    journal.begin(machine, commit=commit(), groups=options.only, rounds=options.rounds, note=options.note, load=load)
    for name in options.only:
        measure(name, options.rounds, journal, budget, options.parts)
    print(f"written to {options.out}")


def commit() -> str:
    """Return the commit that is measured, with a + where files differ from it; "" outside a repository."""
    asked = ["git", "-C", str(ROOT), "describe", "--always", "--abbrev=12", "--dirty=+", "--exclude=*"]
    try:
        return subprocess.run(asked, capture_output=True, text=True, check=True).stdout.strip()
    except (OSError, subprocess.CalledProcessError):
        return ""


if __name__ == "__main__":
    main()
