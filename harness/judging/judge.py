"""Hypothesis and evidence in, verdict out: one rule for every source of evidence.

A hypothesis is a handful of comparisons: one for Better and Close, one per step for Increasing. Each
is judged by an interval at level 1 - alpha/m, where m counts the comparisons that the claim states
for the source, so a verdict does not depend on which others are run with it.
"""

from __future__ import annotations

import math
import re
from collections.abc import Sequence
from dataclasses import dataclass, replace
from datetime import UTC, datetime
from typing import Any

from harness.core.claim import Claim, Close, Contender, Hypothesis, Increasing, Side, Verdict, VerdictName
from harness.core.errors import ClaimsError
from harness.judging.scoring import Scored
from harness.stats.intervals import (
    Estimate,
    Undefined,
    binomial_variance,
    equivalence,
    mean_t,
    paired_examples,
    paired_t,
    units_needed,
    unpaired,
    wilson,
)

ALPHA = 0.05
"""Error rate of a claim's verdicts from one source, all together."""
FEWEST_SEEDS = 3
"""With fewer, a spread over seeds says too little: the examples of one run are compared."""
CONDITION = "conditional on this test set and these upstream weights"
"""What an interval over seeds does not speak of: other test examples, another pre-training."""
BOTH = "both"
"""The source's backend for the check that both frameworks say the same."""
SIDE_LEVEL = 0.95
"""Confidence level of a single side's accuracy, shown for orientation."""


def on(source: str, backend: str) -> str:
    """Return a measured source as computed on a framework; PyTorch, the default, is not named."""
    return source if backend == "torch" else f"{source}@{backend}"


@dataclass(frozen=True)
class Question:
    """One hypothesis put to one source of evidence."""

    claim: Claim
    hypothesis: Hypothesis
    source: str
    """KIND[/DETAIL][@BACKEND]: "published/vit-paper/table-2", "micro", "micro@jax", "gpu/paper", "gpu/paper@both"."""
    alpha: float
    """Error rate of each comparison: ALPHA divided among the comparisons of claim and source."""

    @property
    def kind(self) -> str:
        """The source's pytest marker."""
        return re.split("[/@]", self.source)[0]

    @property
    def detail(self) -> str:
        """What the kind is narrowed to: the publication, or the protocol of recipes; "" if nothing."""
        return self.source.partition("@")[0].partition("/")[2]

    @property
    def backend(self) -> str:
        """The framework that computed the runs: "torch" where the source names none; "both": their agreement."""
        return self.source.partition("@")[2] or "torch"

    @property
    def recorded(self) -> tuple[str, str] | None:
        """(verdict, reason) recorded for this source, if any.

        What is recorded of a source is expected of every framework, unless that framework has a record of its own.
        """
        records = dict(self.hypothesis.expected)
        known = records.get(self.source)
        if known is None and self.backend != BOTH:
            known = records.get(self.source.partition("@")[0])
        return (known.verdict, known.reason) if known else None


@dataclass(frozen=True)
class Evidence:
    """What a source says about the hypothesis' comparisons, ready to be judged."""

    estimates: tuple[Estimate | Undefined, ...]
    """Fractions, one per comparison, in the hypothesis' order; Undefined where none can be made."""
    sides: tuple[Side, ...]
    needed: tuple[float | None, ...] = ()
    """Seeds in all that would decide each comparison: infinite if too many; None where seeds were not what was
    compared. Empty: None for each."""
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
        reason += needed_text(evidence.needed[at] if evidence.needed else None)
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
        backend="" if question.kind == "published" or verdict == "NOT VERIFIABLE" else question.backend,
        date=datetime.now(UTC).isoformat(timespec="seconds"),
    )


def in_points(estimate: Estimate) -> str:
    """Return an estimate in percentage points with its interval and level."""
    value, low, high = (100 * part for part in (estimate.value, estimate.low, estimate.high))
    return f"{value:+.2f} points [{low:+.2f}, {high:+.2f}] at {100 * estimate.level:.2f} %"


def needed_text(seeds: float | None) -> str:
    """Return what would settle an open comparison."""
    if seeds is None:
        return "; the interval contains 0"
    if math.isinf(seeds):
        return "; more seeds would not decide it soon (over 10,000)"
    return f"; about {seeds} seeds would decide it"


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


def compare_results(
    a: Sequence[Scored], b: Sequence[Scored], level: float
) -> tuple[Estimate | Undefined, float | None]:
    """Compare two sides' results, paired by seed.

    Args:
        a: the results of one side, a seed each.
        b: the other side's, for the same seeds and the same examples. A side that was only evaluated has one
            result, which stands for every seed: nothing in it is random.
        level: confidence level of the interval.

    Returns:
        (accuracy of a minus that of b as a fraction, seeds in all that would decide it: Evidence.needed). With fewer
        than three seeds the examples of the first seed's runs are compared.

    Raises:
        ClaimsError: the sides were scored on different examples, or have different numbers of seeds.
    """
    if len({result.examples for result in (*a, *b)}) > 1:
        raise ClaimsError(
            f"runs {a[0].run_id} and {b[0].run_id}: expected the same scored examples, found other labels"
        )
    seeds = max(len(a), len(b))
    a, b = (list(side) * seeds if len(side) == 1 else list(side) for side in (a, b))
    if len(a) != len(b):
        raise ClaimsError(f"expected as many seeds on both sides, found {len(a)} and {len(b)}")
    differences = [(x.correct - y.correct) / x.n for x, y in zip(a, b, strict=True)]
    try:
        if seeds >= FEWEST_SEEDS:
            estimate = paired_t(differences, level)
            needed = units_needed(differences, level) or math.inf
            return replace(estimate, method=f"{estimate.method}, {CONDITION}"), needed
        estimate = paired_examples(*cells(a[0], b[0]), level)
        return replace(estimate, method=f"{estimate.method}, conditional on one run of each side"), None
    except Undefined as reason:
        return reason, None


def cells(a: Scored, b: Scored) -> tuple[int, int, int, int]:
    """Return how many examples both, only a, only b and neither got right."""
    pairs = list(zip(a.hits, b.hits, strict=True))
    both, only_a, only_b, neither = (
        pairs.count(cell) for cell in ((True, True), (True, False), (False, True), (False, False))
    )
    return both, only_a, only_b, neither


def compare_with_figure(a: Sequence[Scored], figure: float, level: float) -> Estimate | Undefined:
    """Return the accuracy of a minus a figure (a fraction), over seeds or, with fewer than three, over examples."""
    try:
        if len(a) >= FEWEST_SEEDS:
            mean = paired_t([result.correct / result.n - figure for result in a], level)
            return replace(mean, method=f"t over {len(a)} seeds, {CONDITION}")
        one = a[0]
        value = one.correct / one.n
        against = _Figure(value, binomial_variance(value, one.n)), _Figure(figure, 0.0)
        return replace(unpaired(*against, level), method="binomial over the test examples, of one run")
    except Undefined as reason:
        return reason


@dataclass(frozen=True)
class _Figure:
    """An accuracy with its variance (statistics.Measured)."""

    value: float
    variance: float | None


def side_of(name: str, results: Sequence[Scored]) -> Side:
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
