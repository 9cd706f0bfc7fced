"""Exchanging the sides' labels in all specifications of a curve at once: what chance alone would show.

Specifications share test examples and networks, so a label that is exchanged is exchanged in every one of them. An
example may change its label (in all networks), or a network (with all its runs).

Scores and effects are fractions. Nothing here is random but by the generator that is given.
"""

from __future__ import annotations

import itertools
import math
from collections.abc import Sequence
from dataclasses import dataclass
from typing import TYPE_CHECKING, Literal

from harness.stats.estimate import Undefined

if TYPE_CHECKING:
    import numpy as np
    import numpy.typing as npt

    Floats = npt.NDArray[np.float64]

EXAMPLE_DRAWS = 4_000
"""Random exchanges of the sides' labels over the examples: 0.05 is known to ± 0.0035 (one standard error)."""
MOST_RELABELLINGS = 20_000
"""As many relabellings of networks are gone through one by one; of more, so many are drawn."""


TIE = 1e-12
"""Statistics that agree to this are equal: what remains is binary rounding."""


@dataclass(frozen=True)
class SpecificationScores:
    """What one specification measured: per-example scores of both sides on the same examples."""

    name: str
    levels: tuple[tuple[str, str], ...]
    """(factor, level) pairs, e.g. ("learning rate", "x2")."""
    a: Floats
    """Shape (networks of a, examples), fractions or 0/1."""
    b: Floats
    """Shape (networks of b, examples)."""
    networks_a: tuple[str, ...]
    """What was trained to give each row: rows of the same network in other specifications have the same name."""
    networks_b: tuple[str, ...]

    def __post_init__(self) -> None:
        if self.a.ndim != 2 or self.b.ndim != 2 or self.a.shape[1] != self.b.shape[1] or not self.a.shape[1]:
            raise Undefined(
                f"{self.name}: expected scores of both sides of shape (networks, examples) on the same examples, found"
                f" {self.a.shape} and {self.b.shape}"
            )
        names = (*self.networks_a, *self.networks_b)
        if (len(self.networks_a), len(self.networks_b)) != (len(self.a), len(self.b)) or len(set(names)) < len(names):
            raise Undefined(f"{self.name}: expected one name for each row of scores, no name twice, found {names}")

    @property
    def effect(self) -> float:
        """Mean score of a minus that of b."""
        return float(self.a.mean() - self.b.mean())


@dataclass(frozen=True)
class OneSided:
    """How often relabelled sides give as much as was seen, in either direction; each a one-sided p-value."""

    greater: float
    """Of the stated ordering, a above b."""
    less: float
    """Of the reverse."""


@dataclass(frozen=True)
class JointTest:
    """Three statistics of the whole curve against their distribution when the sides are only labels."""

    unit: Literal["examples", "networks"]
    """What exchanges its label: an example (in every network and specification), or a network (with all its runs)."""
    relabellings: int
    exact: bool
    """Whether all relabellings were gone through."""
    median: OneSided
    """Of the median effect."""
    share: OneSided
    """Of the share of specifications in which the ordering holds."""
    mean_z: OneSided
    """Of the mean of effect / standard error over the examples (Stouffer)."""

    @property
    def smallest(self) -> float:
        """The smallest p-value that so many relabellings can give."""
        return 1 / (self.relabellings + (not self.exact))


def exchange_examples(
    specifications: Sequence[SpecificationScores], generator: np.random.Generator, draws: int = EXAMPLE_DRAWS
) -> JointTest:
    """Return the joint test that exchanges the sides' labels example by example.

    In a draw each example's scores change sides with probability one half, in all specifications and all networks at
    once. What is seen counts as one of the draws (Phipson and Smyth 2010), so no p is 0.
    """
    import numpy as np

    require_common(specifications)
    if draws < 1:
        raise Undefined(f"a permutation test needs at least one draw, found {draws}")
    differences = np.stack([each.a.mean(axis=0) - each.b.mean(axis=0) for each in specifications])
    n = differences.shape[1]
    signs = generator.integers(0, 2, size=(n, draws)).astype(np.float64) * 2 - 1
    signs[:, 0] = 1.0  # as seen
    effects = differences @ signs / n
    # A sign changes no square, so every draw has the same sum of squares.
    z = z_scores(effects, (differences**2).mean(axis=1, keepdims=True), n)
    return joint("examples", effects, z, exact=False)


def exchange_networks(
    specifications: Sequence[SpecificationScores],
    generator: np.random.Generator,
    most: int = MOST_RELABELLINGS,
) -> JointTest:
    """Return the joint test that exchanges the labels of whole networks.

    A network keeps its label in every specification. Specifications with the same networks are one block; the blocks
    (e.g. one a pre-training corpus) are relabelled independently, each into groups of the sizes that it has.

    Raises:
        Undefined: a network is in two blocks, so that its label can't be exchanged in one without the other, or it is
            of one side in one specification and of the other in another.
    """
    import numpy as np

    require_common(specifications)
    of_blocks = [relabelled(of, *key) for key, of in blocks_of(specifications).items()]
    sizes = [effects.shape[1] for effects, _ in of_blocks]
    exact = math.prod(sizes) <= most
    if exact:
        chosen = np.array(list(itertools.product(*map(range, sizes)))).T
    else:
        chosen = np.stack([generator.integers(0, size, size=most) for size in sizes])
        chosen[:, 0] = 0  # as seen
    effects, z = (
        np.concatenate([of[part][:, index] for of, index in zip(of_blocks, chosen, strict=True)]) for part in (0, 1)
    )
    return joint("networks", effects, z, exact)


def require_common(specifications: Sequence[SpecificationScores]) -> None:
    """Refuse what can't be relabelled at once.

    Raises:
        Undefined: there are no specifications, or they have different numbers of examples.
    """
    sizes = {each.a.shape[1] for each in specifications}
    if len(sizes) != 1:
        raise Undefined(f"a specification curve needs specifications on one test set, found {sorted(sizes)} examples")


def blocks_of(
    specifications: Sequence[SpecificationScores],
) -> dict[tuple[tuple[str, ...], tuple[str, ...]], list[SpecificationScores]]:
    """Return the specifications by the networks of their sides.

    Raises:
        Undefined: a network is in two blocks.
    """
    blocks: dict[tuple[tuple[str, ...], tuple[str, ...]], list[SpecificationScores]] = {}
    for each in specifications:
        key = tuple(sorted(each.networks_a)), tuple(sorted(each.networks_b))
        blocks.setdefault(key, []).append(each)
    names = [name for a, b in blocks for name in (*a, *b)]
    if len(set(names)) < len(names):
        raise Undefined("networks can be relabelled only where each is on one side of one block of specifications")
    return blocks


def relabelled(
    specifications: Sequence[SpecificationScores], names_a: tuple[str, ...], names_b: tuple[str, ...]
) -> tuple[Floats, Floats]:
    """Return effects and z of a block under every relabelling, shape (specifications, relabellings); as seen first."""
    import numpy as np

    count = len(names_a) + len(names_b)
    groups = [set(of) for of in itertools.combinations(range(count), len(names_a))]  # the first is 0 ... k - 1: as seen
    weights = np.array(
        [[1 / len(names_a) if i in group else -1 / len(names_b) for i in range(count)] for group in groups]
    )
    effects, z = [], []
    for each in specifications:
        a, b = (
            scores[[names.index(name) for name in order]]
            for scores, names, order in ((each.a, each.networks_a, names_a), (each.b, each.networks_b, names_b))
        )
        differences = weights @ np.concatenate([a, b])
        effects.append(differences.mean(axis=1))
        z.append(z_scores(effects[-1], (differences**2).mean(axis=1), differences.shape[1]))
    return np.stack(effects), np.stack(z)


def z_scores(effects: Floats, squares: Floats, n: int) -> Floats:
    """Return effects divided by their standard errors over n examples; 0 where neither is.

    Args:
        effects: mean differences.
        squares: mean squared differences.
        n: number of examples.
    """
    import numpy as np

    # A difference of one example in all is the least that can be seen, and bounds a z where all examples agree.
    error = np.sqrt(np.maximum(squares - effects**2, 1 / n**2) / n)
    z: Floats = effects / error
    return z


def joint(unit: Literal["examples", "networks"], effects: Floats, z: Floats, exact: bool) -> JointTest:
    """Return the joint test of effects and z of shape (specifications, relabellings), the first as seen."""
    import numpy as np

    holds = (effects > TIE).mean(axis=0)
    reversed_ = (effects < -TIE).mean(axis=0)
    median, mean_z = np.median(effects, axis=0), z.mean(axis=0)
    return JointTest(
        unit,
        effects.shape[1] - (not exact),
        exact,
        OneSided(at_least_seen(median), at_least_seen(-median)),
        OneSided(at_least_seen(holds), at_least_seen(reversed_)),
        OneSided(at_least_seen(mean_z), at_least_seen(-mean_z)),
    )


def at_least_seen(statistic: Floats) -> float:
    """Return the share of relabellings whose statistic is at least that of the first, which is as seen."""
    return float((statistic >= statistic[0] - TIE).mean())
