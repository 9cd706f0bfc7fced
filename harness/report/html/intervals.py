"""Small interval plots: where estimates and their intervals lie along one scale, in percent of its width.

The template draws them as SVG without any text, so that they can be as narrow as a phone; the figures stand beside
them as text.
"""

from __future__ import annotations

from collections.abc import Iterable
from dataclasses import dataclass

from harness.core.measure import POINTS
from harness.core.verdict import Component, Reported, Verdict
from harness.judging.answer import UNDECIDED, of_paper
from harness.report.labels import LOOKS, interval, level, signed

MARGIN = 4.0
"""Percent of the width that stays free at both ends."""


@dataclass(frozen=True)
class Scale:
    """The values at both ends of a plot."""

    low: float
    high: float

    def at(self, value: float) -> float:
        """Return the place of a value in percent of the width, values beyond the ends at the ends."""
        share = (value - self.low) / (self.high - self.low)
        return round(min(100.0, max(0.0, MARGIN + (100 - 2 * MARGIN) * share)), 2)


@dataclass(frozen=True)
class IntervalPlot:
    """One estimate with its interval; places are percent of the width, None for what does not exist."""

    label: str
    """What a screen reader says."""
    slug: str
    """The CSS class of the verdict, which colours it."""
    zero: float | None
    """No difference, or for a ratio the same cost; None for an accuracy."""
    estimate: float
    low: float | None = None
    high: float | None = None
    shape: str = "dot"
    """"dot", "hollow" (open), "square" (a publication) or "diamond" (a synthesis of several)."""
    size: float = 8.0
    """Of a square, pixels: as large as its weight."""
    tolerance: tuple[float, float] | None = None
    """Where a difference counts as none."""
    prediction: tuple[float, float] | None = None
    """Where another publication would lie."""

    @property
    def tip(self) -> float:
        """Where the points of a diamond are, in percent of its own width."""
        if self.low is None or self.high is None or self.high <= self.low:
            return 50.0
        return round(100 * (self.estimate - self.low) / (self.high - self.low), 1)


def scale_of(verdicts: Iterable[Verdict]) -> Scale:
    """Return a scale that holds zero, all estimates and intervals of verdicts, and the estimates behind them.

    Intervals of single publications may reach beyond its ends: one that is uncertain would make all others dots.
    """
    values = [0.0]
    for verdict in verdicts:
        if not drawable(verdict):
            continue
        behind = [*(row.estimate for row in verdict.rows), *(part.estimate for part in verdict.components)]
        values += [value for value in (verdict.estimate, verdict.low, verdict.high, *behind) if value is not None]
        if verdict.tolerance is not None:
            values += [-verdict.tolerance, verdict.tolerance]
    low, high = min(values), max(values)
    return Scale(low, high) if high > low else Scale(low - 1, high + 1)


def forest_scale(verdict: Verdict) -> Scale:
    """Return the scale of a verdict's own forest plot, which holds the intervals of its publications, too."""
    bounds = [value for row in verdict.rows for value in (row.low, row.high) if value is not None]
    of_estimates = scale_of([verdict])
    return Scale(min([of_estimates.low, *bounds]), max([of_estimates.high, *bounds]))


def drawable(verdict: Verdict) -> bool:
    """Whether a verdict has a difference in points to draw."""
    return verdict.estimate is not None and verdict.kind != "Ratio"


def plot(verdict: Verdict, scale: Scale) -> IntervalPlot | None:
    """Return the plot of a verdict: a diamond where it brings several publications together; None without an estimate.

    Args:
        verdict: to be drawn; of a specification curve its median over the range of its effects.
        scale: of its table; a curve has its own, and so has a ratio of costs, from nothing to the same cost.
    """
    if verdict.estimate is None:
        return None
    look = LOOKS[verdict.verdict]
    if verdict.kind == "Ratio":
        scale = Scale(0.0, max(1.0, verdict.estimate))
        return IntervalPlot(f"ratio {verdict.estimate:.3g}", look.slug, scale.at(1.0), scale.at(verdict.estimate))
    low, high = verdict.low, verdict.high
    if verdict.kind == "Robust":
        low, high = effects_range(verdict) or (None, None)
        ends = [value for value in (0.0, verdict.estimate, low, high) if value is not None]
        scale = Scale(min(ends), max(ends)) if max(ends) > min(ends) else scale
    return IntervalPlot(
        label=described(verdict, low, high),
        slug=look.slug,
        zero=scale.at(0.0),
        estimate=scale.at(verdict.estimate),
        low=None if low is None else scale.at(low),
        high=None if high is None else scale.at(high),
        shape="diamond" if together(verdict) else "hollow" if of_paper(verdict) == UNDECIDED else "dot",
        tolerance=None if verdict.tolerance is None else (scale.at(-verdict.tolerance), scale.at(verdict.tolerance)),
        prediction=None if verdict.prediction is None else ends_at(verdict.prediction, scale),
    )


def effects_range(verdict: Verdict) -> tuple[float, float] | None:
    """Return the least and the largest effect of a specification curve, percentage points; None without any."""
    effects = [part.estimate for part in verdict.components if part.estimate is not None]
    return (min(effects), max(effects)) if effects else None


def described(verdict: Verdict, low: float | None, high: float | None) -> str:
    """Return what a plot shows of a verdict, as a screen reader says it; of a specification curve the range."""
    assert verdict.estimate is not None
    if verdict.kind != "Robust":
        return words(verdict.estimate, low, high, verdict.level, verdict.unit)
    bounds = f", specifications from {signed(low)} to {signed(high)}" if low is not None and high is not None else ""
    return f"median {signed(verdict.estimate)} points{bounds}"


def ends_at(bounds: tuple[float, float], scale: Scale) -> tuple[float, float]:
    """Return the places of both ends of an interval."""
    return scale.at(bounds[0]), scale.at(bounds[1])


def together(verdict: Verdict) -> bool:
    """Whether an estimate is the synthesis of several publications on one contrast."""
    return not verdict.components and sum(row.weight > 0 for row in verdict.rows) > 1


def plot_of_publication(row: Reported, scale: Scale) -> IntervalPlot:
    """Return the plot of one publication: a square as large as its weight, hollow where it is not counted."""
    return IntervalPlot(
        label=words(row.estimate, row.low, row.high, 0.95),
        slug="publication" if row.weight else "not-counted",
        zero=scale.at(0.0),
        estimate=scale.at(row.estimate),
        low=None if row.low is None else scale.at(row.low),
        high=None if row.high is None else scale.at(row.high),
        shape="square",
        size=round(5 + 7 * row.weight**0.5, 1),
    )


def plot_of_part(part: Component, slug: str, scale: Scale, unit: str = POINTS) -> IntervalPlot | None:
    """Return the plot of one part of a compound hypothesis, None without an estimate."""
    if part.estimate is None:
        return None
    return IntervalPlot(
        label=words(part.estimate, part.low, part.high, None, unit),
        slug=slug,
        zero=scale.at(0.0),
        estimate=scale.at(part.estimate),
        low=None if part.low is None else scale.at(part.low),
        high=None if part.high is None else scale.at(part.high),
        shape="hollow" if part.holds is None else "dot",
    )


def words(estimate: float, low: float | None, high: float | None, of: float | None, unit: str = POINTS) -> str:
    """Return an estimate and its interval as a screen reader says them."""
    bounds = interval(low, high, signs=True, unit=unit)
    return f"{signed(estimate, unit)} {unit}" + (f", {level(of)} interval {bounds}" if bounds else "").replace(
        "  ", " "
    )
