"""The table of verdicts at the end of a session on the terminal."""

from __future__ import annotations

import textwrap
from collections.abc import Collection, Sequence

from harness.core.verdict import Verdict
from harness.report.comparison import Change
from harness.report.labels import AGAINST, LOOKS, base, by_backend, count, group, group_order, source_name, stated
from harness.report.verdict_store import Key, VerdictStore, moment

MOST_CHANGES = 20
"""Changes that are listed."""
MOST_REFUTED = 20
"""Refuted hypotheses that are listed."""
COLOURS = {"SUPPORTED": "green", "CONTRADICTED": "red", "MIXED": "yellow", "OPEN": "yellow"}
"""Of answers; the word says the same."""


def answers(store: VerdictStore, width: int = 80) -> list[str]:
    """Return what each source of evidence says of each claim: the answer in a line, its sentence below.

    Args:
        store: claims and verdicts.
        width: of the terminal, characters.
    """
    lines = []
    for each in store.answers():
        lines.append(f"{each.claim}, {each.source}: {each.answer}")
        lines += textwrap.wrap(
            each.sentence, width, initial_indent="  ", subsequent_indent="  ", break_long_words=False,
            break_on_hyphens=False,
        )  # fmt: skip
    return lines


def refuted(store: VerdictStore, fresh: Collection[Key]) -> list[str]:
    """Return which hypotheses this session refuted, a line each, on record or not; what does not fit is counted.

    Args:
        store: claims and verdicts.
        fresh: keys of the verdicts of this session.
    """
    found = [
        f"{verdict.verdict} {source_name(verdict)}: {stated(verdict)}: {verdict.reason.partition('; ')[0]}"
        for verdict in store.sorted()
        if verdict.key in fresh and verdict.verdict in AGAINST
    ]
    more = len(found) - MOST_REFUTED
    return found[:MOST_REFUTED] + ([f"and {more} more, in summary.md"] if more > 0 else [])


def colour(line: str) -> dict[str, bool]:
    """Return pytest's markup of an answer's first line, which it shows on a terminal only; none for other lines."""
    for name, look in COLOURS.items():
        if line.endswith(f": {name}"):
            return {look: True, "bold": True}
    return {}


def changed(changes: Sequence[Change], baseline: str | None) -> list[str]:
    """Return what changed, answers and verdicts first; what does not fit is counted.

    Args:
        changes: in their order.
        baseline: what they are changes against; None: the report as it was before.
    """
    against = "the report before" if baseline is None else baseline
    if not changes:
        return [f"what changed against {against}: nothing"]
    more = len(changes) - MOST_CHANGES
    lines = [f"what changed against {against}:", *(f"  {change}" for change in changes[:MOST_CHANGES])]
    return lines + ([f"  and {more} more, in summary.md"] if more > 0 else [])


def table(store: VerdictStore, fresh: Collection[Key]) -> list[str]:
    """Return the lines of the table: claim, source of evidence, verdicts by name, and how old they are."""
    rows = [("claim", "source", *(look.word for look in LOOKS.values()), "judged")]
    verdicts = store.sorted()
    for claim in store.claim_ids():
        of_claim = [verdict for verdict in verdicts if verdict.claim == claim]
        for source in sorted(
            {row_of(verdict) for verdict in of_claim}, key=lambda name: (group_order(group(name)), name)
        ):
            of_source = [verdict for verdict in of_claim if row_of(verdict) == source]
            parts = by_backend(of_source)
            for name, part in parts.items():
                shown = f"{source}, {name}" if len(parts) > 1 else source
                counts = count(part)
                rows.append((claim, shown, *(str(counts[word] or "-") for word in LOOKS), age(part, fresh)))
    widths = [max(len(row[i]) for row in rows) for i in range(len(rows[0]))]
    lines = []
    for row in rows:
        # Names to the left, counts to the right.
        cells = [cell.ljust(width) for cell, width in zip(row[:2], widths[:2], strict=True)]
        cells += [cell.rjust(width) for cell, width in zip(row[2:-1], widths[2:-1], strict=True)]
        lines.append("  ".join([*cells, row[-1]]).rstrip())
    return lines


def row_of(verdict: Verdict) -> str:
    """Return the source under which a verdict is counted: each protocol of recipes apart, publications together."""
    return group(verdict.source) if group(verdict.source) == "published" else base(verdict.source)


def age(verdicts: Sequence[Verdict], fresh: Collection[Key]) -> str:
    """Return when verdicts were reached: now, or the date of the oldest that is kept."""
    kept = [verdict for verdict in verdicts if verdict.key not in fresh]
    if not kept:
        return "now"
    oldest = min(kept, key=moment).date[:10] or "an unknown date"
    return oldest if len(kept) == len(verdicts) else f"now; {len(kept)} kept from {oldest} on"
