"""A specification curve: one difference under every reasonable way of measuring it, and a joint test of all.

Simonsohn, Simmons and Nelson 2020 (Nature Human Behaviour 4, 1208): a result that rests on one recipe may be a
result of that recipe. Every combination of choices is a specification; the curve is its effects, sorted, and the joint
test asks how often effects as large as these, over all specifications at once, come about when the sides are only
labels. Specifications share test examples and networks, so labels are exchanged in all of them at once.

Scores and effects are fractions. Nothing here is random but by the generator that is given.
"""

from __future__ import annotations

import math
from collections.abc import Callable, Sequence
from dataclasses import dataclass
from typing import TYPE_CHECKING, Protocol

from harness.stats.estimate import Undefined
from harness.stats.joint_permutation import (
    EXAMPLE_DRAWS,
    TIE,
    JointTest,
    SpecificationScores,
    blocks_of,
    exchange_examples,
    exchange_networks,
    require_common,
)

if TYPE_CHECKING:
    import numpy as np

    from harness.stats.crossed import CrossedEstimate
    from harness.stats.joint_permutation import Floats


class HasInterval(Protocol):
    """A difference's confidence interval, fractions."""

    @property
    def low(self) -> float:
        """The lower end."""

    @property
    def high(self) -> float:
        """The upper end."""


@dataclass(frozen=True)
class SpecificationEffect:
    """One point of the curve."""

    name: str
    levels: tuple[tuple[str, str], ...]
    value: float
    """Mean score of a minus that of b."""
    low: float
    """Ends of its confidence interval; nan where none can be made."""
    high: float


@dataclass(frozen=True)
class SpecificationCurve:
    """Every specification's effect, sorted, what they have in common, and the joint tests."""

    effects: tuple[SpecificationEffect, ...]
    """Smallest first."""
    level: float
    """Confidence level of each interval by itself, a fraction."""
    median: float
    holds: float
    """Share of specifications in which a's mean score is above b's."""
    decided_for: float
    """Share whose interval lies above 0."""
    decided_against: float
    """Share whose interval lies below 0."""
    by_examples: JointTest
    """Conditional on the networks: would other test examples say the same?"""
    by_networks: JointTest | None
    """Would other pre-trainings? None where a side has one network: labels of single networks can't be exchanged."""
    overall: CrossedEstimate | None = None
    """The mean effect with its interval over new pre-trainings and new examples at once. With three networks a side no
    exchange of labels gives a p below 0.05; this does, by the t distribution. None where it is not defined."""


def specification_curve(
    specifications: Sequence[SpecificationScores],
    interval: Callable[[Floats, Floats, float], HasInterval],
    generator: np.random.Generator,
    level: float = 0.95,
    draws: int = EXAMPLE_DRAWS,
) -> SpecificationCurve:
    """Return the curve of specifications that ask one question on one test set.

    Args:
        specifications: at least one; every one scored on the same examples, in the same order.
        interval: returns the difference of two score arrays with its interval at a level; may raise Undefined.
        generator: draws the relabellings.
        level: confidence level of each interval.
        draws: random exchanges of the labels over the examples.

    Raises:
        Undefined: there are none, or they have different numbers of examples.
    """
    import numpy as np

    require_common(specifications)
    effects = sorted((effect_of(each, interval, level) for each in specifications), key=lambda each: each.value)
    values = np.array([each.value for each in effects])
    several = all(min(len(each.a), len(each.b)) > 1 for each in specifications)
    return SpecificationCurve(
        effects=tuple(effects),
        level=level,
        median=float(np.median(values)),
        holds=float((values > TIE).mean()),
        decided_for=sum(each.low > 0 for each in effects) / len(effects),
        decided_against=sum(each.high < 0 for each in effects) / len(effects),
        by_examples=exchange_examples(specifications, generator, draws),
        by_networks=exchange_networks(specifications, generator) if several else None,
        overall=overall(specifications, level),
    )


def effect_of(
    scores: SpecificationScores, interval: Callable[[Floats, Floats, float], HasInterval], level: float
) -> SpecificationEffect:
    """Return a specification's effect; its interval's ends are nan where the sides have no spread to judge by."""
    try:
        found = interval(scores.a, scores.b, level)
        low, high = found.low, found.high
    except Undefined:
        low = high = math.nan
    return SpecificationEffect(scores.name, scores.levels, scores.effect, low, high)


def medians_by_level(effects: Sequence[SpecificationEffect]) -> dict[str, dict[str, float]]:
    """Return the median effect of the specifications of each level of each factor: which choice moves the answer."""
    import numpy as np

    found: dict[str, dict[str, list[float]]] = {}
    for each in effects:
        for factor, level in each.levels:
            found.setdefault(factor, {}).setdefault(level, []).append(each.value)
    return {
        factor: {level: float(np.median(values)) for level, values in by_level.items()}
        for factor, by_level in found.items()
    }


def overall(specifications: Sequence[SpecificationScores], level: float = 0.95) -> CrossedEstimate | None:
    """Return the mean effect over specifications with its interval over new networks and new examples.

    A network's scores are averaged over its specifications first: they share its pre-training, so that many recipes
    on three networks are still three networks.

    Returns:
        The estimate; None where a network is on both sides, or there is no spread to judge by.
    """
    import numpy as np

    from harness.stats.crossed import Group, crossed
    from harness.stats.seeds import SideScores

    require_common(specifications)
    try:
        sides = []
        for (names_a, names_b), of in blocks_of(specifications).items():
            share = len(of) / len(specifications)
            a = np.mean([each.a[[each.networks_a.index(name) for name in names_a]] for each in of], axis=0)
            b = np.mean([each.b[[each.networks_b.index(name) for name in names_b]] for each in of], axis=0)
            sides += [SideScores(a, share), SideScores(b, -share)]
        return crossed([Group(tuple(sides))], level)
    except Undefined:
        return None
