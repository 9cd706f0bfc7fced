"""All records of one report, read from its folder or from a bundle of it, and several merged into one."""

from __future__ import annotations

import tempfile
import zipfile
from collections import Counter
from collections.abc import Mapping, Sequence
from dataclasses import dataclass, field
from pathlib import Path

from harness.core.errors import ClaimsError
from harness.report import verdict_log
from harness.report.run_records import RUNS_FILE, RunRecord, read_runs
from harness.report.session_record import SessionRecord
from harness.report.verdict_store import (
    HISTORY_FILE,
    LOG_FILE,
    VERDICTS_FILE,
    VerdictStore,
    load,
)

READ = (VERDICTS_FILE, LOG_FILE, RUNS_FILE, HISTORY_FILE)
"""The files of a report that records are read from; all others are made of them."""


@dataclass
class Records:
    """What a report knows."""

    place: Path
    """The folder or the bundle that it was read from."""
    store: VerdictStore = field(default_factory=VerdictStore)
    runs: dict[str, RunRecord] = field(default_factory=dict)
    sessions: tuple[SessionRecord, ...] = ()


def read_folder(folder: Path) -> Records:
    """Return the records in a report's folder; nothing is written.

    Raises:
        ClaimsError: one is damaged or of another version.
    """
    return Records(
        folder, load(folder), read_runs(folder / RUNS_FILE), verdict_log.read(folder / HISTORY_FILE).sessions
    )


def read_records(place: Path) -> Records:
    """Return the records of a report's folder, of its verdicts.json or of a bundle.

    Raises:
        ClaimsError: there are none, or one is damaged or of another version.
    """
    if place.name == VERDICTS_FILE and place.is_file():
        place = place.parent
    if place.is_dir():
        if not any((place / name).exists() for name in (VERDICTS_FILE, LOG_FILE, HISTORY_FILE)):
            raise ClaimsError(f"{place}: expected a report's folder, found no {VERDICTS_FILE} in it; run pytest claims")
        return read_folder(place)
    if not place.exists():
        raise ClaimsError(f"{place}: expected a report's folder or a bundle, found nothing there")
    if not zipfile.is_zipfile(place):
        raise ClaimsError(f"{place}: expected a report's folder or a bundle (zip), found another file")
    with zipfile.ZipFile(place) as bundle, tempfile.TemporaryDirectory() as beside:
        names = [name for name in READ if name in bundle.namelist()]
        if VERDICTS_FILE not in names:
            raise ClaimsError(f"{place}: expected a bundle, found a zip without {VERDICTS_FILE}")
        try:
            for name in names:
                (Path(beside) / name).write_bytes(bundle.read(name))
            found = read_folder(Path(beside))
        except (zipfile.BadZipFile, OSError, EOFError) as error:
            raise ClaimsError(f"{place}: expected a bundle, found a damaged zip: {error}") from None
        except ClaimsError as error:
            raise ClaimsError(str(error).replace(str(Path(beside)), str(place))) from None
    return Records(place, found.store, found.runs, found.sessions)


def merged(parts: Sequence[Records], place: Path) -> Records:
    """Return the records of several reports as one: shards of a session, or nights.

    Of two verdicts with one key the later dated stays, except that NOT RUN never replaces what was measured; of two
    records of one run the later computed; a session that two reports list is listed once.

    Args:
        parts: the reports, in any order.
        place: what the merged records are called in messages.
    """
    whole = Records(place)
    for part in parts:
        whole.store.add([*part.store.claims.values(), *part.store.verdicts.values()])
        whole.store.notes += [note for note in part.store.notes if note not in whole.store.notes]
        for run_id, run in part.runs.items():
            there = whole.runs.get(run_id)
            if there is not None and there.predictions_sha256 != run.predictions_sha256:
                whole.store.notes.append(
                    f"run {run_id} gave other predictions in {part.place} than in another of the merged reports; the"
                    " later one is kept"
                )
            if there is None or run.computed > there.computed:
                whole.runs[run_id] = run
    sessions = {session: None for part in parts for session in part.sessions}
    whole.sessions = tuple(sorted(sessions, key=lambda session: session.date))
    return whole


def origins(runs: Mapping[str, RunRecord]) -> list[str]:
    """Return which runs were made elsewhere, a line for each place."""
    counts = Counter(run.origin for run in runs.values() if run.origin)
    return [
        f"{count} of {len(runs)} runs {'was' if count == 1 else 'were'} made elsewhere, imported from {origin}"
        for origin, count in sorted(counts.items())
    ]
