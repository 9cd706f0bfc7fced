"""What the page's charts share: small enough for a phone at full size, in colours that follow the page's theme."""

from __future__ import annotations

import html
import io
import re
import warnings
from collections.abc import Callable
from typing import TYPE_CHECKING, Any

if TYPE_CHECKING:
    from matplotlib.figure import Figure

WIDTH = 360
"""CSS pixels: a chart is never shown smaller than it is drawn, so that its text stays readable."""
INK, SOFT, GRID, SHADE = "#24292f", "#57606a", "#d8dee4", "#dbe4ee"
PAPER, FOR, AGAINST, OPEN = "#0550ae", "#116329", "#b3261e", "#8a5a00"
LINES = ("#0550ae", "#b3261e", "#116329", "#8250df", "#8a5a00", "#0a6c74", "#a0336f", "#57606a")
"""Of lines in the order of their names; each line has a name at its end, too."""
THEMED = {
    INK: "--ink", SOFT: "--soft", GRID: "--rule", SHADE: "--shade", PAPER: "--link", FOR: "--for", AGAINST: "--against",
    OPEN: "--open", "#8250df": "--violet", "#0a6c74": "--teal", "#a0336f": "--pink", "#ffffff": "--card",
}  # fmt: skip
"""The variables of the style sheet that stand for what is drawn in a colour: a dark page has lighter ones."""
STYLE: dict[Any, Any] = {
    "svg.fonttype": "none",
    "svg.hashsalt": "vit-claims",
    "font.family": "sans-serif",
    "font.size": 12,
    "figure.dpi": 72,
    "axes.linewidth": 1,
    "axes.edgecolor": SOFT,
    "xtick.color": INK,
    "ytick.color": INK,
    "axes.labelcolor": INK,
}


def chart(name: str, label: str, height: float, draw: Callable[[Figure], None]) -> str:
    """Return the `<svg>` element of a chart; the same drawing gives the same bytes.

    Args:
        name: unique in its page.
        label: what a screen reader says.
        height: CSS pixels.
        draw: draws on the figure that it is given.
    """
    import matplotlib
    from matplotlib.backends.backend_svg import FigureCanvasSVG
    from matplotlib.figure import Figure

    with matplotlib.rc_context(STYLE), warnings.catch_warnings():
        # The browser's fonts draw the text; a glyph that matplotlib's own font lacks does not matter.
        warnings.filterwarnings("ignore", message=r"Glyph \d+")
        figure = Figure(figsize=(WIDTH / 72, height / 72), dpi=72, facecolor="none")
        FigureCanvasSVG(figure)
        draw(figure)
        output = io.StringIO()
        nothing: dict[str, Any] = dict.fromkeys(("Date", "Creator", "Format", "Type"))
        figure.savefig(output, format="svg", metadata=nothing, transparent=True)
    return inline(output.getvalue(), name, label)


def inline(svg: str, name: str, label: str) -> str:
    """Return matplotlib's SVG as an element of a page: scalable, described by a label, its ids its own by a name.

    Colours become the variables of the page's style sheet.
    """
    prefix = re.sub(r"[^A-Za-z0-9_-]", "_", name)

    # Names that nothing refers to.
    svg = re.sub(r' id="(?:line2d|text|patch|figure|axes|matplotlib\.axis)_\d+"', "", svg)

    def own(tag: re.Match[str]) -> str:
        # Two figures of one page would share ids such as axes_1, and a browser resolves #id to the first.
        named = re.sub(r'(\sid=")', rf"\1{prefix}-", tag[0])
        named = re.sub(r'(xlink:href="#|url\(#)', rf"\1{prefix}-", named)
        return re.sub(r"(?<=: )#[0-9a-f]{6}(?=[;\"])", lambda found: themed(found[0]), named)

    svg = re.sub(r"<[^>]*>", own, svg[svg.index("<svg") :])
    # A hundredth of a pixel is more than a screen shows; so are line breaks between elements.
    svg = re.sub(r"(?<=[ \"(,-])(\d+\.\d{3,})(?=[ \",)])", lambda found: f"{float(found[0]):.2f}", svg)
    svg = re.sub(r">\s+<", "><", svg.replace("\n", " "))
    # The style sheet has the page's font; a rotation by nothing is none.
    svg = re.sub(r" font-family: [^;]*;|(?<=text-anchor: start);? ?(?=\")| transform=\"rotate\(-0 [^)]*\)\"", "", svg)
    svg = re.sub(r'(<svg[^>]*?) width="[^"]*"', r"\1", svg, count=1)
    svg = re.sub(r'(<svg[^>]*?) height="[^"]*"', r"\1", svg, count=1)
    return svg.replace("<svg", f'<svg role="img" aria-label="{html.escape(label)}"', 1)


def themed(color: str) -> str:
    """Return the variable that stands for a colour; a colour without one stays as it is."""
    return f"var({THEMED[color]})" if color in THEMED else color
