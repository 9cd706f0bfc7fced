"""What a page shows besides verdicts: where the report comes from, what changed, and the runs behind it."""

from __future__ import annotations

from collections.abc import Mapping
from dataclasses import dataclass, field
from pathlib import Path

from harness.core.paper import paper
from harness.report.about import About, Took, about
from harness.report.changes import Changes, changes
from harness.report.run_lines import RunLine, run_lines
from harness.report.verdict_store import VerdictStore
from harness.runs.store import Store


@dataclass(frozen=True)
class Background:
    """What a page shows besides verdicts, as far as it is known."""

    about: About | None = None
    """Where the report comes from."""
    changes: Changes | None = None
    """Since the last report."""
    runs: Mapping[str, RunLine] = field(default_factory=dict)
    """Those that are stored here, by id."""


def background(
    verdicts: VerdictStore,
    folder: Path,
    results: Store | None,
    before: VerdictStore | None = None,
    took: Took | None = None,
) -> Background:
    """Return what a page shows besides its verdicts.

    Args:
        verdicts: that the page shows.
        folder: of the page.
        results: the store of runs; None: none is at hand.
        before: the verdicts of the last report; None: there is nothing to compare with.
        took: what the session took; None for a page rebuilt from its record.
    """
    wanted = {run for verdict in verdicts.verdicts.values() for run in verdict.runs}
    found = {} if results is None else run_lines(results, wanted, folder)
    return Background(
        about=about(paper(), found, wanted, took),
        changes=None if before is None else changes(before, verdicts),
        runs=found,
    )
