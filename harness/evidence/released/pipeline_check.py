"""The evaluation pipeline, checked on released fine-tuned weights before fine-tuned results are believed.

vision_transformer#39: before blaming the fine-tuning, see that a checkpoint which is already fine-tuned gives its
published accuracy.
"""

from __future__ import annotations

from collections.abc import Mapping
from functools import cache
from pathlib import Path
from types import MappingProxyType
from typing import Annotated

from pydantic import Field
from pydantic.dataclasses import dataclass

from harness.catalog.checkpoints import checkpoint
from harness.catalog.datasets import unpinned_dataset
from harness.catalog.recipes import resolve
from harness.core.claim import Contender
from harness.core.errors import ClaimsError
from harness.core.specs import STRICT, Positive, Result
from harness.core.toml import FOLDER, read_specs
from harness.data.registry import entries
from harness.evidence.released.trial import EVALUATE, Trial
from harness.judging.scoring import scored


@dataclass(frozen=True, config=STRICT)
class Check:
    """What a family's released weights must give."""

    id: str
    """The family."""
    checkpoint: str
    accuracy: Annotated[float, Field(gt=0, le=100)]
    """Top-1 on ImageNet validation, percent."""
    within: Positive
    """Percentage points."""
    citation: str


@cache
def checks(path: Path = FOLDER / "pipeline_checks.toml") -> Mapping[str, Check]:
    """Return the check of each family that has one."""
    return MappingProxyType(read_specs(path, Check))


def trial_of(check: Check) -> Trial:
    """Return the evaluation that a check asks for."""
    found = checkpoint(check.checkpoint)
    entry = entries()["imagenet"]
    recipe = resolve(EVALUATE, found, unpinned_dataset(entry, train=False))
    return Trial(Contender(found.architecture, found.pretrained_on, found.variant), found, entry, recipe)


def require(check: Check, result: Result) -> None:
    """Refuse to go on unless the released weights gave what others measured with them.

    Raises:
        ClaimsError: they did not: the evaluation here differs from everybody else's.
    """
    found = scored(result).accuracy
    if abs(found - check.accuracy) > check.within:
        raise ClaimsError(
            f"pipeline check: expected {check.checkpoint} to give {check.accuracy:.2f} ± {check.within:g} % on ImageNet"
            f" ({check.citation}), found {found:.2f} % (run {result.run_id}); no fine-tuned result is believed before"
            " this is mended"
        )
