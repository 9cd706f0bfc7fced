"""The runs that questions put to the released checkpoints need, before anything is fetched or computed."""

from __future__ import annotations

from collections.abc import Collection, Iterable, Iterator, Mapping, Sequence
from dataclasses import replace
from functools import cache
from pathlib import Path

from harness.catalog.checkpoint_files import here as file_here
from harness.catalog.datasets import unpinned_dataset
from harness.catalog.recipes import with_rate
from harness.core.errors import ClaimsError
from harness.core.hypotheses import Close, Ratio, simple_parts, terms_of
from harness.core.run import Run
from harness.core.source import GPU
from harness.core.specs import Backend, Checkpoint, Recipe
from harness.cost.plan import PlannedRun, Purpose
from harness.data.download.dataset import state
from harness.data.paths import location
from harness.data.registry import Entry
from harness.evidence.lr_search import best_rate
from harness.evidence.released.costs import COUNTED
from harness.evidence.released.pipeline_check import checks, trial_of
from harness.evidence.released.trial import DEVELOPMENT_SEED, Material, Trial, grid, material, runs, trials
from harness.fetch import settings
from harness.judging.evidence import Term
from harness.judging.question import AnyQuestion
from harness.runs.store import Store


def planned(questions: Iterable[AnyQuestion], seeds: int, store: Store) -> list[PlannedRun]:
    """Return every run that questions need on released checkpoints, pipeline checks first, as far as is known yet.

    Args:
        questions: of any source; those of other sources, and what was never released, need none.
        seeds: of final runs.
        store: where results lie; what is there is marked stored.
    """
    first: list[PlannedRun] = []
    rest: list[PlannedRun] = []
    for question in questions:
        needed = list(trials_of(question))
        for backend in question.backends:
            planner = RunPlanner(question, backend, store)
            for family in sorted({each.checkpoint.family for each in needed if not each.recipe.evaluates_only}):
                if (check := checks().get(family)) is not None:
                    first += planner.final(trial_of(check), (0,), "pipeline check")
            runs_of = [planner.searches(each) if each.searches else [] for each in needed]
            runs_of += [planner.final(each, each.seeds(seeds)) for each in needed]
            rest += together([run for listed in runs_of for run in listed])
    return first + rest


def together(needed: Sequence[PlannedRun]) -> list[PlannedRun]:
    """Return the runs of one question; where some can't be computed, the others are of no use and are not, either.

    A mean over many datasets is not judged without one of them, so nothing is fetched or computed for the rest. What
    another question needs, too, is computed for that.
    """
    lacking = next((run for run in needed if run.reason), None)
    if lacking is None:
        return list(needed)
    reason = f"its hypotheses need {lacking.checkpoint.id} on {lacking.dataset}, too, which can't run"
    return [
        run if run.stored or run.reason else replace(run, reason=reason, fetches_weights=False, fetches_data=False)
        for run in needed
    ]


def trials_of(question: AnyQuestion) -> Iterator[Trial]:
    """Return the trials that a question needs; none if it needs no run."""
    for of_term in trials_by_term(question).values():
        yield from of_term


def trials_by_term(question: AnyQuestion) -> Mapping[Term, tuple[Trial, ...]]:
    """Return the trials of each side that a question needs.

    None if it can never be measured, or is counted without a run.
    """
    hypothesis = question.hypothesis
    if question.source.kind != GPU or not question.source.detail:
        return {}
    if isinstance(hypothesis, Ratio) and hypothesis.of in COUNTED:
        return {}
    try:
        found = {term: trials(*term, question.source.detail) for term in terms_of(hypothesis)}
    except ClaimsError:  # no such checkpoint or recipe: the verdict says so
        return {}
    if any(each.checkpoint.never_released for of_term in found.values() for each in of_term):
        return {}
    figures = [part for part in simple_parts(hypothesis) if isinstance(part, Close)]
    if any(found[part.a, part.on][0].recipe.id not in dict(part.within) for part in figures):
        return {}
    return found


def at_hand(questions: Iterable[AnyQuestion], seeds: int, store: Store, backends: Collection[str]) -> list[Run]:
    """Return the runs that could be computed at once, checks first: all they need is here, their learning rate known.

    Args:
        questions: as for `planned`.
        seeds: of final runs.
        store: where results lie; a grid that is stored has chosen its rate.
        backends: the frameworks that compute in this session.
    """
    first: dict[str, Run] = {}
    rest: dict[str, Run] = {}
    for question in questions:
        needed = list(trials_of(question))
        for backend in question.backends:
            if backend not in backends:
                continue
            if any(lacking_data(each.entry) and material_here(each) is None for each in needed):
                continue  # nothing is judged without all of them
            planner = RunPlanner(question, backend, store)
            for family in {each.checkpoint.family for each in needed if not each.recipe.evaluates_only} & set(checks()):
                first |= {run.id: run for run in planner.known(trial_of(checks()[family]), (0,))}
            for each in needed:
                rest |= {run.id: run for run in planner.known(each, each.seeds(seeds))}
    return list((first | rest).values())


class RunPlanner:
    """Lists the runs of one question on one framework."""

    def __init__(self, question: AnyQuestion, backend: Backend, store: Store):
        self.question = question
        self.backend = backend
        self.store = store

    def searches(self, of: Trial) -> list[PlannedRun]:
        """Return the runs of a trial's grid."""
        found = material_here(of)
        known = grid(of, found, self.backend) if found else {}
        return [
            self._row(of, with_rate(of.recipe, rate), "learning-rate search", DEVELOPMENT_SEED, known.get(rate))
            for rate in of.recipe.learning_rate_grid
        ]

    def final(self, of: Trial, seeds: Sequence[int], purpose: Purpose = "final") -> list[PlannedRun]:
        """Return the final runs of a trial."""
        found = material_here(of)
        rate = self._chosen(of, found) if found and of.searches else None
        known: tuple[Run | None, ...] = (None,) * len(seeds)
        if found and (rate is not None or not of.searches):
            known = runs(of, found, rate, tuple(seeds), self.backend)
        return [self._row(of, of.recipe, purpose, seed, run) for seed, run in zip(seeds, known, strict=True)]

    def known(self, of: Trial, seeds: Sequence[int]) -> Iterable[Run]:
        """Return a trial's next runs: its grid, or the final ones once that has chosen; none if material is missing."""
        found = material_here(of)
        if found is None:
            return ()
        rate = self._chosen(of, found) if of.searches else None
        if of.searches and rate is None:
            return grid(of, found, self.backend).values()
        return runs(of, found, rate, tuple(seeds), self.backend)

    def _chosen(self, of: Trial, found: Material) -> float | None:
        """Return the learning rate that a grid already stored has chosen."""
        results = {rate: self.store.get(run) for rate, run in grid(of, found, self.backend).items()}
        if None in results.values():
            return None
        return best_rate({rate: r.accuracy if r and not r.diverged else None for rate, r in results.items()})

    def _row(self, of: Trial, recipe: Recipe, purpose: Purpose, seed: int, run: Run | None) -> PlannedRun:
        stored = run is not None and self.store.has(run.id)
        no_data = "" if stored else lacking_data(of.entry)
        return PlannedRun(
            claim=self.question.claim.id,
            checkpoint=of.checkpoint,
            dataset=of.entry.id,
            test=unpinned_dataset(of.entry).dev if purpose == "learning-rate search" else of.entry.test,
            classes=of.entry.classes,
            recipe=recipe,
            purpose=purpose,
            hypotheses=(self.question.hypothesis.id,),
            seed=seed,
            backend=self.backend,
            run_id=run.id if run else "",
            stored=stored,
            reason="" if stored else lacking_weights(of.checkpoint) or no_data,
            fetches_weights=not no_data,
        )


@cache
def _material(of: Trial, home: Path) -> Material | None:
    del home
    try:
        return material(of, fetch=False)
    except ClaimsError:
        return None


def material_here(of: Trial) -> Material | None:
    """Return a trial's material if all of it is here; looked up once in a process."""
    return _material(of, settings().cache)


def lacking_weights(found: Checkpoint) -> str:
    """Return why a checkpoint's weights can't be had from here; "" if they can."""
    chosen = settings()
    lacks = chosen.offline and not found.file and file_here(found, chosen.cache) is None
    return "needs weights, and --offline is set" if lacks else ""


def lacking_data(entry: Entry) -> str:
    """Return why a dataset's images can't be had from here; "" if they can."""
    chosen = settings()
    where, why = state(entry, location(entry.folder))
    if where == "by hand":
        return f"needs data: {why}"
    return "needs data, and offline is set" if chosen.offline and where != "here" else ""
