"""Simulated comparisons, judged as harness.stats.crossed judges them: how often intervals hold the truth.

A family is several comparisons of two sides, each comparison on a test set of its own. Two simulators: 0/1 scores,
where few examples tell the sides apart and everything is discrete, and normal theory, which is exact for large numbers
and fast. Everything is drawn from the generator given. Accuracies, differences and variances are fractions.
"""

from __future__ import annotations

import functools
import math
from dataclasses import dataclass
from typing import Any, Literal

import numpy as np
import numpy.typing as npt

from harness.stats.crossed import ENOUGH_DF
from harness.stats.power import Design
from harness.stats.seeds import HOMOGENEITY_ALPHA
from harness.stats.sources import OWN_ALPHA

Array = npt.NDArray[Any]
Analysis = Literal["pooled", "always pooled", "alone", "Satterthwaite"]

EVERY = slice(None)
WITHIN = 0.6
"""Two runs of one side differ in this share of the examples in which runs of two sides do."""
MOST_SHIFT = 0.45
"""How far a seed may move the probability of 1/2 with which it gets a noisy example right."""


@dataclass(frozen=True)
class Cell:
    """One place of the grid."""

    n: int
    seeds: int
    discordance: float
    """Share of the examples that one run of each side tells apart."""
    seed_sd: float
    """Standard deviation of one run's accuracy, on infinitely many examples."""
    effect: float = 0.0
    """The true difference."""
    comparisons: int = 3
    """In the family; each has two sides."""
    pooled: bool = True
    """The comparison is planned with its family's seed variance."""
    shared: bool = False
    """Seed j of both sides of a comparison has one seed effect, as where a seed draws the training examples."""
    bad_share: float = 0.0
    """Share of seeds that are bad: five standard deviations below the others."""
    factors: tuple[float, ...] = ()
    """What `seed_sd` is multiplied with on each side of each comparison; () is 1 everywhere."""

    @property
    def within(self) -> float:
        """Share of the examples that two runs of one side tell apart."""
        return WITHIN * self.discordance

    @property
    def noise(self) -> float:
        """Variance of one run's accuracy that comes from seeds and examples together."""
        return self.within / 2 / self.n

    @property
    def feasible(self) -> bool:
        """Whether 0/1 scores can be like that: runs that tell few examples apart can't differ much in accuracy."""
        return 3 * self.seed_sd <= MOST_SHIFT * 2 * self.within

    @property
    def design(self) -> Design:
        """The comparison as it would be planned."""
        return Design(
            self.n,
            self.seeds,
            self.seed_sd,
            self.discordance,
            self.within,
            2 * self.comparisons if self.pooled else None,
        )


@dataclass(frozen=True)
class Draws:
    """What was seen of simulated families: shape (families, comparisons), for sides (families, comparisons, sides)."""

    n: int
    seeds: int
    value: Array
    examples: Array
    """Variance over examples, of the seed means."""
    mean_square: Array
    """Of sides: variance of the seed means."""
    noise: Array
    """Of sides: the part of it that comes from seeds and examples together."""


def seed_effects(cell: Cell, rng: np.random.Generator, families: int) -> Array:
    """Return every run's seed effect, shape (families, comparisons, 2, seeds)."""
    shape = (families, cell.comparisons, 1 if cell.shared else 2, cell.seeds)
    effects = rng.standard_normal(shape)
    if cell.bad_share:
        effects -= 5 * (rng.random(shape) < cell.bad_share)
        effects += 5 * cell.bad_share
    factors = np.array(cell.factors or (1.0,) * 2 * cell.comparisons).reshape(cell.comparisons, 2, 1)
    return np.broadcast_to(cell.seed_sd * factors * effects, (families, cell.comparisons, 2, cell.seeds))


def normal_draws(cell: Cell, rng: np.random.Generator, families: int) -> Draws:
    """Draw families of comparisons from normal theory."""
    runs = seed_effects(cell, rng, families)
    runs = runs + math.sqrt(cell.noise) * rng.standard_normal(runs.shape)
    means = runs.mean(axis=-1)
    common = math.sqrt((cell.discordance - cell.within) / cell.n) * rng.standard_normal(means.shape[:2])
    per_example = (cell.discordance - (1 - 1 / cell.seeds) * cell.within) / cell.n
    spread = rng.chisquare(cell.n - 1, means.shape[:2]) / (cell.n - 1)
    mean_square = runs.var(axis=-1, ddof=1)
    return Draws(
        cell.n,
        cell.seeds,
        cell.effect + means[..., 0] - means[..., 1] + common,
        per_example * spread,
        mean_square,
        np.full(mean_square.shape, cell.noise),
    )


def binary_draws(cell: Cell, rng: np.random.Generator, families: int, keep: list[Array] | None = None) -> Draws:
    """Draw families of comparisons of 0/1 scores.

    An example is easy (all runs are right), or one that only one side ever gets right, or noisy: then each run is right
    by the toss of a coin whose probability the run's seed effect moves away from 1/2.

    Args:
        cell: a feasible one.
        rng: the generator.
        families: how many.
        keep: takes the score tables (families x comparisons of shape (2, seeds, n)), for a check on a few.
    """
    noisy_share, owned = 2 * cell.within, cell.discordance - cell.within
    shares = [noisy_share, (owned + cell.effect) / 2, (owned - cell.effect) / 2]
    k, n = cell.seeds, cell.n
    shape = (families, cell.comparisons)
    counts = rng.multinomial(n, [*shares, 1 - sum(shares)], size=shape)
    shift = np.clip(seed_effects(cell, rng, families) / noisy_share, -MOST_SHIFT, MOST_SHIFT)
    sums = {name: np.zeros(shape) for name in ("first", "second")}
    totals, within = np.zeros((*shape, 2, k)), np.zeros((*shape, 2))
    for at in np.ndindex(shape):
        noisy, only_a, only_b, _ = counts[at]
        right = rng.random((2, k, noisy), dtype=np.float32) < 0.5 + shift[at][..., None]
        hits = right.sum(axis=1, dtype=np.int64)
        contrast = hits[0] - hits[1]
        sums["first"][at] = contrast.sum() / k + only_a - only_b
        sums["second"][at] = (contrast**2).sum() / k**2 + only_a + only_b
        totals[at] = right.sum(axis=2)
        within[at] = (hits * (k - hits)).sum(axis=1) / k**2
        if keep is not None:
            fixed = np.repeat([[1, 0, 1], [0, 1, 1]], [only_a, only_b, n - noisy - only_a - only_b], axis=1)
            keep.append(np.concatenate([right, np.repeat(fixed[:, None].astype(bool), k, axis=1)], axis=2))
    # As crossed: two examples more, in which each side is right by the toss of a coin.
    examples = (sums["second"] + 1 - sums["first"] ** 2 / (n + 2)) / (n + 2) ** 2
    mean_square = (totals / n).var(axis=-1, ddof=1)
    noise = np.maximum(within / n * k / (k - 1) - mean_square, 0) / (n - 1)
    return Draws(n, k, sums["first"] / n, examples, mean_square, noise)


def figure_draws(cell: Cell, rng: np.random.Generator, families: int, accuracy: float) -> Draws:
    """Draw one side's accuracy less its true one, in families of sides of 0/1 scores (see `binary_draws`).

    A share of `cell.discordance` of the examples is noisy in one run's eyes; effects and factors are not used.
    """
    noisy_share = 2 * cell.within
    wrong_share = 1 - accuracy - noisy_share / 2
    k, n, shape = cell.seeds, cell.n, (families, cell.comparisons)
    counts = rng.multinomial(n, [noisy_share, wrong_share, 1 - noisy_share - wrong_share], size=shape)
    effects = rng.standard_normal((*shape, k)) * cell.seed_sd / noisy_share
    shift = np.clip(effects, -MOST_SHIFT, MOST_SHIFT)
    first, second, within = (np.zeros(shape) for _ in range(3))
    totals = np.zeros((*shape, k))
    for at in np.ndindex(shape):
        noisy, _, right_always = counts[at]
        right = rng.random((k, noisy), dtype=np.float32) < 0.5 + shift[at][:, None]
        hits = right.sum(axis=0, dtype=np.int64)
        first[at], second[at] = hits.sum() / k + right_always, (hits**2).sum() / k**2 + right_always
        totals[at] = right.sum(axis=1) + right_always
        within[at] = (hits * (k - hits)).sum() / k**2
    # As crossed: four examples more, in which the side is right by the toss of a coin.
    examples = (second + 2 - (first + 2) ** 2 / (n + 4)) / (n + 4) ** 2
    mean_square = (totals / n).var(axis=-1, ddof=1)
    noise = np.maximum(within / n * k / (k - 1) - mean_square, 0) / (n - 1)
    return Draws(n, k, first / n - accuracy, examples, mean_square[..., None], noise[..., None])


@functools.cache
def _table(level: float) -> tuple[Array, Array]:
    """Return degrees of freedom and t quantiles to interpolate between."""
    from scipy.special import stdtrit

    df = np.concatenate([np.linspace(0.5, 40, 4_000), np.geomspace(40.1, 1e6, 500)])
    return df, stdtrit(df, (1 + level) / 2)


def t_quantile(level: float, df: Array) -> Array:
    """Return two-sided t quantiles."""
    return np.interp(df, *_table(level))


def half_widths(draws: Draws, level: float, analysis: Analysis) -> Array:
    """Return half the width of each interval as crossed() gives it, shape (families, comparisons).

    "pooled" pools the seed variance of a family unless homogeneity is rejected or the comparison's sides vary more than
    the rest, "always pooled" does not ask; "Satterthwaite" is the common rule with one quantile, which was not taken.
    """
    k = draws.seeds
    of_examples = t_quantile(level, np.float64(draws.n - 1))
    square, noise = draws.mean_square.sum(-1) / k, draws.noise.sum(-1) / k
    if analysis == "Satterthwaite":
        variance = draws.examples + np.maximum(square - noise, 0)
        bottom = (draws.mean_square**2).sum(-1) / k**2 / (k - 1) + draws.examples**2 / (draws.n - 1)
        return t_quantile(level, variance**2 / bottom) * np.sqrt(variance)
    whole = _welch(draws.mean_square, k)
    df = np.minimum(whole, (whole + _welch(np.maximum(draws.mean_square - draws.noise, 0), k)) / 2)
    seeds = np.maximum(t_quantile(level, df) ** 2 * square - of_examples**2 * noise, 0)
    alone = np.sqrt(of_examples**2 * draws.examples + seeds)
    if analysis == "alone":
        return alone
    variance = np.maximum((draws.mean_square - draws.noise).mean(axis=(1, 2)), 0)[:, None]
    sides = draws.mean_square[0].size
    pooled_df = sides * (k - 1)
    of_seeds = t_quantile(level, np.float64(pooled_df))
    careful = of_examples if pooled_df < ENOUGH_DF else of_seeds
    seeds = np.maximum(of_seeds**2 * (draws.mean_square.shape[-1] * variance / k + noise) - careful**2 * noise, 0)
    pooled = np.sqrt(of_examples**2 * draws.examples + seeds)
    if analysis == "always pooled":
        return pooled
    may = (homogeneity(draws) >= HOMOGENEITY_ALPHA)[:, None] & (own_p(draws) >= OWN_ALPHA)
    return np.where(may, pooled, alone)


def homogeneity(draws: Draws) -> Array:
    """Return each family's p-value of "all sides have one seed variance", as seeds.homogeneity."""
    from scipy.special import betainc

    sides, df = draws.mean_square[0].size, draws.seeds - 1
    scaled = _scaled(draws)
    total = scaled.sum(axis=(1, 2))
    share = np.divide(scaled.max(axis=(1, 2)), total, out=np.full(total.shape, 1 / sides), where=total > 0)
    return np.minimum(1, sides * (1 - betainc(df / 2, (sides - 1) * df / 2, share)))


def own_p(draws: Draws) -> Array:
    """Return each comparison's p-value of "these sides vary no more than the rest", as seeds.own_p."""
    from scipy.special import betainc

    scaled = _scaled(draws)
    all_sides, sides, df = scaled[0].size, scaled.shape[2], draws.seeds - 1
    share = np.minimum(scaled.sum(-1) / all_sides, 1)
    return 1 - betainc(sides * df / 2, (all_sides - sides) * df / 2, share)


def _scaled(draws: Draws) -> Array:
    """Return sides' mean squares, divided by what they are expected to be were all seed variances equal."""
    variance = np.maximum((draws.mean_square - draws.noise).mean(axis=(1, 2)), 0)[:, None, None]
    expected = variance + draws.noise
    return np.divide(draws.mean_square, expected, out=np.zeros(expected.shape), where=expected > 0)


def _welch(squares: Array, k: int) -> Array:
    """Return Welch's degrees of freedom of two sides' seed variance."""
    bottom = (squares**2).sum(-1) / (k - 1)
    return np.divide(squares.sum(-1) ** 2, bottom, out=np.full(bottom.shape, k - 1.0), where=bottom > 0)


def outside(draws: Draws, truth: float, level: float, analysis: Analysis, which: slice = EVERY) -> float:
    """Return the share of intervals that do not hold the truth, of some comparisons of each family."""
    return float((np.abs(draws.value - truth) > half_widths(draws, level, analysis))[:, which].mean())


def power(draws: Draws, more: float, level: float, analysis: Analysis) -> float:
    """Return the share of intervals above 0, were the true difference larger than the simulated one by `more`."""
    return float((draws.value + more > half_widths(draws, level, analysis)).mean())
