"""What a simple hypothesis' contrast comes to, with its uncertainty: from runs, or from what was published."""

from __future__ import annotations

import math
from collections.abc import Iterable, Sequence
from dataclasses import dataclass
from typing import TYPE_CHECKING

from harness.core.errors import ClaimsError
from harness.core.hypotheses import Close, Simple
from harness.judging.evidence import ACCURACY, Evidence, PublishedRow, RunsSide
from harness.judging.upstream import score_rows
from harness.stats.estimate import ROUNDING, Estimate, Undefined
from harness.stats.synthesis import Effect, Synthesis, sum_of, synthesise

if TYPE_CHECKING:
    from harness.stats.crossed import CrossedEstimate, Group
    from harness.stats.seeds import PooledSeeds

FIRST_HAND = ("paper", "replication")
"""Origins of figures that replicate something; what is evaluated again counts only where there are no others."""


@dataclass(frozen=True)
class Contrasted:
    """A contrast's estimate, from whatever source."""

    estimate: Estimate
    """Fractions."""
    p_greater: float
    """One-sided: small where the contrast is above 0."""
    p_less: float
    """One-sided: small where it is below 0; of numbers without an error, where it is not above 0."""
    crossed: CrossedEstimate | None = None
    """Of runs: what seeds and examples contribute."""
    synthesis: Synthesis | None = None
    """Of publications: how much they differ."""
    entering: tuple[int, ...] = ()
    """Which publications entered the synthesis, by their place among the rows."""
    conditional: str = ""
    """What it is conditional on, where that keeps it from carrying a claim's answer alone."""


def contrasted(
    hypothesis: Simple, evidence: Evidence, level: float, pooled: PooledSeeds | None = None
) -> Contrasted | Undefined:
    """Return what the evidence says of a simple hypothesis' contrast; Undefined, with the reason, if nothing.

    Args:
        hypothesis: whose contrast it is.
        evidence: with all its sides.
        level: confidence level of the interval.
        pooled: the variance between seeds over the hypothesis' family, where it could be pooled.
    """
    try:
        if hypothesis.id in evidence.rows:
            return from_publications(hypothesis, evidence.rows[hypothesis.id], level)
        return from_runs(hypothesis, evidence, level, pooled)
    except Undefined as reason:
        return reason


def from_publications(hypothesis: Simple, rows: Sequence[PublishedRow], level: float) -> Contrasted:
    """Return the synthesis of what publications say.

    Raises:
        Undefined: no publication's uncertainty is known.
    """
    effects = [effect_of(hypothesis, row) for row in rows]
    entering = entering_rows(hypothesis, rows, effects)
    if not entering:
        raise Undefined("no uncertainty is known for a side: neither the number of test examples nor a spread")
    found = synthesise([effects[at] for at in entering], [rows[at].cluster for at in entering], level)
    only_again = all(rows[at].origin not in FIRST_HAND for at in entering)
    return Contrasted(
        found.estimate,
        found.p_greater,
        found.p_less,
        synthesis=found,
        entering=entering,
        conditional="the authors' own weights, evaluated again: a check of the pipeline, no replication"
        if only_again
        else "",
    )


def effect_of(hypothesis: Simple, row: PublishedRow) -> Effect:
    """Return the contrast as one publication gives it, its sides taken as independent."""
    contrast = hypothesis.contrast
    value = sum(term.weight * side.value for term, side in zip(contrast.terms, row.sides, strict=True))
    if any(side.variance is None for side in row.sides):
        return Effect(value - contrast.target, None)
    parts = [
        (term.weight**2 * variance, df)
        for term, side in zip(contrast.terms, row.sides, strict=True)
        for variance, df in side.parts
    ]
    return Effect(value - contrast.target, *sum_of(parts))


def entering_rows(hypothesis: Simple, rows: Sequence[PublishedRow], effects: Sequence[Effect]) -> tuple[int, ...]:
    """Return which rows enter the synthesis, by their place.

    Weights that were evaluated again replicate nothing, and stand back where something does. Against a figure only the
    recipes with the smallest tolerance count, those nearest to the paper's.
    """
    known = [at for at, effect in enumerate(effects) if effect.variance]
    first = [at for at in known if rows[at].origin in FIRST_HAND] or known
    if isinstance(hypothesis, Close):
        least = min((tolerance_of(rows[at]) for at in first), default=0.0)
        first = [at for at in first if tolerance_of(rows[at]) == least]
    return tuple(first)


def tolerance_of(row: PublishedRow) -> float:
    """Return what the recipe behind a row allows (percentage points)."""
    return math.inf if row.tolerance is None else row.tolerance


def from_runs(hypothesis: Simple, evidence: Evidence, level: float, pooled: PooledSeeds | None) -> Contrasted:
    """Return the contrast over new seeds and new test examples.

    Raises:
        Undefined: there is no spread to judge by.
        ClaimsError: sides were scored on different examples.
    """
    from harness.stats.crossed import Group, crossed
    from harness.stats.seeds import SideScores

    contrast, sides, kind = hypothesis.contrast, evidence.sides, evidence.measured_as
    sign = kind.sign(hypothesis)
    paired: list[list[SideScores]] = []
    for dataset in dict.fromkeys(term.on for term in contrast.terms):
        terms = [term for term in contrast.terms if term.on == dataset]
        if kind.shared_examples:
            require_same_examples([sides[term.contender, dataset] for term in terms])
        scored = [
            SideScores(score_rows(side).scores, sign * term.weight, side.deterministic, side.no_more, kind.numbers)
            for term in terms
            for side in [sides[term.contender, dataset]]
        ]
        paired += [scored] if kind.shared_examples else [[each] for each in scored]
    first, *rest = paired
    groups = [Group(tuple(first), sign * contrast.target), *(Group(tuple(each)) for each in rest)]
    try:
        found = crossed(groups, level, pooled)
    except Undefined:
        if kind is ACCURACY:
            raise
        if all(side.deterministic for group in groups for side in group.sides):
            return without_error(groups, level)
        raise Undefined("every seed and example gives the same difference: there is no spread to judge by") from None
    return Contrasted(
        Estimate(
            found.value, found.low, found.high, found.p, found.standard_error, found.df, found.level, found.method
        ),
        found.p_greater,
        found.p_less,
        crossed=found,
        conditional="one run of each side" if found.conditional else "",
    )


def without_error(groups: Sequence[Group], level: float) -> Contrasted:
    """Return a contrast in which nothing is random, not even over the examples: its value decides. 0 is not above 0."""
    parts = [side.weight * float(side.seed_means[0]) for group in groups for side in group.sides]
    parts += [-group.target for group in groups]
    value = math.fsum(parts)
    if abs(value) <= ROUNDING * max(map(abs, parts)):
        value = 0.0
    estimate = Estimate(value, value, value, None, 0.0, None, level, "numbers without an error")
    return Contrasted(estimate, 0.0 if value > 0 else 1.0, 1.0 if value > 0 else 0.0)


def require_same_examples(sides: Sequence[RunsSide]) -> None:
    """Refuse sides that were scored on different examples.

    Raises:
        ClaimsError: with one run of each.
    """
    first = sides[0].scored[0]
    for side in sides:
        for run in side.scored:
            if run.examples != first.examples:
                if run.n != first.n:
                    raise ClaimsError(
                        f"{side.title}: expected scores on the same examples as {sides[0].title}, found {run.n:,} and"
                        f" {first.n:,} (runs {run.run_id} and {first.run_id})"
                    )
                if run.values_sha256:
                    raise ClaimsError(
                        f"{side.title}: expected scores on the same examples as {sides[0].title}, found examples of"
                        f" other names (runs {run.run_id} and {first.run_id}); score the same, or declare"
                        " shared_examples = false"
                    )
                raise ClaimsError(
                    f"runs {first.run_id} and {run.run_id}: expected the same scored examples, found other labels"
                )


def pooled_seeds(found: Iterable[Evidence]) -> PooledSeeds | None:
    """Return the variance between seeds over all sides and datasets of a family.

    None where no side has two runs, and where some sides vary by pre-training and others by fine-tuning alone: these
    are two variances.
    """
    from harness.stats.seeds import SideScores, pool, seed_variance

    sides: dict[tuple[str, ...], RunsSide] = {}
    for evidence in found:
        for side in evidence.runs:
            if not side.diverged:
                sides[tuple(run.run_id for run in side.scored)] = side
    rows = [score_rows(side) for side in sides.values()]
    if len({each.unit for each in rows}) > 1:
        return None
    try:
        return pool([seed_variance(SideScores(each.scores) for each in rows)])
    except Undefined:
        return None
