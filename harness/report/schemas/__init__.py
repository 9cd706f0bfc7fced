"""The JSON Schemas of a report's files, exported from the types that read and write them.

`python -m harness.report.schemas` writes them beside this module; a test compares the two.
"""

from __future__ import annotations

import json
from collections.abc import Callable
from importlib import resources
from typing import Any, Literal, get_type_hints

from pydantic import ConfigDict, Field, TypeAdapter, create_model
from pydantic.dataclasses import dataclass

from harness.core.claim import Claim
from harness.core.specs import STRICT, Natural
from harness.core.verdict import Answer, Side, Verdict
from harness.report.export import COLUMNS, JOINED, SIDE
from harness.report.record_files import SCHEMA_VERSION
from harness.report.run_records import RunRecord
from harness.report.session_record import SessionRecord

Version = Literal[1]
assert SCHEMA_VERSION == 1  # as the literal says, which has to be one


@dataclass(frozen=True, config=STRICT)
class VerdictsFile:
    """verdicts.json: claims, their latest verdicts, and the answers that follow from them."""

    schema_version: Version
    log_bytes: Natural
    """Bytes of verdicts.jsonl that are in it."""
    history_bytes: Natural
    """Bytes of history.jsonl that are in it."""
    answers: tuple[Answer, ...]
    claims: tuple[Claim, ...]
    verdicts: tuple[Verdict, ...]


@dataclass(frozen=True, config=STRICT)
class AnswersFile:
    """answers.json: what each source of evidence says of each claim."""

    schema_version: Version
    answers: tuple[Answer, ...]


@dataclass(frozen=True, config=STRICT)
class RunsFile:
    """runs.json: the runs behind the verdicts."""

    schema_version: Version
    runs: tuple[RunRecord, ...]


@dataclass(frozen=True, config=STRICT)
class HistoryLine:
    """One line of history.jsonl."""

    session: SessionRecord


@dataclass(frozen=True, config=STRICT)
class AnswerRow:
    """One row of tables/answers."""

    schema_version: Version
    claim: str
    source: str
    answer: str
    sentence: str


def claim_table() -> Any:
    """Return the type of tables/<claim>: verdicts as flat rows, with columns side1_name, side1_accuracy, ..."""
    hints = get_type_hints(Verdict, include_extras=True)
    columns: dict[str, Any] = {name: (str if name in JOINED else hints[name], ...) for name in COLUMNS if name in hints}
    columns |= {"schema_version": (Version, ...), "p_holm": (float | None, ...)}
    row = create_model("VerdictRow", __config__=ConfigDict(extra="allow"), **columns)
    return list[row]


def summary_table() -> Any:
    """Return the type of tables/summary: how many verdicts of each name there are."""
    from harness.report.labels import LOOKS

    counts: dict[str, Any] = {look.slug.replace("-", "_"): (Natural, ...) for look in LOOKS.values()}
    row = create_model(
        "SummaryRow",
        __config__=ConfigDict(extra="forbid"),
        schema_version=(Version, ...),
        claim=(str, ...),
        source=(str, ...),
        latest=(str, Field(description="Date of the latest of them.")),
        **counts,
    )
    return list[row]


FILES: dict[str, Callable[[], Any]] = {
    "verdicts": lambda: VerdictsFile,
    "answers": lambda: AnswersFile,
    "runs": lambda: RunsFile,
    "history": lambda: HistoryLine,
    "table-claim": claim_table,
    "table-summary": summary_table,
    "table-answers": lambda: list[AnswerRow],
}
"""The type of each kind of file."""


def schema(name: str) -> dict[str, Any]:
    """Return the JSON Schema (2020-12) of a kind of file."""
    found = TypeAdapter(FILES[name]()).json_schema()
    if name == "table-claim":
        hints = get_type_hints(Side)
        sides = TypeAdapter(Side).json_schema()["properties"]
        row = found["$defs"]["VerdictRow"] if "$defs" in found else found["items"]
        assert set(hints) == set(SIDE)
        row["additionalProperties"] = False
        row["patternProperties"] = {
            rf"^side[1-9][0-9]*_{field}$": {
                "anyOf": [{key: value for key, value in of.items() if key != "title"}, {"type": "null"}]
            }
            for field, of in sides.items()
        }
    return {
        "$schema": "https://json-schema.org/draft/2020-12/schema",
        "$comment": f"schema_version {SCHEMA_VERSION}",
        **found,
    }


def text(name: str) -> str:
    """Return a schema as the file that ships."""
    return json.dumps(schema(name), indent=1, sort_keys=True) + "\n"


def shipped(name: str) -> str:
    """Return the content of the shipped file."""
    return resources.files("harness.report.schemas").joinpath(f"{name}.schema.json").read_text(encoding="utf-8")
