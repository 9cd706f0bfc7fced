"""The released checkpoints as a source of evidence: material, pipeline check, learning rate, final runs."""

from __future__ import annotations

from collections.abc import Iterable, Mapping, Sequence
from dataclasses import dataclass

from harness.catalog.checkpoint_files import here as file_here
from harness.catalog.datasets import why_not_here
from harness.core.errors import Changed, ClaimsError, TooLittleMemory
from harness.core.hypotheses import Close, Ratio, contenders_of, simple_parts, terms_of
from harness.core.result import Result
from harness.core.specs import Backend
from harness.core.verdict import Searched
from harness.evidence.contender_runs import ContenderRuns, Score, gather_sides
from harness.evidence.lr_search import best_rate
from harness.evidence.released.costs import COUNTED, counted, measured, task_of, untrained
from harness.evidence.released.needed_runs import lacking_data
from harness.evidence.released.pipeline_check import gather_checks
from harness.evidence.released.trial import Material, Trial, caveats, grid, material, runs, trials
from harness.evidence.source import NotComputed, RunProvider
from harness.fetch import settings
from harness.judging.evidence import Evidence, LearningRateSearch, Missing, Term
from harness.judging.question import Question
from harness.judging.scoring import Scored, real_scored, scored
from harness.judging.wording import not_on_this_machine, recipe_without_tolerance

Trials = Mapping[Term, tuple[Trial, ...]]
"""A trial, or one for each run that its authors fine-tuned and released."""
Materials = Mapping[Trial, Material]


@dataclass(frozen=True)
class ReleasedCheckpoints:
    """Gathers from runs of the paper's released checkpoints on the paper's datasets."""

    provider: RunProvider

    def gather(self, question: Question) -> Evidence | Missing:
        """Return what the runs of every side gave.

        What is lacking (weights, data, an accelerator, a recipe for which the figure means something) is Missing
        with the reason. A crash while computing is raised.

        Args:
            question: its source says by which protocol and on which framework.

        Raises:
            ClaimsError: the pipeline check failed, weights are not those that were pinned, or computing failed.
        """
        hypothesis, fetches = question.hypothesis, self.provider.fetches
        never = question.claim.why_not_verifiable(hypothesis)
        if never is not None:
            return Missing(never, "not verifiable")
        try:
            asked = {term: trials(*term, question.source.detail) for term in terms_of(hypothesis)}
        except ClaimsError as error:
            return Missing(str(error))
        every = [each for of_term in asked.values() for each in of_term]
        for each in every:
            if each.checkpoint.never_released:
                return Missing(f"{each.contender}: {each.checkpoint.never_released}", "not verifiable")
        # What is counted of a network or of its fine-tuning is the same of each of several released runs.
        firsts = {term: first for term, (first, *_) in asked.items()}
        if isinstance(hypothesis, Ratio) and (nothing := untrained(hypothesis, firsts)):
            return Missing(nothing)
        if isinstance(hypothesis, Ratio) and hypothesis.of in COUNTED:
            return counted(hypothesis, firsts)
        tolerance = None
        for part in simple_parts(hypothesis):
            if isinstance(part, Close):
                recipe = asked[part.a, part.on][0].recipe.id
                if recipe not in dict(part.within):
                    return Missing(recipe_without_tolerance(part, recipe))
                tolerance = dict(part.within)[recipe] if part is hypothesis else None
        try:
            # What must be laid there by hand first, so that nothing is fetched for a mean that can't be judged.
            by_hand_first = sorted(every, key=lambda each: not lacking_data(each.entry))
            here = {each: material(each, fetches) for each in by_hand_first}
            scores = {term[1]: score_of(first, here[first], fetches) for term, (first, *_) in asked.items()}
        except Changed:
            raise  # other bytes than before are no missing material
        except ClaimsError as error:
            lacking = [] if fetches else absent(every)
            return Missing(not_on_this_machine(lacking) if lacking else str(error))
        try:
            return self._gather_runs(question, asked, here, scores, tolerance)
        except (NotComputed, TooLittleMemory) as reason:
            return Missing(str(reason))

    def _gather_runs(
        self,
        question: Question,
        asked: Trials,
        here: Materials,
        scores: Mapping[str, Score],
        tolerance: float | None,
    ) -> Evidence:
        (backend,) = question.backends
        every = [each for of_term in asked.values() for each in of_term]
        checks = gather_checks(every, self.provider, backend)
        searches = self._search(asked, here, backend)
        rates = {term: search.chosen for term, search in searches.items()}
        planned = {}
        if None not in rates.values():
            planned = {
                term: ContenderRuns(
                    tuple(
                        run
                        for each in of_term
                        for run in runs(each, here[each], rates.get(term), each.seeds(self.provider.seeds), backend)
                    ),
                    f"{term[0]} as {called([each.checkpoint.id for each in of_term])}",
                )
                for term, of_term in asked.items()
            }
        sides = gather_sides(planned, self.provider, scores) if planned else {}
        diverged = any(side.diverged for side in sides.values())
        timed = isinstance(question.hypothesis, Ratio) and planned and not diverged
        return Evidence(
            sides=sides,
            costs=measured(planned, self.provider) if timed else (),
            tolerance=tolerance,
            task=task_of(every),
            searches=tuple(searches.values()),
            pipeline_checks=checks,
            caveats=caveats(contenders_of(question.hypothesis)),
        )

    def _search(self, asked: Trials, here: Materials, backend: Backend) -> dict[Term, LearningRateSearch]:
        """Return the search of each side whose recipe leaves the learning rate open."""
        searching = {term: first for term, (first, *_) in asked.items() if first.searches}
        grids = {term: grid(of, here[of], backend) for term, of in searching.items()}
        # All sides' grids at once, so that no accelerator waits for the other side.
        tried = [run for of in grids.values() for run in of.values()]
        results = dict(zip((run.id for run in tried), self.provider.results_for(tried), strict=True)) if tried else {}
        found = {}
        for term, of in grids.items():
            by_rate = {rate: results[run.id] for rate, run in of.items()}
            accuracies = {rate: None if result.diverged else result.accuracy for rate, result in by_rate.items()}
            chosen = best_rate(accuracies)
            name = searching[term].checkpoint.id
            rows = (
                Searched(name, rate, accuracy, rate == chosen, (of[rate].id,)) for rate, accuracy in accuracies.items()
            )
            found[term] = LearningRateSearch(term[0], tuple(rows))
        return found


def called(ids: Sequence[str]) -> str:
    """Return what stands for a contender: its checkpoint, or the first of several released runs and their number."""
    return ids[0] if len(ids) == 1 else f"{ids[0]} and {len(ids) - 1} more released runs"


def absent(trials: Iterable[Trial]) -> list[str]:
    """Return what trials need and this machine lacks: ids of checkpoints and datasets, each once.

    Of files that were released fine-tuned, of which there may be hundreds, it returns how many of a network.
    """
    lacking: dict[str, set[str]] = {}
    for each in trials:
        checkpoint = each.checkpoint
        if not checkpoint.file and file_here(checkpoint, settings().cache) is None:
            lacking.setdefault(checkpoint.upstream, set()).add(checkpoint.id)
        if why_not_here(each.entry):
            lacking.setdefault(each.entry.id, {each.entry.id})
    return [name if ids == {name} else f"{len(ids)} files of {name}" for name, ids in lacking.items()]


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
