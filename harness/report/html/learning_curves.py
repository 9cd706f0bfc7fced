"""Learning curves of a claim's runs as inline SVG: the training loss of each checkpoint, the mean over its runs."""

from __future__ import annotations

import itertools
from collections.abc import Sequence
from typing import TYPE_CHECKING

from harness.report.html.drawing import GRID, LINES, SOFT, WIDTH, chart
from harness.report.html.rendering import writable
from harness.report.labels import natural, plural
from harness.report.run_records import LOSSES, RunRecord

if TYPE_CHECKING:
    from matplotlib.figure import Figure

AVERAGED = 100
"""Runs behind a curve; more would not change what is seen."""
MOST = len(LINES)
"""Checkpoints that are drawn; more would not be told apart."""
LEFT, RIGHT, TOP, BOTTOM, HEIGHT = 48, 104, 8, 40, 240
"""CSS pixels."""
APART = 13
"""Pixels between two names at the ends of lines."""


def learning_curves(name: str, runs: Sequence[RunRecord]) -> str:
    """Return the `<svg>` element of the curves, "" if no run trained in more than one step.

    A curve runs from the first to the last step whatever their number, so that runs of several lengths can be averaged.
    Lines carry the ids `<name>-loss-<k>`, k counting the checkpoints by name.

    Args:
        name: the figure's, unique in its page.
        runs: of one claim.
    """
    curves = mean_curves(runs)
    if not curves:
        return ""
    shown = curves[:MOST]

    def draw(figure: Figure) -> None:
        box = (LEFT / WIDTH, BOTTOM / HEIGHT, (WIDTH - LEFT - RIGHT) / WIDTH, (HEIGHT - TOP - BOTTOM) / HEIGHT)
        axes = figure.add_axes(box)
        for number, (_, losses) in enumerate(shown):
            axes.plot([100 * at / (LOSSES - 1) for at in range(LOSSES)], losses, color=LINES[number], linewidth=1.6,
                      gid=f"loss-{number}")  # fmt: skip
        axes.set_xlim(0, 100)
        axes.set_ylim(bottom=0)
        axes.set_xlabel("training steps, %")
        axes.set_ylabel("loss, nats")
        axes.patch.set_visible(False)
        axes.grid(color=GRID, linewidth=0.8)
        axes.set_axisbelow(True)
        for side in ("right", "top"):
            axes.spines[side].set_visible(False)
        low, high = axes.get_ylim()
        height = HEIGHT - TOP - BOTTOM
        ends = spread([height * (losses[-1] - low) / (high - low) for _, losses in shown], APART, height)
        for number, ((checkpoint, _), end) in enumerate(zip(shown, ends, strict=True)):
            axes.text(1.03, end / height, writable(checkpoint[:18]), transform=axes.transAxes, va="center",
                      color=LINES[number], fontsize=11, parse_math=False)  # fmt: skip
        axes.tick_params(colors=SOFT, labelcolor="#24292f")

    left = len(curves) - len(shown)
    more = f"; {plural(left, 'checkpoint')} more are not drawn" if left else ""
    return chart(name, f"Learning curves of {', '.join(checkpoint for checkpoint, _ in shown)}{more}", HEIGHT, draw)


def mean_curves(runs: Sequence[RunRecord]) -> list[tuple[str, list[float]]]:
    """Return (checkpoint, mean loss at LOSSES places from the first to the last step) pairs, by name."""
    found: dict[str, list[tuple[float, ...]]] = {}
    for run in runs:
        if run.losses and len(curves := found.setdefault(run.checkpoint, [])) < AVERAGED:
            curves.append(run.losses)
    return [
        (checkpoint, [sum(column) / len(column) for column in zip(*found[checkpoint], strict=True)])
        for checkpoint in sorted(found, key=natural)
    ]


def spread(places: Sequence[float], apart: float, top: float) -> list[float]:
    """Return places moved as little as keeps them apart and below the top, in their order."""
    order = sorted(range(len(places)), key=lambda at: places[at])
    moved = list(places)
    for before, at in itertools.pairwise(order):
        moved[at] = max(moved[at], moved[before] + apart)
    limit = top
    for at in reversed(order):
        moved[at] = min(moved[at], limit)
        limit = moved[at] - apart
    return moved
