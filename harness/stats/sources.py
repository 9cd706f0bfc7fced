"""A mean with two sources of error, examples and seeds: its interval and p-value at any level.

Each source alone has its own t quantile; the half widths add up as squares (Howe 1974, JASA 69). Satterthwaite's one
quantile for both is too small where few seeds agree by chance: with three seeds up to five times as many false
decisions at 0.42 % (docs/statistics.md).
"""

from __future__ import annotations

import math
from dataclasses import dataclass

from harness.stats.estimate import quantile, upper_tail

OWN_ALPHA = 0.1
"""A comparison whose sides vary more than their family's at this level is judged by its own seed variance."""
STEPS = 48
"""Bisections, after which a z value is known to 13 digits."""
FARTHEST_T = 1e100
"""Where a t quantile is cut, so that its square is a number."""
MOST_DF = 1e6
"""With more degrees of freedom t is normal to six digits."""
FARTHEST = 37.0
"""z beyond which a p-value is 0 to double precision."""


@dataclass(frozen=True)
class TwoSources:
    """The variance of an estimate by source, in the unit of the scores squared."""

    examples: float
    """Variance over test examples, of these runs."""
    df_examples: float | None
    """None: normal."""
    seeds: float = 0.0
    """Variance over seeds on these test examples."""
    df_seeds: float = math.inf
    noise: float = 0.0
    """The part of `seeds` that is in `examples`, too: noise of seeds and examples together."""
    careful: bool = False
    """The seeds' degrees of freedom are few: noise is subtracted at the examples' quantile, not at the seeds' larger
    one."""

    @property
    def standard_error(self) -> float:
        """Square root of the variance: both sources, noise counted once."""
        return math.sqrt(self.examples + max(self.seeds - self.noise, 0.0))

    def half(self, level: float) -> float:
        """Return half the width of the interval at a confidence level."""
        return self._half(quantile(level, self.df_examples), self._of_seeds(level))

    def p(self, distance: float) -> float:
        """Return the two-sided p-value of a distance: 1 - level of the interval that just reaches so far."""
        # No interval is narrower than that of the examples alone.
        low, high = 0.0, min(FARTHEST, abs(distance) / math.sqrt(self.examples)) if self.examples else FARTHEST
        for _ in range(STEPS):
            middle = (low + high) / 2
            low, high = (middle, high) if self._reach(middle) < abs(distance) else (low, middle)
        return min(1.0, 2 * upper_tail(high, None))

    def df(self, level: float) -> float | None:
        """Return the degrees of freedom whose t quantile, times the standard error, is half the interval at `level`.

        Returns:
            None where that is the normal quantile.
        """
        if not self.seeds:
            return self.df_examples
        ratio = self.half(level) / self.standard_error
        if ratio <= quantile(level, MOST_DF):
            return None
        from scipy.special import stdtridf

        return float(stdtridf((1 + level) / 2, ratio))

    def _of_seeds(self, level: float) -> float:
        return quantile(level, None if math.isinf(self.df_seeds) else self.df_seeds)

    def _reach(self, z: float) -> float:
        """Return half the width of the interval whose level is that of a normal one of z standard errors."""
        tail = upper_tail(z, None)
        return self._half(_from_tail(tail, self.df_examples), _from_tail(tail, self.df_seeds))

    def _half(self, of_examples: float, of_seeds: float) -> float:
        """Return half the width from the quantile of each source."""
        subtracted = of_examples if self.careful else of_seeds
        seeds = max(of_seeds**2 * self.seeds - subtracted**2 * self.noise, 0.0)
        return math.sqrt(of_examples**2 * self.examples + seeds)


def _from_tail(tail: float, df: float | None) -> float:
    """Return the quantile with a probability above it, precise for small ones."""
    from scipy.special import ndtri, stdtrit

    return min(FARTHEST_T, -float(ndtri(tail) if df is None or math.isinf(df) else stdtrit(df, tail)))
