"""A plan as text for a terminal."""

from __future__ import annotations

import textwrap
from collections.abc import Iterator, Mapping, Sequence

from harness.cost.downloads import Download
from harness.cost.plan import TOO_LARGE, Plan, Row

SHORT = {"pipeline check": "check", "learning-rate search": "search", "final": "final"}
HEAD = ("", "runs", "state", "PFLOP", "hours", "memory", "at once", "notes")
"""The first column takes what is left of the width; FLOPs and hours are those of the runs that are not stored, memory
is one run's, with so many images at once."""


def text(plan: Plan, width: int = 100) -> str:
    """Return a plan as a table, grouped by claim, with notes on rows, downloads and the sums.

    Args:
        plan: what to show.
        width: of the terminal in characters.
    """
    notes: dict[str, int] = {}
    for note in (note for row in plan.rows for note in said(row)):
        notes.setdefault(note, len(notes) + 1)
    shown = [cells(row, notes) for row in plan.rows]
    widths = [max(len(row[column]) for row in (HEAD, *shown)) for column in range(1, len(HEAD))]
    room = max(8, width - sum(widths) - 2 * len(widths) - 2)
    lines = [*wrapped(of_card(plan), width), "", line(HEAD, room, widths)]
    claim = None
    for row, values in zip(plan.rows, shown, strict=True):
        if row.claim != claim:
            claim = row.claim
            lines.append(claim)
        if len(values[0]) > room:
            lines += [f"  {values[0]}", line(("", *values[1:]), room, widths)]
        else:
            lines.append(line(values, room, widths))
    lines.append("")
    for note, number in notes.items():
        lines += wrapped(f"[{number}] {note}", width)
    for whole in (*of_downloads(plan.downloads), *sums(plan)):
        lines += wrapped(whole, width)
    return "\n".join(each.rstrip() for each in lines) + "\n"


def wrapped(whole: str, width: int) -> list[str]:
    """Return a line in lines of at most `width` characters."""
    return textwrap.wrap(whole, max(width, 40), subsequent_indent="  ")


def line(values: Sequence[str], room: int, widths: Sequence[int]) -> str:
    """Return a row's values in columns: the first and the third to the left, numbers to the right."""
    parts = [
        value.ljust(width) if column == 1 else value.rjust(width)
        for column, (value, width) in enumerate(zip(values[1:], widths, strict=True))
    ]
    return f"  {values[0].ljust(room)}  {'  '.join(parts)}"


def cells(row: Row, notes: Mapping[str, int]) -> tuple[str, ...]:
    """Return what a row shows in each column; notes are shown by their numbers."""
    each = row.each
    what = f"{SHORT[row.purpose]}: {row.called} on {row.dataset}, {row.recipe}"
    state = "can't run" if row.blocked else "unknown" if each.flops is None else row.state
    if row.state == TOO_LARGE:
        state = "too large"
    flops = None if each.flops is None else each.flops * row.left
    return (
        what + ("" if row.backend == "torch" else f", {row.backend}"),
        counted(row),
        state,
        "?" if flops is None else f"{flops / 1e15:.3g}" if flops < 1e18 else f"{flops / 1e15:,.0f}",
        hours(row.hours),
        "?" if each.memory is None else gigabytes(each.memory),
        "-" if each.micro_batch is None else str(each.micro_batch),
        ",".join(str(notes[note]) for note in said(row)),
    )


def counted(row: Row) -> str:
    """Return how many runs a row stands for, e.g. "3 seeds", "4 rates", "4 rates x 2 seeds"."""
    if row.runs == 1:
        return "1"
    kinds = [f"{n} {name}" for n, name in ((row.rates, "rates"), (row.seeds, "seeds")) if n > 1]
    exact = row.rates * row.seeds == row.runs
    return " x ".join(kinds) if kinds and exact else f"{row.runs} runs"


def hours(value: float | None) -> str:
    """Return hours to two digits after the point; a little is not shown as nothing."""
    if value is None:
        return "?"
    return "<0.01" if 0 < value < 0.01 else f"{value:,.2f}"


def gigabytes(value: int) -> str:
    """Return bytes in units of 10^9, or of 10^6 where they are few."""
    return f"{value / 1e9:.1f} GB" if value >= 1e8 else f"{value / 1e6:.3g} MB"


def said(row: Row) -> list[str]:
    """Return the notes on a row: why it can't run, what would make it fit, which claims share it."""
    notes = [row.state] if row.blocked and row.state != TOO_LARGE else []
    notes += row.each.notes if row.left else ()
    return [*notes, f"also for {', '.join(row.also)}, computed once"] if row.also else notes


def of_card(plan: Plan) -> str:
    """Return the assumptions behind the hours."""
    card = plan.card
    if card is None:
        return "No card: hours are not known. Name one (--card h100), or plan on a machine with one."
    if not card.known:
        return f"{card.title}, {gigabytes(card.memory)}: not in the table of cards, so hours are not known."
    names = ("bfloat16", "float16", "tf32", "float32")
    rates = [(name, rate) for name in names if (rate := getattr(card, name)) is not None]
    peaks = ", ".join(f"{name} {rate / 1e12:.4g}" for name, rate in rates)
    shares = f"matrix products {card.matrix_product_share:.0%}, convolutions {card.convolution_share:.0%}"
    shares += f", attention {card.attention_share:.0%} of the peak, memory {card.bandwidth_share:.0%}"
    bandwidth = (card.bandwidth or 0.0) / 1e12
    return (
        f"{card.title}, {gigabytes(card.memory)} at {bandwidth:.4g} TB/s; dense peak TFLOP/s: {peaks}. Source:"
        f" {card.citation}. Hours follow from counted FLOPs, bytes and launches, unless a note says that they were"
        f" measured; assumed: {shares}."
    )


def of_downloads(found: Sequence[Download]) -> Iterator[str]:
    """Return a line for each thing to download, one for all fine-tuned files of a network, and one for what is here."""
    lacking: dict[tuple[str, ...], list[Download]] = {}
    for each in (each for each in found if not each.here):
        lacking.setdefault((each.network, each.note) if each.network else (each.id,), []).append(each)
    for alike in lacking.values():
        first = alike[0]
        known = [each.bytes for each in alike if each.bytes is not None]
        about = "about " if any(each.about for each in alike) else ""
        size = f"{about}{gigabytes(sum(known))}" if len(known) == len(alike) else "size unknown"
        files = f"{len(alike)} fine-tuned file{'s' * (len(alike) > 1)} of {first.network}"
        name = files if first.network else f"{first.kind} {first.id}"
        yield f"to download: {name}, {size}" + (f" ({first.note})" if first.note else "")
    here = [each.id for each in found if each.here]
    if here:
        yield f"already here: {', '.join(here)}"


def sums(plan: Plan) -> Iterator[str]:
    """Return the sums: runs, hours still to pay, the price, bytes to download."""
    runs, stored = sum(row.runs for row in plan.rows), sum(row.stored for row in plan.rows)
    blocked = sum(row.left for row in plan.rows if row.blocked)
    left = runs - stored - blocked
    yield f"{runs} run{'s' * (runs != 1)}: {stored} stored, {left} to compute, {blocked} that can't run now."
    if plan.card is not None and plan.card.known:
        paid = f"About {hours(plan.hours)} GPU hours still to pay"
        paid += f", {plan.price:,.2f} at {plan.price_per_hour:,.2f} per hour" if plan.price is not None else ""
        paid += f", and {plan.unknown} run{'s' * (plan.unknown != 1)} of unknown hours" if plan.unknown else ""
        paid += f"; {hours(plan.hours_blocked)} more for those that can't run now" if plan.hours_blocked else ""
        yield f"{paid}."
    if plan.too_large:
        names = dict.fromkeys(f"{row.checkpoint} ({row.recipe})" for row in plan.too_large)
        number = sum(row.left for row in plan.too_large)
        spent = hours(sum(row.hours or 0.0 for row in plan.too_large))
        yield (
            f"Does not fit: {', '.join(names)}; {number} run{'s' * (number != 1)} and {spent} hours of those that can't"
            " run now."
        )
    if plan.downloads:
        about = "about " if any(each.about for each in plan.downloads) else ""
        missing = sum(each.bytes is None and not each.here for each in plan.downloads)
        more = f", and {missing} of unknown size" if missing else ""
        yield f"To download {about}{gigabytes(plan.download_bytes)}{more}."
