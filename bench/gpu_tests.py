"""The tests that need a GPU, in a process of their own."""

from __future__ import annotations

import re
import subprocess
import sys
import time
from collections.abc import Iterator

from bench.commands import ROOT
from bench.rows import Row

COUNTS = re.compile(r"(\d+) (passed|failed|skipped|errors?|xfailed)")


def rows(where: str = "tests", marker: str = "cuda") -> Iterator[Row]:
    """Yield how many tests passed, and a row for each that did not, with the line that says why.

    Args:
        where: the files or folders.
        marker: of the tests.
    """
    start = time.perf_counter()
    command = ["pytest", where, "-m", marker, "-q", "-rfEs", "-p", "no:cacheprovider", "--tb=short", "--color=no"]
    done = subprocess.run([sys.executable, "-m", *command], cwd=ROOT, check=False, capture_output=True, text=True)
    lines = done.stdout.splitlines() or [f"exit {done.returncode}: {done.stderr[-300:]}"]
    counts = {what: int(number) for number, what in COUNTS.findall(lines[-1])}
    yield Row(
        "tests on the GPU, passed", "", counts.pop("passed", 0), note=", ".join(f"{n} {w}" for w, n in counts.items())
    )
    yield Row("tests on the GPU", "s", time.perf_counter() - start)
    for text in lines:
        if text.startswith(("FAILED ", "ERROR ", "SKIPPED ")):
            yield Row("tests on the GPU", note=text[:300])
    if done.returncode not in (0, 1):
        yield Row("tests on the GPU", note=f"exit {done.returncode}: {' / '.join(lines[-3:])[:300]}")
    if done.returncode:
        print("\n".join(lines[-200:]), flush=True)
