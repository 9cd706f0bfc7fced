"""What is known of a night: written before its session starts, so that one that was killed is noticed."""

from __future__ import annotations

from dataclasses import asdict, dataclass, fields
from pathlib import Path
from typing import Any, Literal

from harness.core.errors import ClaimsError
from harness.core.paths import write_atomic

Ending = Literal["finished", "stopped at the time limit", "cut short"]
LIMIT = "--time-limit"
"""How the reason of a verdict begins that was not reached before the time limit."""


@dataclass(frozen=True)
class Night:
    """One night's session."""

    started: str
    """ISO 8601 with time zone."""
    command: str
    log_bytes: int
    """How long the report's log of verdicts was before: what follows is this night's."""
    exit_code: int | None = None
    """pytest's, or minus the signal that ended it; None: it did not end, or nothing was left to say so."""
    reported: bool = False
    """Whether its report was made."""
    before: str = ""
    """What became of a night before that did not come to its report; "" if there was none."""


def read(path: Path) -> Night | None:
    """Return the last night, None before the first.

    Raises:
        ClaimsError: the record is damaged.
    """
    import json

    try:
        values: Any = json.loads(path.read_text())
    except FileNotFoundError:
        return None
    except (OSError, ValueError) as error:
        raise ClaimsError(f"{path}: expected the record of a night, found: {error}; remove it") from None
    known = {field.name for field in fields(Night)}
    if not isinstance(values, dict) or values.keys() != known:
        raise ClaimsError(f"{path}: expected a record with {', '.join(sorted(known))}, found others; remove it")
    return Night(**values)


def write(path: Path, night: Night) -> None:
    """Write what is known of a night."""
    import json

    write_atomic(path, json.dumps(asdict(night), indent=1).encode() + b"\n")


def ending(night: Night, report: Path) -> Ending:
    """Return how a night ended.

    pytest's session came to its end with the exit codes 0 and 1. It ended at the time limit if a verdict of this night
    says so.

    Args:
        night: whose session is over.
        report: the report's folder.
    """
    from harness.core.verdict import Verdict
    from harness.report import verdict_log
    from harness.report.verdict_store import LOG_FILE

    if night.exit_code not in (0, 1):
        return "cut short"
    reached = verdict_log.read(report / LOG_FILE, night.log_bytes).records
    left = (each for each in reached if isinstance(each, Verdict) and each.verdict == "NOT RUN")
    return "stopped at the time limit" if any(each.reason.startswith(LIMIT) for each in left) else "finished"
