"""Sessions under pytest-xdist: a worker for each accelerator, and what if one is killed."""

import re
import shutil
from types import SimpleNamespace

import pytest

from harness.suite import distribution
from harness.suite.session_config import jobs
from tests.suite.calling import ROOT, call, verdicts

KILLER = """
import os, pathlib, signal
import pytest

MARK = pathlib.Path(__file__).with_name("killed")


@pytest.hookimpl(tryfirst=True)
def pytest_collection_finish(session):
    import harness.runs.run as computing

    compute = computing.compute

    def killed_once(run, execution):
        kills = int(os.environ["KILLS"])
        with MARK.open("a+") as marks:
            marks.seek(0)
            begun = marks.read().split()
            if len(begun) < kills and (not begun or run.id in begun):
                marks.write(run.id + " ")
                marks.flush()
                os.kill(os.getpid(), signal.SIGKILL)
        return compute(run, execution)

    computing.compute = killed_once
"""


@pytest.fixture
def example(tmp_path):
    shutil.copytree(ROOT / "examples" / "bars", tmp_path / "bars")
    (tmp_path / "bars" / "conftest.py").write_text(KILLER)
    (tmp_path / "bars" / "expected.toml").unlink()  # the verdicts of shorter runs are others
    recipes = tmp_path / "bars" / "recipes.toml"
    recipes.write_text(
        recipes.read_text().replace("steps = 60", "steps = 3").replace("warmup_steps = 6", "warmup_steps = 1")
    )
    return tmp_path


def judged(folder, kills, *arguments):
    return call(
        folder,
        "-p",
        "harness.suite.plugin",
        "bars",
        "-m",
        "micro",
        "-k",
        "digits and not count",
        *arguments,
        KILLS=str(kills),
    )


def test_a_worker_that_is_killed_costs_no_verdict(example):
    done = judged(example, 1, "-n", "2", "--report-dir", "r")
    assert done.returncode == 0, done.stdout
    killed = (example / "bars" / "killed").read_text().split()
    assert len(killed) == 1
    assert re.search(r"Note: worker 'gw\d' crashed while running .*; another worker went on from", done.stdout)
    assert "crashed while running" in (example / "r" / "report.html").read_text()
    assert set(verdicts(example / "r").values()) <= {"AGREES", "OPEN"}
    assert list(example.glob(f".home/runs/*/{killed[0]}.json"))


def config(monkeypatch, cards, **options):
    monkeypatch.setattr(distribution.accelerators, "visible", lambda: cards)
    chosen = {"markexpr": "gpu", "collectonly": False, "plan": False} | options
    return SimpleNamespace(
        stash=pytest.Stash(), option=SimpleNamespace(**chosen), getoption=lambda name, default=None: options.get(name)
    )


def node(of, name):
    made = SimpleNamespace(config=of, workerinput={"workerid": name})
    distribution.pytest_configure_node(made)
    return made


def test_auto_counts_accelerators_for_gpu_tests_and_cores_otherwise(monkeypatch):
    cards = ("0", "1", "2")
    assert distribution.pytest_xdist_auto_num_workers(config(monkeypatch, cards)) == 3
    assert distribution.pytest_xdist_auto_num_workers(config(monkeypatch, cards, markexpr="micro")) is None
    assert distribution.pytest_xdist_auto_num_workers(config(monkeypatch, ())) is None
    assert distribution.pytest_xdist_auto_num_workers(config(monkeypatch, cards, **{"--device": "cpu"})) is None


def test_each_worker_has_an_accelerator_of_its_own_and_a_new_one_that_of_the_dead(monkeypatch):
    of = config(monkeypatch, ("MIG-a", "MIG-b", "MIG-c"))
    workers = [node(of, f"gw{number}") for number in range(3)]
    assert [worker.workerinput[distribution.ACCELERATORS] for worker in workers] == [["MIG-a"], ["MIG-b"], ["MIG-c"]]
    distribution.pytest_testnodedown(workers[1], "killed")
    assert node(of, "gw3").workerinput[distribution.ACCELERATORS] == ["MIG-b"]
    assert node(of, "gw4").workerinput[distribution.ACCELERATORS] == ["MIG-a"]  # more workers than accelerators


def test_a_worker_computes_on_its_accelerator_by_processes_and_on_the_cpu_by_itself(monkeypatch):
    of = config(monkeypatch, ("0",), **{"--jobs": 3})
    assert jobs(of, ("0",)) == 3
    of.workerinput = {}
    assert (jobs(of, ("0",)), jobs(of, ())) == (1, 0)
    of = config(monkeypatch, ("0",), **{"--forked": True})
    assert jobs(of, ("0",)) == 0


def test_workers_have_groups_of_accelerators_that_compute_a_run_together(monkeypatch):
    of = config(monkeypatch, ("0", "1", "2", "3", "4"), **{"--gpus-per-run": 2})
    assert distribution.pytest_xdist_auto_num_workers(of) == 2
    assert [node(of, f"gw{n}").workerinput[distribution.ACCELERATORS] for n in range(2)] == [["0,1"], ["2,3"]]
    with pytest.raises(pytest.UsageError, match="--gpus-per-run: expected at least 8 whole accelerators, found 5"):
        distribution.cards_of(config(monkeypatch, ("0", "1", "2", "3", "4"), **{"--gpus-per-run": 8}))


def test_a_test_whose_worker_dies_twice_fails(monkeypatch):
    of = config(monkeypatch, ())
    told = SimpleNamespace(notes=[])
    of.pluginmanager = SimpleNamespace(getplugin=lambda name: told if name == distribution.REPORT else None)
    pending = []
    scheduler = SimpleNamespace(mark_test_pending=pending.append)
    for expected in (distribution.AGAIN, "failed"):
        report = SimpleNamespace(node=SimpleNamespace(config=of), longrepr="worker 'gw0' crashed", outcome="failed")
        distribution.pytest_handlecrashitem("t::x", report, scheduler)
        assert report.outcome == expected
    assert pending == ["t::x"]
    assert len(told.notes) == 1
