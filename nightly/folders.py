"""Where a night's files are: what stays from night to night, and what a night hands over."""

from __future__ import annotations

from dataclasses import dataclass
from pathlib import Path


@dataclass(frozen=True)
class Kept:
    """The folder that stays between nights, in the home folder beside the stored runs."""

    folder: Path

    @property
    def report(self) -> Path:
        """The report of all nights: a night judges into it, so that it keeps what this night did not come to."""
        return self.folder / "report"

    @property
    def baseline(self) -> Path:
        """The bundle of the last night that finished; none before the first one did."""
        return self.folder / "baseline.zip"

    @property
    def record(self) -> Path:
        """What is known of the last night."""
        return self.folder / "night.json"

    @property
    def lock(self) -> Path:
        """What one night holds against another."""
        return self.folder / ".lock"


@dataclass(frozen=True)
class HandedOver:
    """The folder in the checkout that a night leaves for whoever looks at it; made anew each night."""

    folder: Path

    @property
    def log(self) -> Path:
        """All that the session printed."""
        return self.folder / "night.log"

    @property
    def report(self) -> Path:
        """A copy of the report."""
        return self.folder / "report"

    @property
    def page(self) -> Path:
        """The page alone, as a web site."""
        return self.folder / "site" / "index.html"

    @property
    def bundle(self) -> Path:
        """All that the verdicts rest on."""
        return self.folder / "night.zip"

    @property
    def summary(self) -> Path:
        """How the night ended and what it found, for the summary of a job."""
        return self.folder / "summary.md"

    @property
    def issue(self) -> Path:
        """The title of an issue and, from the third line on, its text; only where an answer or a verdict changed."""
        return self.folder / "issue.md"
