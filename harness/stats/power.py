"""What can be found: smallest detectable differences, before and after the runs, and how many seeds it takes."""

from __future__ import annotations

import bisect
import math
from collections.abc import Callable, Sequence
from dataclasses import dataclass
from statistics import NormalDist
from typing import Protocol

from harness.stats.estimate import ROUNDING, Undefined, mean_and_error, quantile, upper_tail
from harness.stats.sources import OWN_ALPHA, TwoSources

MOST_UNITS = 10_000
"""More seeds than this decide nothing in practice."""
POWER = 0.8
"""Chance that a difference of the smallest detectable size is found."""
STEPS = 40
"""Bisections of a difference."""
NORMAL_FROM = 2_000
"""Degrees of freedom from which the t distributions are normal to four digits of a power."""


class Projected(Protocol):
    """How the variance of an estimate depends on the number of seeds (crossed.Projection)."""

    @property
    def examples(self) -> float:
        """Variance that more seeds do not change."""

    @property
    def per_seed(self) -> float:
        """Variance that is divided by the number of seeds."""

    @property
    def df_per_seed(self) -> float:
        """Degrees of freedom of the seed variance: this times (seeds - 1)."""

    @property
    def own_df_per_seed(self) -> float | None:
        """The same for the comparison's own seed variance; None: that is what it is judged by."""


@dataclass(frozen=True)
class Design:
    """Two sides that are to be compared on one test set, before anything is run.

    Raises:
        Undefined: a number that can't be.
    """

    n: int
    """Test examples."""
    seeds: int
    """Runs of each side."""
    seed_sd: float
    """Standard deviation of one run's accuracy from seed to seed, the noise of finite examples left out (fraction)."""
    discordance: float
    """Share of the examples that one run of each side tells apart (fraction); see `independent_discordance`."""
    within: float = 0.0
    """Share of the examples that two runs of one side tell apart. 0 leaves out what averaging over seeds gains."""
    pooled_sides: int | None = None
    """Sides of the family whose seed variance is pooled; None: each comparison has only its own."""

    def __post_init__(self) -> None:
        if self.n < 1 or self.seeds < 1 or self.seed_sd < 0:
            raise Undefined(f"a design has n, seeds >= 1, sd >= 0, found {self.n}, {self.seeds}, {self.seed_sd:g}")
        if not 0 <= self.within <= self.discordance <= 1:
            raise Undefined(
                "discordances are fractions, and two runs of one side differ in no more examples than two sides,"
                f" found {self.within:g} and {self.discordance:g}"
            )

    @property
    def examples(self) -> float:
        """Variance of the difference that more seeds do not change."""
        return (self.discordance - self.within) / self.n

    @property
    def per_seed(self) -> float:
        """Variance that is divided by the number of seeds."""
        return 2 * self.seed_sd**2 + self.within / self.n

    @property
    def df_per_seed(self) -> float:
        """Degrees of freedom of the seed variance: this times (seeds - 1)."""
        return own_df_per_seed(2) if self.pooled_sides is None else self.pooled_sides

    @property
    def own_df_per_seed(self) -> float | None:
        """The same for the comparison's own seed variance; None: that is what it is judged by."""
        return None if self.pooled_sides is None else own_df_per_seed(2)


def own_df_per_seed(sides: int) -> float:
    """Return what Welch's degrees of freedom of sides with few seeds come to: between 1 and the number of sides.

    Sides that vary alike do not look alike with few seeds. Planned power is reached with the middle (docs/
    statistics.md).
    """
    return (1 + sides) / 2


@dataclass(frozen=True)
class ExpectedError:
    """The standard error that a design is expected to have."""

    standard_error: float
    df: float | None
    """None: normal."""


def smallest_detectable(standard_error: float, df: float | None, level: float = 0.95, power: float = POWER) -> float:
    """Return the smallest true difference that a two-sided test at 1 - level finds with the power given.

    Args:
        standard_error: of the difference.
        df: degrees of freedom of its t distribution; None: normal.
        level: confidence level of the interval that has to exclude 0.
        power: the chance of that.

    Returns:
        The difference, in the unit of the standard error. The chance of an interval on the wrong side of 0 is left out.

    Raises:
        Undefined: the standard error is not positive, or the power not above half of 1 - level and below 1.
    """
    if not (standard_error > 0 and (1 - level) / 2 < power < 1):
        raise Undefined(f"expected a standard error > 0 and a power below 1, found {standard_error:g} and {power:g}")
    critical = quantile(level, df)
    if df is None or df >= NORMAL_FROM:
        return standard_error * (critical + NormalDist().inv_cdf(power))

    from scipy.special import nctdtrinc

    return standard_error * float(nctdtrinc(df, 1 - power, critical))


def power_of(noncentrality: float, df: float | None, critical: float) -> float:
    """Return P(t > critical) where the true difference is `noncentrality` standard errors."""
    if df is None or df >= NORMAL_FROM:
        return upper_tail(critical - noncentrality, None)
    from scipy.special import nctdtr

    return 1 - float(nctdtr(df, noncentrality, critical))


def expected_error(design: Projected, seeds: int, level: float = 0.95) -> ExpectedError:
    """Return the standard error with a number of seeds on each side, and its degrees of freedom at a level."""
    seed_part = design.per_seed / seeds
    if seeds < 2 or seed_part == 0:
        return ExpectedError(math.sqrt(design.examples + seed_part), None)
    # Noise of seeds and examples together is in `per_seed`: it is known from the seeds, not from the examples.
    error = TwoSources(design.examples, None, seed_part, design.df_per_seed * (seeds - 1))
    return ExpectedError(error.standard_error, error.df(level))


def planned(design: Design, level: float = 0.95, power: float = POWER) -> float:
    """Return the smallest detectable difference of a design before it is run, a fraction.

    With one seed it speaks of new examples alone, conditional on these runs.

    Raises:
        Undefined: neither seeds nor examples vary.
    """
    if design.seeds == 1:
        return smallest_detectable(math.sqrt(design.discordance / design.n), None, level, power)
    expected = expected_error(design, design.seeds, level)
    low = high = smallest_detectable(expected.standard_error, expected.df, level, power)
    while chance(high, design, design.seeds, level) < power:
        high *= 2
    for _ in range(STEPS):
        middle = (low + high) / 2
        low, high = (middle, high) if chance(middle, design, design.seeds, level) < power else (low, middle)
    return high


def chance(difference: float, design: Projected, seeds: int, level: float = 0.95) -> float:
    """Return the power of a comparison to find a true difference with a number of seeds on each side.

    A pooled comparison is judged by its own seed variance where this stands out (seeds.own_p); by chance that happens
    to a tenth, whose variance then looks about twice as large as it is.
    """
    expected = expected_error(design, seeds, level)
    if expected.standard_error == 0:
        return 1.0
    distance = abs(difference) / expected.standard_error
    pooled = power_of(distance, expected.df, quantile(level, expected.df))
    if design.own_df_per_seed is None or seeds < 2:
        return pooled
    own = TwoSources(design.examples, None, 2 * design.per_seed / seeds, design.own_df_per_seed * (seeds - 1))
    return (1 - OWN_ALPHA) * pooled + OWN_ALPHA * power_of(distance, None, own.half(level) / expected.standard_error)


def independent_discordance(a: float, b: float) -> float:
    """Return the discordance of two accuracies (fractions) if their errors had nothing to do with each other.

    Networks err on the same examples, so that they differ in fewer: this is the cautious value for a plan.
    """
    if not (0 <= a <= 1 and 0 <= b <= 1):
        raise Undefined(f"accuracies are fractions in [0, 1], found {a:g} and {b:g}")
    return a * (1 - b) + b * (1 - a)


def seeds_for_power(difference: float, design: Projected, level: float = 0.95, power: float = POWER) -> int | None:
    """Return the fewest seeds a side with which a true difference of this size is found with the power given.

    Args:
        difference: e.g. the one seen; the true one may be smaller.
        design: how the variance depends on seeds (an estimate's `projection`, or a Design).
        level: confidence level of the interval that has to exclude 0.
        power: the chance of that.

    Returns:
        At least 2; None where not even 10,000 seeds would do, because the examples are too few.
    """
    if abs(difference) < ROUNDING:
        return None

    def enough(seeds: int) -> bool:
        return chance(difference, design, seeds, level) >= power

    return _fewest(enough)


def units_needed(differences: Sequence[float], level: float = 0.95) -> int | None:
    """Return how many seeds in all would make the t interval exclude 0 if mean and spread stayed as seen.

    Args:
        differences: accuracy of a minus accuracy of b for each seed so far, fractions.
        level: confidence level, a fraction.

    Returns:
        The smallest number, at least 2; None when the mean is 0 or more than 10,000 would be needed.

    Raises:
        Undefined: fewer than two seeds, or no spread.
    """
    mean, error, _ = mean_and_error(differences, "differences")
    if abs(mean) < ROUNDING:
        return None
    sd = error * math.sqrt(len(differences))

    def decided(units: int) -> bool:
        return quantile(level, units - 1) * sd / math.sqrt(units) < abs(mean)

    return _fewest(decided)


def _fewest(enough: Callable[[int], bool]) -> int | None:
    """Return the fewest seeds from 2 on that are enough, by bisection: more are never worse."""
    candidates = range(2, MOST_UNITS + 1)
    at = bisect.bisect_left(candidates, True, key=enough)
    return candidates[at] if at < len(candidates) else None
