"""One measurement of a paper's own number, its identity, and what it gave: the counterpart of a run and its result."""

from __future__ import annotations

import hashlib
import json
import math
from functools import cached_property
from typing import Annotated, Literal

from pydantic import Field
from pydantic.dataclasses import dataclass

from harness.core.errors import ClaimsError
from harness.core.hypotheses import Contender
from harness.core.measure import FUNCTION, POINTS, Direction
from harness.core.run import identity
from harness.core.specs import STRICT, Natural, Positive, Sha256, Sources

VERSION = 1
"""Of how functions are called, raised by hand whenever the same function would give other numbers."""
SHOWN = frozenset(["measure", "unit", "better", "lane", "time_limit"])
"""Fields that say where and how long it is computed and how it is shown, and do not change what comes out."""


@dataclass(frozen=True, config=STRICT)
class Measurement:
    """function x contender x dataset x seed: one call of a function of a paper's folder."""

    function: Annotated[str, Field(pattern=FUNCTION)]
    """"module:function"."""
    contender: Contender
    dataset: str
    seed: Annotated[int, Field(ge=0, lt=2**63)]
    source_sha256: Sha256
    """Digest of the function's file and of the folder's own modules that it imports."""
    inputs: Sources = ()
    """(path in the paper's folder, sha256) pairs of the files that it declares to read."""
    packages: Sources = ()
    """(name, version) pairs of the packages that it names."""
    scores: Literal["examples", "number"] = "examples"
    measure: str = ""
    """The name of the measure in the paper."""
    unit: str = POINTS
    better: Direction = "higher"
    lane: Literal["cpu", "accelerator"] = "cpu"
    time_limit: Positive = 600.0
    """Seconds."""

    @cached_property
    def id(self) -> str:
        """Sixteen hex digits: the hash of everything that determines the outcome."""
        parts = {name: part for name, part in identity(self).items() if name not in SHOWN}
        canonical = json.dumps({"measurement": VERSION, **parts}, sort_keys=True, separators=(",", ":"))
        return hashlib.sha256(canonical.encode()).hexdigest()[:16]

    @property
    def backend(self) -> Literal["torch"]:
        """Whose accelerators it is given, where it takes one: those that PyTorch finds."""
        return "torch"

    @property
    def label(self) -> str:
        """One readable line for progress bars and messages."""
        return f"{self.contender} on {self.dataset}, {self.measure or self.function}, seed {self.seed}"

    @property
    def inputs_sha256(self) -> str:
        """One digest of all declared inputs; "" where there are none."""
        return hashlib.sha256(json.dumps(self.inputs).encode()).hexdigest() if self.inputs else ""


@dataclass(frozen=True, config=STRICT)
class Scores:
    """What a measurement gave: a score for each example, or one number, in the unit of its function."""

    run_id: str
    """Of the measurement."""
    values: Annotated[tuple[float, ...], Field(min_length=1)]
    examples_sha256: str
    """Digest of the names of the examples, or of their number where the function names none."""
    seconds: float
    """Wall time of the call."""
    peak_memory: Natural
    """Largest resident memory of the process, bytes."""
    environment: tuple[tuple[str, str], ...]
    """(name, version) pairs of what computed it."""

    def __post_init__(self) -> None:
        if not all(map(math.isfinite, self.values)):
            raise ClaimsError(f"measurement {self.run_id}: expected finite scores, found others")

    @property
    def n(self) -> int:
        """Number of values."""
        return len(self.values)

    @property
    def mean(self) -> float:
        """The number that is compared."""
        return math.fsum(self.values) / self.n

    @property
    def values_sha256(self) -> str:
        """Digest of the values as text that gives the same numbers again, comma separated."""
        return hashlib.sha256(",".join(map(repr, self.values)).encode()).hexdigest()
