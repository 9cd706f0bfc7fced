"""Rows as a table on the terminal, and as JSON has them."""

from __future__ import annotations

import dataclasses
from typing import Any

from bench.rows import Row

HEAD = f"{'':50} {'':>12} {'other':>10}  {'ratio':>6} {'min':>6} {'max':>6} {'cpu':>6}"


def line(row: Row) -> str:
    """Return a row of the table."""
    if row.value is None:
        return f"  {row.name:48} {row.note}"
    text = f"  {row.name:48} {row.value:12,.2f} "
    if row.ratio is not None and row.cpu_ratio is not None and row.other is not None:
        ratios = (row.ratio.median, row.ratio.least, row.ratio.most, row.cpu_ratio.median)
        text += f"{row.other:10,.2f}  " + " ".join(f"{ratio:6.3f}" for ratio in ratios)
    else:
        text += f"{row.unit:10}"
    if row.against:
        text += f"  / {row.against}"
    if row.goal is not None:
        text += f"  goal {row.goal.relation} {row.goal.bound:g}: {'reached' if row.met else 'MISSED'}"
    return text + (f"  ({row.note})" if row.note else "")


def plain(row: Row) -> dict[str, Any]:
    """Return a row as JSON has it, without what is empty."""
    values = dataclasses.asdict(row) | {"met": row.met}
    return {key: rounded(value) for key, value in values.items() if value not in (None, "")}


def rounded(value: Any) -> Any:
    """Return numbers to five digits: there are no more in a measurement."""
    if isinstance(value, dict):
        return {key: rounded(each) for key, each in value.items()}
    return float(f"{value:.5g}") if isinstance(value, float) else value
