"""How much a seed changes a score: variance components, pooled over a family, bad seeds, a test without a model.

Scores are fractions (0/1 or real numbers per example), variances are fractions squared.
"""

from __future__ import annotations

import math
from collections.abc import Iterable, Sequence
from dataclasses import dataclass, field
from typing import Any

import numpy as np
import numpy.typing as npt

from harness.stats.estimate import ROUNDING, Undefined, upper_tail

HOMOGENEITY_ALPHA = 0.01
"""Seed variances that differ at this level are not pooled."""
OUTLIER_ALPHA = 0.01
"""A side with no bad seed has one flagged this often, at most."""
MOST_PERMUTED = 40
"""Runs in all beyond which exact permutation would take too much memory."""

Array = npt.NDArray[Any]


@dataclass(frozen=True, eq=False)
class SideScores:
    """Every run's score on every test example, for one side of a comparison.

    Raises:
        Undefined: the scores are no (seeds, examples) table of finite numbers, or a side that is called deterministic
            has several runs.
    """

    scores: Array
    """Shape (seeds, examples): 0/1, bool or real numbers."""
    weight: float = 1.0
    """The side's factor in the contrast: +1 and -1 for a difference."""
    deterministic: bool = False
    """The side was only evaluated, so that another seed would give the same scores; it has one row."""
    no_more: bool = False
    """Its runs vary as seeds do, but there are no more of them: they were released, and none can be added."""
    numbers: bool = False
    """Each run gave one number, shape (seeds, 1): there are no examples that could have been others."""
    binary: bool = field(init=False)
    """All scores are 0 or 1."""
    example_means: Array = field(init=False)
    """Shape (examples,): the mean score of each example over the seeds."""
    seed_means: Array = field(init=False)
    """Shape (seeds,): the mean score of each seed over the examples."""

    def __post_init__(self) -> None:
        scores = np.asarray(self.scores)
        if scores.ndim != 2 or 0 in scores.shape:
            raise Undefined(f"scores have the shape (seeds, examples), found {scores.shape}")
        if scores.dtype.kind not in "biuf" or not np.isfinite(scores).all():
            raise Undefined("scores are finite numbers, found others")
        if self.deterministic and len(scores) > 1:
            raise Undefined(f"a side in which nothing is random has one run, found {len(scores)}")
        if self.numbers and scores.shape[1] != 1:
            raise Undefined(f"one number a seed has the shape (seeds, 1), found {scores.shape}")
        binary = not self.numbers and (scores.dtype.kind == "b" or bool(((scores == 0) | (scores == 1)).all()))
        for name, value in (
            ("scores", scores),
            ("binary", binary),
            ("example_means", scores.mean(axis=0, dtype=np.float64)),
            ("seed_means", scores.mean(axis=1, dtype=np.float64)),
        ):
            object.__setattr__(self, name, value)

    @property
    def seeds(self) -> int:
        """Number of runs."""
        return int(self.scores.shape[0])

    @property
    def examples(self) -> int:
        """Number of test examples."""
        return int(self.scores.shape[1])


@dataclass(frozen=True)
class SeedComponent:
    """How much one side's score varies from seed to seed, on one test set."""

    mean_square: float
    """Variance of the seeds' mean scores: of the seed itself, and of the noise below."""
    noise: float
    """The part of it that comes from seeds and examples together, so that it falls with more examples."""
    df: int
    """Seeds less one."""

    @property
    def variance(self) -> float:
        """The seed component on its own; negative where chance made the seeds agree too well."""
        return self.mean_square - self.noise


@dataclass(frozen=True)
class SeedComponents:
    """The components of several sides; a side with one run has none and is left out."""

    sides: tuple[SeedComponent, ...]


@dataclass(frozen=True)
class PooledSeeds:
    """One seed component for all sides of a family."""

    variance: float
    """Of one seed's score over infinitely many examples, fraction squared; at least 0."""
    mean_square: float
    """Pooled variance of the seeds' mean scores, noise included; with `df` it says how uncertain `variance` is."""
    df: int
    """Sum of the sides' degrees of freedom."""
    sides: int
    """Number of sides that were pooled."""
    homogeneous: bool
    """False: one side varies so much more than the others that they should not be pooled, and are not by `crossed`."""
    p_homogeneity: float
    """p-value of "all sides have one seed variance"."""


def seed_component(side: SideScores) -> SeedComponent | None:
    """Return one side's seed component, or None for a side with one run.

    Two-way analysis of variance of seeds x examples with one value a cell: `mean_square` is MS_S / n and `noise` is
    MS_R / n.
    """
    k, n = side.scores.shape
    if k < 2:
        return None
    mean_square = float(side.seed_means.var(ddof=1))
    if side.binary:  # the squares of 0 and 1 are 0 and 1
        within = float((side.example_means * (1 - side.example_means)).mean()) * k / (k - 1)
    else:
        within = float(side.scores.var(axis=0, ddof=1, dtype=np.float64).mean())
    noise = max(within - mean_square, 0.0) / (n - 1) if n > 1 else 0.0
    return SeedComponent(mean_square, noise, k - 1)


def seed_variance(sides: Iterable[SideScores]) -> SeedComponents:
    """Return the seed components of sides, to be pooled; sides with one run have none."""
    return SeedComponents(tuple(found for side in sides if (found := seed_component(side)) is not None))


def pool(families: Iterable[SeedComponents]) -> PooledSeeds:
    """Return one seed component for all sides, and whether one is enough.

    Homogeneity is tested by Cochran's C (Cochran 1941, Annals of Eugenics 11; for unequal numbers of seeds as 't Lam
    2010, Accreditation and Quality Assurance 15): the largest share that one side has in the sum of squares, with
    Bonferroni's bound over the sides. What harms a pooled interval is one side that varies more than the rest, which
    this test looks for; it needs no simulation. Brown and Forsythe's test says next to nothing with 3 seeds (docs/
    statistics.md). Seeds with heavy tails reject too often, which leads to wider intervals, not to false decisions.

    Args:
        families: what `seed_variance` returned for each comparison; a side that occurs in several is given once.

    Raises:
        Undefined: no side has two runs.
    """
    sides = [side for family in families for side in family.sides]
    df = sum(side.df for side in sides)
    if not df:
        raise Undefined("seed variance is pooled over sides with two runs or more, found none")
    mean_square = math.fsum(side.df * side.mean_square for side in sides) / df
    noise = math.fsum(side.df * side.noise for side in sides) / df
    p = homogeneity(sides)
    return PooledSeeds(max(mean_square - noise, 0.0), mean_square, df, len(sides), p >= HOMOGENEITY_ALPHA, p)


def homogeneity(sides: Sequence[SeedComponent]) -> float:
    """Return the p-value of "all sides have one seed component", by Cochran's C.

    Each mean square is first divided by what it is expected to be, for noise differs with the number of examples.
    """
    from scipy.special import betainc

    df = sum(side.df for side in sides)
    component = max(math.fsum(side.df * side.variance for side in sides) / df, 0.0)
    scaled = [
        side.df * side.mean_square / (component + side.noise) if component + side.noise > 0 else 0.0 for side in sides
    ]
    total = math.fsum(scaled)
    if len(sides) < 2 or total == 0:
        return 1.0
    tails = (
        1 - float(betainc(side.df / 2, (df - side.df) / 2, min(share / total, 1.0)))
        for side, share in zip(sides, scaled, strict=True)
    )
    return min(1.0, len(sides) * min(tails))


def own_p(own: Sequence[SeedComponent], pooled: PooledSeeds) -> float:
    """Return the p-value of "these sides of the family vary no more than the rest".

    Their share in the family's sum of squares against the beta distribution that it has where all variances are equal
    (an F test against the rest). The test of the whole family hardly sees two sides among six that vary three times as
    much with 3 to 8 seeds, which harms their comparison most (docs/statistics.md).
    """
    from scipy.special import betainc

    df = sum(side.df for side in own)
    if not df or df >= pooled.df:
        return 1.0
    expected = [pooled.variance + side.noise for side in own]
    squares = math.fsum(
        side.df * side.mean_square / each for side, each in zip(own, expected, strict=True) if side.mean_square > 0
    )
    return 1 - float(betainc(df / 2, (pooled.df - df) / 2, min(squares / pooled.df, 1.0)))


def outliers(values: Sequence[float], pooled: PooledSeeds | None = None, step: float = 0.0) -> tuple[int, ...]:
    """Return the places of seeds that are too far from the others to be one of them; to be flagged, never dropped.

    With pooled seed variance: a seed's distance from the side's median, in the family's standard deviations, against t.
    Without: Grubbs' test (1950, Annals of Mathematical Statistics 21), its distance from the mean of the others in
    their own. Both at 1 % for the side, by Bonferroni's bound over its seeds.

    Args:
        values: the mean score (accuracy) of each seed.
        pooled: the family's seed variance, used where it is homogeneous.
        step: the smallest difference that two values can have (1/n for accuracies), below which a spread is not
            believed: with few seeds, others that agree by chance would make any seed an outlier.

    Returns:
        Places in `values`, in order; none with fewer than three seeds.
    """
    k = len(values)
    if k < 3:
        return ()
    accuracies = np.asarray(values, dtype=np.float64)
    found = []
    for place, value in enumerate(accuracies):
        if pooled is not None and pooled.homogeneous:
            distance = abs(value - float(np.median(accuracies)))
            variance, df = max(pooled.mean_square, step * step), pooled.df
        else:
            others = np.delete(accuracies, place)
            distance = abs(value - float(others.mean()))
            variance, df = max(float(others.var(ddof=1)), step * step) * k / (k - 1), k - 2
        if distance > ROUNDING and (
            variance == 0 or 2 * k * upper_tail(distance / math.sqrt(variance), df) < OUTLIER_ALPHA
        ):
            found.append(place)
    return tuple(found)


def permutation_p(a: Sequence[float], b: Sequence[float]) -> float:
    """Return the exact two-sided p-value that it does not matter which seeds belong to which side.

    The share of all ways to deal the runs out to two sides whose means differ at least as much as those seen (Fisher
    1935). It speaks of new seeds on this test set, and can't be below 2 / C(k_a + k_b, k_a): 0.1 for 3 and 3 seeds.

    Args:
        a: the mean score of each seed of one side.
        b: those of the other.

    Raises:
        Undefined: a side has fewer than three seeds, or there are more than 40 in all.
    """
    values = np.asarray([*a, *b], dtype=np.float64)
    total = len(values)
    if min(len(a), len(b)) < 3 or total > MOST_PERMUTED:
        raise Undefined(
            f"permutation needs 3 seeds a side and at most {MOST_PERMUTED} in all, found {len(a)}, {len(b)}"
        )
    values = values - values.mean()
    seen = abs(values[: len(a)].sum()) - ROUNDING * total
    left, right = _subset_sums(values[: total // 2]), _subset_sums(values[total // 2 :])
    extreme = ways = 0
    for taken, sums in enumerate(left):
        if not 0 <= len(a) - taken < len(right):
            continue
        rest = np.sort(right[len(a) - taken])
        below = np.searchsorted(rest, -seen - sums, side="right")
        above = len(rest) - np.searchsorted(rest, seen - sums, side="left")
        extreme += int(np.minimum(below + above, len(rest)).sum())
        ways += len(sums) * len(rest)
    return extreme / ways


def _subset_sums(values: Array) -> list[Array]:
    """Return the sums of all subsets, by the number of their members."""
    sums = [np.zeros(1)]
    for value in values:
        grown = [*sums, np.zeros(0)]
        sums = [
            np.concatenate([grown[size], grown[size - 1] + value]) if size else grown[0] for size in range(len(grown))
        ]
    return sums
