"""A contrast of sides over seeds and examples: what would be seen with new seeds and new test examples.

Every side's scores form a table of seeds x examples. All sides of a group are scored on the same examples, so that
example effects are paired; seeds are independent between sides (they are not paired: seed 3 of one side has nothing to
do with seed 3 of the other; to pair them, give the differences as one side). With seeds nested in sides and crossed
with examples the variance of the contrast is

    MS_E / n  +  sum over sides of weight^2 / k (MS_S - MS_R) / n,  the sum cut at 0,

where MS_E belongs to the per-example contrast of seed means, with Satterthwaite's degrees of freedom (Obuchowski and
Rockette 1995, Communications in Statistics - Simulation and Computation 24; Hillis 2007, Statistics in Medicine 26).
docs/statistics.md shows by simulation what the intervals keep to.
"""

from __future__ import annotations

import math
from collections.abc import Sequence
from dataclasses import dataclass, replace

from harness.stats.estimate import ROUNDING, Estimate, Undefined, quantile, upper_tail
from harness.stats.intervals import binomial_variance, paired_examples
from harness.stats.seeds import Array, PooledSeeds, SeedComponent, SideScores, seed_component

FEW_SEEDS = 4
"""With no more seeds than this, unpooled and below 5 %, seed variance by itself is too uncertain to be subtracted
from."""
CONDITIONAL = "conditional on one run"


@dataclass(frozen=True, eq=False)
class Group:
    """One test set: the sides that are contrasted on it.

    Raises:
        Undefined: no side, or sides with different numbers of examples.
    """

    sides: tuple[SideScores, ...]
    target: float = 0.0
    """A figure that is subtracted from the weighted sum of the sides, in the unit of the scores."""

    def __post_init__(self) -> None:
        if len({side.examples for side in self.sides}) != 1:
            found = ", ".join(str(side.examples) for side in self.sides) or "no side"
            raise Undefined(f"the sides of a contrast are scored on the same examples, found {found}")


@dataclass(frozen=True)
class Projection:
    """What the variance would be with another number of seeds on every side that has seeds."""

    examples: float
    """Variance that more seeds do not change."""
    per_seed: float
    """Variance that is divided by the number of seeds."""
    sides: int
    """Number of sides behind the seed variance: degrees of freedom are sides x (seeds - 1)."""
    seeds: int
    """The fewest seeds that a side with seeds has now."""


@dataclass(frozen=True)
class CrossedEstimate:
    """A contrast with its interval; everything in the unit of the scores (fractions for 0/1)."""

    value: float
    low: float
    high: float
    p: float
    """Two-sided p-value of "the contrast is 0"."""
    p_greater: float
    """One-sided: small where the contrast is above 0."""
    p_less: float
    """One-sided: small where the contrast is below 0."""
    standard_error: float
    df: float | None
    """Degrees of freedom of the t distribution; None: normal."""
    level: float
    """Confidence level of [low, high], a fraction."""
    method: str
    """How interval and p were computed, for a reader."""
    se_seeds: float | None
    """Standard error over new seeds on these test examples; None: one run says nothing of it."""
    se_examples: float
    """Standard error over new test examples with these runs. Noise of seeds and examples together is in both, so that
    their squares add up to more than the square of `standard_error`."""
    conditional: bool
    """A side that would change with the seed has one run and no pooled seed variance: the interval does not speak of
    another run of it."""
    pooled: bool
    """Seed variance comes from the family."""
    projection: Projection | None = None
    """None where no side's seed variance is known."""


@dataclass(frozen=True)
class _Parts:
    """Variance components of one group's contrast."""

    value: float
    examples: float
    """Variance over examples, of the seed means."""
    df_examples: float | None
    """None: normal."""
    sides: tuple[SideScores, ...]
    components: tuple[SeedComponent | None, ...]


def crossed(groups: Sequence[Group], level: float = 0.95, pooled: PooledSeeds | None = None) -> CrossedEstimate:
    """Return the sum of the groups' contrasts, which are independent of one another.

    Args:
        groups: one for each test set. A difference is one group of sides with weights +1 and -1; an interaction one of
            +1, -1, -1, +1; an average over m datasets m groups with weights +-1/m; against a figure, one side and the
            group's target.
        level: confidence level of the interval.
        pooled: the family's seed variance; used where it is homogeneous, also for a side with one run.

    Raises:
        Undefined: there is no group or no spread at all, so nothing to judge by.
    """
    if not groups:
        raise Undefined("a contrast needs at least one test set, found none")
    if pooled is not None and not pooled.homogeneous:
        pooled = None
    sides = [side for group in groups for side in group.sides]
    if all(side.seeds == 1 for side in sides) and (pooled is None or all(side.deterministic for side in sides)):
        return _one_run(groups, level)
    parts = [_parts(group) for group in groups]
    value, examples = math.fsum(part.value for part in parts), math.fsum(part.examples for part in parts)
    careful = pooled is None and level > 0.95 + ROUNDING and _fewest_seeds(sides) <= FEW_SEEDS
    seeds = _seed_terms(parts, pooled)
    variance = examples + (seeds.mean_squares if careful else max(seeds.mean_squares - seeds.noise, 0.0))
    if variance <= (ROUNDING * _scale(sides)) ** 2:
        raise Undefined(f"all scores agree in their contrast ({value:g}): there is no spread to judge by")
    denominator = seeds.uncertainty + math.fsum(
        part.examples**2 / part.df_examples for part in parts if part.df_examples is not None
    )
    df = variance**2 / denominator if denominator > 0 else None
    error = math.sqrt(variance)
    half = quantile(level, df) * error
    floor, ceiling = _range(groups)
    return CrossedEstimate(
        value,
        max(floor, value - half),
        min(ceiling, value + half),
        min(1.0, 2 * upper_tail(abs(value) / error, df)),
        upper_tail(value / error, df),
        upper_tail(-value / error, df),
        error,
        df,
        level,
        _method(sides, df, pooled, careful),
        math.sqrt(seeds.mean_squares),
        math.sqrt(examples),
        conditional=pooled is None and any(side.seeds == 1 and not side.deterministic for side in sides),
        pooled=pooled is not None,
        projection=_projection(examples, seeds, sides, pooled),
    )


@dataclass(frozen=True)
class _SeedTerms:
    """The seeds' share of the variance, summed over sides."""

    mean_squares: float
    noise: float
    uncertainty: float
    """Sum of squared terms over their degrees of freedom, as Satterthwaite's denominator has it."""
    per_seed: float
    """Seed component of one seed a side, noise left out."""
    noise_per_seed: float


def _seed_terms(parts: Sequence[_Parts], pooled: PooledSeeds | None) -> _SeedTerms:
    """Return what the seeds contribute, from each side's own spread or from the family's."""
    mean_squares = noise = uncertainty = per_seed = noise_per_seed = pooled_share = 0.0
    for part in parts:
        for side, own in zip(part.sides, part.components, strict=True):
            share = side.weight**2 / side.seeds
            if side.deterministic or (pooled is None and own is None):
                continue
            own_noise = own.noise if own is not None else 0.0
            if pooled is not None:
                component = pooled.variance
                pooled_share += share
            else:
                assert own is not None
                component = own.variance
                uncertainty += (share * own.mean_square) ** 2 / own.df
            mean_squares += share * (component + own_noise)
            noise += share * own_noise
            per_seed += side.weight**2 * component
            noise_per_seed += side.weight**2 * own_noise
    if pooled is not None:
        uncertainty = (pooled_share * pooled.mean_square) ** 2 / pooled.df
    return _SeedTerms(mean_squares, noise, uncertainty, max(per_seed, 0.0), noise_per_seed)


def _parts(group: Group) -> _Parts:
    """Return the components of one group's contrast."""
    contrast: Array = sum(side.weight * side.example_means for side in group.sides)  # type: ignore[assignment]
    n = len(contrast)
    if all(side.binary for side in group.sides):
        variance = _binary_variance(contrast, group.sides)
    elif n > 1:
        variance = float(contrast.var(ddof=1)) / n
    else:
        raise Undefined("real scores of one example have no spread to judge by")
    return _Parts(
        float(contrast.mean()) - group.target,
        variance,
        float(max(n - 1, 1)),
        group.sides,
        tuple(seed_component(side) for side in group.sides),
    )


def _binary_variance(contrast: Array, sides: Sequence[SideScores]) -> float:
    """Return the variance of the mean contrast of 0/1 scores, with a few examples added that nobody has seen.

    They keep the variance above 0 where all runs agree: two in which each side is right by the toss of a coin (with
    one run of two sides this is Agresti and Min's interval, 2005), four where the weights do not add up to 0 (with one
    run of one side Agresti and Coull's, 1998).
    """
    n = len(contrast)
    total = math.fsum(side.weight for side in sides)
    squares = math.fsum(side.weight**2 for side in sides)
    added = 2 if abs(total) < ROUNDING else 4
    first = float(contrast.sum()) + added * total / 2
    second = float(contrast @ contrast) + added * (squares + total**2) / 4
    return (second - first**2 / (n + added)) / (n + added) ** 2


def _one_run(groups: Sequence[Group], level: float) -> CrossedEstimate:
    """Return the contrast where every side has one run: over examples alone."""
    sides = [side for group in groups for side in group.sides]
    conditional = not all(side.deterministic for side in sides)
    exact = _pair(groups, level) if len(groups) == 1 else None
    if exact is not None:
        found, greater, less = exact
    else:
        parts = [
            replace(part, df_examples=None) if all(side.binary for side in part.sides) else part
            for part in map(_parts, groups)
        ]
        if len(sides) == 1 and sides[0].binary:
            parts = [replace(parts[0], examples=binomial_variance(float(sides[0].seed_means[0]), sides[0].examples))]
        found, greater, less = _over_examples(parts, groups, level)
    suffix = f", {CONDITIONAL} of each side" if conditional else ", of predictions in which nothing is random"
    assert found.p is not None
    return CrossedEstimate(
        found.value,
        found.low,
        found.high,
        found.p,
        greater,
        less,
        found.standard_error,
        found.df,
        level,
        found.method + suffix,
        None if conditional else 0.0,
        found.standard_error,
        conditional=conditional,
        pooled=False,
    )


def _pair(groups: Sequence[Group], level: float) -> tuple[Estimate, float, float] | None:
    """Return McNemar's comparison of two sides of 0/1 scores with weights +1 and -1, or None for anything else."""
    group = groups[0]
    if [side.weight for side in group.sides] != [1.0, -1.0] or group.target:
        return None
    a, b = group.sides
    if not (a.binary and b.binary):
        return None
    from scipy.special import bdtr

    right_a, right_b = a.scores[0] == 1, b.scores[0] == 1
    both, only_a, only_b = (int(cell.sum()) for cell in (right_a & right_b, right_a & ~right_b, right_b & ~right_a))
    found = paired_examples(both, only_a, only_b, a.examples - both - only_a - only_b, level)
    greater, less = (float(bdtr(rest, only_a + only_b, 0.5)) for rest in (only_b, only_a))
    return found, greater, less


def _over_examples(parts: Sequence[_Parts], groups: Sequence[Group], level: float) -> tuple[Estimate, float, float]:
    """Return the sum of contrasts of one run each, with its one-sided p-values."""
    value = math.fsum(part.value for part in parts)
    variance = math.fsum(part.examples for part in parts)
    if variance <= (ROUNDING * _scale([side for group in groups for side in group.sides])) ** 2:
        raise Undefined(f"all examples have the same contrast ({value:g}): there is no spread to judge by")
    denominator = math.fsum(part.examples**2 / part.df_examples for part in parts if part.df_examples is not None)
    df = variance**2 / denominator if denominator > 0 else None
    error = math.sqrt(variance)
    half = quantile(level, df) * error
    floor, ceiling = _range(groups)
    greater, less = upper_tail(value / error, df), upper_tail(-value / error, df)
    method = "t over the test examples" if df is not None else "normal approximation over the test examples"
    low, high = max(floor, value - half), min(ceiling, value + half)
    return Estimate(value, low, high, min(1.0, 2 * min(greater, less)), error, df, level, method), greater, less


def _range(groups: Sequence[Group]) -> tuple[float, float]:
    """Return the least and the largest value that 0/1 scores allow; no bounds for real ones."""
    sides = [side for group in groups for side in group.sides]
    if not all(side.binary for side in sides):
        return -math.inf, math.inf
    target = math.fsum(group.target for group in groups)
    return (
        math.fsum(min(side.weight, 0.0) for side in sides) - target,
        math.fsum(max(side.weight, 0.0) for side in sides) - target,
    )


def _scale(sides: Sequence[SideScores]) -> float:
    """Return the size of the scores, by which binary rounding is told from a spread."""
    return max(abs(side.weight) * float(abs(side.example_means).max()) for side in sides)


def _fewest_seeds(sides: Sequence[SideScores]) -> int:
    """Return the fewest seeds of a side with several."""
    return min(side.seeds for side in sides if side.seeds > 1)


def _method(sides: Sequence[SideScores], df: float | None, pooled: PooledSeeds | None, careful: bool) -> str:
    """Return what was done, for a reader."""
    runs = sorted({side.seeds for side in sides if not side.deterministic})
    seeds = f"{runs[0]} to {runs[-1]}" if len(runs) > 1 else str(runs[0])
    counts = sorted({side.examples for side in sides})
    examples = f"{counts[0]:,} to {counts[-1]:,}" if len(counts) > 1 else f"{counts[0]:,}"
    text = f"crossed over {seeds} seeds and {examples} examples, " + ("normal" if df is None else f"t with {df:.3g} df")
    if pooled is not None:
        return f"{text}, seed variance pooled over {pooled.sides} sides"
    if careful:
        text += ", careful with few seeds"
    one = any(side.seeds == 1 and not side.deterministic for side in sides)
    return f"{text}, {CONDITIONAL} of a side" if one else text


def _projection(
    examples: float, seeds: _SeedTerms, sides: Sequence[SideScores], pooled: PooledSeeds | None
) -> Projection:
    """Return how the variance depends on the number of seeds."""
    random = [side for side in sides if not side.deterministic]
    return Projection(
        max(examples - seeds.noise, 0.0),
        seeds.per_seed + seeds.noise_per_seed,
        pooled.sides if pooled is not None else sum(side.seeds > 1 for side in random),
        min((side.seeds for side in random if side.seeds > 1), default=1),
    )
