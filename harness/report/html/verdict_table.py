"""The table of all verdicts on a page without a test session, where pytest-html's table of tests would be."""

from __future__ import annotations

from collections.abc import Sequence
from dataclasses import dataclass

from markupsafe import Markup

from harness.core.verdict import Verdict
from harness.report.html.page_rows import row_id
from harness.report.html.rendering import render
from harness.report.labels import LOOKS, Look, stated


@dataclass(frozen=True)
class VerdictLine:
    """One verdict in one line."""

    row: str
    """The id of its row among the claims, to whose figure and record it opens."""
    look: Look
    claim: str
    source: str
    hypothesis: str
    day: str


def verdict_table(verdicts: Sequence[Verdict], packed: bool) -> Markup:
    """Return the table with its filters.

    Args:
        verdicts: in the report's order.
        packed: whether it is compressed until it is scrolled to.
    """
    lines = [
        VerdictLine(
            row_id(verdict.key), LOOKS[verdict.verdict], verdict.claim, verdict.source, stated(verdict),
            verdict.date[:10],
        )
        for verdict in verdicts
    ]  # fmt: skip
    return render("verdict_table", lines=lines, packed=packed, filters=render("filters"))
