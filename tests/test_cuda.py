"""The tests that need a GPU are collected everywhere, and skipped with one line where there is none."""

import os
import re
import subprocess
import sys

from tests.test_imports import ROOT


def test_without_a_gpu_they_are_skipped_and_one_line_says_so():
    command = [sys.executable, "-m", "pytest", "tests/cuda", "-m", "cuda", "-q", "-rs", "-p", "no:cacheprovider"]
    hidden = os.environ | {"CUDA_VISIBLE_DEVICES": ""}
    done = subprocess.run(command, cwd=ROOT, env=hidden, capture_output=True, text=True, check=False)
    assert done.returncode == 0, done.stdout[-2000:]
    (line,) = re.findall(r"^SKIPPED.*", done.stdout, re.MULTILINE)
    count = int(re.match(r"SKIPPED \[(\d+)\] tests/cuda/conftest.py:\d+: no CUDA device here", line)[1])
    assert count > 30
    assert f"{count} skipped" in done.stdout.splitlines()[-1]
    files = {path.name for path in (ROOT / "tests" / "cuda").glob("test_*.py")}
    assert all("pytestmark = pytest.mark.cuda" in (ROOT / "tests" / "cuda" / name).read_text() for name in files)
