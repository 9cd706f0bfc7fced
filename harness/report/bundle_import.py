"""Runs that were made elsewhere, taken from a bundle into the store, with a note of where they come from."""

from __future__ import annotations

import hashlib
import json
from dataclasses import dataclass
from pathlib import Path

from harness.core.errors import ClaimsError
from harness.core.measurement import Scores
from harness.core.paths import write_atomic
from harness.core.result import Result
from harness.report.bundle import verified
from harness.report.bundle_pins import PINS_FILE, take_pins
from harness.runs.entry import decode, described
from harness.runs.imports import note
from harness.runs.store import Store


@dataclass(frozen=True)
class Imported:
    """What became of a bundle's runs."""

    origin: str
    """The bundle, as the note on each run calls it."""
    new: tuple[str, ...]
    """Ids of the runs that are stored now."""
    known: tuple[str, ...]
    """Ids of the runs that were stored before, with the same predictions."""
    kept: tuple[str, ...]
    """Ids of the runs that were stored before, with other predictions, and stay as they were."""
    other_version: tuple[str, ...]
    """Ids of the runs of another version of the project, which are no run of this one."""
    pinned_otherwise: tuple[str, ...]
    """What is pinned here with other digests, a line each."""


def import_runs(path: Path, store: Store) -> Imported:
    """Store a bundle's runs where they are not stored yet: the next session judges them by its own rules.

    The weights and images that they were made with are pinned where nothing is pinned yet, so that a machine without
    them knows the runs.

    Args:
        path: the bundle.
        store: where results lie.

    Raises:
        ClaimsError: it is no bundle, was tampered with, or can't be stored.
    """
    files = verified(path)
    sha256 = hashlib.sha256(path.read_bytes()).hexdigest() if path.is_file() else ""
    origin = f"{path.name} (sha256 {sha256[:16]})" if sha256 else str(path)
    earlier = {record["id"]: record.get("origin", "") for record in json.loads(files["runs.json"])["runs"]}
    found: dict[str, list[str]] = {"new": [], "known": [], "kept": [], "other_version": []}
    for name, content in sorted(files.items()):
        if not name.startswith("runs/"):
            continue
        run_id = Path(name).stem
        where = f"{path}: {name}"
        try:
            run = described(json.loads(content)["run"], where)
        except ClaimsError:
            found["other_version"].append(run_id)
            continue
        if run.id != run_id:
            found["other_version"].append(run_id)
            continue
        result = decode(content, run, where)
        stored = store.get(run)
        if stored is not None:
            same = given(stored) == given(result)
            found["known" if same else "kept"].append(run_id)
            continue
        came = earlier.get(run_id, "")
        # The note first: without the result it says nothing, and a result without it would pass for one made here.
        note(store.home, result, f"{origin}, there from {came}" if came else origin)
        write_atomic(store.path(run_id), content)
        found["new"].append(run_id)
    pins = take_pins(files[PINS_FILE], f"{path}: {PINS_FILE}") if PINS_FILE in files else []
    return Imported(
        origin,
        new=tuple(found["new"]),
        known=tuple(found["known"]),
        kept=tuple(found["kept"]),
        other_version=tuple(found["other_version"]),
        pinned_otherwise=tuple(pins),
    )


def given(result: Result | Scores) -> str:
    """Return the digest of what a run predicted, or of the scores that a measurement gave."""
    return result.values_sha256 if isinstance(result, Scores) else result.predictions_sha256
