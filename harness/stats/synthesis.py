"""What independent publications say together: random effects by Hartung-Knapp-Sidik-Jonkman.

Publications differ by more than their test examples and seeds explain: recipes, code and choices differ, too. The
effect of each is read as a draw around a mean, with a standard deviation tau between publications, and the interval
is for that mean (Hartung and Knapp 2001, Statistics in Medicine 20; Sidik and Jonkman 2002, Statistics in Medicine 21).
tau is Paule and Mandel's (1982, Journal of Research of the National Bureau of Standards 87; recommended by Veroniki
et al. 2016, Research Synthesis Methods 7). Values and interval ends are fractions; nothing here is random.
"""

from __future__ import annotations

import math
from collections.abc import Iterable, Sequence
from dataclasses import dataclass
from typing import Any

from harness.stats.estimate import Estimate, Interval, Undefined, quantile, upper_tail

ITERATIONS = 200
"""Halvings of the bracket around tau squared: more than double precision can tell apart."""


@dataclass(frozen=True)
class Effect:
    """One effect, e.g. a difference of accuracies, with its uncertainty."""

    value: float
    """A fraction."""
    variance: float | None
    """Squared standard error (fraction squared); None: not known."""
    df: float | None = None
    """Degrees of freedom of the variance; None: it is as good as known, e.g. binomial."""


@dataclass(frozen=True)
class Synthesis:
    """The mean effect over independent publications, or the one effect that was published."""

    value: float
    """The mean effect, a fraction."""
    low: float
    high: float
    p: float
    """Two-sided p-value of "the mean effect is 0"."""
    p_greater: float
    """One-sided: small where the mean effect is above 0."""
    p_less: float
    """One-sided: small where it is below 0."""
    standard_error: float
    df: float | None
    """Degrees of freedom of the t distribution; None: normal."""
    level: float
    """Confidence level of [low, high] and of `prediction`, a fraction."""
    method: str
    """How interval and p were computed, for a reader."""
    tau: float
    """Standard deviation of the effects between publications, a fraction; 0 for one publication."""
    i2: float
    """Share of the variation between publications that their own variances don't explain, a fraction."""
    q: float
    """Cochran's Q, chi-squared on publications - 1 degrees of freedom if all had the same effect."""
    prediction: Interval | None
    """Where the effect of a further publication lies; None below three publications."""
    publications: int
    """Independent publications: the number of clusters."""
    weights: tuple[float, ...]
    """The share of each row in `value`, in the order given; they add up to 1."""

    @property
    def estimate(self) -> Estimate:
        """The same as an estimate, e.g. for a test of equivalence."""
        return Estimate(self.value, self.low, self.high, self.p, self.standard_error, self.df, self.level, self.method)


def sum_of(parts: Iterable[tuple[float, float | None]]) -> tuple[float, float | None]:
    """Return the sum of independent variances with its degrees of freedom, by Welch and Satterthwaite.

    Args:
        parts: (variance, degrees of freedom) pairs; None where the variance is as good as known.

    Returns:
        The sum, and (sum of v)^2 / sum of (v^2 / df) (Satterthwaite 1946, Biometrics Bulletin 2); None where no part
        is uncertain.
    """
    listed = list(parts)
    total = math.fsum(variance for variance, _ in listed)
    uncertain = math.fsum(variance**2 / df for variance, df in listed if df is not None)
    return total, total**2 / uncertain if uncertain > 0 else None


def synthesise(effects: Sequence[Effect], clusters: Sequence[str], level: float = 0.95) -> Synthesis:
    """Return what publications say together.

    Members of one cluster are combined first, for they are no independent evidence, e.g. snapshots of one evaluation
    of the same weights: their mean, with the largest variance that it can have whatever their correlation, the
    squared mean of their standard errors, which for equal ones is that of one of them. One cluster gives its own
    effect, by the t distribution where its variance has degrees of freedom. Several give random effects; the
    standard error is at least that of the weighted mean (the usual safeguard, max(q, 1): Roever, Knapp and Friede
    2015, BMC Medical Research Methodology 15). Two publications leave one degree of freedom, and an interval 6.5
    times as wide as a normal one at 95 %: nothing narrows it here.

    Args:
        effects: one for each row, with a variance above 0.
        clusters: for each row what it is a cluster with; rows of different clusters are independent.
        level: confidence level, a fraction.

    Raises:
        Undefined: no rows, or a row without a variance.
    """
    if not effects or len(effects) != len(clusters):
        raise Undefined(f"a synthesis needs as many clusters as effects, found {len(clusters)} and {len(effects)}")
    if any(effect.variance is None or not 0 < effect.variance < math.inf for effect in effects):
        raise Undefined("no uncertainty is known for a publication: neither the number of test examples nor a spread")
    members: dict[str, list[int]] = {}
    for row, cluster in enumerate(clusters):
        members.setdefault(cluster, []).append(row)
    combined = [_combined([effects[row] for row in rows]) for rows in members.values()]
    one = len(combined) == 1
    shares, found = ([1.0], _one_report(combined[0], level)) if one else _random_effects(combined, level)
    by_cluster = dict(zip(members, shares, strict=True))
    weights = tuple(by_cluster[cluster] / len(members[cluster]) for cluster in clusters)
    return Synthesis(**found, level=level, publications=len(combined), weights=weights)


def between_variance(values: Sequence[float], variances: Sequence[float]) -> float:
    """Return tau squared by Paule and Mandel: where the weighted squares around the mean add up to k - 1, or 0.

    Args:
        values: effects of k independent publications.
        variances: their squared standard errors, above 0.
    """
    k = len(values)

    def excess(tau2: float) -> float:
        return _weighted(values, [variance + tau2 for variance in variances])[2] - (k - 1)

    if k < 2 or excess(0.0) <= 0:
        return 0.0
    # The sum falls with tau squared; at the sum of squares around the plain mean it is at most 1.
    centre = math.fsum(values) / k
    low, high = 0.0, math.fsum((value - centre) ** 2 for value in values)
    for _ in range(ITERATIONS):
        middle = (low + high) / 2
        if middle in (low, high):
            break
        low, high = (middle, high) if excess(middle) > 0 else (low, middle)
    return (low + high) / 2


def _combined(members: Sequence[Effect]) -> Effect:
    """Return the mean of effects that are no independent evidence."""
    errors = [math.sqrt(member.variance or 0.0) for member in members]
    value = math.fsum(member.value for member in members) / len(members)
    df = min((member.df for member in members if member.df is not None), default=None)
    return Effect(value, (math.fsum(errors) / len(errors)) ** 2, df)


def _one_report(effect: Effect, level: float) -> dict[str, Any]:
    """Return the fields of a synthesis of one publication."""
    assert effect.variance is not None
    how = (
        "normal approximation"
        if effect.df is None
        else f"t with {effect.df:,.{1 if effect.df < 100 else 0}f} degrees of freedom"
    )
    fields = _interval(effect.value, math.sqrt(effect.variance), effect.df, level)
    return {**fields, "method": f"one report, {how}", "tau": 0.0, "i2": 0.0, "q": 0.0, "prediction": None}


def _random_effects(effects: Sequence[Effect], level: float) -> tuple[list[float], dict[str, Any]]:
    """Return the share of each of k >= 2 independent effects, and the fields of their synthesis."""
    values = [effect.value for effect in effects]
    variances = [effect.variance or 0.0 for effect in effects]
    df = len(values) - 1
    q = _weighted(values, variances)[2]
    tau2 = between_variance(values, variances)
    value, weights, squares = _weighted(values, [variance + tau2 for variance in variances])
    total = math.fsum(weights)
    error = math.sqrt(max(squares / df, 1.0) / total)
    prediction = None
    if df >= 2:
        # Higgins, Thompson and Spiegelhalter 2009 (JRSS A 172), with the standard error of Hartung and Knapp.
        half = quantile(level, df - 1) * math.sqrt(tau2 + error**2)
        prediction = Interval(value - half, value + half)
    freedom = (
        "1 degree of freedom: two publications say little of how they differ" if df == 1 else f"{df} degrees of freedom"
    )
    method = f"random effects over {df + 1} publications (Hartung-Knapp-Sidik-Jonkman), t with {freedom}"
    shared = {"method": method, "tau": math.sqrt(tau2), "i2": max(0.0, 1 - df / q) if q > 0 else 0.0, "q": q}
    return [weight / total for weight in weights], {
        **_interval(value, error, float(df), level),
        **shared,
        "prediction": prediction,
    }


def _weighted(values: Sequence[float], variances: Sequence[float]) -> tuple[float, list[float], float]:
    """Return the mean weighted by inverse variances, the weights, and the weighted sum of squares around it."""
    weights = [1 / variance for variance in variances]
    mean = math.fsum(w * value for w, value in zip(weights, values, strict=True)) / math.fsum(weights)
    squares = math.fsum(w * (value - mean) ** 2 for w, value in zip(weights, values, strict=True))
    return mean, weights, squares


def _interval(value: float, error: float, df: float | None, level: float) -> dict[str, float | None]:
    """Return a value's interval and p-values by the t distribution, or the normal one (df None)."""
    half = quantile(level, df) * error
    greater, less = upper_tail(value / error, df), upper_tail(-value / error, df)
    return {
        "value": value,
        "low": value - half,
        "high": value + half,
        "p": min(1.0, 2 * min(greater, less)),
        "p_greater": greater,
        "p_less": less,
        "standard_error": error,
        "df": df,
    }
