"""Earlier results for a user's own weights and images, found again after these are gone.

A run is identified by bytes. Where the bytes are gone, the question (which file, which folder, which options) still
leads to the last run that answered it, but only for those who ask for what is stored.
"""

from __future__ import annotations

import argparse
import contextlib
import hashlib
import json
import os
from pathlib import Path

from harness.core.errors import ClaimsError
from harness.core.paths import write_atomic
from harness.core.result import Result
from harness.core.run import Run
from harness.runs.store import Store

ASKED = (
    "checkpoint dataset recipe learning_rate seed split backend resolution heads classes_file timm weights mean std"
).split()
"""The options that make a question."""


def note(options: argparse.Namespace, store: Store) -> Path:
    """Return where the answer to a question is noted; places are told apart by what their entries say now."""
    question = {name: getattr(options, name, None) for name in ASKED}
    places = [place_of_checkpoint(options.checkpoint), place_of_dataset(options.dataset)]
    text = json.dumps([question, places], sort_keys=True)
    return store.work / "asked" / f"{hashlib.sha256(text.encode()).hexdigest()[:32]}.json"


def place_of_checkpoint(name: str) -> list[str]:
    """Return the path of a user's own checkpoint: that of its entry, or the one that was given."""
    from harness.catalog.checkpoints import checkpoints

    found = checkpoints().get(name)
    return list(found.sources) if found is not None else [os.path.abspath(os.path.expanduser(name))]


def place_of_dataset(name: str) -> str:
    """Return the path of a user's own images; for a synthetic task, which has none, its name."""
    from harness.catalog.datasets import datasets

    if name in datasets():
        return name
    from harness.data.paths import location
    from harness.data.registry import entries

    found = entries().get(name)
    return str(location(found.folder)) if found is not None else os.path.abspath(os.path.expanduser(name))


def remember(options: argparse.Namespace, store: Store, run: Run) -> None:
    """Note which run answered a question; what comes with the project is always there to be asked again."""
    from harness.catalog.datasets import datasets

    if run.checkpoint.shipped and run.dataset.id in datasets():
        return
    path = note(options, store)
    content = json.dumps({"run": run.id}).encode()
    with contextlib.suppress(OSError, ClaimsError):  # what can't be noted is not told again
        if not path.exists() or path.read_bytes() != content:
            write_atomic(path, content)


def recall(options: argparse.Namespace, store: Store) -> tuple[Run, Result] | None:
    """Return the run that last answered a question, with its result, or None.

    Raises:
        ClaimsError: its entry is damaged.
    """
    try:
        run_id = str(json.loads(note(options, store).read_bytes())["run"])
    except (OSError, ValueError, KeyError, TypeError):
        return None
    found = store.load(run_id)
    return (found[0], found[1]) if found and isinstance(found[0], Run) and isinstance(found[1], Result) else None
