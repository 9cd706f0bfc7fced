"""What a page shows besides verdicts: where the report comes from, what changed, and the runs behind it."""

from __future__ import annotations

from collections.abc import Mapping
from dataclasses import dataclass, field
from pathlib import Path

from harness.core.paper import paper
from harness.report.about import About, Took, about
from harness.report.comparison import Change
from harness.report.run_lines import RunLine, run_lines
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
    """Since another report; None for a page rebuilt from its record."""
    since: str = ""
    """Which report that is; "": there is none, and this is the first."""
    sessions: tuple[SessionRecord, ...] = ()
    """Those of the report's folder, the oldest first."""
    runs: Mapping[str, RunLine] = field(default_factory=dict)
    """Those that are stored here, by id."""


def background(
    verdicts: VerdictStore,
    folder: Path,
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
        results: the store of runs; None: none is at hand.
        took: what the session took; None for a page rebuilt from its record.
        changed: since another report; None for a page rebuilt from its record.
        since: which report that is; "": there is none.
        sessions: those of the report's folder, the oldest first.
    """
    wanted = {run for verdict in verdicts.verdicts.values() for run in verdict.runs}
    found = {} if results is None else run_lines(results, wanted, folder)
    return Background(
        about=about(paper(), found, wanted, took),
        changed=changed,
        since=since,
        sessions=sessions,
        runs=found,
    )
