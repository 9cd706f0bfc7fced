"""Runs on the cores at hand: each computed once, by whoever is free, and failures told where they belong."""

import contextlib
import json
import os
import resource
import signal
import subprocess
import sys
import time
from collections import Counter
from concurrent.futures import ThreadPoolExecutor
from dataclasses import replace
from pathlib import Path
from types import SimpleNamespace

import pytest

from harness.catalog.checkpoints import checkpoint
from harness.catalog.datasets import dataset
from harness.catalog.recipes import recipe
from harness.core.errors import CardFailed, ClaimsError
from harness.core.paper import paper
from harness.core.result import Result
from harness.core.run import Run
from harness.runs import processes
from harness.runs import run as run_module
from harness.runs import worker as worker_module
from harness.runs.card_share import held_share
from harness.runs.executor import Executor, Postponed
from harness.runs.processes import LocalWorkers
from harness.runs.store import Busy, Store
from harness.runs.worker import Worker
from harness.runs.workers import Need, WorkerDied
from harness.training.api import Execution
from harness.training.resume import Interrupted, folder_of, saved


def runs(count, **changed):
    short = replace(recipe("micro"), **{"steps": 3, "batch_size": 8} | changed)
    return [Run(checkpoint("micro-vit-l"), dataset("digits-5"), short, seed) for seed in range(count)]


def released(run):
    """Return the run on a checkpoint that does not ship with the project."""
    return replace(run, checkpoint=replace(run.checkpoint, file="", sources=("https://example.org/large.npz",)))


def broken_run():
    good = runs(1)[0]
    return replace(good, checkpoint=replace(good.checkpoint, sha256="0" * 64))


@pytest.mark.parametrize("jobs", [0, 2])
def test_results_are_computed_stored_and_then_looked_up(tmp_path, jobs):
    wanted = runs(3)
    first = Executor(Store(tmp_path), jobs)
    seen = []
    first.progress = lambda done, total, label: seen.append((done, total))
    try:
        results = first.results(wanted)
    finally:
        first.close()
    assert [result.run_id for result in results] == [run.id for run in wanted]
    assert len({result.predictions for result in results}) > 1
    assert seen == [(1, 3), (2, 3), (3, 3)]
    again = Executor(Store(tmp_path), 0)
    assert again.results(wanted) == results


def test_a_session_waits_until_a_worker_has_finished_a_run(tmp_path, monkeypatch):
    monkeypatch.setattr("harness.runs.executor.LOOK", 3600)
    executor, wanted, waits = Executor(Store(tmp_path), 1), runs(3), []
    wait = executor._ended_now
    monkeypatch.setattr(executor, "_ended_now", lambda: waits.append(1) or wait())
    try:
        assert len(executor.results(wanted)) == 3
    finally:
        executor.close()
    assert len(waits) <= 3  # not more often than runs end


@pytest.mark.parametrize("jobs", [0, 1])
def test_a_failure_is_told_to_who_needs_the_run_and_to_nobody_else(tmp_path, jobs):
    good, bad = runs(1), broken_run()
    executor = Executor(Store(tmp_path), jobs)
    executor.plan([bad, *good])
    try:
        assert executor.results(good)[0].run_id == good[0].id
        with pytest.raises(ClaimsError, match="micro-vit-l: expected .* with sha256 0000000000000000"):
            executor.results([bad])
    finally:
        executor.close()


RACER = """
import sys
from pathlib import Path
import harness.runs.run as measure
from harness.runs.executor import Executor
from harness.runs.store import Store
from tests.runs.test_executor import runs

compute = measure.compute

def logged(run, execution):
    with open(sys.argv[2], "a") as log:
        log.write(run.id + "\\n")
    return compute(run, execution)

measure.compute = logged
results = Executor(Store(Path(sys.argv[1])), 0).results(runs(6, steps=20))
print(len(results))
"""


def test_of_many_processes_exactly_one_computes_a_run_and_none_waits_idle(tmp_path):
    log = tmp_path / "log"
    command = [sys.executable, "-c", RACER, str(tmp_path / "home"), str(log)]
    racers = [subprocess.Popen(command, stdout=subprocess.PIPE, text=True) for _ in range(3)]
    assert [racer.communicate(timeout=300)[0] for racer in racers] == ["6\n"] * 3
    assert sorted(log.read_text().split()) == sorted(run.id for run in runs(6, steps=20))


@pytest.mark.parametrize("jobs", [0, 1])
def test_while_a_run_is_computed_elsewhere_the_others_are_computed_here(tmp_path, jobs):
    store, wanted = Store(tmp_path), runs(3)
    executor = Executor(store, jobs)
    with ThreadPoolExecutor(1) as pool:
        with store.lock(wanted[0]):
            future = pool.submit(executor.results, wanted)
            deadline = time.monotonic() + 300
            while any(store.get(run) is None for run in wanted[1:]) and time.monotonic() < deadline:
                time.sleep(0.05)
            assert store.get(wanted[0]) is None
            assert not future.done()
            assert all(store.get(run) is not None for run in wanted[1:])
        assert len(future.result(timeout=300)) == 3
    executor.close()


ORPHAN = """
import sys, time
from pathlib import Path
from harness.runs.executor import Executor
from harness.runs.store import Store
from tests.runs.test_executor import begun, runs

executor = Executor(Store(Path(sys.argv[1])), 1)

def tell(*_):
    print(begun(executor)[0], flush=True)
    time.sleep(300)

executor.progress = tell
executor.results(runs(2))
"""


def test_workers_end_when_their_parent_is_killed(tmp_path):
    parent = subprocess.Popen([sys.executable, "-c", ORPHAN, str(tmp_path)], stdout=subprocess.PIPE, text=True)
    worker = int(parent.stdout.readline())
    parent.kill()
    parent.wait()
    deadline = time.monotonic() + 60
    while Path(f"/proc/{worker}").exists() and time.monotonic() < deadline:
        time.sleep(0.1)
    assert not Path(f"/proc/{worker}").exists()


ORPHAN_IN_A_RUN = """
import sys, time
from pathlib import Path
from harness.runs.executor import Executor
from harness.runs.store import Store
from tests.runs.test_executor import begun, runs

executor = Executor(Store(Path(sys.argv[1])), 1)
executor.plan(runs(1, steps=100_000))
executor._hand_over()
print(begun(executor)[0], flush=True)
time.sleep(300)
"""


def begun(executor):
    """Return the ids of the processes that compute a run, once there is one."""
    wait_for(lambda: executor.workers.pids, 120)
    return executor.workers.pids


def wait_for(done, seconds=60):
    deadline = time.monotonic() + seconds
    while not done() and time.monotonic() < deadline:
        time.sleep(0.05)
    assert done()


def trains(home, run):
    """Tell whether a run has done a step."""
    history = home / "work" / "history" / f"{run.id}.jsonl"
    return history.exists() and bool(history.read_text())


def test_a_worker_whose_parent_is_killed_saves_its_run(tmp_path):
    (wanted,) = runs(1, steps=100_000)
    command = [sys.executable, "-c", ORPHAN_IN_A_RUN, str(tmp_path)]
    parent = subprocess.Popen(command, stdout=subprocess.PIPE, text=True)
    worker = int(parent.stdout.readline())
    wait_for(lambda: trains(tmp_path, wanted), 120)
    states = folder_of(tmp_path / "work", wanted.id)
    assert not saved(states)
    parent.kill()
    parent.wait()
    wait_for(lambda: not Path(f"/proc/{worker}").exists())
    assert saved(states)


def test_after_a_signal_a_worker_begins_no_run_that_was_handed_to_it_already(tmp_path):
    executor, wanted = Executor(Store(tmp_path), 1), runs(2, steps=100_000)
    executor.plan(wanted)
    executor._hand_over()
    wait_for(lambda: trains(tmp_path, wanted[0]), 120)
    (worker,) = executor.workers.pids
    os.kill(worker, signal.SIGINT)
    with pytest.raises(Interrupted, match="state saved"):
        executor._handed[wanted[0].id][1].result(timeout=60)
    with pytest.raises(Interrupted, match="not begun"):
        executor._handed[wanted[1].id][1].result(timeout=60)
    executor.close()
    assert not trains(tmp_path, wanted[1])


def test_processes_compute_on_an_accelerator_as_far_as_their_runs_share_it(tmp_path):
    first, second, other = (Executor(Store(tmp_path), 0, (card,)) for card in ("0", "0", "MIG-1/0/1"))
    (small,) = runs(1)
    large, half = released(small), replace(released(small), seed=9)
    for each in (first, second):
        each.needs[half.id] = Need(share=0.5)
    with first._device(large) as device, other._device(large):
        assert device == "0"
        with pytest.raises(Busy), second._device(large):
            pass
        with second._device(small) as device:
            assert device == "cpu"
    with second._device(large):
        pass
    with first._device(half), second._device(half):
        with pytest.raises(Busy), first._device(half):
            pass
        with pytest.raises(Busy), first._device(large):
            pass


def test_shares_of_an_accelerator_add_up_to_one_and_are_waited_for(tmp_path):
    with contextlib.ExitStack() as thirds:
        for _ in range(3):
            thirds.enter_context(held_share(tmp_path, "0,1", 1 / 3))
        for device in ("0", "1", "1,2"):
            with pytest.raises(Busy), held_share(tmp_path, device, 0.01):
                pass
    with held_share(tmp_path, "1,2", 1.0), held_share(tmp_path, "0", 1.0):
        pass
    with contextlib.ExitStack() as held, ThreadPoolExecutor(1) as pool:
        held.enter_context(held_share(tmp_path, "0", 0.75))
        pool.submit(lambda: (time.sleep(0.3), held.close()))
        with held_share(tmp_path, "0", 0.5, patience=60):
            pass


def test_a_worker_leaves_an_accelerator_that_others_compute_on(tmp_path, monkeypatch):
    monkeypatch.setattr(worker_module, "OTHERS", 0.1)
    (small,) = runs(1)
    monkeypatch.setattr(run_module, "measure", lambda *args: None)
    worker, large = Worker("0", 1), released(small)
    asked = (tmp_path, Execution(), paper().folder)
    with held_share(tmp_path, "0", 0.5):
        assert worker.compute(large, *asked, 1.0) is False
        assert worker.compute(large, *asked, 0.5) is True
        assert worker.compute(small, *asked, 1.0) is True  # on the CPU
    assert worker.compute(large, *asked, 1.0) is True


def kill(executor):
    for worker in begun(executor):
        with contextlib.suppress(ProcessLookupError):
            os.kill(worker, signal.SIGKILL)


def test_a_run_whose_worker_is_killed_is_begun_again_from_its_state_and_the_others_go_on(tmp_path):
    (long,), others = runs(1, steps=2_000), runs(3)
    executor = Executor(Store(tmp_path), 2, execution=Execution(save_every=0.5))
    executor.plan([long, *others])
    executor._hand_over()
    states = folder_of(tmp_path / "work", long.id)
    wait_for(lambda: saved(states), 120)
    before = Store(tmp_path).get(others[0])
    kill(executor)
    done = executor.results([long, *others])
    executor.close()
    assert [result.run_id for result in done] == [run.id for run in (long, *others)]
    lines = (tmp_path / "work" / "history" / f"{long.id}.jsonl").read_text().splitlines()
    steps = [json.loads(line)["step"] for line in lines]
    assert steps == sorted(set(steps))  # gone on from a state
    assert [line for line in executor.notes if long.label in line and "was killed by SIGKILL" in line]
    assert before is None or done[1] == before


def test_a_run_that_kills_its_worker_twice_is_one_line(tmp_path):
    executor, wanted = Executor(Store(tmp_path), 1), runs(1, steps=100_000)
    executor.plan(wanted)
    with ThreadPoolExecutor(1) as pool:
        found = pool.submit(executor.results, wanted)
        while not found.done():
            kill(executor)
            time.sleep(0.2)
        with pytest.raises(ClaimsError, match="its worker process was killed by SIGKILL .*, 2 times; .* are kept"):
            found.result()
    good = runs(1)
    assert executor.results(good)[0].run_id == good[0].id
    executor.close()
    assert len(list(tmp_path.glob("runs/**/*.json"))) == 1


def test_the_longest_runs_are_begun_first(tmp_path):
    order, wanted = [], runs(4)
    seconds = dict(zip((run.id for run in wanted), (10.0, 40.0, None, 20.0), strict=True))
    executor = Executor(Store(tmp_path), 0)
    executor.plan(wanted[:1], lambda run: Need(seconds[run.id]))
    executor.plan(wanted[1:], lambda run: Need(seconds[run.id]))
    executor.progress = lambda done, total, label: order.append(label)
    executor.results(wanted)
    assert order == [wanted[number].label for number in (1, 3, 0, 2)]


def test_a_time_limit_begins_no_run_that_would_pass_it_and_saves_what_runs(tmp_path):
    short, long = runs(2)
    (endless,) = runs(1, steps=100_000)
    seconds = {short.id: 1.0, long.id: 7200.0, endless.id: 100 * 3600.0}
    executor = Executor(Store(tmp_path), 1, hours=3)
    executor.plan([short, long], lambda run: Need(seconds[run.id]))
    assert len(executor.results([short, long])) == 2
    executor.close()
    executor = Executor(Store(tmp_path / "next"), 1, hours=1)
    executor.plan([short, long], lambda run: Need(seconds[run.id]))
    assert executor.results([short])[0].run_id == short.id
    # It takes longer than the session, so that no session would begin it if this one did not.
    executor.close()
    for jobs in (0, 1):
        home = tmp_path / f"cut{jobs}"
        executor = Executor(Store(home), jobs, hours=6 / 3600)
        with pytest.raises(Postponed, match="^the time limit was reached: .* steps?, state saved"):
            executor.results([endless])
        assert saved(folder_of(home / "work", endless.id))
        with pytest.raises(Postponed, match="not begun"):
            executor.results([short])
        executor.close()


def test_a_run_that_would_pass_the_limit_is_not_begun(tmp_path):
    (run,) = runs(1)
    executor = Executor(Store(tmp_path), 1, hours=2)
    executor.execution = replace(executor.execution, deadline=time.time() + 60)
    executor.plan([run], lambda run: Need(3600.0))
    with pytest.raises(Postponed, match=r"not begun \(it takes about 1.0 h\)"):
        executor.results([run])
    executor.close()
    assert not list(tmp_path.glob("runs/**/*.json"))


def test_runs_that_leave_a_device_idle_share_it(tmp_path):
    wanted = runs(3, steps=100_000)
    large = [released(run) for run in wanted]
    workers = LocalWorkers(1, ("0", "1"), tmp_path, Execution(folder=tmp_path / "work"))
    begins = []
    workers._compute = lambda handed, device: begins.append((handed.run.seed, device.name))
    for run, share in zip(large, (0.5, 1.0, 0.5), strict=True):
        workers.submit(run, tmp_path, Need(share=share), 0)
    wait_for(lambda: len(begins) == 3)
    assert dict(begins) == {0: "0", 1: "1", 2: "0"}
    workers.close()


class Cards:
    """In place of worker processes: those of some accelerators find it failing."""

    def __init__(self, *failing):
        self.failing, self.begun, self.ways = failing, [], []

    def __call__(self, device, position, configured):
        self.begun.append(device)
        return Card(device, "crash" if "crash" in self.failing else device in self.failing, self.ways)


class Card:
    def __init__(self, device, fails, ways):
        self.device, self.fails, self.ways, self.alive = device, fails, ways, True
        self.process = SimpleNamespace(pid=1)

    def compute(self, run, home, execution, folder, share):
        self.ways.append((run.id, execution.fused, execution.graphed))
        if self.fails == "crash" and execution.fused:
            self.alive = False
            raise WorkerDied("was killed by SIGSEGV", crashed=True)
        if self.fails is True:
            raise CardFailed.computing(run.label, self.device, "CUDA error: unknown error")
        result = Result(run.id, (0,) * run.dataset.test, (0,) * run.dataset.test, (1.0,) * 3, 1.0, 1.0, 1, ())
        Store(home).put(run, result)
        return True

    def stop(self, grace):
        self.alive = False


def test_a_run_whose_accelerator_fails_is_begun_again_on_another_one(tmp_path, monkeypatch):
    cards = Cards("1")
    monkeypatch.setattr(processes, "Child", cards)
    wanted = [replace(released(each), seed=seed) for seed, each in enumerate(runs(1) * 12)]
    executor = Executor(Store(tmp_path), 1, ("0", "1", "2"))
    found = executor.results(wanted)
    executor.close()
    assert [result.run_id for result in found] == [run.id for run in wanted]
    # A process each that found it failing; then it is left alone.
    assert cards.begun.count("1") == 2
    assert len(executor.notes) == 2
    assert (
        "its worker process found accelerator 1 failing (CUDA error: unknown error); it was begun" in executor.notes[0]
    )
    assert "found accelerator 1, which is left alone from now on, failing" in executor.notes[1]
    # What was begun again is computed without kernels of ours.
    tries = Counter(run_id for run_id, *_ in cards.ways)
    assert sorted(tries.values()) == [1] * 10 + [2] * 2
    for run_id, fused, graphed in cards.ways[::-1]:
        again = tries.pop(run_id, 1) == 2
        assert fused == graphed == (not again)


def test_a_run_that_crashes_on_an_accelerator_is_begun_again_without_kernels_of_ours(tmp_path, monkeypatch):
    cards = Cards("crash")
    monkeypatch.setattr(processes, "Child", cards)
    wanted = [replace(released(each), seed=seed) for seed, each in enumerate(runs(1) * 3)]
    executor = Executor(Store(tmp_path), 1, ("0",))
    assert len(executor.results(wanted)) == 3
    executor.close()
    assert Counter(fused for _, fused, _ in cards.ways) == {True: 3, False: 3}
    assert len(executor.notes) == 3


def test_where_all_accelerators_fail_each_run_is_one_line(tmp_path, monkeypatch):
    monkeypatch.setattr(processes, "Child", Cards("0", "1"))
    executor = Executor(Store(tmp_path), 1, ("0", "1"))
    for run in map(released, runs(2)):
        with pytest.raises(
            ClaimsError, match=r"failing \(CUDA .*\), 2 times; look at it with nvidia-smi and start again, f"
        ):
            executor.results([run])
    executor.close()


@contextlib.contextmanager
def no_room(size):
    """No file can grow beyond `size` bytes, here and in processes started here: the kernel's own full disk."""
    before = resource.getrlimit(resource.RLIMIT_FSIZE)
    resource.setrlimit(resource.RLIMIT_FSIZE, (size, before[1]))
    try:
        yield
    finally:
        resource.setrlimit(resource.RLIMIT_FSIZE, before)


@pytest.mark.parametrize("jobs", [0, 1])
def test_a_result_that_can_t_be_stored_is_given_all_the_same_and_said_once(tmp_path, jobs):
    wanted = runs(2)
    expected = Executor(Store(tmp_path / "roomy"), 0).results(wanted)
    executor = Executor(Store(tmp_path / "full"), jobs)
    try:
        with no_room(2000):
            found = executor.results(wanted)
    finally:
        executor.close()
    assert [result.predictions for result in found] == [result.predictions for result in expected]
    assert len(executor.problems) == 1
    assert "the result is not stored: " in executor.problems[0]
    assert "found: File too large; nothing was stored, free some space" in executor.problems[0]
    assert not list((tmp_path / "full").glob("runs/*/*"))
