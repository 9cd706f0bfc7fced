"""What the micro study's specification grids are made of (micro/specifications.toml): statements, choices, grids."""

from __future__ import annotations

from collections.abc import Iterator, Mapping
from functools import cache
from itertools import product
from pathlib import Path
from typing import Annotated, Literal

from pydantic import BeforeValidator, Field
from pydantic.dataclasses import dataclass

from harness.core.errors import ClaimsError, unknown
from harness.core.paper import paper
from harness.core.specs import STRICT, Backend, Count, Positive, build, pairs
from harness.core.toml import read_toml

FILE = "micro/specifications.toml"

Grid = Literal["reduced", "full"]
GRIDS: tuple[Grid, ...] = ("reduced", "full")


@dataclass(frozen=True, config=STRICT)
class Sides:
    """One side of a statement: an architecture with one or more pre-training sets."""

    architecture: str
    """Its name in the ids of checkpoints (proxies.toml)."""
    pretraining: Annotated[tuple[str, ...], Field(min_length=1)]
    """Their names in the ids of checkpoints. The n-th of one side is compared with the n-th of the other."""


@dataclass(frozen=True, config=STRICT)
class Statement:
    """An ordering of two sides that the grid asks about under every choice."""

    text: str
    """In the micro study's own names, e.g. "micro A > micro B on TASK"."""
    task: str
    """Id of the micro study's dataset."""
    a: Sides
    """Said to be better."""
    b: Sides

    def __post_init__(self) -> None:
        if len(self.a.pretraining) != len(self.b.pretraining):
            raise ValueError("expected as many pre-training sets on both sides")

    @property
    def pairs(self) -> tuple[tuple[str, str], ...]:
        """What the two sides were pre-trained on, a pair each."""
        return tuple(zip(self.a.pretraining, self.b.pretraining, strict=True))


@dataclass(frozen=True, config=STRICT)
class Choices:
    """One way of making a comparison. What is not chosen is as in the judged runs."""

    learning_rate: Positive = 1.0
    """Times the rate that was tuned for the checkpoint and the task."""
    steps: Positive = 1.0
    """Times the recipe's; the warm-up with them."""
    dropout: Annotated[float, Field(ge=0, lt=1)] | None = None
    """Of the transformer; None: the recipe's. Networks without one are trained as they are."""
    resolution: Count | None = None
    """Side of the input in pixels; None: the recipe's."""
    seed: Count = 1
    """Which of the judged seeds of each network, counted from 1."""
    backend: Backend = "torch"


@dataclass(frozen=True, config=STRICT)
class Box:
    """Every combination of some levels of the choices."""

    learning_rate: tuple[Positive, ...] = (1.0,)
    steps: tuple[Positive, ...] = (1.0,)
    dropout: tuple[float, ...] = ()
    resolution: tuple[Count, ...] = ()
    seed: tuple[Count, ...] = (1,)
    backend: tuple[Backend, ...] = ("torch",)
    pretraining: tuple[str, ...] = ()
    """Of statements on several pre-training sets only these of side a; (): all."""

    def __iter__(self) -> Iterator[Choices]:
        names = ("learning_rate", "steps", "dropout", "resolution", "seed", "backend")
        levels = [getattr(self, name) or (None,) for name in names]
        return (build(Choices, dict(zip(names, each, strict=True)), FILE) for each in product(*levels))


Statements = Annotated[tuple[tuple[str, Statement], ...], BeforeValidator(pairs)]
Boxes = Annotated[tuple[tuple[Grid, tuple[Box, ...]], ...], BeforeValidator(pairs)]


@dataclass(frozen=True, config=STRICT)
class SpecificationTable:
    """The statements and grids of a paper; empty for one without."""

    statements: Statements = ()
    """By a short name."""
    grids: Boxes = ()
    """The boxes of each grid. A combination that is in two of them counts once."""
    generator: int = 0
    """Seed of the joint permutation tests."""

    def boxes(self, grid: Grid) -> tuple[Box, ...]:
        """Return the boxes of a grid.

        Raises:
            ClaimsError: there is no such grid.
        """
        if grid not in GRIDS:
            raise unknown("specification grid", grid, GRIDS)
        return dict(self.grids).get(grid, ())


def specification_table() -> SpecificationTable:
    """Return the current paper's table of specifications."""
    path = paper().table(FILE)
    return SpecificationTable() if path is None else read_specifications(path)


@cache
def read_specifications(path: Path) -> SpecificationTable:
    """Return the specifications of a table.

    Raises:
        ClaimsError: it is malformed.
    """
    tables: Mapping[str, object] = read_toml(path)
    found = build(SpecificationTable, tables, path.name)
    if not found.statements or set(dict(found.grids)) != set(GRIDS):
        raise ClaimsError(f"{path.name}: expected statements and the grids {', '.join(GRIDS)}; add what is missing")
    return found
