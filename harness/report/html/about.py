"""What the first screen says of the report itself: paper, date, commit, machine and card, versions, cost."""

from __future__ import annotations

import os
import platform
import subprocess
from collections.abc import Collection, Mapping
from dataclasses import dataclass
from datetime import UTC, datetime
from importlib.metadata import PackageNotFoundError, version
from pathlib import Path

from harness.core.machine import processor
from harness.core.paper import Paper
from harness.report.labels import plural
from harness.report.run_records import RunRecord

PACKAGES = ("vit-claims", "torch", "jax", "timm", "numpy")
"""Whose versions are named, where they are installed."""
HOUR, MINUTE = 3600, 60


@dataclass(frozen=True)
class About:
    """Where a report comes from."""

    title: str
    """Of the paper."""
    identifier: str
    address: str
    facts: tuple[tuple[str, str], ...]
    """(what, its value) pairs."""


@dataclass(frozen=True)
class Took:
    """What a session took."""

    start: datetime
    seconds: float


def about(paper: Paper, runs: Mapping[str, RunRecord], wanted: Collection[str], took: Took | None) -> About:
    """Return what a report says of itself.

    Args:
        paper: that is verified.
        runs: those behind the verdicts that are known.
        wanted: ids of all runs behind the verdicts.
        took: what the session took; None for a page rebuilt from its record.
    """
    now = datetime.now(UTC).strftime("%Y-%m-%d %H:%M UTC")
    cards = sorted({run.device for run in runs.values() if run.on_card})
    facts = (
        ("Date", now),
        ("Commit", commit(paper.folder)),
        ("Machine", f"{processor()}, {plural(os.cpu_count() or 1, 'core')}, {platform.system()}"),
        ("Card", ", ".join(cards) or "none: everything was computed on the CPU"),
        ("Versions", versions()),
        ("Cost", cost(runs, wanted, took)),
    )
    return About(
        title=paper.title or paper.folder.name,
        identifier=paper.identifier,
        address=paper.address,
        facts=tuple((what, value) for what, value in facts if value),
    )


def commit(folder: Path) -> str:
    """Return the commit of a folder's checkout, with a mark if files were changed; "" outside of one."""
    try:
        said = subprocess.run(
            ["git", "describe", "--always", "--dirty=, with changes that are not committed", "--exclude=*"],
            cwd=folder, capture_output=True, text=True, timeout=10, check=True,
        )  # fmt: skip
    except (OSError, subprocess.SubprocessError):
        return ""
    return said.stdout.strip()


def versions() -> str:
    """Return the versions of Python and of what computes, those that are installed."""
    found = [f"Python {platform.python_version()}"]
    for name in PACKAGES:
        try:
            found.append(f"{name} {version(name)}")
        except PackageNotFoundError:
            continue
    return ", ".join(found)


def cost(runs: Mapping[str, RunRecord], wanted: Collection[str], took: Took | None) -> str:
    """Return what a session and the runs behind its verdicts took, and how much of it was in the store already."""
    parts = [f"{duration(took.seconds)} for this session"] if took else []
    if not wanted:
        return "; ".join([*parts, "nothing was computed"])
    on_cards = sum(run.seconds for run in runs.values() if run.on_card)
    on_cpus = sum(run.seconds for run in runs.values() if not run.on_card)
    hours = [f"{on_cards / HOUR:.1f} GPU hours"] if on_cards else ["no GPU hours"]
    hours += [f"{duration(on_cpus)} on the CPU"] if on_cpus else []
    parts.append(f"the runs behind the verdicts took {', '.join(hours)}")
    if took:
        parts.append(stored(runs, took))
    if missing := len(set(wanted) - set(runs)):
        parts.append(f"{plural(missing, 'run')} stored elsewhere")
    return "; ".join(parts)


def stored(runs: Mapping[str, RunRecord], took: Took) -> str:
    """Return how much of the runs was in the store before a session."""
    since = took.start.isoformat(timespec="seconds")
    new = [run for run in runs.values() if run.computed >= since]
    if not new:
        return "all of them from the store"
    if len(new) == len(runs):
        return "all of them computed now"
    return f"{100 * (1 - len(new) / len(runs)):.0f} % of them from the store"


def duration(seconds: float) -> str:
    """Return a time as a reader says it."""
    if seconds < MINUTE:
        return f"{seconds:.0f} s"
    if seconds < HOUR:
        return f"{seconds / MINUTE:.0f} min"
    return f"{seconds / HOUR:.1f} h"
