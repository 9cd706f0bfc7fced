"""What stands in a verdict beside its estimate: sides, publications, sources of variation, what more seeds would do."""

from __future__ import annotations

import math
from collections.abc import Mapping
from statistics import NormalDist
from typing import Any

from harness.core.hypotheses import Hypothesis, Simple, datasets_of, terms_of
from harness.core.measure import POINTS
from harness.core.verdict import Reported, Side
from harness.judging.estimate import Contrasted, effect_of
from harness.judging.evidence import ACCURACY, Evidence, MeasuredAs, PublishedSide, RunsSide, Term
from harness.judging.question import Question
from harness.judging.scoring import Scored
from harness.judging.upstream import score_rows
from harness.stats.estimate import Undefined, mean_and_error, quantile
from harness.stats.intervals import mean_t, wilson
from harness.stats.seeds import PooledSeeds

SIDE_LEVEL = 0.95
"""Confidence level of a single side's accuracy and of a publication's row, shown for orientation."""


def of_contrast(
    question: Question,
    hypothesis: Simple,
    evidence: Evidence,
    found: Contrasted,
    alpha: float,
    pooled: PooledSeeds | None,
    is_open: bool,
) -> Mapping[str, Any]:
    """Return fields of a verdict that say how sure it is and what could still be found.

    Args:
        question: with the claim, whose margin of differences that do not matter counts.
        hypothesis: the simple hypothesis that was judged.
        evidence: what it was judged by.
        found: its estimate.
        alpha: error rate at which it was decided.
        pooled: the variance between seeds over the family.
        is_open: whether it is undecided.
    """
    from harness.stats.power import seeds_for_power, smallest_detectable

    estimate = found.estimate
    kind = evidence.measured_as
    matters = question.claim.negligible if kind.unit == POINTS and kind.negligible is None else kind.negligible
    fields: dict[str, Any] = {}
    if matters is not None:
        fields["negligible"] = -matters < 100 * estimate.low and 100 * estimate.high < matters
    if not estimate.standard_error:
        return fields
    fields["smallest_detectable"] = 100 * smallest_detectable(estimate.standard_error, estimate.df, 1 - alpha)
    if found.synthesis is not None and found.synthesis.publications > 1:
        between = found.synthesis
        fields |= {"tau": 100 * between.tau, "i2": between.i2}
        if between.prediction is not None:
            fields["prediction"] = (100 * between.prediction.low, 100 * between.prediction.high)
    if found.crossed is not None:
        of_seeds_alone = found.crossed.se_seeds
        fields["se_seeds"] = None if of_seeds_alone is None else 100 * of_seeds_alone
        fields["se_examples"] = None if kind.numbers else 100 * found.crossed.se_examples
        fields |= of_seeds(hypothesis, evidence, pooled)
        if is_open and found.crossed.projection is not None:
            fields["seeds_needed"] = seeds_for_power(estimate.value, found.crossed.projection, 1 - alpha)
    return fields


def of_seeds(hypothesis: Simple, evidence: Evidence, pooled: PooledSeeds | None = None) -> dict[str, Any]:
    """Return what the seeds say besides: the permutation test, and runs that stand out."""
    from harness.stats.seeds import MOST_PERMUTED, outliers, permutation_p

    terms = hypothesis.contrast.terms
    sides = [evidence.sides[term.contender, term.on] for term in terms]
    fields: dict[str, Any] = {}
    if len(sides) == 2:
        a, b = (score_rows(side).scores.mean(axis=1).tolist() for side in sides)
        if min(len(a), len(b)) >= 3 and len(a) + len(b) <= MOST_PERMUTED:
            fields["permutation_p"] = permutation_p(a, b)
    odd = [
        side.scored[at].run_id
        for side in sides
        if len(side.scored) >= 3
        # Where networks were pre-trained anew the family's variance is that of their means, and not of single runs.
        for at in outliers(
            [run.correct / run.n for run in side.scored],
            pooled if score_rows(side).unit == "run" else None,
            step=1 / side.scored[0].n if side.scored[0].counted else 0.0,
        )
    ]
    return fields | {"outliers": tuple(odd)}


def shown(hypothesis: Hypothesis, evidence: Evidence) -> tuple[Side, ...]:
    """Return the sides for a reader: accuracy in percent, with its 95 % interval where its uncertainty is known.

    Published evidence shows the sides of its first row; every row has its own in `Verdict.rows`.
    """
    several = len(datasets_of(hypothesis)) > 1
    if evidence.sides:
        return tuple(
            side_of_runs(evidence.sides[term], several, term, evidence.measured_as) for term in terms_of(hypothesis)
        )
    found: dict[Term, Side] = {}
    for part_id, rows in evidence.rows.items():
        for term, side in zip(evidence.terms[part_id], rows[0].sides, strict=True):
            found.setdefault(term, published_side(side, several, term))
    return tuple(found.values())


def side_of_runs(side: RunsSide, several: bool, term: Term, kind: MeasuredAs = ACCURACY) -> Side:
    """Return a computed side for a reader."""
    shown = side_of(side.title, side.scored) if kind is ACCURACY else measured_side(side.title, side.scored, kind)
    return Side(f"{shown.name} on {term[1]}", *_rest(shown)) if several else shown


def published_side(side: PublishedSide, several: bool, term: Term) -> Side:
    """Return a published side for a reader."""
    low = high = None
    if side.variance is not None:
        half = NormalDist().inv_cdf((1 + SIDE_LEVEL) / 2) * math.sqrt(side.variance)
        low, high = 100 * max(0.0, side.value - half), 100 * min(1.0, side.value + half)
    name = f"{side.title} on {term[1]}" if several else side.title
    return Side(name, 100 * side.value, low, high, side.n, side.seeds)


def _rest(side: Side) -> tuple[float, float | None, float | None, int | None, int]:
    return side.accuracy, side.low, side.high, side.n, side.seeds


def side_of(name: str, results: tuple[Scored, ...]) -> Side:
    """Return a side's mean accuracy over seeds with its 95 % interval (percent); with one seed Wilson's."""
    n = results[0].n
    mean = sum(result.correct for result in results) / (n * len(results))
    try:
        interval = mean_t([result.correct / n for result in results], SIDE_LEVEL)
        low, high = interval.low, interval.high
    except Undefined:
        score = wilson(int(results[0].correct), n, SIDE_LEVEL)
        low, high = score.low, score.high
    return Side(name=name, accuracy=100 * mean, low=100 * low, high=100 * high, n=n, seeds=len(results))


def measured_side(name: str, results: tuple[Scored, ...], kind: MeasuredAs) -> Side:
    """Return a side of a measured number: its mean over seeds with its 95 % interval, with one seed over examples.

    There is no interval where neither varies.
    """
    means = [result.correct / result.n for result in results]
    low = high = None
    values = means if len(means) > 1 else list(results[0].hits)
    try:
        mean, error, df = mean_and_error(values, "values")
        half = quantile(SIDE_LEVEL, df) * error
        low, high = 100 * (mean - half), 100 * (mean + half)
        if kind.unit == POINTS:
            low, high = max(0.0, low), min(100.0, high)
    except Undefined:
        pass
    return Side(
        name=name,
        accuracy=100 * math.fsum(means) / len(means),
        low=low,
        high=high,
        n=None if kind.numbers else results[0].n,
        seeds=len(results),
    )


def rows_shown(hypothesis: Simple, evidence: Evidence, found: Contrasted) -> tuple[Reported, ...]:
    """Return every publication's own estimate with its 95 % interval, and its weight in the synthesis."""
    rows = evidence.rows.get(hypothesis.id, ())
    weights = dict(zip(found.entering, found.synthesis.weights if found.synthesis else (), strict=True))
    z = NormalDist().inv_cdf((1 + SIDE_LEVEL) / 2)
    reported = []
    for at, row in enumerate(rows):
        effect = effect_of(hypothesis, row)
        half = None if effect.variance is None else z * math.sqrt(effect.variance)
        reported.append(
            Reported(
                row.publication,
                row.origin,
                100 * effect.value,
                None if half is None else 100 * (effect.value - half),
                None if half is None else 100 * (effect.value + half),
                weights.get(at, 0.0),
                tuple(100 * side.value for side in row.sides),
                row.citation,
                ", ".join(datasets_of(hypothesis)),
            )
        )
    return tuple(reported)
