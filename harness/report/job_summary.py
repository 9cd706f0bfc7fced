"""summary.md: what a session found, for the summary of a CI job (GitHub-flavoured Markdown)."""

from __future__ import annotations

import re
from collections.abc import Iterable, Sequence

from harness.report.labels import AGAINST, LOOKS, count, source_name, stated
from harness.report.verdict_store import VerdictStore

SUMMARY_FILE = "summary.md"
MOST_CHANGES = 50
"""Changes that are listed; more are counted. A job's summary holds at most 1 MiB."""


def markdown(store: VerdictStore, changes: Sequence[str] = (), baseline: str = "", problems: Sequence[str] = ()) -> str:
    """Return the answers, what changed, problems, and how many verdicts of each name there are.

    Args:
        store: claims and verdicts.
        changes: what changed, a line each.
        baseline: what it changed against; "" for the report as it was before.
        problems: what went wrong while reporting, one line each.
    """
    parts = ["# Verification report"]
    if problems:
        parts.append(listed(f"**Problem:** {escaped(line)}" for line in problems))
    answers = store.answers()
    if answers:
        rows = [(store.claims[each.claim].title, each.source, f"**{each.answer}**", each.sentence) for each in answers]
        parts += ["## Answers", table(("claim", "source", "answer", "in a sentence"), rows)]
    if changes or baseline:
        parts.append(f"## What changed{f' against {escaped(baseline)}' if baseline else ''}")
        more = len(changes) - MOST_CHANGES
        shown = [*map(escaped, changes[:MOST_CHANGES]), *([f"and {more} more"] if more > 0 else [])]
        parts.append(listed(shown) if shown else "Nothing.")
    refuted = [each for each in store.sorted() if each.verdict in AGAINST]
    if refuted:
        lines = (f"{each.claim}, {source_name(each)}: {stated(each)}: {each.reason}" for each in refuted)
        parts += ["## Refuted", listed(map(escaped, lines))]
    parts += ["## Verdicts", verdict_table(store)]
    if store.notes:
        parts += ["## Notes", listed(map(escaped, store.notes))]
    return "\n\n".join(parts) + "\n"


def verdict_table(store: VerdictStore) -> str:
    """Return how many verdicts of each name each source gave on each claim."""
    verdicts = store.sorted()
    used = [name for name in LOOKS if count(verdicts)[name]]
    pairs = dict.fromkeys((verdict.claim, verdict.source) for verdict in verdicts)
    rows = []
    for claim, source in pairs:
        counts = count(each for each in verdicts if (each.claim, each.source) == (claim, source))
        rows.append((claim, source, *(str(counts[name] or "") for name in used)))
    return table(("claim", "source", *(LOOKS[name].word for name in used)), rows) if rows else "None yet."


def table(heads: Sequence[str], rows: Iterable[Sequence[str]]) -> str:
    """Return a table."""
    lines = [heads, ["---"] * len(heads), *([escaped(cell, bold=True) for cell in row] for row in rows)]
    return "\n".join(f"| {' | '.join(line)} |" for line in lines)


def listed(lines: Iterable[str]) -> str:
    """Return a list."""
    return "\n".join(f"- {line}" for line in lines)


def escaped(text: str, bold: bool = False) -> str:
    """Return text as it is to be read: no markup, no line breaks.

    Args:
        text: what to escape.
        bold: whether a pair of asterisks around the whole of it is meant.
    """
    if bold and (found := re.fullmatch(r"\*\*([A-Z ]+)\*\*", text)):
        return f"**{found[1]}**"
    return re.sub(r"([\\`*_{}\[\]<>#|~])", r"\\\1", re.sub(r"\s+", " ", text))
