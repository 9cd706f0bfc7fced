"""An entry of the store: a result with its digest and, for people, what the run or the measurement was."""

from __future__ import annotations

import dataclasses
import hashlib
import json
from collections.abc import Mapping
from typing import Any, overload

from harness.core.errors import ClaimsError
from harness.core.measurement import Measurement, Scores
from harness.core.result import Result
from harness.core.run import Run
from harness.core.specs import build

FORMAT = 1


def check_size(run: Run | Measurement, result: Result | Scores) -> None:
    """Raise unless a result is whole.

    A run's scores every example of the test set (or of the dev split), unless it diverged; a measurement's has one
    number where its function gives one.
    """
    if isinstance(result, Scores):
        if isinstance(run, Measurement) and run.scores == "number" and result.n != 1:
            raise ClaimsError(f"{run.label}: expected one number, found {result.n:,}; nothing was stored")
        return
    if result.diverged is not None or isinstance(run, Measurement):
        return
    expected = run.dataset.test if run.split == "test" else run.dataset.dev
    if result.n != expected:
        raise ClaimsError(
            f"run {run.id} ({run.label}): expected {expected} scored examples, found {result.n}; nothing was stored"
        )


def encode(run: Run | Measurement, result: Result | Scores) -> bytes:
    """Return the entry's bytes: the digest, the result, and a description of the run."""
    payload = {"result": dataclasses.asdict(result), "run": dataclasses.asdict(run)}
    return json.dumps({"format": FORMAT, "sha256": digest(payload), **payload}, separators=(",", ":")).encode()


def digest(payload: dict[str, Any]) -> str:
    """Return the sha256 of a payload's canonical JSON."""
    return hashlib.sha256(json.dumps(payload, sort_keys=True, separators=(",", ":")).encode()).hexdigest()


def described(values: Mapping[str, Any], where: str) -> Run | Measurement:
    """Return the run or the measurement that an entry describes.

    Raises:
        ClaimsError: it is none of this version.
    """
    return build(Measurement, values, where) if "function" in values else build(Run, values, where)


@overload
def decode(content: bytes, run: Run, where: str) -> Result: ...
@overload
def decode(content: bytes, run: Measurement, where: str) -> Scores: ...


def decode(content: bytes, run: Run | Measurement, where: str) -> Result | Scores:
    """Return the result that an entry's bytes hold.

    Raises:
        ClaimsError: damaged, of another format, or of another run.
    """
    try:
        entry = json.loads(content)
        payload = {"result": entry["result"], "run": entry["run"]}
        expected, found_format = entry["sha256"], entry["format"]
    except (ValueError, KeyError, TypeError):
        raise ClaimsError(f"{where}: expected a stored result, found damaged JSON ({len(content):,} bytes)") from None
    if found_format != FORMAT:
        raise ClaimsError(f"{where}: expected format {FORMAT}, found {found_format!r}")
    if digest(payload) != expected:
        raise ClaimsError(f"{where}: expected digest {expected}, found {digest(payload)}: the entry is damaged")
    result: Result | Scores = (
        build(Scores, entry["result"], where) if isinstance(run, Measurement) else build(Result, entry["result"], where)
    )
    if result.run_id != run.id:
        raise ClaimsError(f"{where}: expected the result of run {run.id}, found {result.run_id}")
    check_size(run, result)
    return result
