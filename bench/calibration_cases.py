"""Cases beside the grid of the calibration: what happens where an assumption fails, shown as it is."""

from __future__ import annotations

import math
from collections.abc import Callable, Iterator
from typing import Any

import numpy as np

from bench.calibration import (
    EVERY,
    Analysis,
    Array,
    Cell,
    Draws,
    figure_draws,
    half_widths,
    normal_draws,
    outside,
    seed_effects,
    t_quantile,
)
from harness.stats.estimate import quantile
from harness.stats.sequential import LOOKS, boundaries

ALPHAS = {"5 %": 0.05, "0.42 %": 0.0042}
Rate = Callable[[float], float]
"""How often intervals at an alpha miss the truth."""

CIFAR10 = {"n": 10_000, "discordance": 0.02}
"""A test set of CIFAR-10's size."""


def cases(rng: np.random.Generator, families: int) -> list[dict[str, Any]]:
    """Return each case with its coverage at 95 % and its false decisions as multiples of the nominal rate."""
    found = []
    for name, rate in [
        *single_runs(rng, families),
        *figures(rng, families),
        *shared_seeds(rng, families),
        *skewed_seeds(rng, families),
        *unlike_sides(rng, families),
        *looks(rng, families),
    ]:
        errors = {f"false at {at}": round(rate(alpha) / alpha, 3) for at, alpha in ALPHAS.items()}
        found.append({"case": name, "coverage at 95 %": round(1 - 0.05 * errors["false at 5 %"], 4), **errors})
    return found


def of(draws: Draws, analysis: Analysis, which: slice = EVERY) -> Rate:
    """Return how often crossed intervals miss a true difference of 0."""
    return lambda alpha: outside(draws, 0.0, 1 - alpha, analysis, which)


def single_runs(rng: np.random.Generator, families: int) -> Iterator[tuple[str, Rate]]:
    """One run of each side, 0/1 scores: Agresti and Min's interval, which speaks of new examples alone."""
    for n, discordance in ((797, 0.005), (797, 0.02), (3_669, 0.02), (10_000, 0.10)):
        counts = rng.multinomial(n, [discordance / 2, discordance / 2, 1 - discordance], size=10 * families)

        def rate(alpha: float, n: int = n, counts: Array = counts) -> float:
            gap, both = counts[:, 0] - counts[:, 1], counts[:, 0] + counts[:, 1]
            error = np.sqrt(both + 1 - gap**2 / (n + 2))
            return float((np.abs(gap) > quantile(1 - alpha, None) * error).mean())

        yield f"one run, {n:,} examples, {100 * discordance:g} % differ; conditional on the runs", rate
    cell = Cell(seeds=2, seed_sd=0.001, **CIFAR10)
    runs = seed_effects(cell, rng, families)[..., 0] + math.sqrt(cell.noise) * rng.standard_normal((families, 3, 2))
    common = math.sqrt((cell.discordance - cell.within) / cell.n) * rng.standard_normal((families, 3))
    value = runs[..., 0] - runs[..., 1] + common

    def of_recipe(alpha: float) -> float:
        return float((np.abs(value) > quantile(1 - alpha, None) * math.sqrt(cell.discordance / cell.n)).mean())

    yield "the same, 10,000 examples, 2 % differ, seed sd 0.1, read as if it spoke of another run", of_recipe


def figures(rng: np.random.Generator, families: int) -> Iterator[tuple[str, Rate]]:
    """One side against a figure, 0/1 scores."""
    for n, accuracy, discordance, sd in (
        (797, 0.9, 0.06, 0.003),
        (797, 0.99, 0.01, 0.0005),
        (3_669, 0.99, 0.01, 0.001),
    ):
        for k in (3, 5):
            draws = figure_draws(Cell(n, k, discordance, sd, comparisons=6), rng, families // 10, accuracy)
            for analysis in ("pooled", "alone"):
                name = f"against a figure, accuracy {100 * accuracy:g} %, {n:,} examples, {k} seeds, {analysis}"
                yield name, of(draws, analysis)


def shared_seeds(rng: np.random.Generator, families: int) -> Iterator[tuple[str, Rate]]:
    """Seed j has the same effect on both sides, as a draw of training examples has."""
    for k in (3, 5):
        cell = Cell(seeds=k, seed_sd=0.003, shared=True, **CIFAR10)
        yield (
            f"seed effects shared by both sides, sd 0.3, {k} seeds, pooled",
            of(normal_draws(cell, rng, families), "pooled"),
        )
        draws = as_differences(normal_draws(cell, rng, families), cell, rng)
        yield f"the same, each seed's difference given as one side, {k} seeds, alone", of(draws, "alone")


def as_differences(draws: Draws, cell: Cell, rng: np.random.Generator) -> Draws:
    """Return draws of one side: differences of sides that share their seed effects, which are left with noise alone."""
    shape = draws.value.shape
    runs = math.sqrt(2 * cell.noise) * rng.standard_normal((*shape, cell.seeds))
    common = math.sqrt((cell.discordance - cell.within) / cell.n) * rng.standard_normal(shape)
    mean_square = runs.var(axis=-1, ddof=1)[..., None]
    noise = np.full(mean_square.shape, 2 * cell.noise)
    return Draws(cell.n, cell.seeds, runs.mean(axis=-1) + common, draws.examples, mean_square, noise)


def skewed_seeds(rng: np.random.Generator, families: int) -> Iterator[tuple[str, Rate]]:
    """One seed in ten is five standard deviations worse than the others."""
    for k in (3, 5, 8):
        draws = normal_draws(Cell(seeds=k, seed_sd=0.001, bad_share=0.1, **CIFAR10), rng, families)
        for analysis in ("pooled", "alone"):
            yield f"a bad run in ten on both sides, sd 0.1 without it, {k} seeds, {analysis}", of(draws, analysis)
    for k in (3, 5, 8):
        draws = one_skewed(Cell(seeds=k, seed_sd=0.001, **CIFAR10), rng, families)
        for analysis in ("pooled", "alone"):
            yield f"a bad run in ten on one side alone, {k} seeds, {analysis}", of(draws, analysis)

    for k in (3, 5, 8):
        draws = one_skewed(Cell(n=50_000, discordance=0.02, seeds=k, seed_sd=0.003), rng, families)
        for analysis in ("pooled", "alone"):
            name = f"the same, sd 0.3, 50,000 examples, {k} seeds, {analysis}"
            yield name, of(draws, analysis)
            yield f"{name}; were both directions as bad as the worse", worse_direction(draws, analysis)


def worse_direction(draws: Draws, analysis: Analysis) -> Rate:
    """Return twice how often intervals miss in the direction in which they miss more."""

    def rate(alpha: float) -> float:
        halves = half_widths(draws, 1 - alpha, analysis)
        return 2 * max(float((draws.value > halves).mean()), float((draws.value < -halves).mean()))

    return rate


def one_skewed(cell: Cell, rng: np.random.Generator, families: int) -> Draws:
    """Draw families in which the first side of each comparison has bad runs and the second has none."""
    runs = np.array(seed_effects(cell, rng, families))
    bad = rng.random(runs[:, :, 0].shape) < 0.1
    runs[:, :, 0] += 5 * cell.seed_sd * (0.1 - bad)
    runs += math.sqrt(cell.noise) * rng.standard_normal(runs.shape)
    plain = normal_draws(cell, rng, families)
    common = math.sqrt((cell.discordance - cell.within) / cell.n) * rng.standard_normal(plain.value.shape)
    means = runs.mean(axis=-1)
    return Draws(
        cell.n,
        cell.seeds,
        means[..., 0] - means[..., 1] + common,
        plain.examples,
        runs.var(axis=-1, ddof=1),
        plain.noise,
    )


def unlike_sides(rng: np.random.Generator, families: int) -> Iterator[tuple[str, Rate]]:
    """Families that should not be pooled, and comparisons of a side that varies with one that does not."""
    for times in (3.0, 10.0):
        for k in (3, 5, 8):
            factors = (times, times, 1.0, 1.0, 1.0, 1.0)
            draws = normal_draws(Cell(seeds=k, seed_sd=0.001, factors=factors, **CIFAR10), rng, families)
            first = slice(0, 1)
            name = f"sides with {times:g} times the family's seed sd, {k} seeds"
            yield f"{name}, pooled without asking", of(draws, "always pooled", first)
            yield f"{name}, pooled unless they stand out", of(draws, "pooled", first)
    for k in (3, 5, 8):
        draws = normal_draws(Cell(seeds=k, seed_sd=0.003, factors=(1.0, 0.0) * 3, **CIFAR10), rng, families)
        name = f"a side with seed sd 0.3 and one with 0, {k} seeds"
        yield f"{name}, alone", of(draws, "alone")
        yield f"{name}, by Satterthwaite's rule", of(draws, "Satterthwaite")


def looks(rng: np.random.Generator, families: int) -> Iterator[tuple[str, Rate]]:
    """Looks at 3, 5, 8 and 12 seeds on the same examples."""
    cell = Cell(seeds=LOOKS[-1], seed_sd=0.003, **CIFAR10)
    runs = seed_effects(cell, rng, families)
    runs = runs + math.sqrt(cell.noise) * rng.standard_normal(runs.shape)
    common = math.sqrt((cell.discordance - cell.within) / cell.n) * rng.standard_normal(runs.shape[:2])
    seen = []
    for k in LOOKS:
        means, mean_square = runs[..., :k].mean(axis=-1), runs[..., :k].var(axis=-1, ddof=1)
        examples = (cell.discordance - (1 - 1 / k) * cell.within) / cell.n
        seen.append(
            Draws(
                cell.n,
                k,
                means[..., 0] - means[..., 1] + common,
                np.full(common.shape, examples),
                mean_square,
                np.full(mean_square.shape, cell.noise),
            )
        )

    def decided(alpha: float, bounds: Callable[[float], tuple[float, ...]], analysis: Analysis) -> float:
        hit = np.zeros(common.shape, bool)
        for draws, bound in zip(seen, bounds(alpha), strict=True):
            hit |= np.abs(draws.value) > half_widths(draws, 1 - bound, analysis)
        return float(hit.mean())

    for analysis in ("pooled", "alone"):
        yield (
            f"looks at 3, 5, 8 and 12 seeds, seed sd 0.3, with the boundaries, {analysis}",
            lambda alpha, analysis=analysis: decided(alpha, lambda a: boundaries(LOOKS, a), analysis),
        )
    yield (
        "the same without boundaries, pooled",
        lambda alpha: decided(alpha, lambda a: (a,) * len(LOOKS), "pooled"),
    )

    def over_seeds(alpha: float) -> float:
        last = seen[1]
        half = t_quantile(1 - alpha, np.float64(2 * (last.seeds - 1))) * np.sqrt(last.mean_square.sum(-1) / last.seeds)
        return float((np.abs(last.value) > half).mean())

    yield "t over 5 seeds alone, seed sd 0.3, read as if it spoke of new examples", over_seeds
