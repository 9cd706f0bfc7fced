"""The state of one pytest session: its home folder, executor, questions and hypotheses."""

from __future__ import annotations

import contextlib
import sys
from collections.abc import Callable, Iterator, Sequence
from dataclasses import dataclass, replace
from functools import partial
from pathlib import Path
from typing import TYPE_CHECKING, Any

import pytest

from harness.core.beside import beside
from harness.core.claim import Claim, Statement, StatementRecord
from harness.core.errors import ClaimsError
from harness.core.expected import FILE, expected_answers
from harness.core.paper import folder_of, paper, using
from harness.core.result import Result
from harness.core.run import Run
from harness.core.specs import BACKENDS
from harness.core.verdict import Verdict
from harness.evidence.questions import Answers, EvidenceRequest, runs_of
from harness.evidence.source import NotComputed
from harness.fetch import settings
from harness.judging import ledger
from harness.judging.question import AnyQuestion
from harness.runs.executor import Executor, Postponed
from harness.runs.shared_store import open_store
from harness.training.api import Execution

if TYPE_CHECKING:
    from harness.cost.cards import Card

LOCAL, RAY = "local", "ray"
POSTPONED = "--time-limit"
"""How the reason of a verdict begins that a later session will give."""
Capture = Callable[[], contextlib.AbstractContextManager[None]]


@dataclass(frozen=True)
class SessionConfig:
    """What a session computes with."""

    home: Path
    """Where results lie."""
    jobs: int
    """Worker processes for the CPU; 0 computes in this process."""
    quiet: bool = False
    """Whether no progress is shown: another process has the terminal (an xdist worker)."""
    accelerators: tuple[str, ...] = ()
    """What CUDA_VISIBLE_DEVICES calls them."""
    refuses: tuple[tuple[str, str], ...] = ()
    """(backend, why its runs on released checkpoints are not computed) pairs; what is stored is still judged."""
    fetches: bool = False
    """Whether weights and data that are not here are fetched: only where they will be computed with."""
    execution: Execution | None = None
    seeds: int | None = None
    """Of final runs on released checkpoints; None: as many as the paper's defaults say."""
    executor: str = LOCAL
    """What computes runs: this machine, or a cluster."""
    ray_address: str = ""
    gpus_per_run: int = 1
    """Accelerators that compute a run together; each of `accelerators` names as many, separated by commas."""
    hours: float | None = None
    """After which no run is begun, and what is running is saved; None: no limit."""
    deadline: float | None = None
    """When that is, in seconds as time.time() counts, where another process began the session."""
    more_seeds: bool = False
    """Whether open questions get more seeds, look by look, as long as they could still be decided."""


class Session:
    """State of a session of the suite, kept in the config's stash; the interface for obtaining results (RunProvider).

    Args:
        request: what it asks of the sources that measure.
        outside_capture: gives a context in which the terminal can be written to.
    """

    config: SessionConfig
    """What it computes with, once `start` was called."""
    executor: Executor

    def __init__(self, request: EvidenceRequest, outside_capture: Capture):
        self.notes: list[str] = []
        """What the store had to say since the last verdict, one line each."""
        self.request = request
        self.outside_capture = outside_capture
        self._stated: dict[str, dict[str, None]] = {}
        self._answers = Answers(self)
        self._papers: dict[str, Path | None] = {}
        self._beside: dict[str, dict[Path, None]] = {}
        self._statements: dict[str, dict[str, StatementRecord]] = {}
        self._answering: dict[str, dict[str, dict[str, None]]] = {}

    def start(self, config: SessionConfig) -> None:
        """Get ready to judge: only a session that has claims among its tests does."""
        self.config = config
        workers = None
        if config.executor == RAY:
            from harness.runs.ray_workers import RayWorkers

            workers = partial(
                RayWorkers, config.ray_address, accelerators=config.gpus_per_run if config.accelerators else 0
            )
        store = open_store(config.home, self.notes.append)
        asked = config.jobs, config.accelerators, config.execution
        self.executor = Executor(store, *asked, workers, config.hours, config.deadline)

    @property
    def started(self) -> bool:
        """Whether it judges claims."""
        return hasattr(self, "executor")

    def state(
        self, claim: Claim, questions: Sequence[AnyQuestion], file: Path, statements: Sequence[Statement] = ()
    ) -> None:
        """Remember what a claim states, in one or more files, whether or not it is selected, and where they lie.

        Raises:
            ClaimsError: another paper of the session has a claim of that id.
        """
        folder, other = folder_of(file), self._papers.get(claim.id)
        if folder is not None and other is not None and folder != other:
            raise ClaimsError(
                f"{claim.id}: expected a claim of one paper, found the id in {other} and in {folder}; rename one, or"
                " judge the papers in sessions of their own"
            )
        self._statements.setdefault(claim.id, {}).update((each.by.id, each.record) for each in statements)
        self._papers[claim.id] = folder
        self._beside.setdefault(claim.id, {})[file.parent] = None
        self._stated.setdefault(claim.id, {}).update((question.hypothesis.id, None) for question in questions)
        by_source = self._answering.setdefault(claim.id, {})
        for question in questions:
            if question.statement:
                by_source.setdefault(str(question.source), {})[question.hypothesis.id] = None

    def stated(self, claim: Claim) -> tuple[str, ...]:
        """Return the ids of a claim's hypotheses."""
        return tuple(self._stated[claim.id])

    def reported(self, claim: Claim) -> Claim:
        """Return a claim for the report, with what it comes down to."""
        return replace(claim, statements=tuple(self._statements.get(claim.id, {}).values()))

    def recorded_answers(self, claim: Claim) -> tuple[tuple[str, str], ...]:
        """Return the (source, answer) pairs that are on record of a claim."""
        known = {
            key: name for folder in self._beside[claim.id] for key, name in expected_answers(folder / FILE).items()
        }
        return tuple((source, name) for (of, source), name in known.items() if of == claim.id)

    def answering(self, claim: Claim) -> tuple[tuple[str, tuple[str, ...]], ...]:
        """Return (source, ids of the hypotheses that answer a claim by it) pairs, whether or not they are selected."""
        return tuple((source, tuple(ids)) for source, ids in self._answering.get(claim.id, {}).items())

    def paper(self, claim: Claim) -> Path | None:
        """Return the folder of the paper that a claim is of; None: the current one."""
        return self._papers.get(claim.id)

    def by_paper(self, questions: Sequence[AnyQuestion]) -> Iterator[list[AnyQuestion]]:
        """Yield the questions of one paper after those of another, that paper being the current one meanwhile."""
        for folder in dict.fromkeys(self.paper(question.claim) for question in questions):
            with using(folder):
                yield [question for question in questions if self.paper(question.claim) == folder]

    def plan(self, questions: Sequence[AnyQuestion]) -> None:
        """Hand the executor every run that the selected questions need, so that no core waits."""
        self._answers = Answers(self, questions)
        for of_paper in self.by_paper(questions):
            self._plan(of_paper)

    def _plan(self, questions: Sequence[AnyQuestion]) -> None:
        store, found = self.executor.store, runs_of(questions)
        card = None
        if self.fetches:
            from harness.evidence.released.needed_runs import at_hand

            computed = set(BACKENDS) - dict(self.config.refuses).keys()
            found = [*found, *at_hand(questions, self.seeds, store, computed)]
            card = self._card()
        if not found:
            return
        from harness.cost.needs import needs_on

        self.executor.plan(found, needs_on(card, store, self.config.home, settings().cache))

    def _card(self) -> Card | None:
        """Return the accelerator that runs are computed on; None: it is not known, or there is none."""
        if not self.config.accelerators:
            return None
        from harness.cost.cards import card_at_hand, card_of_ray

        if self.config.executor == RAY:
            from harness.runs.ray_workers import kind

            return card_of_ray(kind(self.config.ray_address))

        return card_at_hand()

    @property
    def seeds(self) -> int:
        """Seeds of the final runs on released checkpoints."""
        return self.looks[0]

    @property
    def looks(self) -> tuple[int, ...]:
        """Numbers of seeds at which the results are judged."""
        if self.config.more_seeds:
            from harness.stats.sequential import LOOKS

            return tuple(LOOKS)
        return (self.config.seeds or paper().defaults.seeds,)

    @property
    def fetches(self) -> bool:
        """Whether weights and data that are not here are fetched."""
        return self.config.fetches

    def results_for(self, runs: Sequence[Run]) -> list[Result]:
        """Return the results of runs, with a progress bar while they are computed.

        Raises:
            NotComputed: one is not stored, and this session does not compute it.
        """
        refused = dict(self.config.refuses)
        reasons = [refused[run.backend] for run in runs if run.lane == "accelerator" and run.backend in refused]
        if reasons:
            stored = self.executor.stored(runs)
            if stored is None:
                raise NotComputed(reasons[0])
            return stored
        try:
            with self._progress():
                return self.executor.results(runs)
        except Postponed as reason:
            raise NotComputed(f"{POSTPONED}: {reason}") from None

    def stored(self, runs: Sequence[Run]) -> list[Result]:
        """Return the results of runs, computing nothing.

        Raises:
            NotComputed: one is not stored.
        """
        found = self.executor.stored(runs)
        if found is None:
            raise NotComputed("no stored result, and it is not selected in this session")
        return found

    def answer(self, question: AnyQuestion) -> Verdict:
        """Return the verdict on a question of this session, computing the runs that it and its family need.

        Raises:
            ClaimsError: material differs from what was pinned, a check failed, or computing failed.
        """
        folder = self.paper(question.claim)
        with using(folder):
            found = self._answers.answer(question)
        if not question.source.measured or folder is None or found.verdict in ("NOT RUN", "NOT VERIFIABLE"):
            return found
        lines = ledger.read_once(folder / ledger.FILE)
        since = ledger.registration(lines, found.source, found.hypothesis, found.digest, found.rule)
        return replace(found, registered=since)

    @contextlib.contextmanager
    def _progress(self) -> Iterator[None]:
        # A bar on a terminal only: nothing in logs.
        if self.config.quiet or not self.executor.jobs or not sys.__stderr__ or not self.executor.pending:
            yield
            return
        from tqdm import tqdm

        with self.outside_capture():
            done, total = self.executor.counts
            bar = tqdm(
                desc="runs", initial=done, total=total, unit="run", disable=None, leave=False, file=sys.__stderr__
            )
            with bar:

                def progress(done: int, total: int, label: str) -> None:
                    bar.set_postfix_str(label, refresh=False)
                    bar.update(done - bar.n)

                self.executor.progress = progress
                with self._following(bar):
                    yield

    @contextlib.contextmanager
    def _following(self, bar: Any) -> Iterator[None]:
        """Show beside the session's bar how far the runs are that a cluster computes."""
        if self.config.executor != RAY or bar.disable:
            yield
            return

        def show() -> None:
            told = self.executor.told()
            bar.set_postfix_str("; ".join(f"{label} {line}" for label, line in sorted(told.items()))[:200])

        with beside(show, 2.0):
            yield


SESSION = pytest.StashKey[Session]()
