"""TOML tables, read into specs."""

from __future__ import annotations

import itertools
import re
import tomllib
from collections.abc import Iterable, Iterator, Mapping
from pathlib import Path
from typing import Any, TypeVar

from harness.core.errors import ClaimsError
from harness.core.specs import build
from harness.core.text import read_text

S = TypeVar("S")

ID = re.compile(r"[A-Za-z0-9_-][A-Za-z0-9._-]{0,99}")
"""An id names files and stands in messages, options and the page: no separators, no dot at its start, not too long."""


def table_stamp(path: Path | None) -> tuple[int, ...]:
    """Return values that differ if a table may have changed since it was read; empty for no table."""
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
        raise ClaimsError(f"{path}: expected TOML, found: {error}; fix the file") from None


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
            raise ClaimsError(f"{path.name}: expected tables [NAME], found the value {name} = {values!r}; fix the file")
        for each, filled in filled_in(name, values, f"{path.name} [{name}]"):
            require_id(each, path.name)
            found[each] = build(spec, {"id": each, **filled}, f"{path.name} [{each}]")
    return found


def filled_in(name: str, values: dict[str, Any], where: str) -> Iterator[tuple[str, dict[str, Any]]]:
    """Yield the entries that a table stands for: itself, or one for each combination of its `each`.

    `each` is a table of lists. In every text of the entry, {KEY} stands for one of the list of that key; ids are in
    lower case. A list may hold tables instead, of words that belong together: {NAME} stands for the word NAME of one.

    Raises:
        ClaimsError: `each` is no table of lists of text or of tables of text, or a text names a key that it lacks.
    """
    if "each" not in values:
        yield name, values
        return
    each = values["each"]
    lists: list[Any] = list(each.values()) if isinstance(each, dict) else [None]
    if not all(isinstance(one, list) and all(map(are_words, one)) for one in lists):
        raise ClaimsError(f"{where}: each: expected a table of lists of text, found {each!r}; fix the file")
    rest = {key: value for key, value in values.items() if key != "each"}
    for chosen in itertools.product(*lists):
        words: dict[str, str] = {}
        for key, item in zip(each, chosen, strict=True):
            words |= item if isinstance(item, dict) else {key: item}
        try:
            yield name.format(**words).lower(), {key: filled(value, words) for key, value in rest.items()}
        except (KeyError, IndexError, ValueError) as error:
            raise ClaimsError(
                f"{where}: expected only {{{'}, {'.join(words)}}} in braces, found: {error}; fix the file"
            ) from None


def are_words(item: Any) -> bool:
    """Return whether an item of a list of `each` is text, or a table of texts."""
    return isinstance(item, str) or (isinstance(item, dict) and all(isinstance(word, str) for word in item.values()))


def filled(value: Any, words: Mapping[str, str]) -> Any:
    """Return a value with {KEY} in its texts replaced."""
    if isinstance(value, list):
        return [filled(item, words) for item in value]
    return value.format(**words) if isinstance(value, str) else value


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
