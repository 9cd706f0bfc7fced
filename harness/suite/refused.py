"""How many claim files of a session state what can't be judged: each is said in one line, and the others go on."""

from __future__ import annotations

import pytest

REFUSED = pytest.StashKey[int]()
"""Claim files whose collection ended in such a line."""
