"""The width of progress bars."""

from __future__ import annotations

import os
import sys
from typing import Any

USUAL = 100, 24
"""Columns and rows, where a terminal does not say how many it has (one made by a program often says 0)."""


def width() -> dict[str, Any]:
    """Return tqdm's arguments for the width of a bar on stderr."""
    try:
        known = os.get_terminal_size(sys.stderr.fileno()).columns > 0
    except (OSError, ValueError):  # not a terminal, where no bar is drawn
        known = True
    return {"dynamic_ncols": True} if known else {"ncols": USUAL[0], "nrows": USUAL[1]}
