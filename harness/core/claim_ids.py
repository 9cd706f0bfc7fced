"""The ids of the claims that a folder's claim files state, read from their text: no file is imported."""

from __future__ import annotations

import ast
from collections.abc import Iterator
from functools import cache
from pathlib import Path


def claim_ids(folder: Path) -> frozenset[str] | None:
    """Return the ids of the claims stated in a folder's Python files.

    None where they can't all be told: there is none, a file of tests states no claim of its own, so that it takes one
    from elsewhere, an id is computed, or a file is no Python.
    """
    found: set[str] = set()
    for file in sorted(folder.glob("*.py")):
        stat = file.stat()
        ids = _ids_in(file, (stat.st_mtime_ns, stat.st_size))
        if None in ids or (not ids and file.name.startswith("test_")):
            return None
        found.update(name for name in ids if name is not None)
    return frozenset(found) or None


@cache
def _ids_in(file: Path, stamp: tuple[int, int]) -> frozenset[str | None]:
    """Return the ids in one file, as long as it stays as it is; None among them for one that can't be told."""
    del stamp
    try:
        tree = ast.parse(file.read_bytes())
    except (SyntaxError, ValueError):
        return frozenset({None})
    return frozenset(_ids(tree))


def _ids(tree: ast.AST) -> Iterator[str | None]:
    for node in ast.walk(tree):
        if not isinstance(node, ast.Call):
            continue
        name = getattr(node.func, "id", None) or getattr(node.func, "attr", None)
        if name != "Claim":
            continue
        given = [*node.args[:1], *(word.value for word in node.keywords if word.arg == "id")]
        value = given[0] if given else None
        yield value.value if isinstance(value, ast.Constant) and isinstance(value.value, str) else None
