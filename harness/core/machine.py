"""The machine that computes: what its processor is called."""

from __future__ import annotations

import platform
import sys
from functools import cache
from pathlib import Path

RSS_UNIT = 1 if sys.platform == "darwin" else 1024
"""Bytes in a unit of ru_maxrss, which is kibibytes on Linux and bytes on macOS."""


@cache
def processor() -> str:
    """Return the processor's name; predictions of one run differ in their last bits from one to another."""
    try:
        lines = Path("/proc/cpuinfo").read_text(encoding="utf-8", errors="replace").splitlines()
    except OSError:
        lines = []
    said = {key.strip(): value.strip() for key, _, value in (line.partition(":") for line in reversed(lines))}
    if "model name" not in said:
        return platform.processor() or platform.machine()
    # A virtual machine may give no more than the maker's name; what counts is which instructions there are.
    widest = next((name for name in ("avx512f", "avx2", "avx") if name in said.get("flags", "").split()), "no avx")
    return f"{said['model name']}, family {said.get('cpu family', '?')}, model {said.get('model', '?')}, {widest}"
