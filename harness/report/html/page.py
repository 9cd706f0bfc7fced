"""The claims section of report.html: the first screen, a folded section per claim, figures for the whole."""

from __future__ import annotations

from collections.abc import Collection, Sequence
from dataclasses import dataclass, replace
from importlib import resources

from markupsafe import Markup

from harness.core.verdict import Verdict
from harness.report.export import holm_adjusted
from harness.report.html.answer_history import answer_histories
from harness.report.html.background import Background
from harness.report.html.cards import Card, OfClaim, card
from harness.report.html.headline import headlines
from harness.report.html.page_rows import Context
from harness.report.html.rendering import render
from harness.report.html.summary import Summary, summarise
from harness.report.html.verdict_table import verdict_table
from harness.report.html.whole import Part, whole
from harness.report.labels import group
from harness.report.verdict_store import Key, VerdictStore

FILE = "report.html"
TITLE = "Verification report"
VIEWPORT = Markup('<meta name="viewport" content="width=device-width, initial-scale=1">')
"""Without it a phone lays the page out for a desk."""
UNPACKED = 1500
"""Verdicts; of a page with more, claims are compressed: 10,000 rows are 30 MB, and 2 MB compressed."""


@dataclass(frozen=True)
class Section:
    """What the claims section shows."""

    summary: Summary
    cards: tuple[Card, ...]
    whole: tuple[Part, ...]
    packed: bool
    """Whether the claims are compressed until they are opened."""


def section(
    store: VerdictStore,
    fresh: Collection[Key] | None = None,
    problems: Sequence[str] = (),
    background: Background | None = None,
) -> Markup:
    """Return the claims section with its style: the same arguments give the same bytes.

    Args:
        store: claims and verdicts.
        fresh: keys of the verdicts judged in this session; None if no session is running (a rebuilt page).
        problems: what went wrong while reporting, one line each; shown first.
        background: what is shown besides.
    """
    shown = view(store, fresh, problems, background or Background())
    return render("section", section=shown, style=Markup(resource("report.css")))


def view(
    store: VerdictStore, fresh: Collection[Key] | None, problems: Sequence[str], background: Background
) -> Section:
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
    said = headlines(store)
    histories = answer_histories(background.sessions)
    cards = []
    for name in store.claim_ids():
        lines = [replace(line, history=histories.get((name, line.source))) for line in said.get(name, [])]
        found = OfClaim(by_claim.get(name, []), lines, background.runs, background.links)
        cards.append(card(name, store.claims.get(name), found, context))
    summary = summarise(store, said, kept, problems, background)
    return Section(summary, tuple(cards), whole(verdicts), packed=len(verdicts) > UNPACKED)


def script() -> Markup:
    """Return the page's script: links open what they lead to; pytest-html's rows are filtered and open."""
    return render("script", script=Markup(resource("report.js")))


def document(content: Markup, verdicts: Sequence[Verdict] = ()) -> str:
    """Return a whole page of a report without pytest-html's table of tests, e.g. one that is rebuilt.

    Args:
        content: the claims section.
        verdicts: those that a table lists; none: there is no table.
    """
    table = verdict_table(verdicts, packed=len(verdicts) > UNPACKED) if verdicts else Markup()
    return render("document", title=TITLE, viewport=VIEWPORT, content=content, table=table, script=script())


def resource(name: str) -> str:
    """Return the text of a file beside the templates, which is part of this package and needs no escaping."""
    return resources.files("harness.report.html").joinpath(name).read_text(encoding="utf-8")
