"""An entry of the store: a result with its digest and, for people, what the run was."""

from __future__ import annotations

import dataclasses
import hashlib
import json
from typing import Any

from harness.core.errors import ClaimsError
from harness.core.result import Result
from harness.core.run import Run
from harness.core.specs import build

FORMAT = 1


def check_size(run: Run, result: Result) -> None:
    """Raise unless the result scores every example of the test set (or of the dev split), or the run diverged."""
    if result.diverged is not None:
        return
    expected = run.dataset.test if run.split == "test" else run.dataset.dev
    if result.n != expected:
        raise ClaimsError(
            f"run {run.id} ({run.label}): expected {expected} scored examples, found {result.n}; nothing was stored"
        )


def encode(run: Run, result: Result) -> bytes:
    """Return the entry's bytes: the digest, the result, and a description of the run."""
    payload = {"result": dataclasses.asdict(result), "run": dataclasses.asdict(run)}
    return json.dumps({"format": FORMAT, "sha256": digest(payload), **payload}, separators=(",", ":")).encode()


def digest(payload: dict[str, Any]) -> str:
    """Return the sha256 of a payload's canonical JSON."""
    return hashlib.sha256(json.dumps(payload, sort_keys=True, separators=(",", ":")).encode()).hexdigest()


def decode(content: bytes, run: Run, where: str) -> Result:
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
    result = build(Result, entry["result"], where)
    if result.run_id != run.id:
        raise ClaimsError(f"{where}: expected the result of run {run.id}, found {result.run_id}")
    check_size(run, result)
    return result
