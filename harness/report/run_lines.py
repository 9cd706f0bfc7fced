"""The runs behind verdicts as the page lists them, read from the store of results."""

from __future__ import annotations

import os
from collections.abc import Iterable
from dataclasses import dataclass, field
from pathlib import Path
from urllib.parse import quote

from harness.core.errors import ClaimsError
from harness.core.result import Result
from harness.core.run import Run
from harness.runs.store import Store

CPU = "cpu"


@dataclass(frozen=True)
class RunLine:
    """One run: what it was, and what it took."""

    id: str
    checkpoint: str
    checkpoint_sha256: str
    dataset: str
    dataset_sha256: str
    recipe: str
    seed: int
    framework: str
    """With its version."""
    device: str
    """What computed it, "cpu" or a card's name; "" in records that don't say."""
    accuracy: float | None
    """Percent; None: it diverged."""
    seconds: float
    """Wall time of loading, fine-tuning and evaluation."""
    images_per_second: float
    memory: int
    """Peak, bytes: of the card where there was one, else of the process."""
    computed: str
    """When: UTC, ISO 8601."""
    record: str
    """Address of the stored record, relative to the page."""
    losses: tuple[float, ...] = field(default=(), repr=False)
    """Training loss of each step."""

    @property
    def on_card(self) -> bool:
        """Whether an accelerator computed it."""
        return self.device not in ("", CPU)


def run_lines(store: Store, ids: Iterable[str], folder: Path) -> dict[str, RunLine]:
    """Return the stored runs among some, by id; those that are not stored here, or are damaged, are left out.

    Args:
        store: of results.
        ids: of the runs behind verdicts.
        folder: of the page, from which records are linked.
    """
    found = {}
    for run_id in sorted(set(ids)):
        try:
            loaded = store.load(run_id)
        except ClaimsError:
            continue
        if loaded is not None:
            found[run_id] = run_line(*loaded, store, folder)
    return found


def run_line(run: Run, result: Result, store: Store, folder: Path) -> RunLine:
    """Return one stored run as a line."""
    versions = dict(result.environment)
    path = os.path.relpath(store.path(run.id).absolute(), folder.absolute())
    return RunLine(
        id=run.id,
        checkpoint=run.checkpoint.id,
        checkpoint_sha256=run.checkpoint.sha256 or "",
        dataset=run.dataset.id,
        dataset_sha256=run.dataset.sha256 or "",
        recipe=run.recipe.id,
        seed=run.seed,
        framework=f"{run.backend} {versions.get(run.backend, '')}".rstrip(),
        device=versions.get("device", ""),
        accuracy=None if result.diverged else result.accuracy,
        seconds=result.seconds,
        images_per_second=result.images_per_second,
        memory=result.device_memory or result.peak_memory,
        computed=store.computed(run.id),
        record=quote(path.replace(os.sep, "/")),
        losses=result.loss_history,
    )
