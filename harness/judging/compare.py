"""What is compared, and with what uncertainty: two sides' runs, two published accuracies, or one side and a figure."""

from __future__ import annotations

import math
from collections.abc import Mapping, Sequence
from dataclasses import dataclass, replace
from statistics import NormalDist

from harness.core.claim import Close, Contender, Hypothesis, Increasing, Side
from harness.core.errors import ClaimsError
from harness.judging.evidence import Accuracy, PublishedSide, RunsSide
from harness.judging.scoring import Scored
from harness.stats.intervals import (
    Equivalence,
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

FEWEST_SEEDS = 3
"""With fewer, a spread over seeds says too little: the examples of one run are compared."""
CONDITION = "conditional on this test set and these upstream weights"
"""What an interval over seeds does not speak of: other test examples, another pre-training."""
SIDE_LEVEL = 0.95
"""Confidence level of a single side's accuracy, shown for orientation."""


@dataclass(frozen=True)
class Comparison:
    """One difference of accuracies with its uncertainty."""

    estimate: Estimate | Undefined
    """Fractions; Undefined, with the reason, where none can be made."""
    seeds_needed: float | None = None
    """Seeds in all that would decide it: infinite if too many; None where seeds were not what was compared."""


def comparisons(hypothesis: Hypothesis) -> tuple[tuple[Contender, Contender | None], ...]:
    """Return what is compared: (expected higher, expected lower) pairs; (a, None) against a figure."""
    if isinstance(hypothesis, Close):
        return ((hypothesis.a, None),)
    if isinstance(hypothesis, Increasing):
        return tuple(zip(hypothesis.steps[1:], hypothesis.steps, strict=False))
    return ((hypothesis.a, hypothesis.than),)


def compare(
    hypothesis: Hypothesis, sides: Mapping[Contender, PublishedSide] | Mapping[Contender, RunsSide], level: float
) -> tuple[Comparison, ...]:
    """Return the hypothesis' comparisons, in its order, each at a confidence level."""
    if isinstance(hypothesis, Close):
        return (compare_sides(sides[hypothesis.a], Accuracy(hypothesis.to / 100), level),)
    return tuple(
        compare_sides(sides[higher], sides[lower], level)
        for higher, lower in comparisons(hypothesis)
        if lower is not None
    )


def compare_sides(a: PublishedSide | RunsSide, b: PublishedSide | RunsSide | Accuracy, level: float) -> Comparison:
    """Return the accuracy of one side minus that of another, or minus a figure.

    Raises:
        TypeError: one side is published and the other computed: no source of evidence has such sides.
    """
    if isinstance(a, RunsSide):
        if isinstance(b, RunsSide):
            return compare_results(a.scored, b.scored, level)
        if isinstance(b, Accuracy):
            return Comparison(compare_with_figure(a.scored, b.value, level))
    elif not isinstance(b, RunsSide):
        try:
            return Comparison(unpaired(a.accuracy, b if isinstance(b, Accuracy) else b.accuracy, level))
        except Undefined as reason:
            return Comparison(reason)
    raise TypeError(f"expected two sides of one source, found {type(a).__name__} and {type(b).__name__}")


def compare_results(a: Sequence[Scored], b: Sequence[Scored], level: float) -> Comparison:
    """Compare two sides' results, paired by seed.

    Args:
        a: the results of one side, a seed each.
        b: the other side's, for the same seeds and the same examples. A side that was only evaluated has one
            result, which stands for every seed: nothing in it is random.
        level: confidence level of the interval.

    Returns:
        Accuracy of a minus that of b. With fewer than three seeds the examples of the first seed's runs are
        compared.

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
            return Comparison(replace(estimate, method=f"{estimate.method}, {CONDITION}"), needed)
        estimate = paired_examples(*cells(a[0], b[0]), level)
        return Comparison(replace(estimate, method=f"{estimate.method}, conditional on one run of each side"))
    except Undefined as reason:
        return Comparison(reason)


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
        against = Accuracy(value, binomial_variance(value, one.n)), Accuracy(figure)
        return replace(unpaired(*against, level), method="binomial over the test examples, of one run")
    except Undefined as reason:
        return reason


def shown(side: PublishedSide | RunsSide) -> Side:
    """Return a side for the reader: its accuracy in percent, with its 95 % interval where its uncertainty is known."""
    if isinstance(side, RunsSide):
        return side_of(side.title, side.scored)
    low = high = None
    value, variance = side.accuracy.value, side.accuracy.variance
    if variance is not None:
        half = NormalDist().inv_cdf((1 + SIDE_LEVEL) / 2) * math.sqrt(variance)
        low, high = 100 * max(0.0, value - half), 100 * min(1.0, value + half)
    return Side(side.title, 100 * value, low, high, side.n, side.seeds)


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


def compare_frameworks(
    a: Sequence[Scored], b: Sequence[Scored], margin: float, alpha: float
) -> tuple[Estimate, Equivalence | None]:
    """Return the difference of one contender's accuracies on two frameworks, and whether it lies within a margin.

    Args:
        a: its results on one framework, a seed each.
        b: those on the other, for the same seeds.
        margin: a fraction.
        alpha: error rate of each of the two one-sided tests.

    Returns:
        The difference at level 1 - 2 alpha, with the tests; (difference, None) where every seed has the same one,
        mostly 0, so that nothing is left to estimate.
    """
    differences = [(x.correct - y.correct) / x.n for x, y in zip(a, b, strict=True)]
    level = 1 - 2 * alpha
    try:
        if len(differences) >= FEWEST_SEEDS:
            estimate = replace(paired_t(differences, level), method=f"paired t over {len(a)} seeds, {CONDITION}")
        else:
            estimate = paired_examples(*cells(a[0], b[0]), level)
        tested = equivalence(estimate, margin, alpha)
    except Undefined:
        value = differences[0]
        method = f"the same difference in all {len(a)} seeds"
        return Estimate(value, value, value, None, 0.0, None, level, method), None
    method = f"{estimate.method}; two one-sided tests of equivalence"
    return replace(estimate, p=tested.p, method=method), tested
