"""What stands below a row of a claim's table: publications and parts behind a verdict, and how sure it is."""

from __future__ import annotations

from dataclasses import dataclass

from harness.core.hypotheses import VerdictName
from harness.core.measure import POINTS
from harness.core.source import MICRO
from harness.core.verdict import Component, Reported, Verdict
from harness.report.html.intervals import (
    IntervalPlot,
    Scale,
    forest_scale,
    plot,
    plot_of_part,
    plot_of_publication,
    together,
)
from harness.report.labels import LOOKS, Look, group, interval, number, plural, probability, signed

NAMED = 3
"""A fold names so many publications before it is opened; more are counted."""


@dataclass(frozen=True)
class PublicationLine:
    """What one publication says."""

    name: str
    origin: str
    dataset: str
    """"" where the verdict is on one."""
    figures: str
    """The accuracies of the sides, percent."""
    difference: str
    weight: str
    plot: IntervalPlot
    of_paper: bool
    """Whether it is the paper itself."""


@dataclass(frozen=True)
class Publications:
    """The publications behind a verdict: the lines of a forest plot above the synthesis."""

    title: str
    together: str
    """What the publications come to together, "" where there is one, or where each is on a part of its own."""
    prediction: str
    """Where another publication would lie, "" where that is not known."""
    plot: IntervalPlot | None
    """Of the synthesis."""
    rows: tuple[PublicationLine, ...]
    several: bool
    """Whether they are on several datasets."""


@dataclass(frozen=True)
class PartLine:
    """What one part of a compound hypothesis, or one specification, says."""

    look: Look
    hypothesis: str
    difference: str
    p: str
    plot: IntervalPlot | None


@dataclass(frozen=True)
class Parts:
    """The parts of a compound hypothesis, or the specifications of an ordering."""

    title: str
    head: str
    """What a row is."""
    unit: str
    """Of the differences, as a head has it."""
    rows: tuple[PartLine, ...]
    tested: bool
    """Whether there are p-values."""
    open: bool
    """Whether they are shown at once: the specifications of a curve are in its figure."""


def publications(verdict: Verdict) -> Publications | None:
    """Return the publications behind a verdict; None where one or none says it all, which its row names."""
    if len(verdict.rows) < 2:
        return None
    several = len({row.dataset for row in verdict.rows}) > 1
    names = dict.fromkeys(row.publication for row in verdict.rows)
    said = [weighed(row) for row in verdict.rows] if not verdict.components else list(names)
    shown = ", ".join(said[:NAMED]) + (f" and {len(said) - NAMED} more" if len(said) > NAMED else "")
    scale = forest_scale(verdict)
    title = f"{plural(len(names), 'publication')}: {shown}; drawn from {signed(scale.low)} to {signed(scale.high)}"
    rows = tuple(publication_line(row, several, scale) for row in verdict.rows)
    if not together(verdict) or verdict.estimate is None:
        return Publications(title, "", "", None, rows, several)
    combined = f"{signed(verdict.estimate)} {interval(verdict.low, verdict.high, signs=True)}".rstrip()
    prediction = "" if verdict.prediction is None else interval(*verdict.prediction, signs=True)
    return Publications(title, combined, prediction, plot(verdict, scale), rows, several)


def weighed(row: Reported) -> str:
    """Return a publication with its weight."""
    return f"{row.publication} ({weight(row)})"


def weight(row: Reported) -> str:
    """Return a publication's share in the estimate."""
    return f"{100 * row.weight:.0f} %" if row.weight else "not counted"


def publication_line(row: Reported, several: bool, scale: Scale) -> PublicationLine:
    """Return one publication as a line."""
    difference = f"{signed(row.estimate)} {interval(row.low, row.high, signs=True)}".rstrip()
    figures = ", ".join(number(value) for value in row.accuracies)
    dataset = row.dataset if several else ""
    drawn = plot_of_publication(row, scale)
    return PublicationLine(
        row.publication, row.origin, dataset, figures, difference, weight(row), drawn, row.origin == "paper"
    )


def parts(verdict: Verdict, scale: Scale) -> Parts | None:
    """Return the parts of a compound hypothesis, or the specifications of an ordering; None of any other verdict."""
    if not verdict.components:
        return None
    rows = tuple(part_line(part, group(verdict.source) == MICRO, scale, verdict.unit) for part in verdict.components)
    noun = "specification" if verdict.kind == "Robust" else "part"
    holding = sum(part.holds is True for part in verdict.components)
    failing = sum(part.holds is False for part in verdict.components)
    open_ones = len(rows) - holding - failing
    title = f"{plural(len(rows), noun)}: {holding} for it, {failing} against it, {open_ones} open"
    tested = any(part.p is not None for part in verdict.components)
    unit = "pp" if verdict.unit == POINTS else verdict.unit
    return Parts(title, noun.capitalize(), unit, rows, tested, open=verdict.kind != "Robust")


def part_line(part: Component, micro: bool, scale: Scale, unit: str = POINTS) -> PartLine:
    """Return one part as a line."""
    names: tuple[VerdictName, VerdictName, VerdictName]
    names = ("AGREES", "DISAGREES", "OPEN") if micro else ("REPRODUCED", "REFUTED", "INCONCLUSIVE")
    name = names[2] if part.holds is None else names[0] if part.holds else names[1]
    difference = "" if part.estimate is None else signed(part.estimate, unit)
    return PartLine(
        LOOKS[name],
        part.hypothesis,
        f"{difference} {interval(part.low, part.high, signs=True, unit=unit)}".strip() or "no estimate",
        probability(part.p),
        plot_of_part(part, LOOKS[name].slug, scale, unit),
    )


def how_sure(verdict: Verdict) -> tuple[tuple[str, str], ...]:
    """Return (what, its value) pairs on how sure a verdict is, those that it has."""
    found = (
        ("Conditional on", verdict.conditional),
        ("Shares its error rate", verdict.family),
        ("Smallest difference found with 80 % power", in_points(verdict.smallest_detectable, verdict.unit)),
        (
            "Seeds that would find the difference seen",
            "" if verdict.seeds_needed is None else str(verdict.seeds_needed),
        ),
        ("Standard error", standard_errors(verdict)),
        ("Difference that matters", matters(verdict)),
        ("Permutation test over seeds", "" if verdict.permutation_p is None else f"p {is_p(verdict.permutation_p)}"),
        ("Between publications", heterogeneity(verdict)),
        ("Stand out among their seeds", ", ".join(verdict.outliers)),
        ("Registered", verdict.registered),
    )
    return tuple((what, value) for what, value in found if value)


def in_points(value: float | None, unit: str = POINTS) -> str:
    """Return percentage points, or a value in another unit; "" for None."""
    return "" if value is None else f"{number(value, unit)} {unit}"


def is_p(p: float) -> str:
    """Return a p-value with its sign of relation."""
    shown = probability(p)
    return shown if shown.startswith("<") else f"= {shown}"


def standard_errors(verdict: Verdict) -> str:
    """Return the standard errors from seeds alone and from test examples alone, as far as they are known."""
    known = (("from seeds", verdict.se_seeds), ("from test examples", verdict.se_examples))
    return ", ".join(f"{in_points(value, verdict.unit)} {what}" for what, value in known if value is not None)


def matters(verdict: Verdict) -> str:
    """Return whether a difference that matters for the claim can be ruled out."""
    if verdict.negligible is None:
        return ""
    return "ruled out: the whole interval is negligible" if verdict.negligible else "not ruled out"


def heterogeneity(verdict: Verdict) -> str:
    """Return how much publications differ, and where another one would lie."""
    if verdict.tau is None:
        return ""
    said = f"standard deviation {in_points(verdict.tau)}"
    if verdict.i2 is not None:
        said += f", {100 * verdict.i2:.0f} % of the variance"
    if verdict.prediction is not None:
        said += f"; another one would lie in {interval(*verdict.prediction, signs=True)} (95 %)"
    return said
