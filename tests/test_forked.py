"""A forked session is what `python -m pytest` is, and the process that is forked has no thread."""

import os
import re
import signal
import subprocess
import sys
from pathlib import Path

import pytest

from tests import forked

TEST = """
import os
import sys
import time


def test_this():
    print(sorted(os.environ), os.getcwd(), sys.path[:2], sys.argv[-1], sys.modules["__main__"].__spec__.name)
    print("said", file=sys.stderr)
    time.sleep(float(os.environ["SECONDS"]))
    assert 0
"""


def told(text):
    return re.sub(r"in [0-9.]+s|0x\w+", "", text)


@pytest.fixture
def started(tmp_path):
    (tmp_path / "test_it.py").write_text(TEST)
    kept = {name: text for name, text in os.environ.items() if not name.startswith("PYTEST")}
    return {"cwd": tmp_path, "environment": kept | {"PYTHONPATH": str(forked.ROOT), "SECONDS": "0"}}


def test_it_says_what_a_process_of_its_own_says(started):
    asked = ("-p", "no:cacheprovider", "test_it.py")
    found = forked.run_pytest(*asked, **started, timeout=120)
    command = [sys.executable, "-m", "pytest", "-p", "no:hypothesispytest", *asked]
    place = {"cwd": started["cwd"], "env": started["environment"], "stdin": subprocess.DEVNULL}
    alone = subprocess.run(command, **place, capture_output=True, text=True)
    assert (found.returncode, told(found.stdout), found.stderr) == (1, told(alone.stdout), alone.stderr)
    assert "pytest.__main__" in found.stdout


def test_one_that_takes_too_long_says_where_it_was(started):
    started["environment"]["SECONDS"] = "60"
    found = forked.run_pytest("-p", "no:cacheprovider", **started, timeout=3)
    assert found.returncode == -signal.SIGALRM
    assert "most recent call first" in found.stderr


@pytest.mark.skipif(not Path("/proc/self/task").exists(), reason="only Linux lists threads here")
def test_what_is_forked_has_one_thread(started):
    assert forked.run_pytest("--version", **started, timeout=120).returncode == 0
    (server,) = forked._servers
    assert len(list(Path(f"/proc/{server.pid}/task").iterdir())) == 1
