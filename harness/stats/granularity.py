"""Which accuracies are possible: over n examples and s runs, multiples of 1 / (n s), and what others suggest.

An accuracy over n examples and s runs is a whole number of correct predictions over n s (the idea of the GRIM test:
Brown and Heathers 2017, Social Psychological and Personality Science 8). A printed figure that is no rounding of one
was scored otherwise than it says: on fewer examples, as a mean of batch means, over another number of runs. Figures are
percent here, as printed.
"""

from __future__ import annotations

import math
from collections.abc import Callable
from dataclasses import dataclass
from decimal import Decimal

BATCHES = (8, 16, 32, 64, 128, 256, 512, 1024)
"""Evaluation batch sizes that explanations are sought for."""
MOST_RUNS = 10
"""Runs behind a mean that explanations are sought for."""
MOST_DECIMALS = 7
"""A figure with more is a binary fraction printed whole; beyond these, its digits are rounding in single precision."""
NEIGHBOURS = 200
"""Figures around the one printed, on each side, that say how often a rule is met by chance."""

Rule = Callable[[float, float], bool]
"""Whether a rule can give a value (percent) to within a tolerance."""


@dataclass(frozen=True)
class Explanation:
    """A way of scoring that can give a figure which scoring all examples once can't."""

    way: str
    """For a reader, e.g. "a mean of batch means, batch 32"."""
    chance: float
    """Share of the impossible figures around it that this way can give, too: near 1 it says nothing, near 0 a lot."""


def decimals(percent: float) -> int:
    """Return the digits after the point that a figure shows; trailing zeros that were printed are lost.

    E.g. 90.9 may have been printed 90.90: with the digits that are left more values are possible, never fewer.
    """
    exponent = Decimal(repr(percent)).normalize().as_tuple().exponent
    assert isinstance(exponent, int)  # an accuracy is no infinity
    return min(max(0, -exponent), MOST_DECIMALS)


def tolerance(percent: float) -> float:
    """Return how far what was rounded to a figure can lie from it, percent."""
    return 0.5 * 10.0 ** -decimals(percent) * (1 + 1e-9)


def possible(percent: float, n: int, runs: int = 1) -> bool:
    """Return whether a figure is the rounding of an accuracy over n examples, or of a mean of `runs` of them.

    Args:
        percent: the figure as printed, rounded to nearest.
        n: examples scored in each run.
        runs: how many runs it is the mean of.
    """
    return _counted(n * runs)(percent, tolerance(percent))


def always_possible(percent: float, n: int, runs: int = 1) -> bool:
    """Return whether every figure of so few digits is possible, so that checking it says nothing."""
    return 100 / (n * runs) <= 2 * tolerance(percent)


def explanations(percent: float, n: int, runs: int = 1, most_chance: float = 0.5) -> tuple[Explanation, ...]:
    """Return ways of scoring that can give a figure, those that are met least often by chance first.

    Args:
        percent: a figure that `possible` says is none.
        n: examples of the test set.
        runs: how many runs it is said to be the mean of.
        most_chance: leave out what would explain more than this share of the impossible figures around it as well.
    """
    within, plain = tolerance(percent), _counted(n * runs)
    # Around a figure that is printed whole, others lie a thousandth of a point apart, off the grid of short figures.
    step = max(10.0 ** -decimals(percent), math.pi * 1e-3 if decimals(percent) == MOST_DECIMALS else 0.0)
    around = [percent + step * k for k in range(-NEIGHBOURS, NEIGHBOURS + 1) if k]
    around = [value for value in around if 0 <= value <= 100 and not plain(value, within)]
    found = []
    for way, rule in _ways(n, runs):
        if rule(percent, within):
            chance = sum(rule(value, within) for value in around) / max(1, len(around))
            if chance <= most_chance:
                found.append(Explanation(way, chance))
    return tuple(sorted(found, key=lambda each: each.chance))


def batch_means(n: int, batch: int) -> Rule:
    """Return the rule of a mean of batch means over n examples, whose last batch is smaller but counts as much.

    With whole batches and r of the last m examples correct it is (c / batch + r / m) / batches.
    """
    whole, last = divmod(n, batch)
    batches = whole + 1

    def rule(percent: float, within: float) -> bool:
        for right in range(last + 1):
            count = batch * (batches * percent / 100 - right / last)
            nearest = round(count)
            if 0 <= nearest <= whole * batch and abs(count - nearest) * 100 / (batch * batches) <= within:
                return True
        return False

    return rule


def _counted(n: int) -> Rule:
    """Return the rule of a number of correct predictions over n."""

    def rule(percent: float, within: float) -> bool:
        return abs(round(percent * n / 100) * 100 / n - percent) <= within

    return rule


def _ways(n: int, runs: int) -> list[tuple[str, Rule]]:
    """Return the ways of scoring that are tried."""
    ways: list[tuple[str, Rule]] = []
    for batch in BATCHES:
        whole = n - n % batch
        if 0 < whole < n:
            ways.append((f"a mean of batch means, batch {batch}", batch_means(n, batch)))
            ways.append((f"{whole:,} of {n:,} examples scored: whole batches of {batch}", _counted(whole * runs)))
    ways += [(f"a mean of {each} runs", _counted(n * each)) for each in range(1, MOST_RUNS + 1) if each != runs]
    ways.append(("cut off, not rounded", _cut_off(n * runs)))
    ways.append(("rounded twice, first to one digit more", _rounded_twice(n * runs)))
    return ways


def _cut_off(n: int) -> Rule:
    """Return the rule of a number of correct predictions over n whose further digits were dropped."""

    def rule(percent: float, within: float) -> bool:
        value = math.ceil(round(percent * n / 100, 6)) * 100 / n
        return percent - 1e-9 <= value < percent + 2 * within

    return rule


def _rounded_twice(n: int) -> Rule:
    """Return the rule of a number of correct predictions over n, rounded to one digit more and then once more."""
    plain = _counted(n)

    def rule(percent: float, within: float) -> bool:
        # What the first rounding moved to half a unit away may lie another half unit of its own digit further.
        return plain(percent, 1.1 * within)

    return rule
