"""Accuracies and their differences with honest uncertainty: pure functions that raise where a quantity does not exist.

Accuracies, differences and interval ends are fractions, never percent. Nothing here is random. scipy is imported only
where a t or binomial distribution is needed, so that judging published figures (normal approximation) does not load it.
"""

from __future__ import annotations

import math
from collections.abc import Sequence
from typing import Literal, Protocol

from harness.stats.equivalence import Equivalence as Equivalence
from harness.stats.equivalence import equivalence as equivalence
from harness.stats.estimate import Estimate as Estimate
from harness.stats.estimate import Interval as Interval
from harness.stats.estimate import Undefined as Undefined
from harness.stats.estimate import mean_and_error, quantile, upper_tail
from harness.stats.multiplicity import holm as holm
from harness.stats.power import units_needed as units_needed

RANGE_TO_SD = {
    2: 1.12838,
    3: 1.69257,
    4: 2.05875,
    5: 2.32593,
    6: 2.53441,
    7: 2.70436,
    8: 2.84720,
    9: 2.97003,
    10: 3.07751,
}
"""d2: expected range of n normal values in standard deviations (Tippett 1925; ASTM STP 15D, table of d2)."""

MEDIAN_VARIANCE = {3: 0.44867, 5: 0.28683, 7: 0.21045, 9: 0.16610}
"""Variance of the median of n unit normal values (Sarhan and Greenberg 1962, Contributions to Order Statistics)."""


class WithVariance(Protocol):
    """An accuracy (fraction) with the variance of its estimate, None where it has none."""

    @property
    def value(self) -> float:
        """The accuracy, a fraction."""

    @property
    def variance(self) -> float | None:
        """Squared standard error of the accuracy."""


def wilson(correct: int, n: int, level: float = 0.95) -> Interval:
    """Return Wilson's score interval of an accuracy (Wilson 1927, JASA 22; Brown, Cai and DasGupta 2001).

    Args:
        correct: number of correct predictions.
        n: number of predictions.
        level: confidence level, a fraction.

    Raises:
        Undefined: n is 0, or `correct` is not between 0 and n.
    """
    if n < 1 or not 0 <= correct <= n:
        raise Undefined(f"an accuracy needs 0 <= correct <= n and n >= 1, found {correct} of {n}")
    z = quantile(level, None)
    p = correct / n
    centre = (p + z * z / (2 * n)) / (1 + z * z / n)
    half = z / (1 + z * z / n) * math.sqrt(p * (1 - p) / n + z * z / (4 * n * n))
    return Interval(0.0 if correct == 0 else centre - half, 1.0 if correct == n else centre + half)


def mcnemar(only_a: int, only_b: int) -> float:
    """Return the exact two-sided p-value that a and b are right equally often (McNemar 1947, Psychometrika 12).

    Args:
        only_a: examples that only a predicts correctly.
        only_b: examples that only b predicts correctly.

    Returns:
        Twice the smaller binomial tail at 1/2, at most 1; 1.0 when no example tells the two apart.
    """
    if min(only_a, only_b) < 0:
        raise Undefined(f"counts of examples cannot be negative, found {only_a} and {only_b}")
    if only_a == only_b:
        return 1.0
    from scipy.special import bdtr

    return min(1.0, 2 * float(bdtr(min(only_a, only_b), only_a + only_b, 0.5)))


def paired_examples(both: int, only_a: int, only_b: int, neither: int, level: float = 0.95) -> Estimate:
    """Return accuracy of a minus accuracy of b on the same examples, conditional on these two sets of predictions.

    The interval is the Wald interval after 1/2 is added to each of the four cells (Agresti and Min
    2005, Statistics in Medicine 24, "Wald+2"); the p-value is McNemar's exact one, so at the very edge
    of significance the two may disagree.

    Args:
        both: examples that both predict correctly.
        only_a: examples that only a predicts correctly.
        only_b: examples that only b predicts correctly.
        neither: examples that neither predicts correctly.
        level: confidence level, a fraction.

    Raises:
        Undefined: there are no examples, or a count is negative.
    """
    n = both + only_a + only_b + neither
    if n < 1 or min(both, only_a, only_b, neither) < 0:
        raise Undefined(
            f"paired accuracies need counts of at least one example, found {both}, {only_a}, {only_b}, {neither}"
        )
    gap = only_a - only_b
    error = math.sqrt((only_a + only_b + 1) - gap * gap / (n + 2)) / (n + 2)
    half = quantile(level, None) * error
    centre = gap / (n + 2)
    low, high = max(-1.0, centre - half), min(1.0, centre + half)
    method = "Agresti-Min interval and exact McNemar test on the examples"
    return Estimate(gap / n, low, high, mcnemar(only_a, only_b), error, None, level, method)


def paired_t(differences: Sequence[float], level: float = 0.95) -> Estimate:
    """Return the mean difference over seeds with Student's t interval and p-value (Student 1908, Biometrika 6).

    Args:
        differences: accuracy of a minus accuracy of b for each seed, fractions.
        level: confidence level, a fraction.

    Raises:
        Undefined: fewer than two seeds, or all differences equal: there is no spread to judge by.
    """
    mean, error, df = mean_and_error(differences, "differences")
    p = 2 * upper_tail(abs(mean) / error, df)
    half = quantile(level, df) * error
    method = f"paired t over {len(differences)} seeds"
    return Estimate(mean, mean - half, mean + half, p, error, df, level, method)


def mean_t(values: Sequence[float], level: float = 0.95) -> Estimate:
    """Return the mean accuracy over seeds with Student's t interval, cut to [0, 1]; p is None.

    Args:
        values: the accuracy of each seed, fractions.
        level: confidence level, a fraction.

    Raises:
        Undefined: fewer than two seeds, no spread, or a value that is no fraction.
    """
    if any(not 0 <= value <= 1 for value in values):
        raise Undefined(f"accuracies are fractions in [0, 1], found {min(values):g} to {max(values):g}")
    mean, error, df = mean_and_error(values, "accuracies")
    half = quantile(level, df) * error
    low, high = max(0.0, mean - half), min(1.0, mean + half)
    return Estimate(mean, low, high, None, error, df, level, f"t over {len(values)} seeds")


def unpaired(a: WithVariance, b: WithVariance, level: float = 0.95) -> Estimate:
    """Return accuracy a minus accuracy b, measured independently, by normal approximation.

    The variance of the difference is the sum of the two variances. A spread published over three
    seeds is itself uncertain, and that uncertainty is not in the interval.

    Args:
        a: value (fraction) and variance of the first side.
        b: value and variance of the second side; a fixed target has variance 0.
        level: confidence level, a fraction.

    Raises:
        Undefined: a side has no variance, or both variances are 0.
    """
    if a.variance is None or b.variance is None:
        raise Undefined("no uncertainty is known for a side: neither the number of test examples nor a spread")
    error = math.sqrt(a.variance + b.variance)
    if error == 0:
        raise Undefined("both sides have variance 0: there is no spread to judge the difference by")
    value = a.value - b.value
    half = quantile(level, None) * error
    p = 2 * upper_tail(abs(value) / error, None)
    return Estimate(value, value - half, value + half, p, error, None, level, "unpaired, normal approximation")


def binomial_variance(p: float, n: int) -> float:
    """Return the variance of an accuracy p (fraction) over n test examples.

    At exactly 0 or 1, where p (1 - p) / n would claim certainty, two successes and two failures are
    added first (Agresti and Coull 1998, The American Statistician 52).

    Raises:
        Undefined: n is 0 or p is no fraction.
    """
    if n < 1 or not 0 <= p <= 1:
        raise Undefined(f"an accuracy needs n >= 1 examples and a fraction in [0, 1], found {p:g} over {n}")
    if p in (0.0, 1.0):
        p, n = (p * n + 2) / (n + 4), n + 4
    return p * (1 - p) / n


def seed_sd_from_range(low: float, high: float, n: int) -> float:
    """Return the standard deviation that the range of n normal values suggests: (high - low) / d2(n).

    Raises:
        Undefined: n is outside 2 to 10, where the range is no longer a fair summary, or high < low.
    """
    if n not in RANGE_TO_SD or high < low:
        raise Undefined(f"a range gives a spread for 2 to 10 values with low <= high, found [{low:g}, {high:g}] of {n}")
    return (high - low) / RANGE_TO_SD[n]


def centre_variance(sd: float, n: int, centre: Literal["mean", "median"]) -> float:
    """Return the variance of the mean or the median of n normal values with standard deviation `sd`.

    For a median whose n is not tabulated it is the large-sample pi / (2 n), which is larger than the true variance.

    Raises:
        Undefined: fewer than two values, or a negative sd.
    """
    if n < 2 or sd < 0:
        raise Undefined(f"a spread needs two values or more and is not negative, found sd {sd:g} of {n}")
    return sd * sd * (1 / n if centre == "mean" else MEDIAN_VARIANCE.get(n, math.pi / (2 * n)))
