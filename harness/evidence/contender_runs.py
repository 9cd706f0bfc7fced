"""The runs of a hypothesis' contenders and their results, for every source of evidence that computes."""

from __future__ import annotations

from collections.abc import Callable, Mapping
from dataclasses import dataclass

from harness.catalog.recipes import recipe_used
from harness.core.result import Result
from harness.core.run import Run
from harness.evidence.source import RunProvider
from harness.judging.evidence import DivergedRun, RunsSide, Term
from harness.judging.scoring import Scored, scored

Score = Callable[[Result], Scored]
"""How predictions are scored."""


@dataclass(frozen=True)
class ContenderRuns:
    """The runs of one contender, a seed or a released file each, and what stands for it."""

    runs: tuple[Run, ...]
    title: str
    """The contender as a side of the verdict, e.g. "NET (PRE-TRAINING SET) as CHECKPOINT"."""


def gather_sides(
    planned: Mapping[Term, ContenderRuns], provider: RunProvider, scores: Mapping[str, Score] | None = None
) -> dict[Term, RunsSide]:
    """Return what each contender's runs on each dataset gave.

    Args:
        planned: the runs.
        provider: gives their results.
        scores: how predictions are scored on a dataset; by its labels where nothing is said.

    Raises:
        NotComputed: a run is not stored and nothing is computed.
    """
    runs = list({run.id: run for of in planned.values() for run in of.runs}.values())
    # All at once, so that no accelerator waits for the other side.
    results = {run.id: result for run, result in zip(runs, provider.results_for(runs), strict=True)}
    return {
        term: RunsSide(
            title=of.title,
            runs=tuple(outcome(run, results[run.id], (scores or {}).get(term[1], scored)) for run in of.runs),
            recipe=recipe_used(of.runs[0]),
            # Several evaluations are of several fine-tunings: what was random in these is in their files.
            deterministic=of.runs[0].recipe.evaluates_only and len(of.runs) == 1,
            no_more=of.runs[0].recipe.evaluates_only and len(of.runs) > 1,
            upstream=tuple(run.checkpoint.upstream for run in of.runs),
        )
        for term, of in planned.items()
    }


def outcome(run: Run, result: Result, score: Score) -> Scored | DivergedRun:
    """Return a run's scored predictions, or that it diverged."""
    if result.diverged is not None:
        return DivergedRun(run.id, run.seed, str(result.diverged))
    return score(result)
