"""What a paper says of a number that a function of its folder measures: `[measures.NAME]` of paper.toml."""

from __future__ import annotations

import math
from typing import Annotated, Literal

from pydantic import Field
from pydantic.dataclasses import dataclass

from harness.core.specs import STRICT, Count, Positive

POINTS = "points"
"""The unit of accuracies: scores are fractions (0 or 1 an example), shown in percent; differences in percentage
points. A number in any other unit is shown as it is."""
FUNCTION = r"^[A-Za-z_]\w*(\.[A-Za-z_]\w*)*:[A-Za-z_]\w*$"

Direction = Literal["higher", "lower"]


@dataclass(frozen=True, config=STRICT)
class Measure:
    """A number that a function measures of a contender on a dataset with a seed."""

    function: Annotated[str, Field(pattern=FUNCTION)]
    """"module:function" of the paper's folder. It is called with the contender, the name of the dataset and the seed,
    and with `folder`, a place for a state to go on from, if it has a parameter of that name. It returns what `scores`
    says."""
    unit: Annotated[str, Field(min_length=1, max_length=20)] = POINTS
    """E.g. "steps" or "seconds"."""
    better: Direction = "higher"
    """Which of two values is the better one: what `>` in a hypothesis means."""
    scores: Literal["examples", "number"] = "examples"
    """"examples": an array of scores, shape (n,), or it with the n names of the examples; "number": one number."""
    shared_examples: bool = True
    """Whether all contenders are scored on the same examples in the same order, so that they are compared in pairs."""
    random: bool = True
    """Whether another seed can give another value; false: it is called once, with seed 0."""
    seeds: Count | None = None
    """Seeds 0 to seeds - 1; None: as many as the paper's defaults say."""
    lane: Literal["cpu", "gpu"] = "cpu"
    """Where it is computed: one thread of the CPU, or an accelerator."""
    time_limit: Positive = 600.0
    """Seconds after which one measurement is ended."""
    packages: tuple[str, ...] = ()
    """Names of installed packages whose versions belong to the identity of what is measured."""
    inputs: tuple[str, ...] = ()
    """Files of the paper's folder that the function reads, as patterns such as "data/*.csv"."""
    negligible: Positive | None = None
    """In the unit, a difference that is surely smaller does not matter; None: with unit "points" as the claim says."""

    def __post_init__(self) -> None:
        for pattern in self.inputs:
            if pattern.startswith("/") or ".." in pattern.split("/"):
                raise ValueError(f"expected inputs inside the paper's folder, found {pattern!r}")


def figure(value: float, unit: str = POINTS, signs: bool = False) -> str:
    """Return a value as a reader sees it: points with two decimals, another unit with four significant digits."""
    sign = "+" if signs else ""
    if unit == POINTS or not math.isfinite(value):
        return f"{value:{sign}.2f}"
    size = math.floor(math.log10(abs(value))) if value else 0
    if not -5 < size < 9:
        return f"{value:{sign}.4g}"
    text = f"{value:{sign}.{max(0, 3 - size)}f}"
    return text.rstrip("0").rstrip(".") if "." in text else text
