"""A store of results that several machines share, each with a home folder of its own.

What a machine computes is stored in its home folder first, then in the shared place: `runs/<2 hex>/<run id>.json`,
created exclusively, so that of two results of one run the first stays. What others computed is copied to the home
folder when it is asked for.
"""

from __future__ import annotations

import contextlib
import sys
import time
from collections.abc import Callable, Iterable, Iterator
from pathlib import Path
from typing import Any, overload

from harness.core.config import config
from harness.core.errors import ClaimsError, NotWritten
from harness.core.measurement import Measurement, Scores
from harness.core.paths import write_atomic
from harness.core.result import Result
from harness.core.run import Run
from harness.runs.entry import decode, encode
from harness.runs.objects import Objects, objects_at
from harness.runs.ownership import Owner, Ownership
from harness.runs.patience import StoreUnreachable
from harness.runs.state_copies import StateCopies
from harness.runs.store import Busy, Store

DOWN = 60.0
"""Seconds for which a place that did not answer is not asked again."""
REFRESH = 2.0
"""Seconds for which a list of what others have stored is used again."""


def _to_stderr(line: str) -> None:
    print(line, file=sys.stderr)


def open_store(
    home: Path, say: Callable[[str], None] = _to_stderr, owner: Owner | None = None, of_worker: bool = False
) -> Store:
    """Return the store under a home folder, shared with other machines where the configuration names a place.

    Args:
        home: the folder.
        say: told in one line of a damaged entry.
        owner: this process, as others see it.
        of_worker: for a process that computes one run after the other. Its session has seen that the place answers.

    Raises:
        ClaimsError: the shared place can't be used.
    """
    address = config().store
    if address is None:
        return Store(home, say)
    return SharedStore(home, objects_at(str(address), of_worker), say, owner, lists=not of_worker)


class SharedStore(Store):
    """The results under a home folder, and those in a place that other machines reach.

    Args:
        home: the folder.
        objects: the place.
        say: told in one line of a damaged entry, and of results that could not be shared.
        owner: this process, as others see it.
        lists: look at a list of all results before one is asked for: for who asks for many that are not there.
    """

    def __init__(
        self,
        home: Path,
        objects: Objects,
        say: Callable[[str], None] = _to_stderr,
        owner: Owner | None = None,
        lists: bool = True,
    ):
        super().__init__(home, say)
        self.objects = objects
        self.lists = lists
        self.owner = owner or Owner()
        self.ownership = Ownership(objects)
        self._listed: set[str] = set()
        self._looked = -REFRESH
        self._down = -DOWN
        """When the place last did not answer."""

    def has(self, run_id: str) -> bool:
        """Return whether a run's result is stored, here or in the shared place."""
        return super().has(run_id) or _name(run_id) in self._names()

    @overload
    def get(self, run: Run, stored: bool = False) -> Result | None: ...
    @overload
    def get(self, run: Measurement, stored: bool = False) -> Scores | None: ...

    def get(self, run: Run | Measurement, stored: bool = False) -> Result | Scores | None:
        """Return the stored result, copied here if others computed it; None: there is none.

        Args:
            run: what gave it.
            stored: whether it was stored a moment ago, so that no list that was made before counts.
        """
        found, shared = super().get(run), stored or not self.lists or _name(run.id) in self._names()
        if found is not None and not shared:
            self._share(run, found)
        if found is not None or not shared:
            return found
        try:
            content = self.objects.read(_name(run.id))
        except StoreUnreachable as error:
            self._is_down(error)
            return None
        if content is None:
            return None
        try:
            result = decode(content, run, f"{self.objects.address}/{_name(run.id)}")
        except ClaimsError as damage:
            self.say(f"{damage}; removed, the run will be computed again")
            self.objects.write(f"damaged/{run.id}.json", content)
            self.objects.remove(_name(run.id))
            self._listed.discard(_name(run.id))
            return None
        with contextlib.suppress(NotWritten):  # it is read again, then
            write_atomic(self.path(run.id), content)
        return result

    def is_shared(self, run_id: str) -> bool:
        """Return whether the shared place has a run's result.

        Raises:
            StoreUnreachable: it does not answer.
        """
        return self.objects.read(_name(run_id)) is not None

    def finish(self, runs: Iterable[str]) -> None:
        """Store in the shared place which of a session's results it has not taken yet."""
        self._looked = self._down = -DOWN
        try:
            for run_id in [each for each in runs if _name(each) not in self._names()]:
                if super().has(run_id):
                    self.objects.create(_name(run_id), self.path(run_id).read_bytes())
        except (StoreUnreachable, OSError) as error:
            self._is_down(error)

    def put(self, run: Run, result: Result) -> None:
        """Store a result, here and in the shared place; if that does not answer, when it is asked for again."""
        super().put(run, result)
        self._share(run, result)

    def _share(self, run: Any, result: Any) -> None:
        """Store in the shared place what is stored here; if another machine was first, its result stays there."""
        if time.monotonic() - self._down < DOWN:
            return
        try:
            self.objects.create(_name(run.id), encode(run, result))
            self._listed.add(_name(run.id))
        except (StoreUnreachable, OSError) as error:
            self._is_down(error)

    def _is_down(self, error: Exception) -> None:
        self._down = time.monotonic()
        self.say(f"{error}; until it does, results are stored on this machine only")

    @contextlib.contextmanager
    def lock(self, run: Run) -> Iterator[Callable[[], str]]:
        """Own a run while computing it, here and among all machines; go on from the newest state that one has saved.

        Yields:
            What tells why the run is no longer owned, "" as long as it is.

        Raises:
            Busy: another process computes it.
            StoreUnreachable: the shared place does not answer.
        """
        with super().lock(run):
            self._looked = -REFRESH  # it may have been stored since the last look
            owned = self.ownership.take(run.id, self.owner)
            if owned is None:
                raise Busy(run.id)
            copies = StateCopies(self.objects, self.work, run.id)
            try:
                with owned.beating():  # a large state takes longer than a lease
                    copies.fetch()
                    with copies.following():
                        yield lambda: owned.lost
            finally:
                with contextlib.suppress(ClaimsError, OSError):
                    if self.is_shared(run.id):
                        copies.remove()
                owned.release()

    def _names(self) -> set[str]:
        now = time.monotonic()
        if now - self._looked >= REFRESH and now - self._down >= DOWN:
            try:
                self._listed = set(self.objects.names("runs"))
            except StoreUnreachable as error:
                self._is_down(error)
            self._looked = time.monotonic()
        return self._listed


def _name(run_id: str) -> str:
    return f"runs/{run_id[:2]}/{run_id}.json"
