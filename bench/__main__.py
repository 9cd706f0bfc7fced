"""Measure the project's speed: a table on the terminal, JSON in bench/results/.

    python -m bench [--only GROUP ...] [--rounds N] [--note TEXT] [--out FILE]

Nothing here passes or fails. Times depend on the machine and its load, so compare only figures from the same run.
"""

from __future__ import annotations

import argparse
import platform
from pathlib import Path

from bench.groups import GROUPS, measured
from bench.machine import machine
from bench.table import HEAD, write

RESULTS = Path(__file__).parent / "results"


def main() -> None:
    parser = argparse.ArgumentParser(
        prog="python -m bench", description=__doc__, formatter_class=argparse.RawDescriptionHelpFormatter
    )
    add = parser.add_argument
    add("--only", nargs="+", choices=GROUPS, default=list(GROUPS), metavar="GROUP", help=", ".join(GROUPS))
    add("--rounds", type=int, default=5, metavar="N", help="rounds to take medians of (default: %(default)s)")
    add("--note", default="", metavar="TEXT", help="a note for the record, e.g. what else the machine is doing")
    add(
        "--out",
        type=Path,
        default=RESULTS / f"{platform.node()}.json",
        metavar="FILE",
        help="JSON; figures of other groups that are in it stay, if they are this machine's (default: %(default)s)",
    )
    options = parser.parse_args()
    described = machine()
    print("  ".join(f"{key} {value}" for key, value in described.items()))
    print(HEAD, flush=True)
    for name in options.only:
        write(options.out, described, name, measured(name, options.rounds, options.note), GROUPS)
    print(f"written to {options.out}")


if __name__ == "__main__":
    main()
