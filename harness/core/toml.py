"""The TOML tables of what exists, read into specs."""

from __future__ import annotations

import os
import re
import tomllib
from collections.abc import Iterable
from pathlib import Path
from typing import Any, TypeVar

from harness.core.errors import ClaimsError
from harness.core.specs import build
from harness.core.text import read_text

S = TypeVar("S")

FOLDER = Path(__file__).parents[2] / "claims"
"""The folder of the paper's tables."""
VARIABLE = "VIT_CLAIMS_TABLES"
"""The environment variable with a folder of the user's own zoo.toml, datasets.toml and recipes.toml."""
ID = re.compile(r"[A-Za-z0-9_-][A-Za-z0-9._-]{0,99}")
"""An id names files and stands in messages, options and the page: no separators, no dot at its start, not too long."""


def own_table(name: str) -> Path | None:
    """Return the user's own table of a name, e.g. "recipes.toml", or None if there is none.

    Its entries stand beside the project's; a name that exists there already is an error.

    Raises:
        ClaimsError: $VIT_CLAIMS_TABLES names no folder.
    """
    value = os.environ.get(VARIABLE)
    if not value:
        return None
    folder = Path(value).expanduser().absolute()
    if not folder.is_dir():
        raise ClaimsError(f"${VARIABLE}: expected a folder of tables, found none at {folder}; mend or unset it")
    path = folder / name
    return path if path.exists() or path.is_symlink() else None  # what can't be read is said by who reads it


def table_stamp(path: Path | None) -> tuple[int, ...]:
    """Return what tells that a table may have changed since it was read; empty for no table."""
    try:
        found = path.stat() if path is not None else None
    except OSError:
        found = None
    return (found.st_ino, found.st_size, found.st_mtime_ns, found.st_ctime_ns) if found is not None else ()


def read_toml(path: Path) -> dict[str, Any]:
    """Return a TOML file's content.

    Raises:
        ClaimsError: missing or malformed, with the line.
    """
    try:
        return tomllib.loads(read_text(path))
    except OSError as error:
        raise ClaimsError(f"{path}: expected a TOML file, found: {error.strerror}") from None
    except (tomllib.TOMLDecodeError, UnicodeDecodeError) as error:
        raise ClaimsError(f"{path}: expected TOML, found: {error}; mend the file") from None


def require_id(name: str, where: str) -> None:
    """Raise unless a table's name can be an id: letters, digits, `.`, `_` and `-`, no dot at its start.

    Args:
        name: the table's name.
        where: the file, for the message.
    """
    if not ID.fullmatch(name):
        raise ClaimsError(
            f"{where} [{name[:120]}]: expected an id of at most 100 letters, digits, '.', '_' and '-', no dot at its"
            f" start, found {name[:120]!r}; rename it"
        )


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
        require_id(name, path.name)
        found[name] = build(spec, {"id": name, **values}, f"{path.name} [{name}]")
    return found


def read_tables(paths: Iterable[Path | None], spec: type[S]) -> dict[str, S]:
    """Return the specs of several tables, None left out, by id.

    Raises:
        ClaimsError: as `read_specs`, or an id that an earlier table has.
    """
    found: dict[str, S] = {}
    for path in paths:
        for name, entry in (read_specs(path, spec) if path is not None else {}).items():
            if name in found:
                raise ClaimsError(f"{path} [{name}]: expected a new id, found one that exists; rename it")
            found[name] = entry
    return found
