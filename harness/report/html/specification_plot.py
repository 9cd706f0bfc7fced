"""The specification curve as inline SVG: effects, sorted, with intervals, and below each the choices behind it."""

from __future__ import annotations

import math
from collections.abc import Sequence
from typing import TYPE_CHECKING

from harness.core.hypotheses import VerdictName
from harness.core.verdict import Component
from harness.report.html.drawing import GRID, INK, SOFT, WIDTH, chart
from harness.report.html.rendering import writable
from harness.report.labels import LOOKS
from harness.stats.specification_curve import SpecificationEffect

if TYPE_CHECKING:
    from matplotlib.axes import Axes
    from matplotlib.figure import Figure

LABELS, MARGIN = 150, 8
TOP, CURVE, LINE, AXIS = 8, 190, 17, 14
"""CSS pixels."""


def specification_plot(name: str, title: str, effects: Sequence[SpecificationEffect], median: float) -> str:
    """Return the `<svg>` element of a curve, in percentage points.

    Marks carry ids: `<name>-estimate-<k>` and `<name>-interval-<k>` (where there is one), k counting the
    specifications from the smallest effect, and `<name>-choice-<factor>-<level>` for the dots of a level. Factors with
    one level are left out. The same effects give the same bytes.

    Args:
        name: the figure's, unique in its page.
        title: what is stated.
        effects: of every specification, smallest first; fractions.
        median: effect, a fraction.
    """
    rows = choice_rows(effects)
    height = TOP + CURVE + AXIS + LINE * len(rows) + MARGIN
    across = (LABELS / WIDTH, (WIDTH - LABELS - MARGIN) / WIDTH)

    def draw(figure: Figure) -> None:
        bottom = 1 - (TOP + CURVE) / height
        draw_curve(figure.add_axes((across[0], bottom, across[1], CURVE / height)), effects, median)
        if rows:
            box = (across[0], MARGIN / height, across[1], LINE * len(rows) / height)
            draw_choices(figure.add_axes(box), rows, len(effects))

    count = len(effects)
    label = f"Specification curve of {count} specification{'s' * (count > 1)}: {title}"
    return chart(name, label, height, draw)


def effects_of(components: Sequence[Component]) -> tuple[SpecificationEffect, ...]:
    """Return the effects behind a verdict's components, smallest first; fractions.

    A component is named by its choices, "FACTOR LEVEL, FACTOR LEVEL": the words that a choice has in common in all of
    them are the factor, all but the last where there is no other level.
    """
    names = [each.hypothesis.split(", ") for each in components]
    if len({len(parts) for parts in names}) != 1:
        names = [[each.hypothesis] for each in components]
    factors = [factor_words([parts[at].split() for parts in names]) for at in range(len(names[0]))] if names else []
    effects = [
        SpecificationEffect(
            each.hypothesis,
            tuple(
                (" ".join(choice.split()[:words]), " ".join(choice.split()[words:]))
                for choice, words in zip(parts, factors, strict=True)
            ),
            each.estimate / 100,
            math.nan if each.low is None else each.low / 100,
            math.nan if each.high is None else each.high / 100,
        )
        for each, parts in zip(components, names, strict=True)
        if each.estimate is not None
    ]
    return tuple(sorted(effects, key=lambda effect: effect.value))


def factor_words(choices: Sequence[Sequence[str]]) -> int:
    """Return how many words at the beginning of one choice name the factor."""
    shared = 0
    while len({tuple(words[: shared + 1]) for words in choices}) == 1 and shared + 1 < min(map(len, choices)):
        shared += 1
    return shared


def choice_rows(effects: Sequence[SpecificationEffect]) -> list[tuple[str, str, list[int]]]:
    """Return (factor, level, places of the specifications with it) rows, of factors with several levels."""
    found: dict[str, dict[str, list[int]]] = {}
    for place, each in enumerate(effects):
        for factor, level in each.levels:
            found.setdefault(factor, {}).setdefault(level, []).append(place)
    return [
        (factor, level, levels[level])
        for factor, levels in found.items()
        if len(levels) > 1
        for level in sorted(levels, key=in_order)
    ]


def in_order(level: str) -> tuple[float, str]:
    """Return the key by which levels are sorted: numbers ("x0.5", "40") by size, after them words."""
    try:
        return float(level.removeprefix("x")), ""
    except ValueError:
        return math.inf, level


def look_of(effect: SpecificationEffect) -> VerdictName:
    """Return the verdict whose look an effect has: by itself it decides for, against, or not."""
    if effect.low > 0:
        return "REPRODUCED"
    return "REFUTED" if effect.high < 0 else "INCONCLUSIVE"


def draw_curve(axes: Axes, effects: Sequence[SpecificationEffect], median: float) -> None:
    """Draw the effects with their intervals over their places."""
    bare(axes, len(effects))
    axes.axhline(0, color=INK, linewidth=1.2, zorder=1)
    axes.axhline(100 * median, color=SOFT, linewidth=1, linestyle=(0, (4, 3)), zorder=1, gid="median")
    size = min(7.0, max(2.0, 200 / len(effects)))
    for place, each in enumerate(effects):
        look = LOOKS[look_of(each)]
        if not math.isnan(each.low):
            axes.plot([place, place], [100 * each.low, 100 * each.high], color=look.color, linewidth=min(2.0, size / 3),
                      zorder=2, gid=f"interval-{place}")  # fmt: skip
        axes.plot([place], [100 * each.value], marker=look.marker, markersize=size, color=look.color, linestyle="none",
                  markerfacecolor="#ffffff" if look.hollow else look.color, markeredgecolor=look.color, zorder=3,
                  gid=f"estimate-{place}")  # fmt: skip
    axes.set_ylabel("percentage points", color=INK)
    axes.grid(axis="y", color=GRID, linewidth=0.8)


def draw_choices(axes: Axes, rows: Sequence[tuple[str, str, list[int]]], specifications: int) -> None:
    """Draw a line of dots for each level of each choice."""
    bare(axes, specifications)
    axes.set_ylim(len(rows) - 0.5, -0.5)
    axes.set_yticks([])
    axes.spines["left"].set_visible(False)
    left = -LABELS / (WIDTH - LABELS - MARGIN)
    last = ""
    for y, (factor, level, places) in enumerate(rows):
        if factor != last:
            axes.axhline(y - 0.5, color=GRID, linewidth=0.8)
            axes.text(left, y, factor, transform=axes.get_yaxis_transform(), va="center", weight="bold", color=INK)
        last = factor
        axes.text(-0.02, y, writable(level), transform=axes.get_yaxis_transform(), va="center", ha="right", color=INK,
                  parse_math=False)  # fmt: skip
        size = min(5.0, max(1.5, 170 / specifications))
        axes.plot(places, [y] * len(places), marker="o", linestyle="none", markersize=size, color=SOFT,
                  gid=f"choice-{factor}-{level}".replace(" ", "-"))  # fmt: skip


def bare(axes: Axes, specifications: int) -> None:
    """Take away what says nothing: a place along the curve is no quantity."""
    axes.set_xlim(-0.75, specifications - 0.25)
    axes.set_xticks([])
    axes.patch.set_visible(False)
    axes.set_axisbelow(True)
    for side in ("right", "top", "bottom"):
        axes.spines[side].set_visible(False)
    axes.spines["left"].set_color(SOFT)
    axes.tick_params(axis="y", colors=INK, length=4)
