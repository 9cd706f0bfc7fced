"""Results on disk: content-addressed, append-only, atomic, each entry with its own digest.

`runs/<2 hex>/<run id>.json` holds the result and, for people, what the run was. A lock per run lets
exactly one of many processes compute it.
"""

from __future__ import annotations

import contextlib
import hashlib
import json
import sys
from collections.abc import Callable, Iterable, Iterator
from datetime import UTC, datetime
from pathlib import Path
from typing import overload

from filelock import Timeout

from harness.core.errors import ClaimsError
from harness.core.measurement import Measurement, Scores
from harness.core.paths import held, make_folder, write_atomic
from harness.core.result import Result
from harness.core.run import Run
from harness.runs.entry import check_size, decode, described, encode


class Busy(Exception):
    """Another process is computing the run."""


class Store:
    """The results under one home folder.

    Args:
        home: the folder.
        say: told in one line of a damaged entry.
    """

    def __init__(self, home: Path, say: Callable[[str], None] = lambda text: print(text, file=sys.stderr)):
        self.home = home
        self.say = say

    @property
    def work(self) -> Path:
        """The folder for states to resume from, histories of runs, and what was found out about this machine."""
        return self.home / "work"

    def path(self, run_id: str) -> Path:
        """Return the path of a run's entry, whether or not it exists."""
        return self.home / "runs" / run_id[:2] / f"{run_id}.json"

    def has(self, run_id: str) -> bool:
        """Return whether a run's result is stored, without reading it."""
        return self.path(run_id).exists()

    @overload
    def get(self, run: Run, stored: bool = False) -> Result | None: ...
    @overload
    def get(self, run: Measurement, stored: bool = False) -> Scores | None: ...

    def get(self, run: Run | Measurement, stored: bool = False) -> Result | Scores | None:
        """Return the stored result, or None. A damaged entry is reported, moved aside and counts as none.

        Args:
            run: what gave it.
            stored: whether it was stored a moment ago, so that no list that was made before counts.

        Raises:
            ClaimsError: the home folder can't be read.
        """
        path = self.path(run.id)
        try:
            content = path.read_bytes()
        except FileNotFoundError:
            return None
        except OSError as error:
            raise ClaimsError(
                f"{path}: expected a stored result, found: {error.strerror}; choose another --home"
            ) from None
        try:
            return decode(content, run, str(path))
        except ClaimsError as damage:
            aside = make_folder(self.home / "damaged") / f"{run.id}.{hashlib.sha256(content).hexdigest()[:8]}.json"
            # Another process may have found the same damage first.
            with contextlib.suppress(FileNotFoundError):
                path.replace(aside)
            self.say(f"{damage}; moved aside to {aside}, the run will be computed again")
            return None

    def load(self, run_id: str) -> tuple[Run, Result] | tuple[Measurement, Scores] | None:
        """Return a stored run or measurement with its result by its id, or None.

        Raises:
            ClaimsError: the entry is damaged, or of another version of the project.
        """
        path = self.path(run_id)
        try:
            content = path.read_bytes()
            run = described(json.loads(content)["run"], str(path))
        except FileNotFoundError:
            return None
        except (OSError, ValueError, KeyError, TypeError):
            raise ClaimsError(f"{path}: expected a stored result, found a damaged one; compute it again") from None
        if run.id != run_id:
            raise ClaimsError(f"{path}: expected a run of this version, found one of another; compute it again")
        if isinstance(run, Measurement):
            return run, decode(content, run, str(path))
        return run, decode(content, run, str(path))

    def finish(self, runs: Iterable[str]) -> None:
        """Do what is left at the end of a session that has the results of runs: nothing."""

    def computed(self, run_id: str) -> str:
        """Return when a stored run was computed: UTC, ISO 8601; "" if it is not stored."""
        try:
            moment = self.path(run_id).stat().st_mtime
        except OSError:
            return ""
        return datetime.fromtimestamp(moment, UTC).isoformat(timespec="seconds")

    def put(self, run: Run, result: Result) -> None:
        """Store a result.

        Raises:
            ClaimsError: the result is not of this run, does not score the whole split, or can't be written.
        """
        if result.run_id != run.id:
            raise ClaimsError(f"store: expected the result of run {run.id}, found one of run {result.run_id}")
        check_size(run, result)
        write_atomic(self.path(run.id), encode(run, result))

    @contextlib.contextmanager
    def lock(self, run: Run) -> Iterator[Callable[[], str]]:
        """Hold the run's lock while computing it; never wait for it.

        Yields:
            What tells why the lock was lost meanwhile, "" as long as it is held: here it can't be lost.

        Raises:
            Busy: another process holds it.
            ClaimsError: the home folder can't be written.
        """
        with contextlib.ExitStack() as stack:
            try:
                stack.enter_context(held(self.home / "locks" / f"{run.id}.lock", timeout=0))
            except Timeout:
                raise Busy(run.id) from None
            yield lambda: ""
