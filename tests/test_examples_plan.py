"""The plan of a paper in another folder than the current one: its own weights are counted."""

import os
import subprocess
import sys
from pathlib import Path

ROOT = Path(__file__).parents[1]


def test_the_small_papers_plan_reads_its_own_weights(tmp_path):
    given = {name: text for name, text in os.environ.items() if not name.startswith(("PYTEST", "VIT_CLAIMS"))}
    done = subprocess.run(
        [sys.executable, "-m", "pytest", "examples", "--plan", "-q", "--report-dir", str(tmp_path / "reports")],
        cwd=ROOT, env=given | {"VIT_CLAIMS_HOME": str(tmp_path)}, capture_output=True, text=True, timeout=120,
    )  # fmt: skip
    assert "micro study, torch: 20 runs, 0 stored, 20 to compute" in done.stdout, done.stdout + done.stderr
