"""The tables of a claim's card: one row per verdict, measured beside published."""

from __future__ import annotations

import itertools
from collections.abc import Mapping, Sequence
from dataclasses import dataclass, field

from harness.core.claim import Side, Verdict
from harness.core.source import Source
from harness.report.labels import (
    BACKENDS,
    LOOKS,
    backend,
    backends,
    by_backend,
    count,
    dataset,
    group,
    interval,
    level,
    number,
    probability,
    signed,
    stated,
)
from harness.report.markup import Html, join, linked, tag
from harness.report.settings import made
from harness.report.verdict_store import Key

COLUMNS = ("Verdict", "Hypothesis", "Accuracy, %", "Difference, pp", "Published", "p", "Why")

LONG = 12
"""A source with more rows than this starts folded."""


@dataclass(frozen=True)
class Context:
    """What a row shows beside its own verdict."""

    adjusted: Mapping[Key, float] = field(default_factory=dict)
    """Holm-adjusted p-values."""
    published: Mapping[tuple[str, str], Sequence[Verdict]] = field(default_factory=dict)
    """(claim, hypothesis) -> what published figures say of it."""
    kept: frozenset[Key] = frozenset()
    """Verdicts of earlier sessions."""


def badge(verdict: Verdict) -> Html:
    """Return a verdict's symbol and word, coloured."""
    look = LOOKS[verdict.verdict]
    return tag("span", tag("span", look.symbol, aria_hidden="true"), " " + look.word, class_=f"badge {look.slug}")


def chips(verdicts: Sequence[Verdict]) -> Html:
    """Return how many verdicts of each name there are, as symbol, count and word."""
    counts = count(verdicts)
    shown = [
        tag("span", f"{look.symbol} {counts[name]}", tag("span", f" {look.word}", class_="word"),
            class_=f"chip {look.slug}", title=f"{counts[name]} {look.word}")
        for name, look in LOOKS.items() if counts[name]
    ]  # fmt: skip
    return tag("span", *shown, class_="chips")


def chips_by_backend(verdicts: Sequence[Verdict]) -> Html:
    """Return the counts, of each backend on a line of its own if there are several."""
    parts = by_backend(verdicts)
    if len(parts) < 2:
        return chips(verdicts)
    lines = [
        tag("div", tag("span", BACKENDS.get(name, name), class_="small"), " ", chips(part), class_="backend")
        for name, part in parts.items()
    ]
    return join(*lines)


def source_table(source: str, verdicts: Sequence[Verdict], context: Context) -> Html:
    """Return the verdicts of one source: a heading with counts over a table that scrolls sideways.

    Args:
        source: without its backend; what several computed stands in rows one under the other.
        verdicts: in the report's order.
        context: what rows show besides.
    """
    columns = columns_of(verdicts, context)
    by = backends(verdicts)
    several = len(by) > 1
    rows = []
    for verdict, following in itertools.zip_longest(verdicts, verdicts[1:]):
        goes_on = following is not None and following.hypothesis == verdict.hypothesis
        name = (backend(verdict) or "torch") if several else ""
        rows.append(verdict_row(verdict, context, columns, by=name, goes_on=goes_on))
    table = tag(
        "table",
        tag("thead", tag("tr", *[tag("th", column, scope="col", class_=slug(column)) for column in columns])),
        tag("tbody", *rows),
    )
    named = source if several or by == [""] else f"{source}, {by[0]}"
    title = tag("summary", tag("span", named, class_="source"), " ", chips_by_backend(verdicts))
    scroll = tag("div", table, class_="scroll", tabindex="0", role="region", aria_label=f"Verdicts from {source}")
    return tag("details", title, scroll, class_="sources", open=len(verdicts) <= LONG)


def columns_of(verdicts: Sequence[Verdict], context: Context) -> list[str]:
    """Return the columns in which at least one of a source's verdicts has something to show."""
    filled = {
        "Accuracy, %": any(verdict.sides for verdict in verdicts),
        "Difference, pp": any(verdict.estimate is not None for verdict in verdicts),
        "Published": any(published_lines(verdict, context) for verdict in verdicts),
        "p": any(verdict.p is not None for verdict in verdicts),
    }
    return [column for column in COLUMNS if filled.get(column, True)]


def slug(head: str) -> str:
    """Return the CSS class of a column."""
    return "col-" + head.split(",")[0].lower()


def verdict_row(
    verdict: Verdict, context: Context, columns: Sequence[str] = COLUMNS, *, by: str = "", goes_on: bool = False
) -> Html:
    """Return one verdict as a table row, how its runs were made in another; a cell without a figure says "none".

    Args:
        verdict: what the row is about.
        context: what it shows besides.
        columns: of the table.
        by: what computed it, where several did.
        goes_on: the next row is about the same hypothesis, by another backend.
    """
    none = [tag("span", "none", class_="small")]
    computed = [tag("div", BACKENDS.get(by, by), class_="by")] if by else []
    sides = [side_line(side, group(verdict.source)) for side in verdict.sides]
    contents = {
        "Verdict": [badge(verdict), *computed, *record_note(verdict), *age_note(verdict, context)],
        "Hypothesis": [tag("div", stated(verdict), class_="hypothesis"), *task_note(verdict)],
        "Accuracy, %": [*sides, *paper_line(verdict)],
        "Difference, pp": difference(verdict),
        "Published": published_lines(verdict, context),
        "p": p_lines(verdict, context),
        "Why": [tag("div", linked(verdict.reason)), evidence(verdict, verdict.key in context.kept)],
    }
    # On a narrow screen a row is stacked and each cell names its column.
    cells = [tag("td", tag("div", *contents[name] or none), data_column=name, class_=slug(name)) for name in columns]
    how = made(verdict.recipes, verdict.searched)
    if not how:
        return tag("tr", *cells, class_=f"row-{LOOKS[verdict.verdict].slug}{' goes-on' if goes_on else ''}")
    # Settings need the table's whole width.
    wide = tag("td", tag("div", how), colspan=str(len(columns)), data_column="Made by")
    row = tag("tr", *cells, class_=f"row-{LOOKS[verdict.verdict].slug} goes-on")
    return join(row, tag("tr", wide, class_=f"made{' goes-on' if goes_on else ''}"))


def record_note(verdict: Verdict) -> list[Html]:
    """Return what is recorded against the hypothesis, and whether the verdict agrees."""
    if not verdict.known:
        return []
    word = verdict.known.lower()
    if verdict.known == verdict.verdict:
        return [tag("div", "as recorded", class_="small")]
    return [tag("div", f"recorded as {word}", class_="small changed")]


def age_note(verdict: Verdict, context: Context) -> list[Html]:
    """Return the day of a verdict that an earlier session reached."""
    if verdict.key not in context.kept:
        return []
    return [tag("div", f"of {verdict.date[:10] or 'unknown date'}", class_="small nowrap")]


def task_note(verdict: Verdict) -> list[Html]:
    """Return what stood for the paper's dataset, if something did; for a released checkpoint what it was run on."""
    if not verdict.task:
        return []
    same = group(verdict.source) == "gpu"
    return [
        tag("div", f"on {verdict.task}" if same else f"{verdict.task} stands for {dataset(verdict)}", class_="small")
    ]


def side_line(side: Side, kind: str) -> Html:
    """Return one side's accuracy with its interval, test examples and seeds, as far as they are known.

    Args:
        side: the contender's accuracy.
        kind: the group of the source. A publication that does not say how many seeds it ran counts as one
            seed, so one published seed is not claimed.
    """
    bounds = interval(side.low, side.high)
    known = [] if bounds else ["uncertainty unknown"]
    if side.n is not None:
        known.append(f"n = {side.n:,}")
    if side.seeds > 1 or kind != "published":
        known.append(f"{side.seeds} seed" + ("s" if side.seeds != 1 else ""))
    return tag(
        "div",
        tag("div", side.name, class_="small"),
        tag("div", tag("b", number(side.accuracy)), f" {bounds}" if bounds else "", class_="nowrap"),
        tag("div", ", ".join(known), class_="small") if known else "",
        class_="side",
    )


def paper_line(verdict: Verdict) -> list[Html]:
    """Return the paper's figure, where the hypothesis has one."""
    if verdict.published is None:
        return []
    return [tag("div", tag("div", "the paper", class_="small"), tag("b", number(verdict.published)), class_="side")]


def p_lines(verdict: Verdict, context: Context) -> list[Html]:
    """Return the p-value and below it the Holm-adjusted one."""
    if verdict.p is None:
        return []
    lines = [tag("div", probability(verdict.p), class_="nowrap")]
    adjusted = context.adjusted.get(verdict.key)
    if adjusted is not None:
        lines.append(tag("div", f"Holm {probability(adjusted)}", class_="small nowrap"))
    return lines


def difference(verdict: Verdict) -> list[Html]:
    """Return the estimate with its interval and confidence level."""
    if verdict.estimate is None:
        return []
    lines = [tag("div", tag("b", signed(verdict.estimate)))]
    bounds = interval(verdict.low, verdict.high, signs=True)
    if bounds:
        lines.append(tag("div", bounds, class_="nowrap"))
        lines.append(tag("div", level(verdict.level), class_="small"))
    if verdict.tolerance is not None:
        lines.append(tag("div", f"within ±{verdict.tolerance:g}?", class_="small nowrap"))
    return lines


def published_lines(verdict: Verdict, context: Context) -> list[Html]:
    """Return the difference that each published source gives for the same hypothesis."""
    if group(verdict.source) == "published":
        return []
    lines = []
    for other in context.published.get((verdict.claim, verdict.hypothesis), ()):
        if other.estimate is not None:
            where = Source.parse(other.source).detail
            lines.append(tag("div", tag("span", signed(other.estimate) + " pp", class_="nowrap"),
                             tag("span", f" {where}", class_="small"), class_="side"))  # fmt: skip
    return lines


def evidence(verdict: Verdict, kept: bool) -> Html:
    """Return how the verdict was reached and from what, folded."""
    items = [("Method", linked(verdict.method))] if verdict.method else []
    if verdict.citations:
        items.append(("Citations", tag("ul", *[tag("li", linked(text)) for text in verdict.citations])))
    if verdict.runs:
        items.append(("Runs", join(*[join(tag("code", run), " ") for run in verdict.runs])))
    date = verdict.date.replace("T", " ") or "not dated"
    items.append(("Judged", join(date, " (an earlier session)" if kept else "")))
    parts = [join(tag("dt", name), tag("dd", content)) for name, content in items]
    words = [f"{len(verdict.citations)} citations" if len(verdict.citations) != 1 else "1 citation"] * bool(
        verdict.citations
    )
    words += [f"{len(verdict.runs)} runs" if len(verdict.runs) != 1 else "1 run"] * bool(verdict.runs)
    title = "Evidence" + (f": {', '.join(words)}" if words else "")
    return tag("details", tag("summary", title), tag("dl", *parts), class_="evidence")
