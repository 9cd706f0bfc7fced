"""What one pytest session shares: its home, its executor, and the hypotheses it knows."""

from __future__ import annotations

import contextlib
import json
import sys
from collections.abc import Callable, Iterator, Sequence
from pathlib import Path

import pytest

from harness.claim import Claim
from harness.executor import Executor
from harness.questions import runs_of
from harness.spec import Result, Run
from harness.store import Store
from harness.verdict import Question


class Session:
    """State of a session of the suite, kept in the config's stash.

    Args:
        home: where results lie.
        jobs: worker processes; 0 computes in this process (an xdist worker).
        outside_capture: gives a context in which the terminal can be written to.
    """

    def __init__(self, home: Path, jobs: int, outside_capture: Callable[[], contextlib.AbstractContextManager[None]]):
        self.notes: list[str] = []
        """What the store had to say since the last verdict, one line each."""
        self.executor = Executor(Store(home, self.notes.append), jobs)
        self.outside_capture = outside_capture
        self._stated: dict[str, list[str]] = {}

    def state(self, claim: Claim, questions: Sequence[Question]) -> None:
        """Remember what a claim states, whether or not tonight's selection judges it."""
        self._stated[claim.id] = list(dict.fromkeys(question.hypothesis.id for question in questions))

    def stated(self, claim: Claim) -> str:
        """Return the ids of a claim's hypotheses as a JSON list."""
        return json.dumps(self._stated[claim.id])

    def plan(self, questions: Sequence[Question]) -> None:
        """Tell the executor every run that the selected questions need, so that no core waits."""
        self.executor.plan(runs_of(questions))

    def results(self, runs: Sequence[Run]) -> list[Result]:
        """Return the results of runs, with a progress bar while they are computed."""
        with self._progress():
            return self.executor.results(runs)

    @contextlib.contextmanager
    def _progress(self) -> Iterator[None]:
        # A bar on a terminal only: nothing in logs, nothing from xdist workers.
        if not self.executor.jobs or not sys.__stderr__ or not self.executor.pending:
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
                yield


SESSION = pytest.StashKey[Session]()
