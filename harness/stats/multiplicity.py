"""Several tests at once: adjusted p-values, and p-values of statements about how many hypotheses hold."""

from __future__ import annotations

from collections.abc import Sequence

from harness.stats.estimate import Undefined


def holm(p_values: Sequence[float]) -> list[float]:
    """Return Holm's step-down adjusted p-values, in the order given (Holm 1979, Scand. J. Statistics 6)."""
    adjusted = [0.0] * len(_p_values(p_values))
    running = 0.0
    for rank, index in enumerate(sorted(range(len(p_values)), key=p_values.__getitem__)):
        running = max(running, min(1.0, (len(p_values) - rank) * p_values[index]))
        adjusted[index] = running
    return adjusted


def at_least(k: int, p_greater: Sequence[float]) -> float:
    """Return the p-value of "at least k of the m hypotheses hold", valid under any dependence between the tests.

    Partial conjunction (Benjamini and Heller 2008, Biometrics 64, with Bonferroni's combination): m - k + 1 times the
    k-th smallest p-value. k = m is the intersection-union test, the largest p-value with no division; k = 1 is
    Bonferroni's.

    Args:
        k: how many hypotheses must hold, 1 to m.
        p_greater: one-sided p-value of each hypothesis, small where it holds.

    Raises:
        Undefined: k is not between 1 and m, or a p-value is outside [0, 1].
    """
    m = len(_p_values(p_greater))
    if not 1 <= k <= m:
        raise Undefined(f"of {m} hypotheses at least 1 to {m} can hold, found {k}")
    return min(1.0, (m - k + 1) * sorted(p_greater)[k - 1])


def all_hold(p_greater: Sequence[float]) -> float:
    """Return the p-value of "every hypothesis holds": the largest one (Berger 1982, Technometrics 24)."""
    return at_least(len(p_greater), p_greater)


def refutes(k: int, p_less: Sequence[float]) -> float:
    """Return the p-value against "at least k of the m hypotheses hold".

    The statement is false where at least m - k + 1 of the hypotheses hold in the other direction.

    Args:
        k: how many hypotheses the statement says hold, 1 to m.
        p_less: one-sided p-value of each hypothesis' opposite, small where the opposite holds.

    Raises:
        Undefined: k is not between 1 and m, or a p-value is outside [0, 1].
    """
    return at_least(len(p_less) - k + 1, p_less)


def holm_levels(p_values: Sequence[float], alpha: float) -> list[float]:
    """Return the error rate at which Holm's procedure compares each p-value, in the order given.

    The smallest of m is compared with alpha / m, the next with alpha / (m - 1), and so on; from the first that is not
    smaller on, none is rejected, and all that are left are compared with that rate. An interval at 1 - rate excludes 0
    exactly where its hypothesis is rejected.

    Args:
        p_values: of the family.
        alpha: error rate of the whole family.
    """
    levels = [alpha] * len(_p_values(p_values))
    left, stopped = len(p_values), False
    for index in sorted(range(len(p_values)), key=p_values.__getitem__):
        levels[index] = alpha / left
        stopped = stopped or p_values[index] >= alpha / left
        left -= not stopped
    return levels


def _p_values(p_values: Sequence[float]) -> Sequence[float]:
    """Return the p-values, or raise where one is no probability."""
    if any(not 0 <= p <= 1 for p in p_values):
        raise Undefined("p-values lie in [0, 1]")
    return p_values
