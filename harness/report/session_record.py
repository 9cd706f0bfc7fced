"""One line of history.jsonl: what a session judged, and what was different afterwards."""

from __future__ import annotations

from collections import Counter
from collections.abc import Iterable, Sequence
from datetime import UTC, datetime
from typing import Annotated

from pydantic import Field
from pydantic.dataclasses import dataclass

from harness.core.specs import STRICT, Natural
from harness.core.verdict import Answer, Verdict


@dataclass(frozen=True, config=STRICT)
class SessionRecord:
    """One session of the suite."""

    date: str
    """When it ended, ISO 8601 with time zone."""
    seconds: Annotated[float, Field(ge=0)]
    """Wall time."""
    command: str
    """pytest's arguments."""
    versions: tuple[tuple[str, str], ...]
    """(name, version) pairs of what it was judged with."""
    machine: str
    """The processor."""
    judged: Natural
    """Verdicts that it reached."""
    verdicts: tuple[tuple[str, Natural], ...]
    """(name, how many) pairs of all verdicts of the report afterwards."""
    answers: tuple[tuple[str, str, str], ...]
    """(claim, source, answer) of all answers of the report afterwards."""
    changed: tuple[str, ...] = ()
    """What changed against the baseline, or against the report before the session; a line each."""
    baseline: str = ""
    """What it was compared with, where `--baseline` named it."""
    problems: tuple[str, ...] = ()


def session_record(
    verdicts: Iterable[Verdict],
    answers: Iterable[Answer],
    *,
    judged: int,
    seconds: float,
    command: str,
    changed: Sequence[str] = (),
    baseline: str = "",
    problems: Sequence[str] = (),
) -> SessionRecord:
    """Return the record of the session that ends now."""
    import platform
    from importlib.metadata import version

    from harness.core.machine import processor

    counts = Counter(verdict.verdict for verdict in verdicts)
    return SessionRecord(
        date=datetime.now(UTC).isoformat(timespec="seconds"),
        seconds=round(seconds, 3),
        command=command,
        versions=(("python", platform.python_version()), ("vit-claims", version("vit-claims"))),
        machine=processor(),
        judged=judged,
        verdicts=tuple(sorted(counts.items())),
        answers=tuple((each.claim, each.source, each.answer) for each in answers),
        changed=tuple(changed),
        baseline=baseline,
        problems=tuple(problems),
    )
