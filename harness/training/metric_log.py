"""What a run reports while it trains: a JSON-lines file and a progress bar."""

from __future__ import annotations

import contextlib
import json
import time
from collections import deque
from collections.abc import Callable, Iterator
from datetime import UTC, datetime
from pathlib import Path
from typing import TYPE_CHECKING, Any, TextIO

from harness.core.paths import make_folder, write_atomic
from harness.core.progress import width
from harness.core.run import Run
from harness.core.text import read_text
from harness.training.api import Progress, first_process

if TYPE_CHECKING:
    from tqdm import tqdm

EVERY = 1.0
"""Seconds between lines of the history."""
WINDOW = 32
"""Steps over which the speed is measured."""


class Meter:
    """Images per second over the last steps."""

    def __init__(self) -> None:
        self._times: deque[float] = deque([time.perf_counter()], maxlen=WINDOW + 1)

    def rate(self, images: int) -> float:
        """Return the rate after one more step of so many images."""
        self._times.append(time.perf_counter())
        return images * (len(self._times) - 1) / max(1e-9, self._times[-1] - self._times[0])


class History:
    """A run's JSON lines: step, loss, lr, images_per_second, device_memory (bytes), time (UTC).

    A line every second and one of the last step. A resumed run goes on in the same file, without what was
    written after the state that it resumes from.

    Args:
        folder: the execution's; None: nothing is written.
        run_id: names the file.
        first: the step to begin with.
    """

    def __init__(self, folder: Path | None, run_id: str, first: int):
        self._file: TextIO | None = None
        self._due = 0.0
        if folder is None:
            return
        path = make_folder(folder / "history") / f"{run_id}.jsonl"
        kept = [line for line in _lines(path) if line["step"] < first]
        write_atomic(path, "".join(json.dumps(line) + "\n" for line in kept).encode())
        self._file = path.open("a", encoding="utf-8", buffering=1)

    def note(self, progress: Progress, last: bool) -> None:
        """Write a step's line if one is due."""
        now = time.monotonic()
        if self._file is None or (now < self._due and not last):
            return
        self._due = now + EVERY
        line = {
            "step": progress.step,
            "loss": progress.loss,
            "lr": progress.learning_rate,
            "images_per_second": round(progress.images_per_second, 2),
            "device_memory": progress.device_memory,
            "time": datetime.now(UTC).isoformat(timespec="milliseconds"),
        }
        with contextlib.suppress(OSError):  # a full disk does not end a run
            self._file.write(json.dumps(line) + "\n")

    def close(self) -> None:
        """Close the file."""
        if self._file is not None:
            with contextlib.suppress(OSError):
                self._file.close()


def _lines(path: Path) -> Iterator[dict[str, float]]:
    """Yield the whole lines of a history; a killed process may have left half a line."""
    with contextlib.suppress(FileNotFoundError):
        for line in read_text(path, "replace").splitlines():
            with contextlib.suppress(ValueError, KeyError, TypeError):
                found = json.loads(line)
                int(found["step"])
                yield found


def untold(progress: Progress) -> None:
    """Draw no progress bar: an Execution's on_step where another process has the terminal."""


@contextlib.contextmanager
def bar(run: Run, position: int | None = None) -> Iterator[Callable[[Progress], None]]:
    """Yield what an Execution's on_step calls to draw a run's progress bar on stderr; quiet when not on a terminal."""
    from tqdm import tqdm

    quiet = None if first_process() and run.recipe.steps else True  # None: when not on a terminal
    with tqdm(
        total=run.recipe.steps, desc=run.label, unit="step", disable=quiet, **width(), position=position
    ) as drawn:

        def on_step(progress: Progress) -> None:
            done = progress.step + 1
            if drawn.n == 0 and done > 1:  # resumed: steps done before do not count for the rate
                drawn.initial = drawn.n = progress.step
            memory = f"{progress.device_memory / 2**30:.1f} GiB, " if progress.device_memory else ""
            drawn.set_postfix_str(
                f"{memory}loss {progress.loss:.3f}, lr {progress.learning_rate:.2e},"
                f" {progress.images_per_second:,.0f} images/s",
                refresh=False,
            )
            drawn.update(done - drawn.n)

        yield on_step


@contextlib.contextmanager
def images_bar(run: Run) -> Iterator[Callable[[int, int], None]]:
    """Yield what an Execution's on_images calls to draw a bar of predicted images on stderr, on a terminal only."""
    from tqdm import tqdm

    drawn: list[tqdm[Any]] = []

    def on_images(done: int, total: int) -> None:
        if not drawn:
            quiet = None if first_process() else True
            what = f"{run.label}: predicting"
            drawn.append(tqdm(total=total, desc=what, unit="image", disable=quiet, **width()))
        drawn[0].update(done - drawn[0].n)

    try:
        yield on_images
    finally:
        for each in drawn:
            each.close()
