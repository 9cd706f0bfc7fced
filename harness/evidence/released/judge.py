"""The released checkpoints as a source of evidence: material, pipeline check, learning rate, final runs, verdict."""

from __future__ import annotations

import re
from collections.abc import Iterable, Mapping
from dataclasses import dataclass, field, replace

from harness.catalog.checkpoints import here as file_here
from harness.catalog.datasets import why_not_here
from harness.core.claim import Close, Contender, Searched, Verdict
from harness.core.errors import Changed, ClaimsError, TooLittleMemory
from harness.core.specs import BACKENDS, Backend, Result
from harness.evidence.lr_search import best_rate
from harness.evidence.released.pipeline_check import checks, require, trial_of
from harness.evidence.released.runner import Lab, NotComputed
from harness.evidence.released.trial import Material, Trial, caveat, grid, material, runs, trial
from harness.fetch import settings
from harness.judging.judge import BOTH, Question, on, without_figures
from harness.judging.runs import Planned, Score, agreement, judge_runs
from harness.judging.scoring import Scored, real_scored, scored

AGREEMENT = 0.5
"""Percentage points within which two frameworks' accuracies are the same: what two runs of one framework with other
seeds differ by (REFERENCE: two official runs differ by up to 0.11 on CIFAR-10, 0.38 on CIFAR-100)."""


@dataclass(frozen=True)
class Answered:
    """A verdict and what a comparison of frameworks needs of it."""

    verdict: Verdict
    planned: Mapping[Contender, Planned] = field(default_factory=dict)
    score: Score = scored


def answer(question: Question, lab: Lab) -> Verdict:
    """Judge a question on the released checkpoints.

    What is missing (weights, data, an accelerator, a recipe for which the figure means something) is NOT RUN with
    the reason. A crash while computing is raised, never a verdict.

    Args:
        question: its source says by which protocol and on which framework, or that both are compared.
        lab: gives results.

    Raises:
        ClaimsError: the pipeline check failed, weights are not those that were pinned, or computing failed.
    """
    if question.backend != BOTH:
        return _answered(question, lab).verdict
    source = question.source.partition("@")[0]
    found = {backend: _answered(replace(question, source=on(source, backend)), lab) for backend in BACKENDS}
    verdicts: dict[str, Verdict] = {backend: each.verdict for backend, each in found.items()}
    planned: dict[str, Mapping[Contender, Planned]] = {backend: each.planned for backend, each in found.items()}
    return agreement(question, verdicts, planned, lab.give, AGREEMENT, found["torch"].score)


def _answered(question: Question, lab: Lab) -> Answered:
    def not_run(reason: object) -> Answered:
        return Answered(without_figures(question, "NOT RUN", one_line(reason)))

    hypothesis = question.hypothesis
    try:
        trials = {each: trial(each, hypothesis.on, question.detail) for each in hypothesis.contenders}
    except ClaimsError as error:
        return not_run(error)
    for each in trials.values():
        if each.checkpoint.never_released:
            reason = f"{each.contender}: {each.checkpoint.never_released}"
            return Answered(without_figures(question, "NOT VERIFIABLE", reason))
    tolerance = None
    if isinstance(hypothesis, Close):
        name = trials[hypothesis.a].recipe.id
        tolerance = dict(hypothesis.within).get(name)
        if tolerance is None:
            return not_run(refused(hypothesis, name))
    try:
        here = {contender: material(each, lab.fetches) for contender, each in trials.items()}
        score = score_of(next(iter(trials.values())), here[hypothesis.contenders[0]], lab.fetches)
    except Changed:
        raise  # other bytes than before are no missing material
    except ClaimsError as error:
        return not_run(error if lab.fetches else absent(trials.values()) or error)
    try:
        return _measured(question, trials, here, score, lab, tolerance)
    except (NotComputed, TooLittleMemory) as reason:
        return not_run(reason)


def _measured(
    question: Question,
    trials: Mapping[Contender, Trial],
    here: Mapping[Contender, Material],
    score: Score,
    lab: Lab,
    tolerance: float | None,
) -> Answered:
    backend: Backend = "jax" if question.backend == "jax" else "torch"
    notes = pipeline_notes(trials, lab, backend)
    first = next(iter(trials.values()))
    task = f"{first.entry.id}: {first.entry.title}" + (", ReaL labels" if first.by_real_labels else "")
    # All sides' grids at once, so that no accelerator waits for the other side.
    grids = [grid(each, here[contender], backend) for contender, each in trials.items() if each.searches]
    if grids:
        lab.give([run for of_contender in grids for run in of_contender.values()])
    searched: list[Searched] = []
    planned: dict[Contender, Planned] = {}
    for contender, each in trials.items():
        rate = None
        if each.searches:
            found = search(each, here[contender], lab, backend)
            searched += found
            rate = next((row.learning_rate for row in found if row.chosen), None)
            if rate is None:
                reason = f"{contender}: every learning rate of the grid diverged"
                verdict = without_figures(question, "INCONCLUSIVE", reason)
                return Answered(replace(verdict, searched=tuple(searched), task=task))
        of_seeds = runs(each, here[contender], rate, each.seeds(lab.seeds), backend)
        planned[contender] = Planned(of_seeds, f"{contender} as {each.checkpoint.id}")
    verdict = judge_runs(question, planned, lab.give, score, task, tolerance)
    mind = caveat(question.hypothesis.contenders)
    reason = "; ".join([verdict.reason, *([f"mind: {mind}"] if mind else []), *notes])
    return Answered(replace(verdict, reason=reason, searched=tuple(searched)), planned, score)


def one_line(reason: object) -> str:
    """Return a reason in one line: a fetch that failed says what each source lacks in a line of its own."""
    return re.sub(r"\s*\n\s*", "; ", re.sub(r":\s*\n\s*", ": ", str(reason).strip()))


def refused(hypothesis: Close, recipe: str) -> str:
    """Return why a run of a recipe is not compared with the published figure."""
    allowed = ", ".join(name for name, _ in hypothesis.within)
    return (
        f"a run by the recipe {recipe} is not judged by the published {hypothesis.to:g} %, which means something for"
        f" {allowed}; choose one with --recipe"
    )


def absent(trials: Iterable[Trial]) -> str:
    """Return what trials need that is not on this machine, in one line; "" if all of it is."""
    lacking: dict[str, None] = {}
    for each in trials:
        if not each.checkpoint.file and file_here(each.checkpoint, settings().cache) is None:
            lacking[each.checkpoint.id] = None
        if why_not_here(each.entry):
            lacking[each.entry.id] = None
    if not lacking:
        return ""
    return f"not on this machine: {', '.join(lacking)}; pytest -m gpu, where there is an accelerator, fetches them"


def score_of(of: Trial, here: Material, fetch: bool) -> Score:
    """Return how a trial's predictions are scored.

    Raises:
        ClaimsError: the ReaL labels are not here, or the images' order is not that of their numbers.
    """
    if not of.by_real_labels:
        return scored
    from harness.data.imagenet_real import labels_here

    labels = labels_here(here.dataset, fetch)

    def score(result: Result) -> Scored:
        return real_scored(result, labels)

    return score


def pipeline_notes(trials: Mapping[Contender, Trial], lab: Lab, backend: Backend) -> list[str]:
    """Check the evaluation pipeline of each family that is fine-tuned; return what could not be checked, and why.

    Raises:
        ClaimsError: a check failed.
        NotComputed: a check could be made, but nothing is computed in this session.
    """
    notes = []
    for family in sorted({each.checkpoint.family for each in trials.values() if not each.recipe.evaluates_only}):
        check = checks().get(family)
        if check is None:
            continue
        asked = trial_of(check)
        try:
            # ImageNet is not fetched for the check alone; where it is here, the weights are.
            found = material(asked, fetch=lab.fetches and not why_not_here(asked.entry))
        except Changed:
            raise
        except ClaimsError:
            notes.append(
                f"the evaluation of {family} networks is unchecked, for ImageNet or {check.checkpoint} is not here"
            )
            continue
        (run,) = runs(asked, found, None, (0,), backend)
        require(check, lab.give([run])[0])
    return notes


def search(of: Trial, here: Material, lab: Lab, backend: Backend) -> list[Searched]:
    """Return the grid's results on the dev split, the chosen rate marked (search.RULE)."""
    asked = grid(of, here, backend)
    results = dict(zip(asked, lab.give(list(asked.values())), strict=True))
    accuracies = {rate: None if result.diverged else result.accuracy for rate, result in results.items()}
    chosen = best_rate(accuracies)
    return [
        Searched(of.checkpoint.id, rate, accuracy, rate == chosen, (asked[rate].id,))
        for rate, accuracy in accuracies.items()
    ]
