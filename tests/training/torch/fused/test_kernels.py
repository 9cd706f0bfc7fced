"""The fused kernels in Triton's interpreter."""

import os
import subprocess
import sys
from pathlib import Path

import pytest

FILES = [str(Path(__file__).with_name(f"{name}_interpreted.py")) for name in ("kernels", "tokens")]
ROOT = Path(__file__).parents[4]


@pytest.mark.slow
def test_kernels_compute_what_pytorch_does():
    """In a process of its own: Triton decides when it is imported whether it interprets."""
    command = [sys.executable, "-m", "pytest", "-p", "no:cacheprovider", "-q", *FILES]
    interpreting = os.environ | {"TRITON_INTERPRET": "1"}
    done = subprocess.run(command, cwd=ROOT, env=interpreting, capture_output=True, text=True, check=False)
    assert done.returncode == 0, done.stdout[-3000:]
    assert " passed" in done.stdout
