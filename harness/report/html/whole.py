"""The figures for the whole: accuracy by model and dataset, by pre-training set, and beside the paper's."""

from __future__ import annotations

from collections.abc import Iterable, Mapping, Sequence
from dataclasses import dataclass
from typing import TYPE_CHECKING

from markupsafe import Markup

from harness.core.paper import paper
from harness.core.verdict import Verdict
from harness.report.html.drawing import GRID, INK, LINES, SHADE, SOFT, WIDTH, chart
from harness.report.html.intervals import IntervalPlot, Scale
from harness.report.html.learning_curves import APART, spread
from harness.report.html.measurements import Measurement, Pair, measurements, pairs
from harness.report.html.rendering import writable
from harness.report.labels import GROUPS, group_order, interval, natural, number, plural

if TYPE_CHECKING:
    from matplotlib.axes import Axes
    from matplotlib.figure import Figure

MOST = 12
"""Datasets of one group that are drawn; more are counted."""
MODELS = 60
"""Models that one panel lists; more are counted."""
LEFT, RIGHT, TOP, BOTTOM, HEIGHT = 54, 96, 8, 40, 250
"""CSS pixels of a chart."""


@dataclass(frozen=True)
class ModelLine:
    """The accuracy of one model."""

    name: str
    figures: str
    plot: IntervalPlot


@dataclass(frozen=True)
class Panel:
    """The models on one dataset."""

    title: str
    lines: tuple[ModelLine, ...]
    axis: str
    more: str


@dataclass(frozen=True)
class Chart:
    """One chart with its title."""

    title: str
    svg: Markup


@dataclass(frozen=True)
class Part:
    """The figures of one group of sources."""

    title: str
    panels: tuple[Panel, ...]
    sizes: tuple[Chart, ...]
    pairs: tuple[Chart, ...]
    more: str


def whole(verdicts: Iterable[Verdict]) -> tuple[Part, ...]:
    """Return the figures for the whole, those of the micro study apart from the others."""
    listed = list(verdicts)
    found, compared = measurements(listed), pairs(listed)
    parts = []
    for name in sorted({one.group for one in found} | {one.group for one in compared}, key=group_order):
        by_dataset: dict[str, list[Measurement]] = {}
        for one in found:
            if one.group == name:
                by_dataset.setdefault(one.dataset, []).append(one)
        drawn = dict(list(by_dataset.items())[:MOST])
        left = len(by_dataset) - len(drawn)
        panels = tuple(panel(title, members) for title, members in drawn.items())
        sizes = size_charts(name, drawn)
        scatter = pair_charts(name, [pair for pair in compared if pair.group == name])
        if panels or scatter:
            more = f"{plural(left, 'dataset')} more are in the tables." if left else ""
            parts.append(Part(GROUPS.get(name, name), panels, sizes, scatter, more))
    return tuple(parts)


def panel(title: str, members: Sequence[Measurement]) -> Panel:
    """Return the models on one dataset, the most accurate first."""
    ordered = sorted(members, key=lambda one: -one.accuracy)[:MODELS]
    values = [v for one in ordered for v in (one.accuracy, one.low, one.high) if v is not None]
    scale = Scale(min(values), max(values)) if max(values) > min(values) else Scale(values[0] - 1, values[0] + 1)
    lines = tuple(ModelLine(one.name, number(one.accuracy), accuracy_plot(one, scale)) for one in ordered)
    left = len(members) - len(ordered)
    return Panel(
        title, lines, f"{number(scale.low)} to {number(scale.high)} %", f"{plural(left, 'model')} more" if left else ""
    )


def accuracy_plot(one: Measurement, scale: Scale) -> IntervalPlot:
    """Return the plot of an accuracy with its 95 % interval."""
    return IntervalPlot(
        label=f"{number(one.accuracy)} % {interval(one.low, one.high)}".rstrip(),
        slug="accuracy",
        zero=None,
        estimate=scale.at(one.accuracy),
        low=None if one.low is None else scale.at(one.low),
        high=None if one.high is None else scale.at(one.high),
    )


def size_charts(name: str, by_dataset: dict[str, list[Measurement]]) -> tuple[Chart, ...]:
    """Return a chart of accuracy against the size of the pre-training set for each dataset that has lines."""
    lines = {title: size_lines(members) for title, members in by_dataset.items()}
    names = sorted({architecture for found in lines.values() for architecture, _ in found}, key=natural)
    colors = {architecture: LINES[at % len(LINES)] for at, architecture in enumerate(names)}
    return tuple(
        Chart(title, Markup(size_chart(f"size-{name}-{place}", title, found, colors)))
        for place, (title, found) in enumerate(lines.items())
        if found
    )


Line = tuple[str, list[tuple[float, Measurement]]]


def size_lines(members: Sequence[Measurement]) -> list[Line]:
    """Return (architecture, (images, measurement) pairs by size) of architectures with several pre-training sets."""
    images = dict(paper().pretraining_images)
    found: dict[str, dict[int, Measurement]] = {}
    for one in members:
        if one.plain and images.get(one.pretraining):
            found.setdefault(one.architecture, {}).setdefault(images[one.pretraining], one)
    return [(name, [(float(size), of[size]) for size in sorted(of)]) for name, of in found.items() if len(of) > 1]


def size_chart(name: str, title: str, lines: Sequence[Line], colors: Mapping[str, str]) -> str:
    """Return a chart of accuracy against size; points carry the ids `<name>-point-<line>-<place>`.

    Args:
        name: the chart's, unique in its page.
        title: the dataset.
        lines: one for each architecture.
        colors: of architectures, the same in all charts.
    """
    sets = {size: text for text, size in paper().pretraining_images if size}
    shown = lines[: len(LINES)]

    def draw(figure: Figure) -> None:
        axes = figure.add_axes(box())
        for at, (architecture, points) in enumerate(shown):
            color = colors[architecture]
            axes.plot([size for size, _ in points], [one.accuracy for _, one in points], color=color, linewidth=1.4)
            for place, (size, one) in enumerate(points):
                if one.low is not None and one.high is not None:
                    axes.plot([size, size], [one.low, one.high], color=color, linewidth=1.2)
                axes.plot([size], [one.accuracy], marker="o", markersize=5, color=color, gid=f"point-{at}-{place}")
        axes.set_xscale("log")
        used = sorted({size for _, points in shown for size, _ in points})
        axes.set_xlim(used[0] / 1.8, used[-1] * 1.8)
        axes.set_xticks(used, [sets[int(size)] for size in used], fontsize=10)
        axes.set_xticks([], minor=True)
        axes.set_xlabel("pre-training set, by its size")
        axes.set_ylabel("accuracy, %")
        frame(axes)
        low, high = axes.get_ylim()
        height = HEIGHT - TOP - BOTTOM
        ends = spread([height * (points[-1][1].accuracy - low) / (high - low) for _, points in shown], APART, height)
        for (text, _), end in zip(shown, ends, strict=True):
            name_line(axes, end / height, text[:16], colors[text])

    return chart(name, f"Accuracy on {title} against the size of the pre-training set", HEIGHT, draw)


def pair_charts(name: str, compared: Sequence[Pair]) -> tuple[Chart, ...]:
    """Return a chart of the paper's accuracies against those found, nothing without any."""
    if not compared:
        return ()

    def draw(figure: Figure) -> None:
        axes = figure.add_axes(box(right=16))
        ends = [min(min(one.paper, one.low) for one in compared), max(max(one.paper, one.high) for one in compared)]
        margin = 0.06 * (ends[1] - ends[0]) or 1.0
        across = [ends[0] - margin, ends[1] + margin]
        axes.plot(across, across, color=SOFT, linewidth=1, gid="same")
        for at, one in enumerate(compared):
            axes.plot([one.paper, one.paper], [one.paper - one.tolerance, one.paper + one.tolerance], color=SHADE,
                      linewidth=9, solid_capstyle="butt", zorder=1)  # fmt: skip
            axes.plot([one.paper, one.paper], [one.low, one.high], color=one.color, linewidth=1.6, zorder=2)
            axes.plot([one.paper], [one.found], marker="o", markersize=5, color=one.color, zorder=3, gid=f"pair-{at}")
        axes.set_xlim(*across)
        axes.set_ylim(*across)
        axes.set_xlabel("the paper's accuracy, %")
        axes.set_ylabel("found, %")
        frame(axes)

    svg = chart(f"pairs-{name}", f"{plural(len(compared), 'accuracy')} found against the paper's", HEIGHT, draw)
    return (Chart("Paper against measured", Markup(svg)),)


def box(right: float = RIGHT) -> tuple[float, float, float, float]:
    """Return where the axes of a chart are, as shares of it; names stand at the right."""
    return LEFT / WIDTH, BOTTOM / HEIGHT, (WIDTH - LEFT - right) / WIDTH, (HEIGHT - TOP - BOTTOM) / HEIGHT


def name_line(axes: Axes, place: float, text: str, color: str) -> None:
    """Write a line's name at the right of the axes, at a share of their height."""
    axes.text(1.03, place, writable(text), transform=axes.transAxes, va="center", color=color, fontsize=11,
              parse_math=False)  # fmt: skip


def frame(axes: Axes) -> None:
    """Draw grid and axes in the page's manner."""
    axes.patch.set_visible(False)
    axes.grid(color=GRID, linewidth=0.8)
    axes.set_axisbelow(True)
    axes.ticklabel_format(axis="y", useOffset=False)
    for side in ("right", "top"):
        axes.spines[side].set_visible(False)
    axes.tick_params(colors=SOFT, labelcolor=INK)
