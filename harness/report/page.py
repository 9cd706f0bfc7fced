"""The claims section of report.html: a summary, then one card per claim."""

from __future__ import annotations

from collections.abc import Collection, Sequence
from pathlib import Path

from harness.core.claim import Claim, Verdict
from harness.report import forest_plot
from harness.report.export import holm_adjusted
from harness.report.labels import (
    GROUP_NOTES,
    GROUPS,
    LOOKS,
    base,
    count,
    group,
    group_order,
    source_name,
    stated,
    surprising,
)
from harness.report.markup import Html, join, linked, tag
from harness.report.page_rows import Context, badge, chips, chips_by_backend, source_table
from harness.report.verdict_store import Book, Key, moment

TITLE = "Verification report"
VIEWPORT = tag("meta", name="viewport", content="width=device-width, initial-scale=1")
"""Without it a phone lays the page out for a desk."""
OPEN_FIGURE = 120
"""A figure with more estimates starts folded."""
FIRST_LOOK = 8
"""Verdicts listed in the summary's first look; more are counted."""


def section(book: Book, fresh: Collection[Key] | None = None, problems: Sequence[str] = ()) -> Html:
    """Return the claims section with its style: the same book gives the same bytes.

    Args:
        book: claims and verdicts.
        fresh: keys of the verdicts judged in this session; None if no session is running (a rebuilt page).
        problems: what went wrong while reporting, one line each; shown first.
    """
    verdicts = book.sorted()
    published: dict[tuple[str, str], list[Verdict]] = {}
    for verdict in verdicts:
        if group(verdict.source) == "published":
            published.setdefault((verdict.claim, verdict.hypothesis), []).append(verdict)
    kept = frozenset() if fresh is None else frozenset(book.verdicts) - frozenset(fresh)
    context = Context(holm_adjusted(verdicts), published, kept)
    cards = [
        card(name, book.claims.get(name), [verdict for verdict in verdicts if verdict.claim == name], context)
        for name in book.claim_ids()
    ]
    style = Html(f"<style>{(Path(__file__).parent / 'report.css').read_text(encoding='utf-8')}</style>")
    return join(style, tag("section", summary(book, kept, problems), *cards, id="claims", aria_label="Claims"))


def document(content: Html) -> str:
    """Return a whole page that holds only the claims section, for a report rebuilt without a test session."""
    head = tag("head", tag("meta", charset="utf-8"), VIEWPORT, tag("title", TITLE))
    body = tag("body", tag("h1", TITLE, id="title"), content)
    return f"<!DOCTYPE html>\n{tag('html', head, body, lang='en')}\n"


def summary(book: Book, kept: Collection[Key], problems: Sequence[str]) -> Html:
    """Return the page's first words: the counts, the matrix of claims by sources, what to look at first."""
    verdicts = book.sorted()
    notes = [tag("p", text, class_="notice problem") for text in problems]
    notes += [tag("p", text, class_="notice") for text in book.notes]
    if not verdicts:
        return tag("div", *notes, tag("p", "No verdict has been reached yet.", class_="lead"), class_="overview")
    counts = count(verdicts)
    parts = ", ".join(f"{counts[name]} {look.word}" for name, look in LOOKS.items() if counts[name])
    claims = len(book.claim_ids())
    sources = len({verdict.source for verdict in verdicts})
    lead = (
        f"{plural(claims, 'claim')}, judged by {plural(sources, 'source')} of evidence:"
        f" {plural(len(verdicts), 'verdict')}, of which {parts}."
    )
    age = []
    if kept:
        oldest = min((book.verdicts[key] for key in kept), key=moment).date[:10]
        words = f"{plural(len(kept), 'verdict')} kept from earlier sessions, the oldest of {oldest or 'unknown date'}."
        age = [tag("p", words, class_="small")]
    return tag("div", *notes, tag("p", lead, class_="lead"), *age, matrix(book, verdicts), first_look(verdicts),
               class_="overview")  # fmt: skip


def plural(number: int, noun: str) -> str:
    """Return "1 claim" or "3 claims"."""
    return f"{number} {noun}" if number == 1 else f"{number} {noun}s"


def matrix(book: Book, verdicts: Sequence[Verdict]) -> Html:
    """Return the table of claims (rows) by groups of sources (columns) with verdict counts."""
    groups = sorted({*GROUPS, *(group(verdict.source) for verdict in verdicts)}, key=group_order)
    rows = []
    for name in book.claim_ids():
        claim = book.claims.get(name)
        title = tag("a", claim.title if claim else name, href=f"#claim-{name}")
        cells = []
        for one in groups:
            part = [verdict for verdict in verdicts if verdict.claim == name and group(verdict.source) == one]
            shown = chips_by_backend(part) if part else tag("span", "not judged", class_="small")
            cells.append(tag("td", tag("div", shown), data_column=GROUPS.get(one, one)))
        rows.append(tag("tr", tag("th", title, scope="row"), *cells))
    head = tag("tr", tag("th", "Claim", scope="col"), *[tag("th", GROUPS.get(one, one), scope="col") for one in groups])
    table = tag("table", tag("thead", head), tag("tbody", *rows), class_="matrix")
    return tag("div", table, class_="scroll", tabindex="0", role="region", aria_label="Verdicts by claim and source")


def first_look(verdicts: Sequence[Verdict]) -> Html:
    """Return the verdicts that deserve a look first: unrecorded refutations and changes of recorded ones."""
    found = [verdict for verdict in verdicts if surprising(verdict)]
    if not found:
        return Html("")
    lines = []
    for verdict in found[:FIRST_LOOK]:
        note = ", the scaled-down study" if group(verdict.source) == "micro" else ""
        note += f", recorded as {verdict.known.lower()}" if verdict.known else ""
        place = tag("a", verdict.claim, href=f"#claim-{verdict.claim}")
        lines.append(tag("li", badge(verdict), " ", tag("b", stated(verdict)), " ",
                         tag("span", place, f", {source_name(verdict)}{note}", class_="small")))  # fmt: skip
    if len(found) > FIRST_LOOK:
        lines.append(tag("li", f"and {len(found) - FIRST_LOOK} more, in the claims below", class_="small"))
    return tag("div", tag("h3", "Look at these first"),
               tag("p", "Refutations that nobody has recorded, and verdicts that differ from the record.",
                   class_="small"), tag("ul", *lines), class_="first-look")  # fmt: skip


def card(name: str, claim: Claim | None, verdicts: Sequence[Verdict], context: Context) -> Html:
    """Return one claim: what the paper says, what can't be verified, the figure, and the verdicts by source."""
    parts = [tag("header", tag("span", name, class_="id"), tag("h2", claim.title if claim else name), chips(verdicts))]
    if claim:
        place = tag("footer", linked(claim.source))
        parts.append(tag("blockquote", tag("p", f"“{claim.quote.strip('“”')}”"), place))
    if claim and claim.not_verifiable:
        rows = [join(tag("dt", what), tag("dd", linked(why))) for what, why in claim.not_verifiable]
        parts.append(tag("div", tag("h3", "Not verifiable"), tag("dl", *rows), class_="not-verifiable-list"))
    parts.extend(forest(name, verdicts))
    groups = sorted({*GROUPS, *(group(verdict.source) for verdict in verdicts)}, key=group_order)
    parts += [group_part(one, [v for v in verdicts if group(v.source) == one], context) for one in groups]
    return tag("article", *parts, class_="card", id=f"claim-{name}")


def forest(name: str, verdicts: Sequence[Verdict]) -> list[Html]:
    """Return the claim's figure with its key, folded if it is long; nothing if there is nothing to draw."""
    drawn = forest_plot.drawable(verdicts)
    if not drawn:
        return []
    missing = len(verdicts) - len(drawn)
    key = "● reproduced, ✖ refuted, ◇ inconclusive. Bars: confidence intervals at the level that the table states."
    if any(verdict.tolerance is not None for verdict in drawn):
        key += " Shaded: the tolerance of a comparison with a published figure."
    if missing:
        key += f" {plural(missing, 'verdict')} without an estimate not drawn."
    scroll = tag("div", Html(forest_plot.forest(name, drawn)), class_="scroll", tabindex="0", role="region",
                 aria_label="Figure")  # fmt: skip
    hint = tag("p", "Scroll sideways: the names are on the left, the estimates on the right.", class_="small hint")
    plot = tag("figure", hint, scroll, tag("figcaption", key))
    title = tag("summary", f"Figure: {plural(len(drawn), 'estimate')}")
    return [tag("details", title, plot, class_="plot", open=len(drawn) <= OPEN_FIGURE)]


def group_part(name: str, verdicts: Sequence[Verdict], context: Context) -> Html:
    """Return the verdicts of one group of sources, a table for each source."""
    note = [tag("p", GROUP_NOTES[name], class_="note")] if name in GROUP_NOTES else []
    title = tag("h3", GROUPS.get(name, name))
    if not verdicts:
        return tag("section", title, *note, tag("p", "Not judged yet.", class_="small"), class_="group")
    tables = [
        source_table(source, [verdict for verdict in verdicts if base(verdict.source) == source], context)
        for source in sorted({base(verdict.source) for verdict in verdicts})
    ]
    return tag("section", title, *note, *tables, class_="group")
