"""The table of verdicts at the end of a session on the terminal."""

from __future__ import annotations

import textwrap
from collections.abc import Collection, Sequence

from harness.core.verdict import Verdict
from harness.report.labels import LOOKS, base, by_backend, count, group, group_order
from harness.report.verdict_store import Key, VerdictStore, moment


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
