"""Copies of the states of unfinished runs, so that another machine can go on with a run.

`states/<run id>/<state>/...` holds a state's files and `states/<run id>/<state>.json`, written last, their names.
"""

from __future__ import annotations

import contextlib
import json
import shutil
from collections.abc import Iterator
from pathlib import Path

from harness.core.beside import beside
from harness.core.errors import ClaimsError, say_once
from harness.core.paths import make_folder
from harness.runs.objects import Objects
from harness.training.resume import KEPT, folder_of, saved

EVERY = 5.0
"""Seconds between looks for a new state."""


class StateCopies:
    """The copies of one run's states.

    Args:
        objects: where they are.
        work: the folder under which this machine's states are.
        run_id: of the run.
    """

    def __init__(self, objects: Objects, work: Path, run_id: str):
        self.objects = objects
        self.states = folder_of(work, run_id)
        self.under = f"states/{run_id}"

    def fetch(self) -> None:
        """Copy the newest state to this machine, unless it has that or a newer one.

        Raises:
            StoreUnreachable: the store does not answer.
        """
        here = {path.stem for path in saved(self.states)}
        for name in self._copied()[::-1]:
            if here and max(here) >= name:
                return
            files = self._files(name)
            part = make_folder(self.states) / f".{name}.copy"
            shutil.rmtree(part, ignore_errors=True)
            part.mkdir()
            if files and all(self._fetched(name, each, part) for each in files):
                top = next(part.iterdir())
                target = self.states / top.name
                if not target.exists():
                    top.replace(target)
                shutil.rmtree(part)
                return
            shutil.rmtree(part)  # it was being replaced: the one before is taken

    @contextlib.contextmanager
    def following(self) -> Iterator[None]:
        """Copy each state that is saved, for as long as the context lasts, and the last one at its end."""
        try:
            with beside(self._copy_newest, EVERY):
                yield
        finally:
            self._copy_newest()

    def remove(self) -> None:
        """Remove all copies: the run's result is stored."""
        for name in self.objects.names(self.under):
            self.objects.remove(name)

    def _copied(self) -> list[str]:
        names = [name.removeprefix(f"{self.under}/") for name in self.objects.names(self.under)]
        return sorted(name.removesuffix(".json") for name in names if "/" not in name and name.endswith(".json"))

    def _files(self, name: str) -> list[str]:
        content = self.objects.read(f"{self.under}/{name}.json")
        try:
            found = [str(each) for each in json.loads(content or b"[]")]
        except ValueError:
            return []
        safe = all(not Path(each).is_absolute() and ".." not in Path(each).parts for each in found)
        return found if safe else []

    def _fetched(self, name: str, file: str, part: Path) -> bool:
        target = part / file
        target.parent.mkdir(parents=True, exist_ok=True)
        return self.objects.download(f"{self.under}/{name}/{file}", target)

    def _copy_newest(self) -> None:
        try:
            newest = next(iter(saved(self.states)), None)
            copied = self._copied()
            if newest is None or newest.stem in copied:
                return
            files = [newest] if newest.is_file() else sorted(path for path in newest.rglob("*") if path.is_file())
            names = [path.relative_to(self.states).as_posix() for path in files]
            for path, name in zip(files, names, strict=True):
                self.objects.upload(path, f"{self.under}/{newest.stem}/{name}")
            self.objects.write(f"{self.under}/{newest.stem}.json", json.dumps(names).encode())
            for old in [*copied, newest.stem][:-KEPT]:
                for name in [f"{self.under}/{old}.json", *self.objects.names(f"{self.under}/{old}")]:
                    self.objects.remove(name)
        except FileNotFoundError:
            pass  # replaced by a newer one meanwhile
        except (ClaimsError, OSError) as error:
            say_once(f"{self.states.name}: the state could not be copied: {error}; the run goes on without")
