"""Looking more than once: how small a p-value must be at each look, and when further runs can't decide any more.

Lan and DeMets' (1983, Biometrika 70) spending of alpha in the manner of O'Brien and Fleming: hardly any at the first
look, nearly all at the last. The bounds hold for test statistics with independent increments whose information grows as
the number of seeds. Over seeds x examples the information grows more slowly, since the examples stay the same; the
looks are then more alike and the bounds spend less than alpha (docs/statistics.md).
"""

from __future__ import annotations

import math
from collections.abc import Sequence
from statistics import NormalDist

import numpy as np
import numpy.typing as npt

from harness.stats.estimate import Undefined, upper_tail

LOOKS = (3, 5, 8, 12)
"""Seeds at each look."""
FUTILE = 0.1
"""With a smaller chance than this of being decided at the last look, no more seeds are run."""
NODES = 200
"""Points of the quadrature at each look; a hundred give the same eight digits."""


def spent(fraction: float, alpha: float = 0.05) -> float:
    """Return how much of a two-sided alpha may be spent when a fraction of the information is there.

    Raises:
        Undefined: the fraction is not in (0, 1], or alpha not in (0, 1).
    """
    if not (0 < fraction <= 1 and 0 < alpha < 1):
        raise Undefined(f"expected a fraction in (0, 1] and alpha in (0, 1), found {fraction:g} and {alpha:g}")
    return 4 * upper_tail(NormalDist().inv_cdf(1 - alpha / 4) / math.sqrt(fraction), None)


def boundaries(looks: Sequence[int] = LOOKS, alpha: float = 0.05) -> tuple[float, ...]:
    """Return the two-sided p-value that decides at each look; over all looks errors stay at alpha.

    A t statistic is judged by its own p-value, which takes its degrees of freedom into account.

    Args:
        looks: numbers of seeds at the looks, increasing.
        alpha: two-sided error rate of all looks together.

    Raises:
        Undefined: no looks, or they do not increase from 1 or more.
    """
    if not looks or any(later <= earlier for earlier, later in zip((0, *looks), looks, strict=False)):
        raise Undefined(f"looks are increasing numbers of seeds, found {tuple(looks)}")
    information = [look / looks[-1] for look in looks]
    path = _Path()
    bounds = []
    for fraction in information:
        target = spent(fraction, alpha) - path.crossed
        low, high = 0.0, 40.0
        for _ in range(80):  # errors fall with the bound
            middle = (low + high) / 2
            low, high = (middle, high) if path.leaving(middle, fraction) > target else (low, middle)
        path.go_on(high, fraction)
        bounds.append(high)
    return tuple(2 * upper_tail(bound, None) for bound in bounds)


def crossing(bounds: Sequence[float], information: Sequence[float], drift: float = 0.0) -> float:
    """Return the probability that |z| exceeds its bound at one look or another.

    Args:
        bounds: of |z| at each look.
        information: fraction of the information at each look, increasing.
        drift: expected z at information 1.
    """
    path = _Path(drift)
    for bound, fraction in zip(bounds, information, strict=True):
        path.go_on(bound, fraction)
    return path.crossed


class _Path:
    """The density of the score z sqrt(information) on paths that no look has decided.

    It is carried from look to look by Gauss-Legendre quadrature (Armitage, McPherson and Rowe 1969, JRSS A 132).
    """

    def __init__(self, drift: float = 0.0) -> None:
        self.drift = drift
        self.crossed = 0.0
        self._information = 0.0
        self._points, self._masses = np.zeros(1), np.ones(1)

    def leaving(self, bound: float, information: float) -> float:
        """Return the probability that |z| exceeds a bound for the first time at this look."""
        from scipy.special import ndtr

        edge, step = bound * math.sqrt(information), information - self._information
        centres, spread = self._points + self.drift * step, math.sqrt(step)
        return float(self._masses @ (ndtr((centres - edge) / spread) + ndtr((-centres - edge) / spread)))

    def go_on(self, bound: float, information: float) -> None:
        """Go on to the next look with the paths that stay inside its bound."""
        self.crossed += self.leaving(bound, information)
        step = information - self._information
        # Beyond nine standard deviations lies nothing that counts.
        reach = min(bound, abs(self.drift) * math.sqrt(information) + 9) * math.sqrt(information)
        abscissae, weights = np.polynomial.legendre.leggauss(NODES)
        points = reach * abscissae
        gaps = (points[:, None] - self._points[None, :] - self.drift * step) / math.sqrt(step)
        density: npt.NDArray[np.float64] = (np.exp(-0.5 * gaps**2) @ self._masses) / math.sqrt(2 * math.pi * step)
        self._points, self._masses, self._information = points, density * weights * reach, information


def conditional_power(value: float, standard_error: float, last_error: float, last_alpha: float) -> float:
    """Return the chance that the last look decides, should the true difference be the one seen.

    Args:
        value: the difference seen so far.
        standard_error: its standard error.
        last_error: the standard error expected at the last look (power.expected_error), not above the present one.
        last_alpha: the two-sided p-value that decides at the last look (the last of `boundaries`).

    Raises:
        Undefined: a standard error that is not positive.
    """
    if not (standard_error > 0 and last_error > 0):
        raise Undefined(f"expected standard errors > 0, found {standard_error:g} and {last_error:g}")
    bound = NormalDist().inv_cdf(1 - last_alpha / 2)
    final = abs(value) / last_error
    # What the remaining runs add has the variance by which the standard error falls.
    spread = math.sqrt(max(1 - (last_error / standard_error) ** 2, 0.0))
    if spread == 0:
        return float(final > bound)
    return upper_tail((bound - final) / spread, None) + upper_tail((bound + final) / spread, None)


def could_be_decided(
    value: float, standard_error: float, last_error: float, last_alpha: float, least: float = FUTILE
) -> bool:
    """Return whether more seeds are worth running: the last look still decides with a chance of `least` or more."""
    return conditional_power(value, standard_error, last_error, last_alpha) >= least
