"""What a page shows besides verdicts: where the report comes from, what changed, and the runs behind it."""

from __future__ import annotations

import os
from collections.abc import Iterable, Mapping
from dataclasses import dataclass, field
from pathlib import Path
from urllib.parse import quote

from harness.core.paper import paper
from harness.report.comparison import Change
from harness.report.html.about import About, Took, about
from harness.report.run_records import RunRecord
from harness.report.session_record import SessionRecord
from harness.report.verdict_store import VerdictStore
from harness.runs.store import Store

LAST = "the last report"


@dataclass(frozen=True)
class Background:
    """What a page shows besides verdicts, as far as it is known."""

    about: About | None = None
    """Where the report comes from."""
    changed: tuple[Change, ...] | None = None
    """Since another report; None where the page is not compared with one: then the last session's line says it."""
    since: str = ""
    """Which report that is; "": there is none, and this is the first."""
    sessions: tuple[SessionRecord, ...] = ()
    """Those of the report's folder, the oldest first."""
    runs: Mapping[str, RunRecord] = field(default_factory=dict)
    """Those behind the verdicts that are known, by id."""
    notes: tuple[str, ...] = ()
    """What a reader must be told of the session and what is no fault, e.g. a process that died and cost nothing."""
    links: Mapping[str, str] = field(default_factory=dict)
    """Addresses of the stored records, relative to the page, by the run's id; none of a run stored elsewhere."""


def background(
    verdicts: VerdictStore,
    folder: Path,
    runs: Mapping[str, RunRecord],
    results: Store | None,
    took: Took | None = None,
    changed: tuple[Change, ...] | None = None,
    since: str = "",
    sessions: tuple[SessionRecord, ...] = (),
) -> Background:
    """Return what a page shows besides its verdicts.

    Args:
        verdicts: that the page shows.
        folder: of the page.
        runs: the records of runs, by id.
        results: the store of runs; None: none is at hand.
        took: what the session took; None for a page rebuilt from its record.
        changed: since another report; None where the page is not compared with one.
        since: which report that is; "": there is none.
        sessions: those of the report's folder, the oldest first.
    """
    wanted = {run for verdict in verdicts.verdicts.values() for run in verdict.runs}
    found = {run: runs[run] for run in sorted(wanted & runs.keys())}
    return Background(
        about=about(paper(), found, wanted, took),
        changed=changed,
        since=since,
        sessions=sessions,
        runs=found,
        links={} if results is None else links(results, found, folder),
    )


def links(results: Store, runs: Iterable[str], folder: Path) -> dict[str, str]:
    """Return the addresses of stored records, relative to a page's folder, by the run's id."""
    paths = {run: results.path(run) for run in runs}
    return {
        run: quote(os.path.relpath(path.absolute(), folder.absolute()).replace(os.sep, "/"))
        for run, path in paths.items()
        if path.exists()
    }
