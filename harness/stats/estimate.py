"""What every estimate is made of: its record, the quantiles behind it, and the error where there is none.

scipy is imported only where a t distribution is needed, so that judging published figures (normal
approximation) does not load it.
"""

from __future__ import annotations

import math
from collections.abc import Sequence
from dataclasses import dataclass
from statistics import NormalDist
from typing import Protocol

ROUNDING = 1e-12
"""Differences of accuracies that agree to this are equal: what remains is binary rounding."""


class Undefined(ValueError):
    """The quantity does not exist for this input, e.g. a spread of one value."""


class WithError(Protocol):
    """A value with its standard error and the distribution of their ratio."""

    @property
    def value(self) -> float:
        """The estimate."""

    @property
    def standard_error(self) -> float:
        """Its standard error, in the same unit."""

    @property
    def df(self) -> float | None:
        """Degrees of freedom of the t distribution; None: normal."""


@dataclass(frozen=True)
class Interval:
    """A confidence interval, ends as fractions."""

    low: float
    high: float


@dataclass(frozen=True)
class Estimate:
    """A point estimate with its confidence interval."""

    value: float
    """The estimate, a fraction: an accuracy or a difference of two."""
    low: float
    high: float
    p: float | None
    """Two-sided p-value of "the value is 0"; None where that is no question (a mean accuracy)."""
    standard_error: float
    df: float | None
    """Degrees of freedom of the t distribution; None: normal."""
    level: float
    """Confidence level of [low, high], a fraction."""
    method: str
    """How interval and p were computed, for a reader."""


def quantile(level: float, df: float | None) -> float:
    """Return the two-sided quantile at `level` of the t distribution, or the normal one (df None).

    Raises:
        Undefined: the level is not between 0 and 1.
    """
    if not 0 < level < 1:
        raise Undefined(f"a confidence level is a fraction between 0 and 1, found {level:g}")
    if df is None:
        return NormalDist().inv_cdf((1 + level) / 2)
    from scipy.special import stdtrit

    return float(stdtrit(df, (1 + level) / 2))


def upper_tail(x: float, df: float | None) -> float:
    """Return P(X > x) under the t distribution, or the normal one (df None)."""
    if df is None:
        return 0.5 * math.erfc(x / math.sqrt(2))
    from scipy.special import stdtr

    return float(stdtr(df, -x))


def mean_and_error(values: Sequence[float], what: str) -> tuple[float, float, int]:
    """Return mean, standard error and degrees of freedom, or raise where there is no spread."""
    n = len(values)
    if n < 2:
        raise Undefined(f"a spread over seeds needs two {what} or more, found {n}")
    if max(values) - min(values) <= ROUNDING:
        raise Undefined(f"all {n} {what} are equal ({values[0]:g}): there is no spread to judge by")
    mean = math.fsum(values) / n
    variance = math.fsum((value - mean) ** 2 for value in values) / (n - 1)
    return mean, math.sqrt(variance / n), n - 1
