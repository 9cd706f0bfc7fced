"""The command line: `python -m harness COMMAND`; each command is a module of harness.commands."""

from __future__ import annotations

import argparse
import os
import sys
from collections.abc import Sequence
from importlib.metadata import version

from harness.commands import data_bench, doctor, fetching, inspect, listing, logits, recipes, report, run, zoo
from harness.errors import ClaimsError
from harness.home import VARIABLE as HOME
from harness.home import home

COMMANDS = {
    "run": run,
    "zoo": zoo,
    "datasets": listing,
    "recipes": recipes,
    "inspect": inspect,
    "logits": logits,
    "fetch": fetching,
    "cache": fetching,
    "doctor": doctor,
    "data-bench": data_bench,
    "report": report,
}


def main(arguments: Sequence[str] | None = None) -> int:
    """Run one command; bad input is one line on stderr and exit code 2."""
    parser = argparse.ArgumentParser(prog="python -m harness", description="Claim verification for ViT.")
    parser.add_argument("--version", action="version", version=f"vit-claims {version('vit-claims')}")
    commands = parser.add_subparsers(dest="command", required=True, metavar="COMMAND")
    for module in dict.fromkeys(COMMANDS.values()):
        module.add_parser(commands)
    for each in commands.choices.values():
        each.add_argument(
            "--home", metavar="DIR", help=f"where state lies (default: ${HOME}, else the user's cache folder)"
        )
    options = parser.parse_args(arguments)
    if options.home:
        os.environ[HOME] = str(home(options.home))  # for all that looks for runs, downloads, data and pins
    try:
        code: int = COMMANDS[options.command].run(options)
        return code
    except ClaimsError as error:
        print(f"harness {options.command}: {error}", file=sys.stderr)
        return 2
    except KeyboardInterrupt as stop:  # a run that saved its state says so
        print(f"harness {options.command}: {str(stop) or 'interrupted; what was stored is kept'}", file=sys.stderr)
        return 130
    except BrokenPipeError:
        os.dup2(os.open(os.devnull, os.O_WRONLY), sys.stdout.fileno())
        return 1


if __name__ == "__main__":
    sys.exit(main())
