"""Costs that were published: costs.json, validated and cached, and their ratios: figures without a p-value."""

from __future__ import annotations

import json
from decimal import Decimal
from functools import cache
from pathlib import Path
from typing import Annotated, Any

from pydantic import Field
from pydantic.dataclasses import dataclass

from harness.core.errors import ClaimsError, unknown
from harness.core.hypotheses import Contender
from harness.core.paper import paper
from harness.core.specs import STRICT, Count, build
from harness.core.text import read_text
from harness.evidence.published.figures import Name, of_paper

SUFFIXES = {"": 1, "k": 1_000, "M": 1_000_000, "G": 1_000_000_000}
"""Of printed numbers: 2.5k is 2,500."""


@dataclass(frozen=True, config=STRICT)
class Cost:
    """One published cost of one model."""

    source: Name
    """Id of the source (sources.toml)."""
    table: Name
    """Where in the source it stands."""
    model: Name
    """The name that the source gives the model."""
    architecture: Name
    """The same in the names that claims use."""
    pretrain: Name
    """What it was pre-trained on."""
    quantity: Name
    """What is counted, with its unit, e.g. "TPUv3-core-days"."""
    printed: Annotated[str, Field(pattern=r"^\d+(\.\d+)?[kMG]?$")]
    """The number as printed, e.g. "0.68k": its digits say how far it was rounded."""
    variant: Name = "orig"
    """Which release of the weights."""
    setting: str = ""
    """What tells it from the other costs of that model in that table, e.g. "7 epochs"."""
    resolution: Count | None = None
    """Side of the input in pixels, where the cost depends on it; None: not stated."""
    notes: str = ""

    @property
    def value(self) -> float:
        """The number, in the unit of the quantity."""
        return float(self._number * SUFFIXES[self._suffix])

    @property
    def unit(self) -> str:
        """What is counted, with its setting, e.g. "exaFLOPs of pre-training, 14 epochs"."""
        return ", ".join(filter(None, (self.quantity, self.setting)))

    @property
    def bounds(self) -> tuple[float, float]:
        """The smallest and largest number that is printed so, rounded to nearest."""
        exponent = self._number.as_tuple().exponent
        assert isinstance(exponent, int)  # the pattern allows no infinity
        half, unit = Decimal((0, (5,), exponent - 1)), SUFFIXES[self._suffix]
        return float((self._number - half) * unit), float((self._number + half) * unit)

    @property
    def citation(self) -> str:
        """Source, table and address."""
        source = of_paper().publications[self.source]
        return f"{source.title}, {self.table}, {source.url}"

    @property
    def _suffix(self) -> str:
        return self.printed[-1] if self.printed[-1] in SUFFIXES else ""

    @property
    def _number(self) -> Decimal:
        return Decimal(self.printed.removesuffix(self._suffix))


@dataclass(frozen=True)
class CostRatio:
    """The cost of one model as a multiple of another's."""

    value: float
    low: float
    """The smallest ratio that the printed digits allow."""
    high: float
    """The largest."""
    a: Cost
    b: Cost


def read(path: Path) -> tuple[Cost, ...]:
    """Return the costs of a file, checked against the paper's sources.

    Args:
        path: JSON, a list of records, one per line; record 1 is the first.

    Raises:
        ClaimsError: a file that does not parse, an unknown key, a bad value, or an unknown source or pre-training set.
    """
    try:
        records: Any = json.loads(read_text(path))
    except json.JSONDecodeError as error:
        raise ClaimsError(f"{path.name}: expected JSON, found: {error}; correct that line") from None
    if not isinstance(records, list):
        raise ClaimsError(f"{path.name}: expected a list of records, found {type(records).__name__}")
    found, sources, known = [], of_paper().publications, paper().pretraining
    for number, record in enumerate(records, start=1):
        where = f"{path.name} record {number}"
        if not isinstance(record, dict):
            raise ClaimsError(f"{where}: expected an object, found {record!r}")
        cost = build(Cost, record, where)
        if cost.source not in sources:
            raise unknown("source", cost.source, sources, where)
        if known and cost.pretrain not in known:
            raise unknown("pretrain", cost.pretrain, known, where)
        found.append(cost)
    return tuple(found)


def load() -> tuple[Cost, ...]:
    """Return all costs of the current paper, in the order of the file; none where it has no such file."""
    path = paper().table("published/costs.json")
    return _read_once(path) if path is not None else ()


@cache
def _read_once(path: Path) -> tuple[Cost, ...]:
    return read(path)


def published_costs(contender: Contender, of: str) -> tuple[Cost, ...]:
    """Return every published cost of a contender; none where nobody published it.

    Args:
        contender: the model; its resolution, where it has one, must be the cost's.
        of: a quantity, e.g. "TPUv3-core-days", or one with its setting, e.g. "exaFLOPs of pre-training, 14 epochs".
    """
    wanted = (contender.architecture, contender.pretrained_on, contender.variant)
    return tuple(
        cost
        for cost in load()
        if (cost.architecture, cost.pretrain, cost.variant) == wanted
        and of in (cost.quantity, cost.unit)
        and (contender.resolution is None or cost.resolution == contender.resolution)
    )


def costs(contender: Contender, of: str) -> Cost | None:
    """Return what a contender costs as published; None where nobody published it.

    Args:
        contender: the model.
        of: as in published_costs.

    Raises:
        ClaimsError: it has several costs, of other settings or resolutions: only equal ones can be compared.
    """
    found = published_costs(contender, of)
    if len(found) > 1:
        listed = "; ".join(f"{each.unit} at {each.resolution or 'any'} pixels" for each in found)
        raise ClaimsError(
            f"{contender}, {of}: expected one published cost, found {len(found)} ({listed});"
            " name the setting, and the contender's resolution"
        )
    return found[0] if found else None


def ratios(a: Contender, b: Contender, of: str) -> tuple[CostRatio, ...]:
    """Return the cost of a over that of b, for every source, table and setting that has both.

    Args:
        a: whose cost is divided.
        b: by whose cost.
        of: as in published_costs.
    """

    def place(cost: Cost) -> tuple[str, str, str, int | None]:
        return (cost.source, cost.table, cost.setting, cost.resolution)

    return tuple(
        CostRatio(x.value / y.value, x.bounds[0] / y.bounds[1], x.bounds[1] / y.bounds[0], x, y)
        for x in published_costs(a, of)
        for y in published_costs(b, of)
        if place(x) == place(y)
    )
