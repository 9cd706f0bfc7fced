"""A contrast of sides over seeds and examples: what would be seen with new seeds and new test examples.

Every side's scores form a table of seeds x examples. All sides of a group are scored on the same examples, so that
example effects are paired; seeds are independent between sides (they are not paired: seed 3 of one side has nothing to
do with seed 3 of the other; to pair them, give the differences as one side). With seeds nested in sides and crossed
with examples the variance of the contrast is

    MS_E / n  +  sum over sides of weight^2 / k (MS_S - MS_R) / n,  the sum cut at 0,

where MS_E belongs to the per-example contrast of seed means (Obuchowski and Rockette 1995, Communications in Statistics
- Simulation and Computation 24; Hillis 2007, Statistics in Medicine 26). docs/statistics.md shows what the intervals
keep to in simulation.
"""

from __future__ import annotations

import math
from collections.abc import Iterable, Sequence
from dataclasses import dataclass

from harness.stats.estimate import ROUNDING, Undefined
from harness.stats.intervals import binomial_variance, paired_examples
from harness.stats.power import own_df_per_seed
from harness.stats.seeds import Array, PooledSeeds, SeedComponent, SideScores, own_p, seed_component
from harness.stats.sources import OWN_ALPHA, TwoSources

ENOUGH_DF = 10
"""Pooled seed variance with fewer degrees of freedom is treated as carefully as a comparison's own."""
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
    """Variance that more seeds do not change: of examples, and of sides whose number of runs is what it is."""
    per_seed: float
    """Variance that is divided by the number of seeds."""
    df_per_seed: float
    """Degrees of freedom of the seed variance: this times (seeds - 1)."""
    own_df_per_seed: float | None
    """The same for the comparison's own seed variance; None: that is what it is judged by."""


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
    """Degrees of freedom at which t times `standard_error` is half the interval at `level`; None: normal. For two
    one-sided tests at alpha, estimate at level 1 - 2 alpha."""
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
    """One group's contrast and its variance by source."""

    value: float
    examples: float
    """Variance over examples, of the seed means."""
    df_examples: float
    sides: tuple[SideScores, ...]
    components: tuple[SeedComponent | None, ...]


def crossed(groups: Sequence[Group], level: float = 0.95, pooled: PooledSeeds | None = None) -> CrossedEstimate:
    """Return the sum of the groups' contrasts, which are independent of one another.

    Args:
        groups: one for each test set. A difference is one group of sides with weights +1 and -1; an interaction one of
            +1, -1, -1, +1; an average over m datasets m groups with weights +-1/m; against a figure, one side and the
            group's target.
        level: confidence level of the interval.
        pooled: the family's seed variance, these sides among it; used where it is homogeneous and these sides do not
            vary more than the rest, also for a side with one run.

    Raises:
        Undefined: there is no group or no spread at all, so nothing to judge by.
    """
    if not groups:
        raise Undefined("a contrast needs at least one test set, found none")
    if pooled is not None and not pooled.homogeneous:
        pooled = None
    sides = [side for group in groups for side in group.sides]
    one_run = all(side.seeds == 1 for side in sides) and (pooled is None or all(side.deterministic for side in sides))
    if one_run and (exact := _exact(groups, level)) is not None:
        return exact
    parts = [_parts(group) for group in groups]
    if pooled is not None and own_p([own for part in parts for own in part.components if own], pooled) < OWN_ALPHA:
        pooled = None
    value, examples = math.fsum(part.value for part in parts), math.fsum(part.examples for part in parts)
    if one_run and len(sides) == 1 and sides[0].binary:
        examples = binomial_variance(float(sides[0].seed_means[0]), sides[0].examples)
    normal = one_run and all(side.binary for side in sides)
    squares = math.fsum(part.examples**2 / part.df_examples for part in parts)
    df_examples = examples**2 / squares if squares and not normal else None
    seeds = _seed_terms(parts, pooled)
    error = TwoSources(examples, df_examples, seeds.variance, seeds.df, seeds.noise, seeds.careful)
    if error.standard_error <= ROUNDING * _scale(sides):
        raise Undefined(f"all scores agree in their contrast ({value:g}): there is no spread to judge by")
    half, p = error.half(level), error.p(value)
    floor, ceiling = _range(groups)
    random = [side for side in sides if not side.deterministic]
    unknown = pooled is None and any(side.seeds == 1 for side in random)
    return CrossedEstimate(
        value,
        max(floor, value - half),
        min(ceiling, value + half),
        p,
        p / 2 if value > 0 else 1 - p / 2,
        p / 2 if value < 0 else 1 - p / 2,
        error.standard_error,
        error.df(level),
        level,
        _method(sides, pooled, one_run),
        se_seeds=None if one_run and unknown else math.sqrt(seeds.variance),
        se_examples=math.sqrt(examples),
        conditional=unknown,
        pooled=pooled is not None,
        projection=None if one_run else _projection(examples, seeds, sides, pooled),
    )


@dataclass(frozen=True)
class _SeedTerms:
    """The seeds' share of the variance, summed over sides."""

    variance: float
    """Noise included."""
    noise: float
    df: float
    careful: bool
    per_seed: float
    """Variance of one seed a side, noise included, of the sides that can have more."""
    kept: float = 0.0
    """Variance of the sides that can't, at their number of runs, noise included."""


def _seed_terms(parts: Sequence[_Parts], pooled: PooledSeeds | None) -> _SeedTerms:
    """Return what the seeds contribute, from each side's own spread or from the family's."""
    known = [
        (side, own)
        for part in parts
        for side, own in zip(part.sides, part.components, strict=True)
        if not side.deterministic and (own is not None or pooled is not None)
    ]
    if not known:
        return _SeedTerms(0.0, 0.0, math.inf, False, 0.0)
    noises = [side.weight**2 * (own.noise if own else 0.0) for side, own in known]
    noise = math.fsum(each / side.seeds for each, (side, _) in zip(noises, known, strict=True))
    if pooled is not None:
        shares = [side.weight**2 * pooled.variance for side, _ in known]
        variance = math.fsum(share / side.seeds for share, (side, _) in zip(shares, known, strict=True))
        whole = [(side, share + each) for (side, _), share, each in zip(known, shares, noises, strict=True)]
        return _SeedTerms(variance + noise, noise, pooled.df, pooled.df < ENOUGH_DF, *_with_more(whole))
    own_terms = [(side.weight**2 / side.seeds, own) for side, own in known if own is not None]
    variance = math.fsum(share * own.mean_square for share, own in own_terms)
    whole = [(side, side.weight**2 * own.mean_square) for side, own in known if own is not None]
    return _SeedTerms(variance, noise, _seeds_df(own_terms), True, *_with_more(whole))


def _with_more(sides: Sequence[tuple[SideScores, float]]) -> tuple[float, float]:
    """Return the variance of one seed a side of those that can have more, and of the others at their number of runs.

    Args:
        sides: each with its variance at one seed.
    """
    per_seed = math.fsum(variance for side, variance in sides if not side.no_more)
    return per_seed, math.fsum(variance / side.seeds for side, variance in sides if side.no_more)


def _seeds_df(terms: Sequence[tuple[float, SeedComponent]]) -> float:
    """Return Welch's degrees of freedom of the seeds' variance, or halfway to those without noise if these are fewer.

    Noise makes sides look alike of which only one varies with the seed.
    """

    def welch(squares: Sequence[float]) -> float:
        bottom = math.fsum(square**2 / own.df for square, (_, own) in zip(squares, terms, strict=True))
        return math.fsum(squares) ** 2 / bottom if bottom > 0 else float(min(own.df for _, own in terms))

    whole = welch([share * own.mean_square for share, own in terms])
    bare = welch([share * max(own.variance, 0.0) for share, own in terms])
    return min(whole, (whole + bare) / 2)


def _parts(group: Group) -> _Parts:
    """Return the components of one group's contrast."""
    contrast: Array = sum(side.weight * side.example_means for side in group.sides)  # type: ignore[assignment]
    n = len(contrast)
    if all(side.numbers for side in group.sides):
        variance = 0.0
    elif all(side.binary for side in group.sides):
        variance = _binary_variance(contrast, group.sides)
    elif n > 1:
        variance = float(contrast.var(ddof=1)) / n
    else:
        raise Undefined("real scores of one example have no spread to judge by")
    components = tuple(seed_component(side) for side in group.sides)
    return _Parts(float(contrast.mean()) - group.target, variance, float(max(n - 1, 1)), group.sides, components)


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


def _exact(groups: Sequence[Group], level: float) -> CrossedEstimate | None:
    """Return McNemar's comparison of one run of two sides of 0/1 scores, or None for any other contrast."""
    if len(groups) > 1 or [side.weight for side in groups[0].sides] != [1.0, -1.0] or groups[0].target:
        return None
    a, b = groups[0].sides
    if not (a.binary and b.binary):
        return None
    from scipy.special import bdtr

    right_a, right_b = a.scores[0] == 1, b.scores[0] == 1
    both, only_a, only_b = (int(cell.sum()) for cell in (right_a & right_b, right_a & ~right_b, right_b & ~right_a))
    found = paired_examples(both, only_a, only_b, a.examples - both - only_a - only_b, level)
    greater, less = (float(bdtr(rest, only_a + only_b, 0.5)) for rest in (only_b, only_a))
    unknown = not (a.deterministic and b.deterministic)
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
        f"{found.method}{_of_one_run(unknown)}",
        se_seeds=None if unknown else 0.0,
        se_examples=found.standard_error,
        conditional=unknown,
        pooled=False,
    )


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


def _method(sides: Sequence[SideScores], pooled: PooledSeeds | None, one_run: bool) -> str:
    """Return what was done, for a reader."""
    random = [side for side in sides if not side.deterministic]
    if one_run:
        kind = "normal approximation" if all(side.binary for side in sides) else "t"
        return f"{kind} over the test examples{_of_one_run(bool(random))}"
    seeds, examples = _between(side.seeds for side in random), _between(side.examples for side in sides)
    over = f"{seeds} {'seed' if seeds == '1' else 'seeds'}"
    whole = all(side.numbers for side in sides)
    text = f"t over {over}, a number each" if whole else f"crossed over {over} and {examples} examples"
    if pooled is not None:
        return f"{text}, seed variance pooled over {pooled.sides} sides"
    return f"{text}, {CONDITIONAL} of a side" if any(side.seeds == 1 for side in random) else text


def _of_one_run(random: bool) -> str:
    return f", {CONDITIONAL} of each side" if random else ", of predictions in which nothing is random"


def _between(counts: Iterable[int]) -> str:
    """Return the least and the largest number, or the one that all are."""
    low, *_, high = [*(ordered := sorted(counts)), ordered[-1]]
    return f"{low:,}" if low == high else f"{low:,} to {high:,}"


def _projection(
    examples: float, seeds: _SeedTerms, sides: Sequence[SideScores], pooled: PooledSeeds | None
) -> Projection:
    """Return how the variance depends on the number of seeds."""
    own = own_df_per_seed(max(sum(side.seeds > 1 for side in sides), 1))
    df = own if pooled is None else float(pooled.sides)
    return Projection(
        max(examples - seeds.noise, 0.0) + seeds.kept, seeds.per_seed, df, None if pooled is None else own
    )
