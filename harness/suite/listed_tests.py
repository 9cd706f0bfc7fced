"""Which tests pytest-html's table lists: a browser needs half a minute to make 10,000 rows of it."""

from __future__ import annotations

from collections.abc import MutableMapping, Sequence
from typing import Any

MOST = 1500
"""Tests in the table; every verdict stands among the claims, however many there are."""
FAULTS = ("Failed", "Error", "XPassed")
"""What pytest-html calls a test that is listed in any case."""


def leave_out(tests: MutableMapping[str, Sequence[dict[str, Any]]], most: int = MOST) -> int:
    """Leave only faults and the first of the other tests in pytest-html's data; return how many were left out.

    Args:
        tests: the rows of each test, by its id.
        most: tests that are kept, faults among them.
    """
    faults = {name for name, rows in tests.items() if any(row.get("result") in FAULTS for row in rows)}
    others = [name for name in tests if name not in faults]
    gone = others[max(0, most - len(faults)) :]
    for name in gone:
        del tests[name]
    return len(gone)
