"""Hypothesis and evidence in, verdict out: one rule for every source of evidence.

A hypothesis is a handful of comparisons: one for Better and Close, one per step for Increasing. Each
is judged by an interval at level 1 - alpha/m, where m counts the comparisons that the claim states
for the source, so a verdict does not depend on which others are run with it.
"""

from __future__ import annotations

from collections.abc import Sequence
from dataclasses import dataclass, replace
from datetime import UTC, datetime
from typing import Any

from harness.claim import Claim, Close, Contender, Hypothesis, Increasing, Side, Verdict, VerdictName
from harness.errors import ClaimsError
from harness.spec import Result
from harness.statistics import (
    Estimate,
    Undefined,
    equivalence,
    mean_t,
    paired_examples,
    paired_t,
    units_needed,
    wilson,
)

ALPHA = 0.05
"""Error rate of a claim's verdicts from one source, all together."""
FEWEST_SEEDS = 3
"""With fewer, a spread over seeds says too little: the examples of one run are compared."""
CONDITION = "conditional on this test set and these upstream weights"
"""What an interval over seeds does not speak of: other test examples, another pre-training."""
SIDE_LEVEL = 0.95
"""Confidence level of a single side's accuracy, shown for orientation."""


@dataclass(frozen=True)
class Question:
    """One hypothesis put to one source of evidence."""

    claim: Claim
    hypothesis: Hypothesis
    source: str
    """"micro", "gpu" or "published/...": Verdict.source."""
    alpha: float
    """Error rate of each comparison: ALPHA divided among the comparisons of claim and source."""

    @property
    def kind(self) -> str:
        """The source's pytest marker."""
        return self.source.split("/")[0]

    @property
    def recorded(self) -> tuple[str, str] | None:
        """(verdict, reason) recorded for this source, if any."""
        known = dict(self.hypothesis.known).get(self.source)
        return (known.verdict, known.reason) if known else None


@dataclass(frozen=True)
class Evidence:
    """What a source says about the hypothesis' comparisons, ready to be judged."""

    estimates: tuple[Estimate | Undefined, ...]
    """Fractions, one per comparison, in the hypothesis' order; Undefined where none can be made."""
    sides: tuple[Side, ...]
    needed: tuple[int | None, ...] = ()
    """Seeds in all that would decide each comparison, where that can be said."""
    tolerance: float | None = None
    """Percentage points, for Close."""
    citations: tuple[str, ...] = ()
    runs: tuple[str, ...] = ()
    task: str = ""


def comparisons(hypothesis: Hypothesis) -> tuple[tuple[Contender, Contender | None], ...]:
    """Return what is compared: (expected higher, expected lower) pairs; (a, None) against a figure."""
    if isinstance(hypothesis, Close):
        return ((hypothesis.a, None),)
    if isinstance(hypothesis, Increasing):
        return tuple(zip(hypothesis.steps[1:], hypothesis.steps, strict=False))
    return ((hypothesis.a, hypothesis.than),)


def judge(question: Question, evidence: Evidence) -> Verdict:
    """Return the verdict of one source's evidence on one hypothesis."""
    hypothesis = question.hypothesis
    blank = replace(
        without_figures(question, "INCONCLUSIVE", ""),
        sides=evidence.sides,
        citations=evidence.citations,
        runs=evidence.runs,
        task=evidence.task,
        tolerance=evidence.tolerance,
    )
    defined = {index: each for index, each in enumerate(evidence.estimates) if isinstance(each, Estimate)}
    undefined = next((each for each in evidence.estimates if isinstance(each, Undefined)), None)
    refuting = {index: each for index, each in defined.items() if each.high < 0}
    if isinstance(hypothesis, Close) and undefined is None:
        return judge_close(question, hypothesis, defined[0], blank)
    # One step down refutes a rise, whatever is known of the others; a rise needs every step.
    if undefined is not None and not refuting:
        return replace(blank, reason=str(undefined))
    name: VerdictName
    if refuting:
        name = "REFUTED"
        at = min(refuting, key=lambda index: refuting[index].high)
    else:
        name = "REPRODUCED" if all(each.low > 0 for each in defined.values()) else "INCONCLUSIVE"
        at = min(defined, key=lambda index: defined[index].value)
    higher, lower = comparisons(hypothesis)[at]
    reason = f"{higher} minus {lower}: {in_points(defined[at])}"
    if name == "INCONCLUSIVE":
        reason += needed_text(evidence.needed[at] if evidence.needed else None, bool(evidence.needed))
    return replace(blank, verdict=name, reason=reason, **figures(defined[at]))


def judge_close(question: Question, hypothesis: Close, estimate: Estimate, blank: Verdict) -> Verdict:
    """Judge a difference to a published figure by two one-sided tests against the tolerance."""
    assert blank.tolerance is not None
    tested = equivalence(estimate, blank.tolerance / 100, question.alpha)
    shown = replace(
        estimate, low=tested.interval.low, high=tested.interval.high, p=tested.p, level=1 - 2 * question.alpha
    )
    name: VerdictName = "REPRODUCED" if tested.inside else "REFUTED" if tested.outside else "INCONCLUSIVE"
    where = {"REPRODUCED": "within", "REFUTED": "outside", "INCONCLUSIVE": "neither inside nor outside"}[name]
    reason = f"{hypothesis.a} minus {hypothesis.to:g}: {in_points(shown)}, {where} ± {blank.tolerance:g}"
    filled = figures(shown) | {"method": f"{estimate.method}; two one-sided tests"}
    return replace(blank, verdict=name, reason=reason, published=hypothesis.to, **filled)


def without_figures(question: Question, verdict: VerdictName, reason: str) -> Verdict:
    """Return a verdict that rests on no figures, e.g. NOT VERIFIABLE, dated now."""
    recorded = question.recorded
    return Verdict(
        claim=question.claim.id,
        hypothesis=question.hypothesis.id,
        kind=type(question.hypothesis).__name__,  # type: ignore[arg-type]
        dataset=question.hypothesis.on,
        source=question.source,
        verdict=verdict,
        reason=reason,
        known=recorded[0] if recorded else "",
        date=datetime.now(UTC).isoformat(timespec="seconds"),
    )


def in_points(estimate: Estimate) -> str:
    """Return an estimate in percentage points with its interval and level."""
    value, low, high = (100 * part for part in (estimate.value, estimate.low, estimate.high))
    return f"{value:+.2f} points [{low:+.2f}, {high:+.2f}] at {100 * estimate.level:.2f} %"


def needed_text(seeds: int | None, over_seeds: bool) -> str:
    """Return what would settle an open comparison."""
    if not over_seeds:
        return "; the interval contains 0"
    return f"; about {seeds} seeds would decide it" if seeds else "; more seeds would not decide it soon (over 10,000)"


def figures(estimate: Estimate) -> dict[str, Any]:
    """Return an estimate as the fields of a Verdict, in percentage points."""
    return {
        "estimate": 100 * estimate.value,
        "low": 100 * estimate.low,
        "high": 100 * estimate.high,
        "level": estimate.level,
        "p": estimate.p,
        "method": estimate.method,
    }


def compare_results(a: Sequence[Result], b: Sequence[Result], level: float) -> tuple[Estimate | Undefined, int | None]:
    """Compare two sides' results, paired by seed.

    Args:
        a: the results of one side, a seed each.
        b: the other side's, for the same seeds and the same examples.
        level: confidence level of the interval.

    Returns:
        (accuracy of a minus that of b as a fraction, seeds in all that would decide it if that can be
        said). With fewer than three seeds the examples of the first seed's runs are compared.
    """
    if len({result.labels_sha256 for result in (*a, *b)}) > 1:
        raise ClaimsError(
            f"runs {a[0].run_id} and {b[0].run_id}: expected the same scored examples, found other labels"
        )
    differences = [(x.correct - y.correct) / x.n for x, y in zip(a, b, strict=True)]
    try:
        if len(differences) >= FEWEST_SEEDS:
            estimate = paired_t(differences, level)
            return replace(estimate, method=f"{estimate.method}, {CONDITION}"), units_needed(differences, level)
        x, y = a[0], b[0]
        hits = [(p == t, q == t) for p, q, t in zip(x.predictions, y.predictions, x.labels, strict=True)]
        cells = [hits.count(cell) for cell in ((True, True), (True, False), (False, True), (False, False))]
        estimate = paired_examples(cells[0], cells[1], cells[2], cells[3], level)
        return replace(estimate, method=f"{estimate.method}, conditional on one run of each side"), None
    except Undefined as reason:
        return reason, None


def side_of(name: str, results: Sequence[Result]) -> Side:
    """Return a side's mean accuracy over seeds with its 95 % interval (percent); with one seed Wilson's."""
    n = results[0].n
    mean = sum(result.correct for result in results) / (n * len(results))
    try:
        interval = mean_t([result.correct / n for result in results], SIDE_LEVEL)
        low, high = interval.low, interval.high
    except Undefined:
        score = wilson(results[0].correct, n, SIDE_LEVEL)
        low, high = score.low, score.high
    return Side(name=name, accuracy=100 * mean, low=100 * low, high=100 * high, n=n, seeds=len(results))
