"""Which process computes a run, where several machines share a store.

A run is owned by who created its newest generation: `owners/<run id>/000001.json`, then `000002.json` and so on, each
created exclusively. The owner rewrites `000001.beat` beside it as long as it computes. Whoever finds the beat unchanged
for `LEASE` seconds of its own clock, or knows that the owner's process is dead, creates the next generation and owns
the run. So two never do: the earlier owner sees the newer generation and stops, and until it does, what it stores is
refused, for results are created exclusively, too.
"""

from __future__ import annotations

import contextlib
import json
import os
import platform
import time
import uuid
from collections.abc import Iterator
from dataclasses import asdict, dataclass, field
from functools import cache
from pathlib import Path

from harness.core.beside import beside
from harness.core.errors import ClaimsError
from harness.runs.objects import Objects

BEAT = 10.0
"""Seconds between two signs of life."""
LEASE = 60.0
"""Seconds without one after which a run is taken over."""
GAP = 30.0
"""Seconds between two looks at it, or that one takes, after which it is watched from anew."""


@cache
def this_machine() -> str:
    """Return what tells this machine, since it was started, from all others; in a container, that container."""
    with contextlib.suppress(OSError):
        boot = Path("/proc/sys/kernel/random/boot_id").read_text(encoding="ascii").strip()
        return f"{boot} {os.stat('/proc/self/ns/pid').st_ino}"
    return uuid.uuid4().hex  # nothing is known of other processes


def birth(pid: int) -> str:
    """Return when a process of this machine was started, in the kernel's clock ticks; "" if there is none."""
    with contextlib.suppress(OSError, IndexError):
        return Path(f"/proc/{pid}/stat").read_text(encoding="ascii", errors="replace").rpartition(")")[2].split()[19]
    return ""


@dataclass(frozen=True)
class Owner:
    """A process that computes runs."""

    session: str = field(default_factory=lambda: uuid.uuid4().hex)
    """Of the session that asked for the run."""
    attempt: int = 0
    """How often the session began the run before: it does so only once the process before is dead."""
    machine: str = field(default_factory=lambda: this_machine())
    host: str = field(default_factory=platform.node)
    pid: int = field(default_factory=os.getpid)
    born: str = field(default_factory=lambda: birth(os.getpid()))
    token: str = field(default_factory=lambda: uuid.uuid4().hex)

    @property
    def content(self) -> bytes:
        """What is stored of it."""
        return json.dumps(asdict(self)).encode()

    def succeeds(self, other: Owner) -> bool:
        """Return whether another owner's process is known to be dead."""
        if other.session == self.session and other.attempt < self.attempt:
            return True
        return other.machine == self.machine and other.born != birth(other.pid)


@dataclass(frozen=True)
class Seen:
    """A sign of life, and when this process first and last saw it, by its own clock."""

    beat: bytes | None
    first: float
    last: float


_SEEN: dict[tuple[str, str, bytes], Seen] = {}
"""By place, generation and owner; of this process, whichever of its stores looks."""


class Ownership:
    """Takes runs and gives them back.

    Args:
        objects: what the machines share.
    """

    def __init__(self, objects: Objects):
        self.objects = objects

    def take(self, run_id: str, owner: Owner) -> Owned | None:
        """Return the run as owned by a process; None: another one owns it.

        Raises:
            StoreUnreachable: the store does not answer.
        """
        generations = self._generations(run_id)
        newest = generations[-1] if generations else 0
        if newest:
            content = self.objects.read(f"{_folder(run_id)}/{newest:06}.json")
            if content is not None and not self._dead(run_id, newest, content, owner):
                return None
        mine = newest + 1
        if not self.objects.create(f"{_folder(run_id)}/{mine:06}.json", owner.content):
            return None
        return Owned(self, run_id, mine, owner)

    def _generations(self, run_id: str) -> list[int]:
        names = [name.rpartition("/")[2] for name in self.objects.names(_folder(run_id))]
        return sorted(int(name[:6]) for name in names if name.endswith(".json") and name[:6].isdecimal())

    def _dead(self, run_id: str, generation: int, content: bytes, owner: Owner) -> bool:
        try:
            if owner.succeeds(Owner(**json.loads(content))):
                return True
        except (ValueError, TypeError):
            pass  # written by another version: only its beat tells
        name = f"{_folder(run_id)}/{generation:06}"
        before = time.monotonic()
        beat, now = self.objects.read(f"{name}.beat"), time.monotonic()
        key = self.objects.address, name, content
        known = _SEEN.get(key)
        # Only time counts in which the store answered: its owner could give no sign of life either.
        if known is None or known.beat != beat or now - before > GAP or now - known.last > GAP:
            _SEEN[key] = Seen(beat, now, now)
            return False
        _SEEN[key] = Seen(beat, known.first, now)
        return now - known.first >= LEASE


class Owned:
    """A run that this process computes."""

    def __init__(self, ownership: Ownership, run_id: str, generation: int, owner: Owner):
        self.ownership, self.run_id, self.generation, self.owner = ownership, run_id, generation, owner
        self.lost = ""
        """Why it is no longer owned; "" as long as it is."""
        self._beats = 0

    @contextlib.contextmanager
    def beating(self) -> Iterator[None]:
        """Give signs of life, and look whether the run was taken over, for as long as the context lasts."""
        with beside(self._beat, BEAT):
            yield

    def release(self) -> None:
        """Give the run back: remove its generations up to this one."""
        objects, folder = self.ownership.objects, _folder(self.run_id)
        with contextlib.suppress(ClaimsError, OSError):  # a store that does not answer: others take it over in time
            if objects.read(f"{folder}/{self.generation:06}.json") != self.owner.content:
                return  # another one's by now
            for generation in self.ownership._generations(self.run_id):
                if generation <= self.generation:
                    objects.remove(f"{folder}/{generation:06}.beat")
                    objects.remove(f"{folder}/{generation:06}.json")

    def look(self) -> str:
        """Return why the run is no longer owned, "" if it is.

        Raises:
            StoreUnreachable: the store does not answer.
        """
        generations = self.ownership._generations(self.run_id)
        mine = self.ownership.objects.read(f"{_folder(self.run_id)}/{self.generation:06}.json")
        # A store that lost its data, or a machine that slept: a generation's number may be another owner's by now.
        if not self.lost and (generations[-1:] != [self.generation] or mine != self.owner.content):
            self.lost = "another machine has taken the run over, for this one gave no sign of life"
        return self.lost

    def _beat(self) -> None:
        self._beats += 1
        name = f"{_folder(self.run_id)}/{self.generation:06}.beat"
        # Without an answer it goes on: nobody else can take the run over without the store either.
        with contextlib.suppress(ClaimsError, OSError):
            if not self.lost and not self.look():
                self.ownership.objects.write(name, f"{self.owner.token} {self._beats}".encode())


def _folder(run_id: str) -> str:
    return f"owners/{run_id}"
