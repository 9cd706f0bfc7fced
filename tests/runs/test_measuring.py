"""A paper's function is called in a process of its own: its scores, its state, and every way in which it can fail."""

import time
from pathlib import Path

import pytest

from harness.core.errors import ClaimsError
from harness.core.hypotheses import Contender
from harness.core.measurement import Measurement, Scores
from harness.core.own_modules import source_digest
from harness.core.paper import using
from harness.runs import measuring
from harness.runs.entry import check_size
from harness.runs.measuring import Hosts, scores_of, state_of
from harness.runs.run import measure
from harness.runs.store import Store
from harness.runs.worker import Worker
from harness.training.api import Execution
from harness.training.resume import Stopped
from tests.runs.test_executor import wait_for

MODULE = """
import os, random, signal, sys, time
import numpy as np

CALLS = []

def right(contender, dataset, seed):
    print("what is printed is no reply")
    CALLS.append(seed)
    with open("calls.txt", "a") as file:
        file.write(f"{len(CALLS)} ")
    return np.random.default_rng(seed).random(5) < len(contender.architecture) / 10

def named(contender, dataset, seed):
    return [0.5, 1], [dataset, "y"]

def number(contender, dataset, seed):
    return np.float32(random.random() + np.random.random())

def state(contender, dataset, seed, folder):
    file = folder / "half"
    if not file.exists():
        file.write_text("x")
        raise RuntimeError("stopped half-way")
    return [1.0]

def shape(contender, dataset, seed):
    return np.zeros((3, 4))

def nothing(contender, dataset, seed):
    pass

def nan(contender, dataset, seed):
    return [1.0, float("nan")]

def raises(contender, dataset, seed):
    raise ValueError("no such\\nthing")

def ends(contender, dataset, seed):
    raise SystemExit(3)

def aborts(contender, dataset, seed):
    os.abort()

def slow(contender, dataset, seed):
    time.sleep(60)

def saves(contender, dataset, seed, folder):
    def save(*args):
        (folder / "half").write_text("x")
        sys.exit()
    if not (folder / "half").exists():
        signal.signal(signal.SIGTERM, save)
        (folder / "begun").touch()
        time.sleep(60)
    return [1.0]
"""


@pytest.fixture
def folder(tmp_path):
    (tmp_path / "paper").mkdir()
    (tmp_path / "paper" / "paper.toml").write_text("")
    (tmp_path / "paper" / "mine.py").write_text(MODULE)
    with using(tmp_path / "paper"):
        yield tmp_path / "paper"


def measurement(folder, function, seed=0, **more):
    digest = source_digest("mine", folder, "t")
    return Measurement(f"mine:{function}", Contender("AAAAA"), "d", seed, digest, measure=function, **more)


def test_a_measurement_is_computed_once_and_stored(folder, tmp_path):
    store = Store(tmp_path / "home")
    found = [measure(measurement(folder, "right", seed), store) for seed in (3, 4, 3)]
    assert found[0] == found[2] != found[1]
    assert (found[0].n, set(found[0].values) <= {0.0, 1.0}) == (5, True)
    # Twice, each in a process that no other call has changed.
    assert (folder / "calls.txt").read_text() == "1 1 "
    run, scores = store.load(found[0].run_id)
    assert (run, scores) == (measurement(folder, "right", 3), found[0])


def test_what_a_function_returns(folder):
    execution = Execution()
    named = scores_of(measurement(folder, "named"), execution)
    assert (named.values, named.examples_sha256 != scores_of(measurement(folder, "right"), execution)) == (
        (0.5, 1.0),
        True,
    )
    numbers = [scores_of(measurement(folder, "number", seed, scores="number"), execution).values for seed in (1, 1, 2)]
    assert numbers[0] == numbers[1] != numbers[2]  # the global generators start from the seed


@pytest.mark.parametrize(
    ("function", "more", "said"),
    [
        ("shape", {}, r"expected a score for each example, shape \(n,\), found an array of shape \(3, 4\)"),
        ("right", {"scores": "number"}, r"expected one number, found an array of shape \(5,\)"),
        ("number", {}, "found the one number"),
        ("nothing", {}, "expected numbers, found NoneType None"),
        ("nan", {}, r"expected finite numbers, found nan of example 1"),
        ("raises", {}, "ValueError: no such thing, at mine.py:37"),
        ("ends", {}, "SystemExit: 3"),
        ("aborts", {}, "its process was ended by SIGABRT"),
        ("slow", {"time_limit": 0.2}, r"expected an answer within 0.2 s, found none; it was ended"),
        ("absent", {}, "unknown function 'absent'"),
    ],
)
def test_what_goes_wrong_is_one_line_and_nothing_is_stored(folder, tmp_path, function, more, said):
    asked = measurement(folder, function, **more)
    store = Store(tmp_path / "home")
    with pytest.raises(ClaimsError, match=said) as found:
        measure(asked, store)
    assert str(found.value).startswith(f"AAAAA on d, {function}, seed 0: ")
    assert "\n" not in str(found.value)
    assert store.get(asked) is None
    assert scores_of(measurement(folder, "right"), Execution()).n == 5  # others go on


def test_a_long_measurement_goes_on_from_its_own_state(folder, tmp_path):
    store = Store(tmp_path / "home")
    asked, execution = measurement(folder, "state"), Execution(folder=store.work)
    with pytest.raises(ClaimsError, match="stopped half-way"):
        measure(asked, store, execution)
    assert measure(asked, store, execution).values == (1.0,)
    assert not state_of(store.work, asked.id).exists()


def test_a_measurement_whose_time_is_up_is_told_so_and_goes_on_from_its_own_state(folder, tmp_path):
    store, asked = Store(tmp_path / "home"), measurement(folder, "saves")
    begun = state_of(store.work, asked.id) / "begun"
    execution = Execution(folder=store.work, stop=lambda: "the time is up" if begun.exists() else "")
    with pytest.raises(Stopped, match="^the time is up: AAAAA on d, saves, seed 0: its call was ended; run it again$"):
        scores_of(asked, execution)
    assert scores_of(asked, Execution(folder=store.work)).values == (1.0,)
    # The session's limit reaches it through the lock on the run, too.
    slow = measurement(folder, "slow")
    with pytest.raises(Stopped, match="the time limit was reached"):
        measure(slow, store, Execution(folder=store.work, deadline=time.time() + 1))
    assert store.get(slow) is None


def ended(pid):
    """Return whether a process has ended, though nobody may have waited for it."""
    status = Path(f"/proc/{pid}/stat")
    return not status.exists() or status.read_text().split()[2] in "ZX"


@pytest.mark.parametrize("where", ["in the call", "in the module"])
def test_a_call_that_does_not_end_when_it_is_told_to_is_killed(folder, tmp_path, monkeypatch, where):
    monkeypatch.setattr(measuring, "GRACE", 0.3)
    ignored = "signal.signal(signal.SIGTERM, lambda *args: None)\n"
    (folder / "mine.py").write_text(
        "import os, signal, time\n"
        f"{ignored * (where == 'in the module')}"
        "def f(contender, dataset, seed, folder):\n"
        f"    {ignored}"
        "    (folder / 'pid').write_text(str(os.getpid()))\n"
        "    time.sleep(60)\n"
    )
    asked = measurement(folder, "f")
    pid = state_of(tmp_path, asked.id) / "pid"

    def stop():
        return "now" if pid.exists() and pid.read_text() else ""

    with pytest.raises(Stopped, match="^now: "):
        scores_of(asked, Execution(folder=tmp_path, stop=stop))
    wait_for(lambda: ended(int(pid.read_text())))


def test_a_worker_of_an_accelerator_computes_a_measurement(folder, tmp_path):
    store, asked = Store(tmp_path / "home"), measurement(folder, "right", lane="accelerator")
    assert Worker("cpu", 1).compute(asked, store.home, Execution(folder=store.work), folder) is True
    assert store.get(asked).n == 5


def test_a_call_ends_with_its_host(folder, tmp_path):
    hosts = Hosts()
    host = hosts.of(folder, measurement(folder, "slow"))
    request = {"contender": {"architecture": "A"}, "dataset": "d", "seed": 0, "scores": "number"}
    request |= {"out": str(tmp_path / "out"), "folder": str(tmp_path)}
    assert host.ask(request, 0.2, lambda: "") is None
    hosts.end()
    assert host.process.returncode == -9


def test_the_time_limit_does_not_count_the_import(folder):
    (folder / "mine.py").write_text("import time\ntime.sleep(1.5)\ndef f(contender, dataset, seed): return [1, 0]\n")
    assert scores_of(measurement(folder, "f", time_limit=0.75), Execution()).n == 2


def test_a_module_that_is_never_imported_or_ends_its_process_is_one_line(folder, monkeypatch):
    monkeypatch.setattr(measuring, "IMPORT_LIMIT", 0.2)
    (folder / "mine.py").write_text("import time\ntime.sleep(60)\n")
    with pytest.raises(ClaimsError, match=r"expected its module to be imported within 0.2 s, found that it was not"):
        scores_of(measurement(folder, "f"), Execution())
    monkeypatch.undo()
    (folder / "mine.py").write_text("import os\nos.abort()\n")
    with pytest.raises(ClaimsError, match="its process was ended by SIGABRT"):
        scores_of(measurement(folder, "f"), Execution())


def test_one_number_is_one_number(folder):
    asked = measurement(folder, "number", scores="number")
    with pytest.raises(ClaimsError, match="expected one number, found 2"):
        check_size(asked, Scores(asked.id, (1.0, 2.0), "e", 0.0, 0, ()))
