"""Where runs that were not made here come from: a note beside the results, one file a run."""

from __future__ import annotations

import json
from pathlib import Path

from harness.core.measurement import Scores
from harness.core.paths import write_atomic
from harness.core.result import Result


def note_of(home: Path, run_id: str) -> Path:
    """Return the path of the note on a run, whether or not it exists."""
    return home / "imported" / f"{run_id}.json"


def origin_of(home: Path, result: Result | Scores) -> str:
    """Return where a run was made, e.g. "night.zip (sha256 0123456789abcdef)"; "" for one that was made here.

    One that was imported and then computed again, because its entry was damaged, was made here.
    """
    try:
        noted = json.loads(note_of(home, result.run_id).read_bytes())
        return str(noted["origin"]) if noted["seconds"] == result.seconds else ""
    except FileNotFoundError:
        return ""
    except (OSError, ValueError, KeyError, TypeError):
        return "elsewhere (the note on it is damaged)"


def note(home: Path, result: Result | Scores, origin: str) -> None:
    """Note where a run comes from; the time that it took tells the result from one that is computed again.

    Raises:
        NotWritten: the home folder can't be written.
    """
    write_atomic(note_of(home, result.run_id), json.dumps({"origin": origin, "seconds": result.seconds}).encode())
