"""The check of the evaluation pipeline on released fine-tuned weights, before fine-tuned results are trusted.

vision_transformer#39: before blaming the fine-tuning, see that a checkpoint which is already fine-tuned gives its
published accuracy.
"""

from __future__ import annotations

from collections.abc import Iterable, Mapping
from functools import cache
from pathlib import Path
from types import MappingProxyType
from typing import Annotated

from pydantic import Field
from pydantic.dataclasses import dataclass

from harness.catalog.checkpoints import checkpoint
from harness.catalog.datasets import unpinned_dataset, why_not_here
from harness.catalog.recipes import resolve
from harness.core.errors import Changed, ClaimsError
from harness.core.hypotheses import Contender
from harness.core.paper import paper
from harness.core.result import Result
from harness.core.specs import STRICT, Backend, Positive
from harness.core.toml import read_specs
from harness.data.registry import entries
from harness.evidence.released.trial import Trial, material, runs
from harness.evidence.source import RunProvider
from harness.judging.evidence import PipelineCheck
from harness.judging.scoring import scored


@dataclass(frozen=True, config=STRICT)
class Check:
    """What a family's released weights must give."""

    id: str
    """The family."""
    checkpoint: str
    dataset: str
    """On which it is evaluated."""
    accuracy: Annotated[float, Field(gt=0, le=100)]
    """Top-1 on the dataset, percent."""
    within: Positive
    """Percentage points."""
    citation: str


def checks() -> Mapping[str, Check]:
    """Return the check of each family that has one (the paper's pipeline_checks.toml)."""
    path = paper().table("pipeline_checks.toml")
    return {} if path is None else read_checks(path)


@cache
def read_checks(path: Path) -> Mapping[str, Check]:
    """Return the checks of a table by family."""
    return MappingProxyType(read_specs(path, Check))


def trial_of(check: Check) -> Trial:
    """Return the evaluation that a check asks for."""
    found = checkpoint(check.checkpoint)
    entry = entries()[check.dataset]
    defaults = paper().defaults
    recipe = resolve(defaults.check or defaults.evaluation, found, unpinned_dataset(entry, train=False))
    return Trial(Contender(found.architecture, found.pretrained_on, found.variant), found, entry, recipe)


def gather_checks(trials: Iterable[Trial], provider: RunProvider, backend: Backend) -> tuple[PipelineCheck, ...]:
    """Check the evaluation pipeline of each fine-tuned family whose material is here.

    Raises:
        ClaimsError: a check failed.
        NotComputed: a check could be made, but nothing is computed in this session.
    """
    found = []
    for family in sorted({each.checkpoint.family for each in trials if not each.recipe.evaluates_only}):
        check = checks().get(family)
        if check is None:
            continue
        asked = trial_of(check)
        try:
            # ImageNet is not fetched for the check alone; where it is here, the weights are.
            here = material(asked, fetch=provider.fetches and not why_not_here(asked.entry))
        except Changed:
            raise
        except ClaimsError:
            found.append(PipelineCheck(family, check.checkpoint, check.dataset, None))
            continue
        (result,) = provider.results_for(runs(asked, here, None, (0,), backend))
        found.append(PipelineCheck(family, check.checkpoint, check.dataset, require(check, result)))
    return tuple(found)


def require(check: Check, result: Result) -> float:
    """Return the accuracy (percent) that released weights gave, unless it is not what others measured with them.

    Raises:
        ClaimsError: they did not: the evaluation here differs from everybody else's.
    """
    found = scored(result).accuracy
    if abs(found - check.accuracy) > check.within:
        raise ClaimsError(
            f"pipeline check: expected {check.checkpoint} to give {check.accuracy:.2f} ± {check.within:g} % on"
            f" {check.dataset} ({check.citation}), found {found:.2f} % (run {result.run_id}); no fine-tuned result is"
            " believed before this is fixed"
        )
    return found
