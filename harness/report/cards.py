"""One card per claim: what the paper says, what can't be verified, the figure, and the verdicts by source."""

from __future__ import annotations

from collections.abc import Sequence
from dataclasses import dataclass

from markupsafe import Markup

from harness.core.claim import Claim
from harness.core.verdict import Verdict
from harness.report import forest_plot, specification_plot
from harness.report.labels import GROUP_NOTES, GROUPS, LOOKS, base, group, group_order, plural
from harness.report.page_rows import Context, SourceTable, source_table
from harness.report.verdict_counts import Chip, chips

CURVE_KEY = (
    "Every mark is one way of making the comparison, its choices below it; filled marks are significant by themselves"
    " (bars: 95 % intervals). Dashed: the median effect."
)
OPEN_FIGURE = 120
"""A figure with more estimates starts folded."""


@dataclass(frozen=True)
class Figure:
    """A figure of a claim."""

    title: str
    svg: Markup
    key: str
    open: bool


@dataclass(frozen=True)
class Group:
    """The verdicts of one group of sources, a table for each source."""

    title: str
    note: str
    tables: tuple[SourceTable, ...]


@dataclass(frozen=True)
class Card:
    """One claim with all verdicts on it."""

    id: str
    title: str
    chips: tuple[Chip, ...]
    claim: Claim | None
    """None for a claim that only verdicts name."""
    quote: str
    figures: tuple[Figure, ...]
    groups: tuple[Group, ...]


def card(name: str, claim: Claim | None, verdicts: Sequence[Verdict], context: Context) -> Card:
    """Return the card of one claim.

    Args:
        name: the claim's id.
        claim: what the paper says, if a claim file said it.
        verdicts: those on the claim, in the report's order.
        context: what the rows of its tables show besides.
    """
    names = sorted({*GROUPS, *(group(verdict.source) for verdict in verdicts)}, key=group_order)
    return Card(
        id=name,
        title=claim.title if claim else name,
        chips=chips(verdicts),
        claim=claim,
        quote=f"“{claim.quote.strip('“”')}”" if claim else "",
        figures=(*([forest] if (forest := figure(name, verdicts)) else []), *curves(name, verdicts)),
        groups=tuple(group_part(one, [v for v in verdicts if group(v.source) == one], context) for one in names),
    )


def figure(name: str, verdicts: Sequence[Verdict]) -> Figure | None:
    """Return the claim's forest plot with its key, None if there is nothing to draw."""
    drawn = forest_plot.drawable(verdicts)
    if not drawn:
        return None
    key = "● reproduced or ○ agrees, ✖ refuted or disagrees, ◇ inconclusive or open. Bars: confidence intervals at the"
    key += " level given in the table."
    if any(forest_plot.publications(verdict) for verdict in drawn):
        key += " ■ publications (95 % intervals), as large as their weight in the estimate below them."
    if any(verdict.components for verdict in drawn):
        key += " Of a hypothesis on several parts the one that decides is drawn."
    if any(verdict.tolerance is not None for verdict in drawn):
        key += " Shaded: the margin within which accuracies count as the same."
    missing = [f"{plural(number, noun)} {rest}" for (noun, rest), number in not_drawn(verdicts) if number]
    if missing:
        key += f" Not drawn: {', '.join(missing)}."
    # matplotlib escapes the text of its SVG.
    svg = Markup(forest_plot.forest(name, drawn))
    return Figure(f"Figure: {plural(len(drawn), 'estimate')}", svg, key, open=len(drawn) <= OPEN_FIGURE)


def not_drawn(verdicts: Sequence[Verdict]) -> tuple[tuple[tuple[str, str], int], ...]:
    """Return (noun and what is said of it, how many) pairs of what neither the forest plot nor a curve shows."""
    ratios = sum(verdict.kind == "Ratio" for verdict in verdicts)
    unknown = sum(verdict.estimate is None for verdict in verdicts if verdict.kind != "Ratio")
    return (("verdict", "without an estimate"), unknown), (("ratio", "of costs"), ratios)


def curves(name: str, verdicts: Sequence[Verdict]) -> list[Figure]:
    """Return the specification curves of a claim's orderings."""
    found: list[Figure] = []
    for verdict in verdicts:
        effects = specification_plot.effects_of(verdict.components) if verdict.kind == "Robust" else ()
        if not effects or verdict.estimate is None:
            continue
        unique = f"{name}-curve-{len(found)}"
        svg = specification_plot.specification_plot(unique, verdict.hypothesis, effects, verdict.estimate / 100)
        title = f"Figure: {plural(len(effects), 'specification')} ({LOOKS[verdict.verdict].word})"
        found.append(Figure(title, Markup(svg), CURVE_KEY, open=True))
    return found


def group_part(name: str, verdicts: Sequence[Verdict], context: Context) -> Group:
    """Return the verdicts of one group of sources."""
    parts: dict[str, list[Verdict]] = {}
    for verdict in verdicts:
        parts.setdefault(base(verdict.source), []).append(verdict)
    tables = tuple(source_table(source, parts[source], context) for source in sorted(parts))
    return Group(GROUPS.get(name, name), GROUP_NOTES.get(name, ""), tables)
