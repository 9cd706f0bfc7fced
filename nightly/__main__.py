"""A night, step by step: `python -m nightly run`, then `python -m nightly report`; docs/nightly.md says more.

What a night is to do is read from the environment, so that a job can set it without a shell that reads it:

    NIGHTLY_CLAIMS     the paper's folder, or claim files in it (claims)
    NIGHTLY_SELECT     which tests: pytest's -m (gpu)
    NIGHTLY_WORKERS    pytest's -n (auto)
    NIGHTLY_HOURS      the time limit in hours (none)
    NIGHTLY_ARGUMENTS  further arguments of pytest, quoted as in a shell
    NIGHTLY_OUT        the folder that a night hands over (reports/nightly)
"""

from __future__ import annotations

import argparse
import os
import shlex
import sys
from collections.abc import Mapping
from pathlib import Path

from harness.core.config import home, read_config, use
from harness.core.errors import ClaimsError
from nightly.folders import HandedOver, Kept
from nightly.handover import hand_over
from nightly.session import Asked, run

DEFAULTS = {
    "NIGHTLY_CLAIMS": "claims",
    "NIGHTLY_SELECT": "gpu",
    "NIGHTLY_WORKERS": "auto",
    "NIGHTLY_HOURS": "",
    "NIGHTLY_ARGUMENTS": "",
    "NIGHTLY_OUT": "reports/nightly",
}
KEPT = "nightly"
"""The folder in the home folder that stays between nights."""


def main(arguments: list[str] | None = None) -> int:
    """Take one step; bad input is one line on stderr and exit code 2."""
    parser = argparse.ArgumentParser(
        prog="python -m nightly", description=__doc__, formatter_class=argparse.RawDescriptionHelpFormatter
    )
    parser.add_argument("step", choices=("run", "report"), help="run the session, or make its report")
    step = parser.parse_args(arguments).step
    asked = asked_by(os.environ)
    try:
        use(read_config({"paper": paper_of(asked["NIGHTLY_CLAIMS"])}))
        kept, out = Kept(home() / KEPT), HandedOver(Path(asked["NIGHTLY_OUT"]))
        if step == "report":
            hand_over(kept, out, os.environ)
            print(f"{out.folder}: summary, report, page, bundle and log of the night")
            return 0
        names = ("CLAIMS", "SELECT", "WORKERS", "HOURS", "ARGUMENTS")
        return run(Asked(*(asked[f"NIGHTLY_{name}"] for name in names)), kept, out)
    except ClaimsError as error:
        print(f"nightly {step}: {error}", file=sys.stderr)
        return 2
    finally:
        use(None)


def asked_by(environment: Mapping[str, str]) -> dict[str, str]:
    """Return what is asked, by name; what is empty is not asked, as where a job's input was left out."""
    return {name: environment.get(name, "").strip() or default for name, default in DEFAULTS.items()}


def paper_of(claims: str) -> Path:
    """Return the folder of the paper that claim files belong to."""
    first = Path(shlex.split(claims)[0])
    return first if first.is_dir() else first.parent


if __name__ == "__main__":
    sys.exit(main())
