"""What the evidence says for and against a hypothesis, as error rates at which it would be decided.

Every number here compares with alpha: a directional hypothesis counts both tails, as its two-sided interval does; two
one-sided tests against a margin count one. A compound hypothesis needs k of its m parts: it is decided for by the
partial conjunction of their evidence (Benjamini and Heller 2008, Biometrics 64), which for "all" divides nothing, and
against once so many parts are decided against that k can't hold.
"""

from __future__ import annotations

import math
from collections.abc import Sequence
from dataclasses import dataclass

from harness.core.hypotheses import Close, Compound, Equivalent, Hypothesis, Ratio, Robust, Simple
from harness.judging.estimate import Contrasted, contrasted
from harness.judging.evidence import Evidence
from harness.judging.question import ALPHA
from harness.stats.equivalence import equivalence
from harness.stats.estimate import Undefined, upper_tail
from harness.stats.multiplicity import at_least, holm_levels, refutes
from harness.stats.seeds import PooledSeeds
from harness.stats.specification_curve import SpecificationCurve


@dataclass(frozen=True)
class Tested:
    """Evidence for and against a hypothesis."""

    for_it: float
    """Error rate at which it would be found to hold."""
    against: float
    """Error rate at which it would be found not to."""

    @property
    def p(self) -> float:
        """Error rate at which it would be decided either way."""
        return min(self.for_it, self.against)


UNDECIDED = Tested(1.0, 1.0)
"""What is not known speaks neither for a hypothesis nor against it."""


def weighed(
    hypothesis: Hypothesis, evidence: Evidence, pooled: PooledSeeds | None = None, tolerance: float | None = None
) -> Tested:
    """Return what the evidence says for and against a hypothesis.

    Args:
        hypothesis: what is stated.
        evidence: with all its sides.
        pooled: the variance between seeds over the family.
        tolerance: percentage points, for a simple hypothesis on a margin.
    """
    if isinstance(hypothesis, Ratio):
        a, b = evidence.costs
        holds = a.value <= hypothesis.at_most * b.value
        return Tested(0.0, 1.0) if holds else Tested(1.0, 0.0)
    if isinstance(hypothesis, Robust):
        return UNDECIDED if evidence.curve is None else of_curve(evidence.curve)
    if isinstance(hypothesis, Compound):
        return compound(hypothesis.k, [weighed(part, evidence, pooled) for part in hypothesis.of])
    found = contrasted(hypothesis, evidence, deciding_level(hypothesis, ALPHA), pooled)
    return UNDECIDED if isinstance(found, Undefined) else simple(hypothesis, found, evidence, tolerance)


def deciding_level(hypothesis: Simple, alpha: float) -> float:
    """Return the level of the interval that decides at an error rate: 1 - 2 alpha for two one-sided tests."""
    return 1 - 2 * alpha if isinstance(hypothesis, (Close, Equivalent)) else 1 - alpha


def deciding_part(
    hypothesis: Simple | Compound, evidence: Evidence, refuted: bool, pooled: PooledSeeds | None = None
) -> Simple:
    """Return the simple part whose evidence decides: that of the k-th best part, which holds least of those needed.

    Args:
        hypothesis: with its parts.
        evidence: with all its sides.
        refuted: whether it is decided against: then the part that speaks least against it of those needed.
        pooled: the variance between seeds over the family.
    """
    if not isinstance(hypothesis, Compound):
        return hypothesis
    told = [(part, weighed(part, evidence, pooled)) for part in hypothesis.of]
    if refuted:
        at = len(told) - hypothesis.k
        told.sort(key=lambda each: (each[1].against, -each[1].for_it))
    else:
        at = hypothesis.k - 1
        told.sort(key=lambda each: (each[1].for_it, -each[1].against))
    return deciding_part(told[at][0], evidence, refuted, pooled)


def of_curve(curve: SpecificationCurve) -> Tested:
    """Return what a specification curve says of an ordering: the joint test of its median effect over the examples.

    Where sides have several pre-trained networks, the overall effect over new pre-trainings must say so, too: so few
    networks have too few permutations to decide anything by themselves.
    """
    test, overall = curve.by_examples.median, curve.overall
    greater, less = (
        (test.greater, test.less)
        if overall is None
        else (
            max(test.greater, overall.p_greater),
            max(test.less, overall.p_less),
        )
    )
    return Tested(min(1.0, 2 * greater), min(1.0, 2 * less))


def simple(hypothesis: Simple, found: Contrasted, evidence: Evidence, tolerance: float | None = None) -> Tested:
    """Return what a contrast's estimate says of a simple hypothesis."""
    if isinstance(hypothesis, (Close, Equivalent)):
        within = margin(hypothesis, found, evidence) if tolerance is None else tolerance
        if not found.estimate.standard_error:
            return without_error(hypothesis, abs(found.estimate.value), within / 100)
        try:
            test = equivalence(found.estimate, within / 100)
        except Undefined:
            return UNDECIDED
        error = found.estimate.standard_error
        beyond = upper_tail((abs(found.estimate.value) - within / 100) / error, found.estimate.df)
        return Tested(test.p, beyond)
    return Tested(min(1.0, 2 * found.p_greater), min(1.0, 2 * found.p_less))


def without_error(hypothesis: Close | Equivalent, distance: float, within: float) -> Tested:
    """Return what a distance without an error says: a figure may be as far as its tolerance, two equal sides may not.

    Args:
        hypothesis: about a margin.
        distance: a fraction, as `within`.
        within: the margin.
    """
    at_margin = math.isclose(distance, within)
    holds = isinstance(hypothesis, Close) if at_margin else distance < within
    return Tested(0.0, 1.0) if holds else Tested(1.0, 0.0)


def margin(hypothesis: Close | Equivalent, found: Contrasted, evidence: Evidence) -> float:
    """Return the margin of a hypothesis, percentage points or a measure's unit."""
    if isinstance(hypothesis, Equivalent):
        return hypothesis.within
    if found.entering:
        rows = evidence.rows[hypothesis.id]
        return min(rows[at].tolerance or 0.0 for at in found.entering)
    if evidence.tolerance is not None:
        return evidence.tolerance
    # Asked only where each Close names a tolerance for the measure, or as a part of others one for its recipe.
    name = evidence.measured_as.name or evidence.sides[hypothesis.a, hypothesis.on].recipe.recipe
    return dict(hypothesis.within)[name]


def compound(k: int, parts: Sequence[Tested]) -> Tested:
    """Return what parts say of "at least k of them hold"."""
    return Tested(at_least(k, [part.for_it for part in parts]), refutes(k, [part.against for part in parts]))


def alphas(found: Sequence[Tested | None], alpha: float) -> list[float]:
    """Return the error rate at which each hypothesis of a family is decided, by Holm's procedure.

    Args:
        found: of each hypothesis; None where there is no evidence here, which counts as undecided.
        alpha: error rate of the whole family.
    """
    return holm_levels([UNDECIDED.p if each is None else each.p for each in found], alpha)
