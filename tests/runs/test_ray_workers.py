"""Runs on a Ray cluster of three nodes, each a process of this machine with a home folder of its own."""

import json
import signal
import subprocess
import sys
import threading
import time
from concurrent.futures import Future
from types import SimpleNamespace

import pytest

from harness.core.config import read_config, use
from harness.core.errors import ClaimsError
from harness.core.paper import using
from harness.runs.executor import Executor
from harness.runs.folder_objects import FolderObjects
from harness.runs.ray_workers import RayWorkers, connected, end_as_by_ctrl_c
from harness.runs.shared_store import SharedStore
from harness.runs.store import Store
from harness.runs.workers import Need
from harness.training.api import Execution
from tests.runs.ray_cluster import NODES, begun, stored
from tests.runs.test_executor import released, runs, wait_for
from tests.suite.calling import ROOT


def steps_done(home, run):
    history = home / "work" / "history" / f"{run.id}.jsonl"
    return [json.loads(line)["step"] for line in history.read_text().splitlines()] if history.exists() else []


def test_a_node_that_is_killed_costs_only_the_minutes_since_the_last_state(cluster, tmp_path):
    (long,), short = runs(1, steps=3_000), runs(6)
    expected = Executor(Store(tmp_path / "alone"), 0).results(short)
    shared = FolderObjects(tmp_path / "shared")
    use(read_config({"home": tmp_path / "driver", "store": tmp_path / "shared"}))
    executor = Executor(
        SharedStore(tmp_path / "driver", shared),
        1,
        execution=Execution(save_every=0.5),
        workers=lambda execution: RayWorkers(cluster.address, execution, accelerators=0),
    )
    try:
        executor.plan([long, *short], lambda run: Need(work=run.recipe.steps))
        executor._hand_over()
        # Copies of its states are in the shared place: kill the node that computes it, as a machine is lost.
        wait_for(lambda: shared.names(f"states/{long.id}"), 300)
        (victim,) = (number for number in range(NODES) if steps_done(cluster.homes[number], long))
        done_before = {number: stored(cluster.homes[number]) for number in range(NODES)}
        cluster.kill(victim)
        results = executor.results([long, *short])
    finally:
        executor.close()
        use(None)
    assert [(found.predictions, found.loss_history) for found in results[1:]] == [
        (found.predictions, found.loss_history) for found in expected
    ]
    assert [line for line in executor.notes if long.label in line and "on the cluster ended" in line]
    # Whoever went on began at a state, not at the first step; every other run was computed once.
    (heir,) = (n for n in range(NODES) if n != victim and steps_done(cluster.homes[n], long))
    assert steps_done(cluster.homes[heir], long)[0] > 0
    computed = [run_id for n in range(NODES) for run_id in stored(cluster.homes[n])]
    again = {run.id for run in short if computed.count(run.id) > 1}
    assert not again, done_before
    assert shared.names("states") == shared.names("owners") == []


def test_what_a_node_lacks_is_one_line(cluster, tmp_path):
    use(read_config({"home": tmp_path / "driver"}))
    executor = Executor(
        Store(tmp_path / "driver"),
        1,
        workers=lambda execution: RayWorkers(cluster.address, execution, accelerators=0),
    )
    try:
        with pytest.raises(ClaimsError, match="expected the session's home folder .*, found another one; .* --store"):
            executor.results(runs(1))
    finally:
        executor.close()
        use(None)


def test_what_tasks_ask_for(monkeypatch):
    asked = []

    class Task:
        def options(self, **options):
            asked.append(options)
            return self

        def remote(self, handed):
            return SimpleNamespace(future=lambda: Future())

    workers = RayWorkers.__new__(RayWorkers)
    workers._task = workers._on_accelerator = Task()
    workers._told, workers._refs, workers._card_failed, workers.session = None, {}, set(), "s"
    workers.execution, workers.marker, workers.largest, workers.accelerators = Execution(), "", 8 << 30, 1
    workers._lock = threading.Lock()
    (small,) = runs(1)
    workers.submit(small, None, Need(), 0)
    workers.submit(released(small), None, Need(share=0.5, memory=3 << 30), 0)
    workers.submit(released(small), None, Need(memory=1 << 40), 1)
    assert [{name: value for name, value in each.items() if name != "name"} for each in asked] == [
        {"num_cpus": 1},
        {"num_cpus": 1, "num_gpus": 0.5, "memory": 3 << 30},
        {"num_cpus": 1, "num_gpus": 1.0, "memory": 8 << 30},
    ]


def test_no_cluster_at_an_address_is_one_line():
    with pytest.raises(ClaimsError, match=r"--ray-address 127.0.0.1:1: expected a Ray cluster, found: .*; start one"):
        connected("127.0.0.1:1")


def test_sigterm_ends_a_session_as_ctrl_c_does_and_further_signals_add_nothing():
    numbers = (signal.SIGINT, signal.SIGTERM)
    before = [signal.getsignal(number) for number in numbers]
    try:
        end_as_by_ctrl_c()
        with pytest.raises(KeyboardInterrupt):
            signal.raise_signal(signal.SIGTERM)
        for number in numbers:
            signal.raise_signal(number)
        for number, handler in zip(numbers, before, strict=True):
            signal.signal(number, handler)
        restore = end_as_by_ctrl_c()
        restore()
        assert [signal.getsignal(number) for number in numbers] == before
    finally:
        for number, handler in zip(numbers, before, strict=True):
            signal.signal(number, handler)


def killed_in_mid_run(cluster, session, earlier):
    """Kill the first node that has stored a run and is computing another; return its number.

    Args:
        cluster: with all of its nodes.
        session: a process that judges claims on it.
        earlier: the runs that each home folder knew before.
    """
    while session.poll() is None:
        for number, home in enumerate(cluster.homes):
            if stored(home) - earlier[number] and begun(home) - stored(home) - earlier[number]:
                cluster.kill(number)
                return number
        time.sleep(0.02)
    raise AssertionError(session.communicate()[0])


@pytest.mark.parametrize(
    "claims", ["examples/bars", pytest.param("claims", marks=pytest.mark.slow)], ids=["an example", "the ViT paper"]
)
def test_a_session_over_a_cluster_that_loses_a_node_gives_the_verdicts_on_record(cluster, tmp_path, claims):
    cluster.complete()
    earlier = [stored(home) | begun(home) for home in cluster.homes]
    asked = {"-m": "micro", "--executor": "ray", "--ray-address": cluster.address, "--store": tmp_path / "shared"}
    asked |= {"--home": tmp_path / "driver", "--report-dir": tmp_path / "report", "-p": "no:cacheprovider"}
    session = subprocess.Popen(
        [sys.executable, "-m", "pytest", claims, "-q", *(str(each) for pair in asked.items() for each in pair)],
        cwd=ROOT,
        stdout=subprocess.PIPE,
        stderr=subprocess.STDOUT,
        text=True,
    )
    victim = killed_in_mid_run(cluster, session, earlier)
    said, _ = session.communicate()
    cluster.complete()
    assert session.returncode == 0, said  # a verdict that is not the one on record fails
    verdicts = json.loads((tmp_path / "report" / "verdicts.json").read_text())["verdicts"]
    assert {each["source"] for each in verdicts} == {"micro"}
    # What was stored before the node was lost stays; of the others none is computed twice.
    shared = {path.stem for path in (tmp_path / "shared").glob("runs/*/*.json")}
    computed = [stored(home) - earlier[number] for number, home in enumerate(cluster.homes)]
    assert shared == stored(tmp_path / "driver") == set().union(*computed)
    assert len(shared) == sum(len(each) for each in computed)
    assert sum(map(bool, computed)) > 1
    assert computed[victim]
    assert "its worker process on the cluster ended" in said
    # One process gives the same predictions.
    runs = [Store(tmp_path / "driver").load(each) for each in sorted(shared)[:2]]
    with using(ROOT / claims):
        alone = Executor(Store(tmp_path / "alone"), 0).results([run for run, _ in runs])
    for (_, result), by_itself in zip(runs, alone, strict=True):
        assert result.predictions == by_itself.predictions
