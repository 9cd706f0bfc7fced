"""The groups of measurements, each in a process of its own, so that none has another's libraries, threads or memory."""

from __future__ import annotations

import importlib
import os
from concurrent.futures import ProcessPoolExecutor
from datetime import UTC, datetime
from multiprocessing import get_context
from typing import Any

from bench.rows import Row
from bench.table import line, plain

GROUPS = {
    "commands": "bench.commands",
    "corpora": "bench.corpora",
    "training": "bench.training",
    "evaluation": "bench.evaluation",
    "gpu": "bench.gpu",
    "jax": "bench.jax_rows",
    "jax-gpu": "bench.jax_gpu",
}
"""Name to the module whose `rows` gives its rows."""


def measured(name: str, n: int, note: str) -> dict[str, Any]:
    """Return a group's figures with the time, the machine's load before and after, and a note."""
    print(f"{name}:", flush=True)
    group: dict[str, Any] = {"measured": datetime.now(UTC).isoformat(timespec="seconds"), "note": note, "rounds": n}
    before = os.getloadavg()[0]
    with ProcessPoolExecutor(1, mp_context=get_context("spawn")) as process:
        rows = process.submit(run, GROUPS[name], n).result()
    group["load"] = [round(load, 2) for load in (before, os.getloadavg()[0])]
    return group | {"rows": [plain(row) for row in rows]}


def run(module: str, n: int) -> list[Row]:
    """Print a group's rows as they are measured, and return them."""
    rows = []
    for row in importlib.import_module(module).rows(n):
        print(line(row), flush=True)
        rows.append(row)
    return rows
