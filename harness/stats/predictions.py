"""Two sides' scores on the same test examples, judged: for predictions that were made anywhere.

from harness.stats.predictions import judge_scores
print(judge_scores(a, b, margin=0.005).record())      # a, b: arrays of shape (seeds, examples)
"""

from __future__ import annotations

import contextlib
import math
from dataclasses import dataclass, replace
from typing import Any

import numpy as np
import numpy.typing as npt

from harness.core.errors import ClaimsError
from harness.stats.crossed import CrossedEstimate, Group, crossed
from harness.stats.equivalence import Equivalence, equivalence
from harness.stats.estimate import Interval, Undefined, quantile
from harness.stats.power import seeds_for_power, smallest_detectable
from harness.stats.seeds import SideScores, outliers, permutation_p, seed_component

LARGEST = 1e100
"""Of a score: sums of the squares of larger ones overflow."""


@dataclass(frozen=True)
class Judgement:
    """Mean score of a minus that of b, with all that is known of its uncertainty, in the unit of the scores."""

    crossed: CrossedEstimate
    """Over new seeds and new test examples."""
    means: tuple[float, float]
    seeds: tuple[int, int]
    examples: int
    over_seeds: Interval | None
    """New seeds on these test examples; None: a side has one run."""
    over_examples: Interval
    """New test examples with these runs."""
    smallest_detectable: float
    """The true difference that is found with 80 % power."""
    seeds_for_power: int | None
    """Seeds a side that find the difference seen with 80 % power; None: no number does, or a side has one run."""
    permutation_p: float | None
    """Exact, over which runs belong to which side, on these test examples; None: fewer than three seeds a side."""
    outliers: tuple[tuple[int, ...], tuple[int, ...]]
    """Rows of each side that are too far from its others (seeds.outliers)."""
    equivalence: Equivalence | None = None
    """Whether the difference is within the margin, by two one-sided tests; None: no margin was given."""
    margin: float | None = None

    @property
    def alpha(self) -> float:
        """Error rate of each one-sided test."""
        return round(1 - self.crossed.level, 12)

    def record(self) -> dict[str, Any]:
        """Return the judgement as JSON values."""
        found = self.crossed
        values: dict[str, Any] = {
            "estimate": found.value,
            "low": found.low,
            "high": found.high,
            "level": found.level,
            "p": found.p,
            "method": found.method,
            "smallest_detectable": self.smallest_detectable,
            "standard_errors": {
                "crossed": found.standard_error,
                "seeds": found.se_seeds,
                "examples": found.se_examples,
            },
            "df": found.df,
            "conditional": found.conditional,
            "over_seeds": None if self.over_seeds is None else [self.over_seeds.low, self.over_seeds.high],
            "over_examples": [self.over_examples.low, self.over_examples.high],
            "means": list(self.means),
            "seeds": list(self.seeds),
            "examples": self.examples,
            "seeds_for_power": self.seeds_for_power,
            "permutation_p": self.permutation_p,
            "outliers": [list(rows) for rows in self.outliers],
        }
        if self.equivalence is not None:
            tested = self.equivalence
            values["equivalence"] = {
                "margin": self.margin,
                "verdict": self.verdict,
                "p": tested.p,
                "level": round(1 - 2 * self.alpha, 12),
                "low": tested.interval.low,
                "high": tested.interval.high,
            }
        return values

    @property
    def verdict(self) -> str:
        """What the tests of equivalence say: "equivalent", "different" (by more than the margin) or "undecided"."""
        if self.equivalence is None:
            return ""
        return "equivalent" if self.equivalence.inside else "different" if self.equivalence.outside else "undecided"


def judge_scores(
    a: npt.ArrayLike,
    b: npt.ArrayLike,
    margin: float | None = None,
    level: float = 0.95,
    deterministic: tuple[bool, bool] = (False, False),
) -> Judgement:
    """Return the mean score of a minus that of b, over seeds and examples.

    Args:
        a: shape (seeds, examples): 0/1, bool or real numbers, larger is better or worse as you like. Real numbers
            of shape (seeds, 1) are one number a seed, and only seeds vary.
        b: the other side's, on the same examples in the same order; it may have another number of seeds.
        margin: a difference that does not matter, in the unit of the scores; then equivalence is tested at 1 - level.
        level: confidence level of the intervals.
        deterministic: a side that was only evaluated, so that its one row is all there is.

    Raises:
        ClaimsError: arrays that are no scores, another number of examples, a level or margin that can't be, or scores
            without any spread.
    """
    check(margin, level)
    arrays = [scores_of(name, values) for name, values in (("a", a), ("b", b))]
    if arrays[0].shape[1] != arrays[1].shape[1]:
        raise ClaimsError(
            f"expected both sides' scores on the same examples, found {arrays[0].shape[1]:,} examples of a and"
            f" {arrays[1].shape[1]:,} of b"
        )
    one = [scores.shape[1] == 1 and len(scores) > 1 and not np.isin(scores, (0, 1)).all() for scores in arrays]
    try:
        sides = tuple(
            SideScores(scores, weight, fixed, numbers=all(one))
            for scores, weight, fixed in zip(arrays, (1.0, -1.0), deterministic, strict=True)
        )
        return _judged(sides, margin, level)
    except Undefined as reason:
        raise ClaimsError(str(reason)) from None


def check(margin: float | None, level: float) -> None:
    """Refuse a level or a margin that can't be.

    Raises:
        ClaimsError: it says which.
    """
    if not 0 < level < 1:
        raise ClaimsError(f"level: expected a fraction between 0 and 1, e.g. 0.95, found {level:g}")
    if margin is None:
        return
    if not 0 < margin < math.inf:
        raise ClaimsError(f"margin: expected a positive number in the unit of the scores, found {margin:g}")
    if level <= 0.5:
        raise ClaimsError(f"level: expected more than 0.5 where a margin is tested, found {level:g}")


def scores_of(name: str, values: npt.ArrayLike) -> npt.NDArray[Any]:
    """Return a side's scores as an array of shape (seeds, examples).

    Raises:
        ClaimsError: another number of dimensions, nothing in it, or values that are no finite numbers.
    """
    try:
        scores = np.asarray(values)
    except ValueError as error:
        raise ClaimsError(f"{name}: expected an array of shape (seeds, examples), found: {error}") from None
    if scores.dtype.kind not in "biuf":
        raise ClaimsError(f"{name}: expected 0/1, bool or real numbers, found values of type {scores.dtype}")
    if scores.ndim != 2:
        hint = f"; one run is (1, {len(scores)})" if scores.ndim == 1 else ""
        raise ClaimsError(f"{name}: expected the shape (seeds, examples), found {scores.shape}{hint}")
    if 0 in scores.shape:
        raise ClaimsError(f"{name}: expected at least one seed and one example, found the shape {scores.shape}")
    if not np.isfinite(scores).all():
        row, column = np.argwhere(~np.isfinite(scores))[0]
        bad = int((~np.isfinite(scores)).sum())
        raise ClaimsError(
            f"{name}: expected finite scores, found {bad} of {scores.size:,} that are not, the first"
            f" {scores[row, column]} at seed {row}, example {column} (counted from 0)"
        )
    if (largest := float(np.abs(scores.astype(np.float64)).max())) > LARGEST:
        raise ClaimsError(f"{name}: expected scores up to {LARGEST:g} in size, found {largest:g}; use another unit")
    return scores


def _judged(sides: tuple[SideScores, ...], margin: float | None, level: float) -> Judgement:
    """Return two sides' judgement."""
    a, b = sides
    group = Group((a, b))
    found = crossed([group], level)
    tested = None
    if margin is not None:
        tested = _equivalent(group, margin, round(1 - level, 12))
    permuted = None
    with contextlib.suppress(Undefined):
        permuted = permutation_p(a.seed_means.tolist(), b.seed_means.tolist())
    # A score's smallest step is known only where it is 0 or 1.
    steps = [1 / side.examples if side.binary else 0.0 for side in sides]
    return Judgement(
        found,
        means=(float(a.seed_means.mean()), float(b.seed_means.mean())),
        seeds=(a.seeds, b.seeds),
        examples=a.examples,
        over_seeds=_over_seeds(found, a, b, level),
        over_examples=_over_examples(found, a.examples, level),
        smallest_detectable=smallest_detectable(found.standard_error, found.df, level),
        seeds_for_power=None
        if found.projection is None or found.conditional
        else seeds_for_power(found.value, found.projection, level),
        permutation_p=permuted,
        outliers=(outliers(a.seed_means.tolist(), step=steps[0]), outliers(b.seed_means.tolist(), step=steps[1])),
        equivalence=tested,
        margin=margin,
    )


def _equivalent(group: Group, margin: float, alpha: float) -> Equivalence:
    """Return whether a difference is within a margin, with the p-value that does not depend on alpha.

    With seeds and examples as sources of error an interval's quantile lies between those of two t distributions, at
    another place for each level. So p is where the interval just reaches the margin, and not the tail of one of them.
    """
    at_alpha = crossed([group], round(1 - 2 * alpha, 12))
    tested = equivalence(at_alpha, margin, alpha)
    if at_alpha.projection is None:  # one run of each side: one distribution at every level
        return tested
    above = crossed([replace(group, target=-margin)]).p_greater
    below = crossed([replace(group, target=margin)]).p_less
    return replace(tested, p=max(above, below))


def _over_seeds(found: CrossedEstimate, a: SideScores, b: SideScores, level: float) -> Interval | None:
    """Return Welch's interval of the difference of seed means (1947, Biometrika 34), or None with one run of a side."""
    if found.se_seeds is None or found.conditional:
        return None
    terms = [(own.mean_square / side.seeds, own.df) for side in (a, b) if (own := seed_component(side)) is not None]
    bottom = math.fsum(term**2 / df for term, df in terms)
    half = quantile(level, math.fsum(term for term, _ in terms) ** 2 / bottom) * found.se_seeds if bottom else 0.0
    return Interval(found.value - half, found.value + half)


def _over_examples(found: CrossedEstimate, examples: int, level: float) -> Interval:
    """Return the interval of these runs on new test examples; with one run of each side the interval itself."""
    if found.projection is None:
        return Interval(found.low, found.high)
    half = quantile(level, examples - 1 if examples > 1 else None) * found.se_examples
    return Interval(found.value - half, found.value + half)
