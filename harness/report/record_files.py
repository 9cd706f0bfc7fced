"""What the record files of a report have in common: JSON with a schema version, refused in one line if it is not."""

from __future__ import annotations

from collections.abc import Iterator
from pathlib import Path
from typing import Any

from harness.core.errors import ClaimsError
from harness.core.text import read_text
from harness.report.serialise import check_finite, parse

SCHEMA_VERSION = 1
"""Of verdicts.json, answers.json, runs.json and the tables; harness/report/schemas has the JSON Schema of each.
Raised when a reader of the old files could misread the new ones; a new optional key raises nothing."""


def read_object(path: Path) -> dict[str, Any] | None:
    """Return the object in a record file, None where there is no file.

    Files from before there was a `schema_version` called it `format`.

    Raises:
        ClaimsError: unreadable, not JSON (with the line), or of another version. Nothing is written.
    """
    try:
        text = read_text(path)
    except FileNotFoundError:
        return None
    except UnicodeDecodeError:
        raise ClaimsError(f"{path}: expected UTF-8 JSON, found other bytes; move the file away") from None
    except OSError as error:
        raise ClaimsError(f"{path}: expected a file of records, found: {error.strerror}; move it away") from None
    values = parse(text, str(path))
    check_finite(values, str(path))
    if not isinstance(values, dict):
        raise ClaimsError(
            f"{path}: expected an object with schema_version {SCHEMA_VERSION}, found {type(values).__name__};"
            " move the file away, nothing was overwritten"
        )
    found = values.get("schema_version", values.get("format"))
    if type(found) is not int or found != SCHEMA_VERSION:
        raise ClaimsError(
            f"{path}: expected schema_version {SCHEMA_VERSION}, found {found!r}; move the file away, or read it with"
            " the version of vit-claims that wrote it; nothing was overwritten"
        )
    return values


def read_record_file(path: Path, key: str) -> list[tuple[dict[str, Any], str]] | None:
    """Return the records under a key of a file, each with a name of its place; None where there is no file.

    Raises:
        ClaimsError: it is damaged, or of another version.
    """
    values = read_object(path)
    return None if values is None else list(items(values, key, path))


def items(values: dict[str, Any], key: str, path: Path) -> Iterator[tuple[dict[str, Any], str]]:
    """Yield the records under a key, each with a name of its place for messages."""
    listed = values.get(key)
    if not isinstance(listed, list):
        raise ClaimsError(f"{path}: {key}: expected a list, found {type(listed).__name__}; move the file away")
    for number, item in enumerate(listed, start=1):
        where = f"{path}: {key} record {number}"
        if not isinstance(item, dict):
            raise ClaimsError(f"{where}: expected an object, found {type(item).__name__}; correct or remove it")
        yield item, where
