"""The tables of a claim's card: one row per verdict, measured beside published."""

from __future__ import annotations

from collections.abc import Mapping, Sequence
from dataclasses import dataclass, field

from harness.claim import Side, Verdict
from harness.report.book import Key
from harness.report.labels import LOOKS, count, group, interval, level, number, probability, signed
from harness.report.markup import Html, join, linked, tag

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


def source_table(source: str, verdicts: Sequence[Verdict], context: Context) -> Html:
    """Return the verdicts of one source: a heading with counts over a table that scrolls sideways."""
    measured = group(source) != "published"
    compared = measured and any((verdict.claim, verdict.hypothesis) in context.published for verdict in verdicts)
    compared = compared or any(verdict.published is not None for verdict in verdicts)
    heads = ["Verdict", "Hypothesis", "Accuracy, %", "Difference, pp", "p", "Why"]
    if compared:
        heads.insert(4, "Published")
    body = [verdict_row(verdict, context, compared) for verdict in verdicts]
    table = tag(
        "table",
        tag("thead", tag("tr", *[tag("th", head, scope="col", class_=slug(head)) for head in heads])),
        tag("tbody", *body),
    )
    title = tag("summary", tag("span", source, class_="source"), " ", chips(verdicts))
    scroll = tag("div", table, class_="scroll", tabindex="0", role="region", aria_label=f"Verdicts from {source}")
    return tag("details", title, scroll, class_="sources", open=len(verdicts) <= LONG)


def slug(head: str) -> str:
    """Return the CSS class of a column."""
    return "col-" + head.split(",")[0].lower()


def verdict_row(verdict: Verdict, context: Context, compared: bool) -> Html:
    """Return one verdict as a table row."""
    p_holm = context.adjusted.get(verdict.key)
    p = tag("div", probability(verdict.p))
    if p_holm is not None:
        p = join(p, tag("div", f"Holm {probability(p_holm)}", class_="small"))
    cells = [
        tag("td", badge(verdict), *record_note(verdict)),
        tag("td", tag("div", verdict.hypothesis, class_="hypothesis"), *task_note(verdict)),
        tag("td", *[side_line(side) for side in verdict.sides], class_="sides"),
        tag("td", *difference(verdict), class_="figure"),
        tag("td", p, class_="figure"),
        tag("td", tag("div", linked(verdict.reason)), evidence(verdict, verdict.key in context.kept), class_="why"),
    ]
    if compared:
        cells.insert(4, tag("td", *published_lines(verdict, context), class_="published"))
    return tag("tr", *cells, class_=f"row-{LOOKS[verdict.verdict].slug}")


def record_note(verdict: Verdict) -> list[Html]:
    """Return what is recorded against the hypothesis, and whether the verdict agrees."""
    if not verdict.known:
        return []
    word = verdict.known.lower()
    if verdict.known == verdict.verdict:
        return [tag("div", "as recorded", class_="small")]
    return [tag("div", f"recorded as {word}", class_="small changed")]


def task_note(verdict: Verdict) -> list[Html]:
    """Return what stood for the paper's dataset, if something did."""
    return [tag("div", f"{verdict.task} stands for {verdict.dataset}", class_="small")] if verdict.task else []


def side_line(side: Side) -> Html:
    """Return one side's accuracy with its interval, test examples and seeds."""
    bounds = "" if side.low == side.high else f" {interval(side.low, side.high)}"
    count_of = [f"n = {side.n:,}"] if side.n else []
    if side.seeds:
        count_of.append(f"{side.seeds} seed" + ("s" if side.seeds != 1 else ""))
    return tag(
        "div",
        tag("div", side.name, class_="small"),
        tag("span", tag("b", number(side.accuracy)), bounds, class_="nowrap"),
        tag("span", f" {', '.join(count_of)}", class_="small") if count_of else "",
        class_="side",
    )


def difference(verdict: Verdict) -> list[Html]:
    """Return the estimate with its interval and confidence level."""
    if verdict.estimate is None:
        return [tag("span", "none", class_="small")]
    lines = [tag("div", tag("b", signed(verdict.estimate)))]
    bounds = interval(verdict.low, verdict.high, signs=True)
    if bounds:
        lines.append(tag("div", bounds, class_="nowrap"))
        lines.append(tag("div", level(verdict.level), class_="small"))
    if verdict.tolerance is not None:
        lines.append(tag("div", f"within ±{verdict.tolerance:g}?", class_="small nowrap"))
    return lines


def published_lines(verdict: Verdict, context: Context) -> list[Html]:
    """Return the paper's figure, and what published sources say of the same hypothesis."""
    lines = []
    if verdict.published is not None:
        lines.append(tag("div", tag("b", number(verdict.published)), tag("span", " % in the paper", class_="small")))
    if group(verdict.source) == "published":
        return lines
    for other in context.published.get((verdict.claim, verdict.hypothesis), ()):
        if other.estimate is not None:
            where = other.source.removeprefix("published/")
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
