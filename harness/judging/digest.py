"""What a verdict rests on, in lines that a lock can keep: the hypothesis, and the evidence."""

from __future__ import annotations

import hashlib
import json
from dataclasses import fields, is_dataclass

from harness.core.hypotheses import All, Hypothesis, Ratio
from harness.judging.evidence import DivergedRun, Evidence

SHORT = 16
"""Hexadecimal digits of a digest that a person may have to compare."""


def hypothesis_digest(hypothesis: Hypothesis) -> str:
    """Return the digest of what a hypothesis states; what is on record of it is no part of that."""
    return hashlib.sha256(json.dumps(stated(hypothesis), sort_keys=True).encode()).hexdigest()[:SHORT]


def stated(value: object) -> object:
    """Return plain values of a hypothesis without the records of expected verdicts, at any depth."""
    if is_dataclass(value):
        plain = {each.name: stated(getattr(value, each.name)) for each in fields(value) if each.name != "expected"}
        if isinstance(value, Ratio) and not value.on:
            del plain["on"]  # digests of ratios are older than this field
        # Of the same parts an average has the same fields.
        return plain | {"kind": "All"} if isinstance(value, All) else plain
    return [stated(item) for item in value] if isinstance(value, (list, tuple)) else value


def evidence_lines(evidence: Evidence) -> tuple[str, ...]:
    """Return what a verdict rests on, sorted, a line each.

    "PUBLICATION: figures (percent)" for each publication's row, with the standard error where one is known;
    "RUN PREDICTIONS" with digests for each run; "COST: value unit" for each cost.
    """
    lines = set()
    for hypothesis, rows in evidence.rows.items():
        for row in rows:
            sides = ", ".join(f"{100 * side.value:.10g} ± {error(side.variance)}" for side in row.sides)
            lines.add(f"{row.publication}: {sides}, {row.origin}, on {hypothesis.rpartition(' on ')[2]}")
    for run in evidence.all_runs:
        what = "diverged" if isinstance(run, DivergedRun) else run.digest
        lines.add(f"{run.run_id[:SHORT]} {what}")
    lines |= {f"{cost.title}: {cost.value:.10g} {cost.unit}" for cost in evidence.costs}
    return tuple(sorted(lines))


def error(variance: float | None) -> str:
    """Return a standard error in percentage points for a line of evidence."""
    return "?" if variance is None else f"{100 * variance**0.5:.4f}"
