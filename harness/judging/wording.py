"""The reasons that verdicts give, in one line each."""

from __future__ import annotations

import math
import re
from collections.abc import Iterable, Mapping

from harness.core.claim import Close, Contender, Verdict, VerdictName
from harness.core.specs import Backend
from harness.judging.evidence import DivergedRun, Evidence
from harness.stats.intervals import Estimate

POSITION: Mapping[VerdictName, str] = {
    "REPRODUCED": "within",
    "REFUTED": "outside",
    "INCONCLUSIVE": "neither inside nor outside",
}
"""Where an interval lies with respect to a margin."""


def one_line(reason: object) -> str:
    """Return a reason in one line: a fetch that failed says what each source lacks in a line of its own."""
    return re.sub(r"\s*\n\s*", "; ", re.sub(r":\s*\n\s*", ": ", str(reason).strip()))


def in_points(estimate: Estimate) -> str:
    """Return an estimate in percentage points with its interval and level."""
    value, low, high = (100 * part for part in (estimate.value, estimate.low, estimate.high))
    return f"{value:+.2f} points [{low:+.2f}, {high:+.2f}] at {100 * estimate.level:.2f} %"


def difference(a: object, b: object, estimate: Estimate) -> str:
    """Return what is subtracted from what, and the difference."""
    return f"{a} minus {b}: {in_points(estimate)}"


def still_open(seeds_needed: float | None) -> str:
    """Return what would settle an open comparison."""
    if seeds_needed is None:
        return "the interval contains 0"
    if math.isinf(seeds_needed):
        return "more seeds would not decide it soon (over 10,000)"
    return f"about {seeds_needed} seeds would decide it"


def position(verdict: VerdictName, margin: float) -> str:
    """Return where an interval lies with respect to a margin in percentage points."""
    return f"{POSITION[verdict]} ± {margin:g}"


def every_rate_diverged(contender: Contender) -> str:
    """Return why there are no final runs."""
    return f"{contender}: every learning rate of the grid diverged"


def runs_diverged(contender: Contender, runs: Iterable[DivergedRun], others: int) -> str:
    """Return why there is no accuracy: which run diverged first, and how many other runs did."""
    first = next(iter(runs))
    more = f" (and {others} more run{'s' * (others > 1)})" if others else ""
    return f"{contender} diverged with seed {first.seed}{more}, so there is no accuracy: {first.reason}"


def remarks(evidence: Evidence) -> list[str]:
    """Return what a reader must keep in mind besides the figures."""
    return [
        *([f"mind: {'; '.join(evidence.caveats)}"] if evidence.caveats else []),
        *(
            f"the evaluation of {check.family} networks is unchecked,"
            f" for {check.dataset} or {check.checkpoint} is not here"
            for check in evidence.pipeline_checks
            if check.accuracy is None
        ),
    ]


def by_framework(verdicts: Mapping[Backend, Verdict]) -> str:
    """Return what each framework says."""
    return ", ".join(f"{backend}: {verdict.verdict}" for backend, verdict in verdicts.items())


def recipe_without_tolerance(hypothesis: Close, recipe: str) -> str:
    """Return why a run of a recipe is not compared with the published figure."""
    allowed = ", ".join(name for name, _ in hypothesis.within)
    return (
        f"a run by the recipe {recipe} is not judged by the published {hypothesis.to:g} %, which means something for"
        f" {allowed}; choose one with --recipe"
    )


def not_on_this_machine(names: Iterable[str]) -> str:
    """Return which checkpoints and datasets are lacking, and how they are fetched."""
    return f"not on this machine: {', '.join(names)}; pytest -m gpu, where there is an accelerator, fetches them"
