"""Records such as verdicts and claims as JSON lines, validated on the way in and on the way out."""

from __future__ import annotations

import functools
import json
import math
from typing import Any, NoReturn, TypeVar

from pydantic import TypeAdapter

from harness.core.claim import Claim
from harness.core.errors import ClaimsError
from harness.core.specs import build
from harness.core.verdict import Verdict

T = TypeVar("T")


@functools.cache
def adapter(spec: type[Any]) -> TypeAdapter[Any]:
    """Return what reads and writes records of a type; making one takes milliseconds."""
    return TypeAdapter(spec)


def to_values(record: object) -> dict[str, Any]:
    """Return a record as plain JSON values.

    Raises:
        ClaimsError: a figure is not finite (JSON has no such number).
    """
    spec: Any = type(record)
    values: dict[str, Any] = adapter(spec).dump_python(record, mode="json")
    check_finite(values, describe(record))
    return values


def to_json(record: object) -> str:
    """Return a record (a pydantic dataclass) as one line of ASCII JSON.

    Raises:
        ClaimsError: a figure is not finite.
    """
    return json.dumps(to_values(record))


def from_json(spec: type[T], text: str, where: str) -> T:
    """Return the record that `to_json` wrote.

    Args:
        spec: the record's type, e.g. Verdict.
        text: one JSON object.
        where: the place the text comes from, for the error.

    Raises:
        ClaimsError: not JSON, an unknown or missing key, a bad value, or a figure that is not finite.
    """
    values = parse(text, where)
    if not isinstance(values, dict):
        raise ClaimsError(f"{where}: expected a JSON object, found {type(values).__name__}; correct or remove it")
    return build(spec, values, where)


def parse(text: str, where: str) -> Any:
    """Return the values of a JSON text; NaN and Infinity, which are not JSON, are errors.

    Raises:
        ClaimsError: with the line and column of the fault.
    """

    def refuse(constant: str) -> NoReturn:
        raise ClaimsError(f"{where}: expected finite numbers, found {constant}; correct or remove it")

    try:
        return json.loads(text, parse_constant=refuse)
    except json.JSONDecodeError as error:
        place = f"line {error.lineno}, " if "\n" in text.strip() else ""
        raise ClaimsError(
            f"{where}: expected JSON, found a fault at {place}column {error.colno} ({error.msg});"
            " correct it or move the file away; nothing was overwritten"
        ) from None
    except RecursionError:
        raise ClaimsError(f"{where}: expected JSON of a verdict, found a too deeply nested value; remove it") from None


def check_finite(value: Any, where: str) -> None:
    """Raise ClaimsError if any number in nested JSON values is not finite."""
    if isinstance(value, float) and not math.isfinite(value):
        raise ClaimsError(f"{where}: expected finite numbers, found {value}; leave out what does not exist")
    if isinstance(value, dict):
        for key, item in value.items():
            check_finite(item, f"{where}.{key}")
    elif isinstance(value, (list, tuple)):
        for item in value:
            check_finite(item, where)


def describe(record: object) -> str:
    """Return a name of the record for messages."""
    if isinstance(record, Verdict):
        return f"verdict on {record.hypothesis!r}"
    return f"claim {record.id}" if isinstance(record, Claim) else type(record).__name__
