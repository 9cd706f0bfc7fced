"""The forest plot of a claim: every estimate with its interval, in percentage points, as inline SVG.

Where several publications are behind an estimate they stand above it, each with its own, as in a meta-analysis.
"""

from __future__ import annotations

import html
import io
import re
import textwrap
import warnings
from collections.abc import Sequence
from dataclasses import dataclass
from typing import TYPE_CHECKING, Any

from harness.core.verdict import Reported, Verdict
from harness.report.labels import GROUPS, LOOKS, backend, backends, base, group, group_order, interval, signed, stated
from harness.report.rendering import writable

if TYPE_CHECKING:
    from matplotlib.axes import Axes

# One unit of the drawing is one CSS pixel at full width.
WIDTH = 1080
LABELS, FIGURES = 440, 200
LINE, ROW, HEADER = 15, 9, 24
TITLE, AXIS, GAP = 30, 46, 14
WRAP = 62
INDENT = "\u2003"
"""A space as wide as the letters are high; a browser keeps it."""
SOFT = "#57606a"
STYLE: dict[Any, Any] = {
    "svg.fonttype": "none",
    "svg.hashsalt": "vit-claims",
    "font.family": "sans-serif",
    "font.size": 12,
    "figure.dpi": 72,
    "axes.linewidth": 1,
}


@dataclass(frozen=True)
class PlotRow:
    """One row of a panel: a name, one publication's estimate, or one verdict's."""

    y: float
    label: str
    verdict: Verdict | None = None
    number: int = -1
    """Counts the verdicts of the whole figure, for the ids of its marks."""
    reported: Reported | None = None
    place: int = -1
    """Counts the publications of a verdict."""
    heading: bool = False


def drawable(verdicts: Sequence[Verdict]) -> list[Verdict]:
    """Return the verdicts that have a difference to draw: no ratios of costs, and no curves, which have a figure."""
    return [verdict for verdict in verdicts if verdict.estimate is not None and verdict.kind not in ("Ratio", "Robust")]


def publications(verdict: Verdict) -> tuple[Reported, ...]:
    """Return the publications that are drawn above a verdict's estimate: several, on the same contrast."""
    return () if verdict.components or len(verdict.rows) < 2 else verdict.rows


def forest(claim: str, verdicts: Sequence[Verdict]) -> str:
    """Return the `<svg>` element of a claim's forest plot, or "" if no verdict has an estimate.

    There is one panel per group of sources, each with its own axis: published differences are a
    tenth of the micro study's. Marks carry ids: `<claim>-interval-<k>`, `-estimate-<k>`, `-tolerance-<k>`,
    k counting the drawn verdicts, and `-reported-<k>-<j>` for its publications. The same verdicts give the same bytes.
    """
    drawn = drawable(verdicts)
    if not drawn:
        return ""
    import matplotlib
    from matplotlib.backends.backend_svg import FigureCanvasSVG
    from matplotlib.figure import Figure

    panels = layout(drawn)
    height = sum(panel_height(rows) for _, rows in panels)
    with matplotlib.rc_context(STYLE), warnings.catch_warnings():
        # The browser's fonts draw the text; a glyph that matplotlib's own font lacks does not matter.
        warnings.filterwarnings("ignore", message=r"Glyph \d+")
        figure = Figure(figsize=(WIDTH / 72, height / 72), dpi=72, facecolor="none")
        FigureCanvasSVG(figure)
        top = 0.0
        for name, rows in panels:
            plot_height = panel_height(rows) - TITLE - AXIS
            bottom = 1 - (top + TITLE + plot_height) / height
            box = (LABELS / WIDTH, bottom, (WIDTH - LABELS - FIGURES) / WIDTH, plot_height / height)
            draw_panel(figure.add_axes(box), name, rows, plot_height)
            top += panel_height(rows)
        output = io.StringIO()
        nothing: dict[str, Any] = dict.fromkeys(("Date", "Creator", "Format", "Type"))
        figure.savefig(output, format="svg", metadata=nothing, transparent=True)
    label = f"Forest plot of {len(drawn)} estimates with their intervals; the table below holds the same figures"
    return inline(output.getvalue(), claim, label)


def layout(verdicts: Sequence[Verdict]) -> list[tuple[str, list[PlotRow]]]:
    """Return the panels, by group of sources, with the vertical place of every line in pixels."""
    panels = []
    number = 0
    for name in sorted({group(verdict.source) for verdict in verdicts}, key=group_order):
        members = [verdict for verdict in verdicts if group(verdict.source) == name]
        rows: list[PlotRow] = []
        y = 0.0
        for source in sorted({base(verdict.source) for verdict in members}):
            several = len(backends([verdict for verdict in members if base(verdict.source) == source])) > 1
            if source != name:
                rows.append(PlotRow(y + HEADER / 2, source, heading=True))
                y += HEADER
            for verdict in members:
                if base(verdict.source) == source:
                    words = verdict.about or stated(verdict)
                    words += f" [{backend(verdict) or 'torch'}]" if several else ""
                    y = add_verdict(rows, y, words, verdict, number)
                    number += 1
        panels.append((name, rows))
    return panels


def add_verdict(rows: list[PlotRow], y: float, words: str, verdict: Verdict, number: int) -> float:
    """Append a verdict's lines, its publications above its own estimate; return where the last one ends.

    Args:
        rows: of the panel.
        y: where the line before ended, in pixels.
        words: what is stated.
        verdict: with an estimate.
        number: its number in the figure.
    """
    label = "\n".join(textwrap.wrap(words, WRAP, max_lines=3, placeholder=" …"))
    tall = LINE * (label.count("\n") + 1) + ROW
    reported = publications(verdict)
    if not reported:
        rows.append(PlotRow(y + tall / 2, label, verdict, number))
        return y + tall
    rows.append(PlotRow(y + tall / 2, label))
    y += tall
    for at, one in enumerate(reported):
        share = f"{100 * one.weight:.0f} %" if one.weight else "not counted"
        named = f"{INDENT}{one.publication}, {one.origin}, {share}"
        rows.append(PlotRow(y + LINE / 2, named, None, number, one, at))
        y += LINE
    rows.append(PlotRow(y + (LINE + ROW) / 2, f"{INDENT}together", verdict, number))
    return y + LINE + ROW


def bottom_of(rows: Sequence[PlotRow]) -> float:
    """Return where the last line of a panel ends, in pixels from its top."""
    last = rows[-1]
    return last.y + (LINE * (last.label.count("\n") + 1) + ROW) / 2


def panel_height(rows: Sequence[PlotRow]) -> float:
    """Return a panel's height in pixels with its title and axis."""
    return TITLE + bottom_of(rows) + AXIS + GAP


def draw_panel(axes: Axes, name: str, rows: Sequence[PlotRow], height: float) -> None:
    """Draw the lines of one group of sources; y runs downwards in pixels."""
    axes.set_ylim(height, 0)
    axes.set_xlim(*limits([row.verdict for row in rows if row.verdict], [row.reported for row in rows if row.reported]))
    axes.set_yticks([])
    axes.patch.set_visible(False)
    for side in ("left", "right", "top"):
        axes.spines[side].set_visible(False)
    axes.spines["bottom"].set_color("#57606a")
    axes.tick_params(axis="x", colors="#24292f", length=4)
    axes.grid(axis="x", color="#d8dee4", linewidth=0.8)
    axes.set_axisbelow(True)
    axes.axvline(0, color="#24292f", linewidth=1.2, zorder=1)
    axes.set_xlabel("difference in percentage points", fontsize=12, color="#24292f")
    place(axes, -LABELS, -18, GROUPS.get(name, name), weight="bold", size=14)
    for row in rows:
        if row.verdict is not None:
            draw_verdict(axes, row, row.verdict)
        elif row.reported is not None:
            draw_reported(axes, row, row.reported)
        else:
            look: dict[str, Any] = {"weight": "bold", "color": SOFT} if row.heading else {}
            place(axes, -LABELS, row.y, row.label, **look)


def draw_reported(axes: Axes, row: PlotRow, reported: Reported) -> None:
    """Draw what one publication says: a square as large as its weight, hollow where it is not counted."""
    place(axes, -LABELS, row.y, row.label, color=SOFT)
    if reported.low is not None and reported.high is not None:
        axes.plot([reported.low, reported.high], [row.y, row.y], color=SOFT, linewidth=1, zorder=2)
    axes.plot([reported.estimate], [row.y], marker="s", markersize=3 + 5 * reported.weight**0.5, color=SOFT,
              linestyle="none", markerfacecolor=SOFT if reported.weight else "white", markeredgecolor=SOFT, zorder=3,
              gid=f"reported-{row.number}-{row.place}")  # fmt: skip
    figures = f"{signed(reported.estimate)} {interval(reported.low, reported.high, signs=True)}"
    place(axes, WIDTH - LABELS - FIGURES + 28, row.y, figures.rstrip(), color=SOFT)


def draw_verdict(axes: Axes, row: PlotRow, verdict: Verdict) -> None:
    """Draw one verdict: its label, tolerance, interval, estimate and figures."""
    look = LOOKS[verdict.verdict]
    estimate = verdict.estimate
    assert estimate is not None
    place(axes, -LABELS, row.y, row.label)
    if verdict.tolerance is not None:
        from matplotlib.patches import Rectangle

        corner = (-verdict.tolerance, row.y - 9)
        axes.add_patch(Rectangle(corner, 2 * verdict.tolerance, 18, facecolor="#dbe4ee", edgecolor="#8c9bab",
                                 linewidth=0.8, zorder=1.5, gid=f"tolerance-{row.number}"))  # fmt: skip
    if verdict.low is not None and verdict.high is not None:
        axes.plot([verdict.low, verdict.high], [row.y, row.y], color=look.color, linewidth=2, marker="|",
                  markersize=9, markeredgewidth=2, zorder=2, gid=f"interval-{row.number}")  # fmt: skip
    axes.plot([estimate], [row.y], marker=look.marker, markersize=8, color=look.color, linestyle="none", zorder=3,
              markerfacecolor="white" if look.hollow else look.color, markeredgecolor=look.color,
              markeredgewidth=1.5 if look.hollow else 0.5, gid=f"estimate-{row.number}")  # fmt: skip
    figures = f"{look.symbol} {signed(estimate)} {interval(verdict.low, verdict.high, signs=True)}"
    place(axes, WIDTH - LABELS - FIGURES + 14, row.y, figures.rstrip(), color=look.color)


def place(axes: Axes, x: float, y: float, text: str, *, color: str = "#24292f", **font: Any) -> None:
    """Write text at x pixels from the left of the axes and y pixels from their top."""
    across = x / (WIDTH - LABELS - FIGURES)
    # parse_math: a dollar sign in a name is a dollar sign.
    axes.text(across, y, writable(text), transform=axes.get_yaxis_transform(), va="center", ha="left", color=color,
              parse_math=False, linespacing=1.15, **font)  # fmt: skip


def limits(verdicts: Sequence[Verdict], reported: Sequence[Reported] = ()) -> tuple[float, float]:
    """Return the ends of an axis that holds zero and every estimate, interval and tolerance."""
    values = [0.0]
    drawn: list[Verdict | Reported] = [*verdicts, *reported]
    for one in drawn:
        values += [value for value in (one.estimate, one.low, one.high) if value is not None]
    for verdict in verdicts:
        if verdict.tolerance is not None:
            values += [-verdict.tolerance, verdict.tolerance]
    low, high = min(values), max(values)
    margin = 0.06 * (high - low) or 1.0
    return low - margin, high + margin


def inline(svg: str, name: str, label: str) -> str:
    """Return matplotlib's SVG as an element of a page: scalable, described by a label, its ids its own by a name."""
    prefix = re.sub(r"[^A-Za-z0-9_-]", "_", name)

    def own(tag: re.Match[str]) -> str:
        # Two figures of one page would share ids such as axes_1, and a browser resolves #id to the first.
        named = re.sub(r'(\sid=")', rf"\1{prefix}-", tag[0])
        return re.sub(r'(xlink:href="#|url\(#)', rf"\1{prefix}-", named)

    svg = re.sub(r"<[^>]*>", own, svg[svg.index("<svg") :])
    svg = re.sub(r'(<svg[^>]*?) width="[^"]*"', r"\1", svg, count=1)
    svg = re.sub(r'(<svg[^>]*?) height="[^"]*"', r"\1", svg, count=1)
    return svg.replace("<svg", f'<svg role="img" aria-label="{html.escape(label)}"', 1)
