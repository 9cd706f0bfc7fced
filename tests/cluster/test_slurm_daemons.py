"""cluster/slurm.sbatch as SLURM itself runs it, on two nodes that are both this machine."""

import json
import re
import shutil
import sys
from pathlib import Path

import pytest

from tests.cluster.slurm_daemons import NODES, Slurm, missing, until

pytestmark = [pytest.mark.slow, pytest.mark.skipif(missing() != "", reason=missing())]

ROOT = Path(__file__).parents[2]
CLAIM = """
from harness.core.claim import Better, Claim, Contender

CLAIM = Claim(id="places", title="Places", quote="...", source="...", measure="right")


@CLAIM.hypotheses([Better(Contender("one"), than=Contender("two"), on="examples")])
def test_places(hypothesis, judge):
    judge(hypothesis)
"""
MEASURE = """
import os
import time
from pathlib import Path


def right(contender, dataset, seed):
    # Say where this is computed, and end once it is computed in two places at the same time.
    seen = Path(os.environ["SEEN"])
    (seen / f"{os.environ['SLURM_JOB_ID']} {os.environ['SLURMD_NODENAME']}").touch()
    end = time.monotonic() + 120
    while len(list(seen.iterdir())) < 2:
        if time.monotonic() > end:
            raise TimeoutError(f"computed on {os.listdir(seen)} alone")
        time.sleep(0.05)
    return [True, False, True, False]
"""


@pytest.fixture(scope="module")
def slurm():
    found = Slurm()
    found.start()
    yield found
    found.stop()


@pytest.fixture
def places(tmp_path):
    """Return a paper whose runs end once two are computed in different places."""
    folder = tmp_path / "places"
    folder.mkdir()
    (folder / "paper.toml").write_text('title = "Places"\n[measures.right]\nfunction = "my_measure:right"\nseeds = 2\n')
    (folder / "my_measure.py").write_text(MEASURE)
    (folder / "test_places.py").write_text(CLAIM)
    shutil.copyfile(ROOT / "conftest.py", folder / "conftest.py")
    (tmp_path / "seen").mkdir()
    return folder


@pytest.fixture
def long(tmp_path):
    """Return a paper whose two runs take hours."""
    folder = tmp_path / "long"
    shutil.copytree(ROOT / "examples" / "bars", folder, ignore=shutil.ignore_patterns("expected.toml", "ledger.jsonl"))
    shutil.copyfile(ROOT / "conftest.py", folder / "conftest.py")
    for name, old, new in (
        ("recipes.toml", "steps = 60", "steps = 1000000"),
        ("micro/proxies.toml", "judged = [0, 1, 2, 3, 4]", "judged = [0]"),
    ):
        text = (folder / name).read_text()
        assert old in text
        (folder / name).write_text(text.replace(old, new, 1))
    return folder


class Submitted:
    """A job of the script."""

    def __init__(self, slurm, folder, *options, session, **environment):
        folder.mkdir(exist_ok=True)
        self.slurm, self.home, self.log = slurm, folder / "home", folder / "log"
        session = (*session, "--home", self.home, "--report-dir", folder / "report", "-p", "no:cacheprovider")
        environment |= {"BIN": Path(sys.executable).parent}
        export = ",".join(["ALL", *(f"{name}={value}" for name, value in environment.items())])
        options = (f"--export={export}", f"--output={self.log}", "--cpus-per-task=1", "--gpus-per-node=0", *options)
        self.id = slurm.submit(*options, "cluster/slurm.sbatch", *map(str, session), cwd=ROOT)

    def until(self, happened):
        """Wait until something has happened, and return it; say what SLURM and the job said where it does not."""
        try:
            return until(happened, 300)
        except AssertionError:
            raise AssertionError(f"{self.shown()}\n{self.said()}") from None

    def ends(self):
        """Wait until it has ended, and return how, e.g. "COMPLETED 0:0"."""
        self.until(lambda: self.shown()["JobState"] not in ("PENDING", "RUNNING", "COMPLETING"))
        shown = self.shown()
        return f"{shown['JobState']} {shown['ExitCode']}"

    def shown(self):
        """Return what SLURM knows of it."""
        return self.slurm.shown(self.id)

    def said(self):
        """Return what it printed."""
        return self.log.read_text() if self.log.exists() else ""

    def saved(self):
        """Return the step of the newest state that is saved; 0: there is none."""
        return max((int(path.name[5:14]) for path in self.home.glob("work/states/*/step-*")), default=0)

    def steps(self):
        """Return the steps of which a loss is noted, of all runs."""
        histories = self.home.glob("work/history/*.jsonl")
        return [json.loads(line)["step"] for path in histories for line in path.read_text().splitlines()]


def test_the_verdicts_of_two_nodes_are_those_on_record(slurm, tmp_path):
    job = Submitted(slurm, tmp_path / "job", "--nodes=2", session=("examples/bars", "-m", "micro"))
    assert job.ends() == "COMPLETED 0:0", job.said()  # pytest's: every verdict is the one on record
    assert re.search(r"\b3 xfailed\b", job.said())


def test_runs_are_computed_on_both_nodes(slurm, places, tmp_path):
    job = Submitted(slurm, tmp_path / "job", "--nodes=2", session=(places,), SEEN=tmp_path / "seen")
    assert job.ends() == "COMPLETED 0:0", job.said()
    assert {path.name for path in (tmp_path / "seen").iterdir()} == {f"{job.id} {node}" for node in NODES}


def test_two_jobs_share_a_node(slurm, places, tmp_path):
    options = ("--nodes=1", "--nodelist=one", "--exclusive=user")
    jobs = [
        Submitted(slurm, tmp_path / name, *options, session=(places,), SEEN=tmp_path / "seen") for name in ("a", "b")
    ]
    assert [job.ends() for job in jobs] == ["COMPLETED 0:0"] * 2, [job.said() for job in jobs]
    assert {path.name for path in (tmp_path / "seen").iterdir()} == {f"{job.id} one" for job in jobs}


def test_a_job_whose_time_is_up_goes_on_and_one_that_is_cancelled_saves_its_states(slurm, long, tmp_path):
    limit = ("--nodes=2", "--time=3", "--signal=B:USR1@60")
    job = Submitted(slurm, tmp_path / "job", *limit, session=(long, "-m", "micro"))
    job.until(lambda: job.shown()["Restarts"] == "1")
    assert "told to stop (requeue): the states of the runs are saved" in job.said()
    saved = job.saved()
    assert saved > 0, job.said()
    before = len(job.steps())
    later = job.until(lambda: job.steps()[before:])
    assert min(later) >= saved  # it went on from the state
    assert job.shown()["JobState"] == "RUNNING"
    assert any("ray::" in command for command in slurm.processes(job.id).values())
    slurm.call("scancel", "--batch", "--signal=TERM", job.id)
    job.ends()
    assert job.shown()["Restarts"] == "1"
    assert job.saved() > saved
    assert slurm.processes(job.id) == {}


def test_a_job_that_is_ended_at_once_leaves_nothing_running(slurm, long, tmp_path):
    job = Submitted(slurm, tmp_path / "job", "--nodes=2", session=(long, "-m", "micro"))
    job.until(job.steps)
    slurm.call("scancel", job.id)
    assert job.ends().startswith("CANCELLED")
    assert job.shown()["Restarts"] == "0"
    until(lambda: slurm.processes(job.id) == {}, 60)
