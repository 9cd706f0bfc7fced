"""The tables of a claim's card: one row per verdict, measured beside published."""

from __future__ import annotations

import hashlib
import itertools
from collections.abc import Mapping, Sequence
from dataclasses import dataclass, field

from harness.core.measure import POINTS
from harness.core.source import Source
from harness.core.verdict import Side, Verdict
from harness.report.html.intervals import IntervalPlot, Scale, drawable, effects_range, plot, scale_of
from harness.report.html.row_details import Parts, Publications, how_sure, parts, publications
from harness.report.html.settings import MadeBy, made_by, recipe_blocks
from harness.report.html.verdict_counts import BackendChips, chips_by_backend
from harness.report.html.why import why
from harness.report.labels import (
    BACKENDS,
    LOOKS,
    Look,
    as_recorded,
    backend,
    backends,
    dataset,
    group,
    interval,
    level,
    number,
    plural,
    probability,
    signed,
    stated,
)
from harness.report.verdict_store import Key

MANY_SIDES = 4
"""More accuracies than these start folded."""


@dataclass(frozen=True)
class Context:
    """What a row shows beside its own verdict."""

    adjusted: Mapping[Key, float] = field(default_factory=dict)
    """Holm-adjusted p-values."""
    published: Mapping[tuple[str, str], Sequence[Verdict]] = field(default_factory=dict)
    """(claim, hypothesis) -> what published figures say of it."""
    kept: frozenset[Key] = frozenset()
    """Verdicts of earlier sessions."""


@dataclass(frozen=True)
class SideLine:
    """One side's accuracy."""

    name: str
    accuracy: str
    interval: str
    known: str
    """Test examples and seeds, as far as they are known."""


@dataclass(frozen=True)
class Difference:
    """An estimate with its interval and confidence level; "" for each that does not exist."""

    estimate: str
    interval: str
    level: str
    tolerance: str


@dataclass(frozen=True)
class PublishedLine:
    """The difference that a publication gives for the same hypothesis."""

    difference: str
    where: str


@dataclass(frozen=True)
class Evidence:
    """How a verdict was reached and from what."""

    title: str
    method: str
    sure: tuple[tuple[str, str], ...]
    """(what, its value) pairs: how sure the verdict is."""
    citations: tuple[str, ...]
    runs: tuple[str, ...]
    judged: str


@dataclass(frozen=True)
class Row:
    """One verdict as a row shows it; "" and () where there is nothing to show."""

    id: str
    """Of its place on the page."""
    look: Look
    by: str
    """What computed it, where several did."""
    recorded: str
    """What is recorded against the hypothesis."""
    changed: bool
    """Whether the verdict differs from what is recorded."""
    day: str
    """Of a verdict that an earlier session reached."""
    statement: str
    """What the claim comes down to, where the hypothesis answers it."""
    hypothesis: str
    about: str
    """The hypothesis in the micro study's own names."""
    task: str
    """What stood for the paper's dataset."""
    sides: tuple[SideLine, ...]
    sides_of: str
    """The publication whose accuracies are shown."""
    folded: bool
    """Whether there are so many sides that they start folded."""
    paper: str
    """The paper's figure."""
    difference: Difference | None
    published: tuple[PublishedLine, ...]
    p: str
    holm: str
    why: str
    """What the columns don't say."""
    recipe: tuple[str, ...]
    """The recipes of its runs, and how far each is from the paper's."""
    plot: IntervalPlot | None
    evidence: Evidence
    publications: Publications | None
    parts: Parts | None
    made_by: MadeBy | None
    goes_on: bool
    """Whether the next row is about the same hypothesis, by another backend."""


@dataclass(frozen=True)
class Column:
    """One column of a source's table."""

    head: str
    name: str
    """In CSS classes, and of the macro that fills its cells."""


COLUMNS = (
    Column("Verdict", "verdict"),
    Column("Hypothesis", "hypothesis"),
    Column("Accuracy, %", "accuracy"),
    Column("Interval", "plot"),
    Column("Difference, pp", "difference"),
    Column("Published", "published"),
    Column("p", "p"),
    Column("Why", "why"),
)


@dataclass(frozen=True)
class SourceTable:
    """The verdicts of one source."""

    source: str
    named: str
    """The source, with its backend if there is one."""
    chips: tuple[BackendChips, ...]
    columns: tuple[Column, ...]
    rows: tuple[Row, ...]
    axis: str
    """From where to where its plots reach; "" without any."""


def source_table(source: str, verdicts: Sequence[Verdict], context: Context) -> SourceTable:
    """Return the verdicts of one source.

    Args:
        source: without its backend; what several computed stands in rows one under the other.
        verdicts: in the report's order.
        context: what rows show besides.
    """
    by = backends(verdicts)
    several = len(by) > 1
    scale = scale_of(verdicts)
    rows = []
    for verdict, following in itertools.zip_longest(verdicts, verdicts[1:]):
        goes_on = following is not None and following.hypothesis == verdict.hypothesis
        name = (backend(verdict) or "torch") if several else ""
        rows.append(verdict_row(verdict, context, by=name, goes_on=goes_on, scale=scale))
    named = source if several or by == [""] else f"{source}, {by[0]}"
    unit = next((verdict.unit for verdict in verdicts if verdict.unit != POINTS), POINTS)
    ends = f"{signed(scale.low, unit)} to {signed(scale.high, unit)} {'percentage points' if unit == POINTS else unit}"
    axis = ends if any(map(drawable, verdicts)) else ""
    return SourceTable(source, named, chips_by_backend(verdicts), filled_columns(rows, unit), tuple(rows), axis)


def heads(unit: str) -> dict[str, str]:
    """Return the heads of the columns that hold values in a unit, where that is not points."""
    return {} if unit == POINTS else {"accuracy": f"Value, {unit}", "difference": f"Difference, {unit}"}


def filled_columns(rows: Sequence[Row], unit: str = POINTS) -> tuple[Column, ...]:
    """Return the columns in which at least one row has something to show."""
    filled = {
        "accuracy": any(row.sides for row in rows),
        "plot": any(row.plot for row in rows),
        "difference": any(row.difference for row in rows),
        "published": any(row.published for row in rows),
        "p": any(row.p for row in rows),
    }
    named = heads(unit)
    return tuple(
        Column(named.get(column.name, column.head), column.name) for column in COLUMNS if filled.get(column.name, True)
    )


def verdict_row(
    verdict: Verdict, context: Context, *, by: str = "", goes_on: bool = False, scale: Scale | None = None
) -> Row:
    """Return one verdict as a table row.

    Args:
        verdict: what the row is about.
        context: what it shows besides.
        by: what computed it, where several did.
        goes_on: the next row is about the same hypothesis, by another backend.
        scale: of the plots of its table; None: its own.
    """
    scale = scale or scale_of([verdict])
    kept = verdict.key in context.kept
    adjusted = None if verdict.p is None else context.adjusted.get(verdict.key)
    return Row(
        id=row_id(verdict.key),
        look=LOOKS[verdict.verdict],
        by=BACKENDS.get(by, by),
        recorded=recorded(verdict),
        changed=bool(verdict.known) and not as_recorded(verdict),
        day=f"of {verdict.date[:10] or 'unknown date'}" if kept else "",
        statement=verdict.statement,
        hypothesis=stated(verdict),
        about=verdict.about,
        task=task_note(verdict),
        sides=tuple(side_line(side, group(verdict.source), verdict.unit) for side in verdict.sides),
        sides_of=verdict.rows[0].publication if verdict.rows else "",
        folded=len(verdict.sides) > MANY_SIDES,
        paper="" if verdict.published is None else number(verdict.published, verdict.unit),
        difference=difference(verdict),
        published=published_lines(verdict, context),
        p=probability(verdict.p),
        holm="" if adjusted is None else f"Holm {probability(adjusted)}",
        why=why(verdict),
        recipe=tuple(f"{block.name}{block.distance}" for block in recipe_blocks(verdict.recipes)),
        plot=plot(verdict, scale),
        evidence=evidence(verdict, kept),
        publications=publications(verdict),
        parts=parts(verdict, scale),
        made_by=made_by((), verdict.searched),
        goes_on=goes_on,
    )


def row_id(key: Key) -> str:
    """Return the id of a verdict's row on the page, which does not depend on the other verdicts."""
    return "v" + hashlib.sha256("\n".join(key).encode("utf-8", "replace")).hexdigest()[:10]


def recorded(verdict: Verdict) -> str:
    """Return what is recorded against the hypothesis, and whether the verdict agrees."""
    if not verdict.known:
        return ""
    return "as recorded" if as_recorded(verdict) else f"recorded as {verdict.known.lower()}"


def task_note(verdict: Verdict) -> str:
    """Return what stood for the paper's dataset, if something did; for a released checkpoint what it was run on."""
    if not verdict.task:
        return ""
    same = group(verdict.source) == "gpu" or not verdict.dataset
    return f"on {verdict.task}" if same else f"{verdict.task} stands for {dataset(verdict)}"


def side_line(side: Side, kind: str, unit: str = POINTS) -> SideLine:
    """Return one side's accuracy with its interval, test examples and seeds, where known.

    Args:
        side: the contender's accuracy.
        kind: the group of the source. A publication that does not say how many seeds it ran counts as one
            seed, so one published seed is not claimed.
        unit: of the value, percent for points.
    """
    bounds = interval(side.low, side.high, unit=unit)
    known = [] if bounds else ["uncertainty unknown"]
    if side.n is not None:
        known.append(f"n = {side.n:,}")
    if side.seeds > 1 or kind != "published":
        known.append(plural(side.seeds, "seed"))
    return SideLine(side.name, number(side.accuracy, unit), bounds, ", ".join(known))


def difference(verdict: Verdict) -> Difference | None:
    """Return the estimate with its interval and confidence level, None if there is no estimate."""
    if verdict.estimate is None:
        return None
    if verdict.kind == "Ratio":
        return Difference(f"{verdict.estimate:.3g}", "", "", "a ratio of costs")
    if verdict.kind == "Robust" and (ends := effects_range(verdict)):
        many = f"range of {plural(len(verdict.components), 'specification')}"
        return Difference(signed(verdict.estimate), f"{signed(ends[0])} to {signed(ends[1])}", many, "the median")
    bounds = interval(verdict.low, verdict.high, signs=True, unit=verdict.unit)
    tolerance = "" if verdict.tolerance is None else f"within ±{verdict.tolerance:g}?"
    return Difference(signed(verdict.estimate, verdict.unit), bounds, level(verdict.level) if bounds else "", tolerance)


def published_lines(verdict: Verdict, context: Context) -> tuple[PublishedLine, ...]:
    """Return the difference that published figures give for the same hypothesis, for one that was measured."""
    if group(verdict.source) == "published":
        return ()
    return tuple(
        PublishedLine(f"{signed(other.estimate)} pp", publishers(other))
        for other in context.published.get((verdict.claim, verdict.hypothesis), ())
        if other.estimate is not None
    )


def publishers(verdict: Verdict) -> str:
    """Return whose figures a published verdict rests on: its publications, or the one that the source names."""
    names = list(dict.fromkeys(row.publication for row in verdict.rows)) or [Source.parse(verdict.source).detail]
    return names[0] if len(names) == 1 else plural(len(names), "publication")


def evidence(verdict: Verdict, kept: bool) -> Evidence:
    """Return how the verdict was reached and from what."""
    words = [plural(len(verdict.citations), "citation")] if verdict.citations else []
    words += [plural(len(verdict.runs), "run")] if verdict.runs else []
    date = verdict.date.replace("T", " ") or "not dated"
    return Evidence(
        "Evidence" + (f": {', '.join(words)}" if words else ""),
        verdict.method,
        how_sure(verdict),
        verdict.citations,
        verdict.runs,
        date + (" (an earlier session)" if kept else ""),
    )
