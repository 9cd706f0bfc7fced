"""The TOML tables of what exists, read into specs."""

from __future__ import annotations

import tomllib
from pathlib import Path
from typing import Any, TypeVar

from harness.errors import ClaimsError
from harness.spec import build

S = TypeVar("S")

PACKAGE = Path(__file__).parent


def read_toml(path: Path) -> dict[str, Any]:
    """Return a TOML file's content.

    Raises:
        ClaimsError: missing or malformed, with the line.
    """
    try:
        return tomllib.loads(path.read_text(encoding="utf-8"))
    except OSError as error:
        raise ClaimsError(f"{path}: expected a TOML file, found: {error.strerror}") from None
    except (tomllib.TOMLDecodeError, UnicodeDecodeError) as error:
        raise ClaimsError(f"{path}: expected TOML, found: {error}; mend the file") from None


def read_specs(path: Path, spec: type[S]) -> dict[str, S]:
    """Return a file of tables, one spec each, by id: the table's name.

    Raises:
        ClaimsError: malformed, or a table that the spec does not allow.
    """
    found = {}
    for name, values in read_toml(path).items():
        if not isinstance(values, dict):
            raise ClaimsError(
                f"{path.name}: expected tables [NAME], found the value {name} = {values!r}; mend the file"
            )
        found[name] = build(spec, {"id": name, **values}, f"{path.name} [{name}]")
    return found
