"""Whether a value lies within a margin that does not matter, by two one-sided tests."""

from __future__ import annotations

from dataclasses import dataclass

from harness.stats.estimate import Interval, Undefined, WithError, quantile, upper_tail


@dataclass(frozen=True)
class Equivalence:
    """Whether a value lies within a margin of a target, by two one-sided tests."""

    p: float
    """The larger of the two one-sided p-values; below alpha: inside."""
    interval: Interval
    """Of the value, at level 1 - 2 alpha."""
    inside: bool
    """The interval lies within (target - margin, target + margin)."""
    outside: bool
    """The interval lies wholly beyond the margin, on one side."""


def equivalence(estimate: WithError, margin: float, alpha: float = 0.05, target: float = 0.0) -> Equivalence:
    """Return whether the estimated value lies within `margin` of `target`, by two one-sided tests.

    TOST (Schuirmann 1987, Journal of Pharmacokinetics and Biopharmaceutics 15): inside at alpha exactly when the
    interval at 1 - 2 alpha lies within the margin. Neither inside nor outside means undecided.

    Args:
        estimate: the value, with its standard error and distribution.
        margin: the tolerance, a fraction.
        alpha: the level of each one-sided test.
        target: what the value is compared with, a fraction.

    Raises:
        Undefined: margin is not positive, alpha is not in (0, 1/2), or the estimate has no standard error.
    """
    error, df = estimate.standard_error, estimate.df
    if not (margin > 0 and 0 < alpha < 0.5 and error > 0):
        raise Undefined(
            "equivalence needs margin > 0, 0 < alpha < 1/2 and a standard error > 0,"
            f" found {margin:g}, {alpha:g} and {error:g}"
        )
    gap = estimate.value - target
    p = max(upper_tail((gap + margin) / error, df), upper_tail((margin - gap) / error, df))
    half = quantile(1 - 2 * alpha, df) * error
    interval = Interval(estimate.value - half, estimate.value + half)
    return Equivalence(p, interval, inside=p < alpha, outside=abs(gap) - half > margin)
