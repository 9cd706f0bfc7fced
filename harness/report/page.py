"""The claims section of report.html: a summary, then one card per claim."""

from __future__ import annotations

from collections.abc import Collection, Sequence
from dataclasses import dataclass
from importlib import resources

from markupsafe import Markup

from harness.core.verdict import Verdict
from harness.report.cards import Card, card
from harness.report.export import holm_adjusted
from harness.report.labels import group
from harness.report.page_rows import Context
from harness.report.rendering import render
from harness.report.summary import Summary, summarise
from harness.report.verdict_store import Key, VerdictStore

TITLE = "Verification report"
VIEWPORT = Markup('<meta name="viewport" content="width=device-width, initial-scale=1">')
"""Without it a phone lays the page out for a desk."""


@dataclass(frozen=True)
class Section:
    """What the claims section shows."""

    summary: Summary
    cards: tuple[Card, ...]


def section(store: VerdictStore, fresh: Collection[Key] | None = None, problems: Sequence[str] = ()) -> Markup:
    """Return the claims section with its style: the same store gives the same bytes.

    Args:
        store: claims and verdicts.
        fresh: keys of the verdicts judged in this session; None if no session is running (a rebuilt page).
        problems: what went wrong while reporting, one line each; shown first.
    """
    css = resources.files("harness.report").joinpath("report.css").read_text(encoding="utf-8")
    return render("section", section=view(store, fresh, problems), style=Markup(css))


def view(store: VerdictStore, fresh: Collection[Key] | None, problems: Sequence[str]) -> Section:
    """Return what the section shows, in the words and figures that a reader sees."""
    verdicts = store.sorted()
    published: dict[tuple[str, str], list[Verdict]] = {}
    by_claim: dict[str, list[Verdict]] = {}
    for verdict in verdicts:
        by_claim.setdefault(verdict.claim, []).append(verdict)
        if group(verdict.source) == "published":
            published.setdefault((verdict.claim, verdict.hypothesis), []).append(verdict)
    kept = frozenset() if fresh is None else frozenset(store.verdicts) - frozenset(fresh)
    context = Context(holm_adjusted(verdicts), published, kept)
    cards = tuple(card(name, store.claims.get(name), by_claim.get(name, []), context) for name in store.claim_ids())
    return Section(summarise(store, kept, problems), cards)


def document(content: Markup) -> str:
    """Return a whole page that holds only the claims section, for a report rebuilt without a test session."""
    return render("document", title=TITLE, viewport=VIEWPORT, content=content)
