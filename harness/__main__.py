"""The command line: `python -m harness COMMAND`; each command is a module of harness.cli."""

from __future__ import annotations

import argparse
import contextlib
import os
import signal
import sys
import threading
from collections.abc import Mapping, Sequence
from importlib.metadata import version
from types import ModuleType

from harness.core.config import read_config, use
from harness.core.errors import ClaimsError, printable

CONFIGURED = (
    "Configured: by a variable such as $VIT_CLAIMS_HOME, else in claims.toml or pyproject.toml (docs/configuration.md)."
)


def commands() -> Mapping[str, ModuleType]:
    """Return the module of each command."""
    from harness.cli import (
        bundle,
        check,
        compare,
        data_bench,
        doctor,
        export_scores,
        fetching,
        figures,
        inspect,
        judge,
        listing,
        lock,
        logits,
        new,
        recipes,
        report,
        run,
        zoo,
    )

    return {
        "run": run,
        "zoo": zoo,
        "datasets": listing,
        "recipes": recipes,
        "figures": figures,
        "inspect": inspect,
        "logits": logits,
        "judge": judge,
        "export-scores": export_scores,
        "fetch": fetching,
        "cache": fetching,
        "doctor": doctor,
        "data-bench": data_bench,
        "report": report,
        "compare": compare,
        "bundle": bundle,
        "lock": lock,
        "new": new,
        "check": check,
    }


def main(arguments: Sequence[str] | None = None) -> int:
    """Run one command; bad input is one line on stderr and exit code 2, Ctrl-C one line and 130."""
    name = "harness"
    for stream in (sys.stdout, sys.stderr):
        with contextlib.suppress(AttributeError, ValueError):  # another kind of stream, or a closed one
            stream.reconfigure(errors="backslashreplace")  # type: ignore[union-attr]  # whatever a terminal can show
    try:
        known = commands()  # imported here, so that Ctrl-C is one line from the start
        options = make_parser(known).parse_args(arguments)
        name = f"harness {options.command}"
        use(read_config({key: getattr(options, key, None) for key in ("home", "cache", "offline", "paper")}))
        code: int = known[options.command].run(options)
        sys.stdout.flush()  # a full disk is said now, not at exit
        return code
    except ClaimsError as error:
        return ended(2, f"{name}: {error}")
    except KeyboardInterrupt as stop:  # a run that saved its state says so
        if threading.current_thread() is threading.main_thread():
            signal.signal(signal.SIGINT, signal.SIG_IGN)  # on its way out: a second Ctrl-C has nothing to add
        return ended(130, f"{name}: {printable(str(stop)) or 'interrupted; what was stored is kept'}")
    except BrokenPipeError:
        silence()
        return 1
    except OSError as error:
        silence()
        where = printable(str(error.filename or "output"))
        return ended(2, f"{name}: {where}: expected to read or write it, found: {error.strerror or error}")
    finally:
        use(None)


def make_parser(known: Mapping[str, ModuleType]) -> argparse.ArgumentParser:
    """Return the parser of every command's arguments; docs/cli.md is held against it."""
    parser = argparse.ArgumentParser(prog="python -m harness", description="Verify a paper's claims.")
    parser.add_argument("--version", action="version", version=f"vit-claims {version('vit-claims')}")
    subparsers = parser.add_subparsers(dest="command", required=True, metavar="COMMAND")
    for module in dict.fromkeys(known.values()):
        module.add_parser(subparsers)
    for each in subparsers.choices.values():
        each.add_argument("--home", metavar="DIR", help="where runs and downloads are stored (default: as configured)")
        each.add_argument(
            "--paper", metavar="DIR", help="the paper's folder (default: as configured, else the nearest)"
        )
        each.epilog = " ".join(filter(None, (each.epilog, CONFIGURED)))
    return parser


def ended(code: int, line: str) -> int:
    """Print the line that a command ends with on stderr, and return its exit code."""
    print(line, file=sys.stderr)
    return code


def silence() -> None:
    """Send what is left for stdout to nowhere: it can't be written, and the interpreter would say so at exit."""
    with contextlib.suppress(OSError, ValueError):
        os.dup2(os.open(os.devnull, os.O_WRONLY), sys.stdout.fileno())


if __name__ == "__main__":
    sys.exit(main())
