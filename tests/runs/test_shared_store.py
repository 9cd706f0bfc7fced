"""Results that several machines share: each run owned by one, its state handed on, nothing lost."""

import subprocess
import sys
import threading
import time
from dataclasses import replace

import pytest

from harness.runs import ownership
from harness.runs.entry import encode
from harness.runs.executor import Executor
from harness.runs.folder_objects import FolderObjects
from harness.runs.ownership import Owner, Ownership, birth
from harness.runs.run import measure
from harness.runs.shared_store import SharedStore
from harness.runs.state_copies import StateCopies
from harness.runs.store import Busy
from harness.training.api import Execution
from harness.training.resume import Stopped, folder_of, saved
from tests.runs.test_executor import runs
from tests.runs.test_store import RUN, result


class Machine(SharedStore):
    """A machine of its own, as far as others can tell."""

    def __init__(self, tmp_path, name, objects, **owner):
        super().__init__(tmp_path / name, objects, lambda line: self.said.append(line))
        self.said = []
        self.owner = replace(self.owner, machine=name, **owner)


@pytest.fixture
def two(tmp_path, objects):
    return Machine(tmp_path, "a", objects), Machine(tmp_path, "b", objects)


def test_what_one_machine_stores_another_has(two):
    a, b = two
    assert not b.has(RUN.id)
    a.put(RUN, result())
    assert b.get(RUN, stored=True) == result()
    b.objects.remove(b.objects.names("runs")[0])
    assert b.get(RUN) == result()  # copied


def test_of_two_results_the_first_stays(two):
    a, b = two
    other = replace(result(), seconds=99.0)
    a.put(RUN, result())
    b.put(RUN, other)
    assert a.objects.read(a.objects.names("runs")[0]) == encode(RUN, result())


def test_a_run_is_owned_by_one_machine_at_a_time(two):
    a, b = two
    with a.lock(RUN) as lost:
        with pytest.raises(Busy), b.lock(RUN):
            pass
        assert lost() == ""
    with b.lock(RUN):
        pass
    assert a.objects.names("owners") == []


def test_of_many_machines_one_takes_a_run(tmp_path, objects):
    start, taken = threading.Barrier(6), []

    def take(number):
        owner = Owner(machine=str(number))
        start.wait()
        taken.append(Ownership(objects).take("run", owner) is not None)

    threads = [threading.Thread(target=take, args=(number,)) for number in range(6)]
    for thread in threads:
        thread.start()
    for thread in threads:
        thread.join()
    assert sum(taken) == 1


def test_a_machine_that_gives_no_sign_of_life_loses_its_runs(two, monkeypatch):
    a, b = two
    monkeypatch.setattr(ownership, "LEASE", 0.3)
    first = a.ownership.take(RUN.id, a.owner)
    deadline = time.monotonic() + 30
    # Each of a worker's runs opens the store anew.
    while (second := Ownership(b.objects).take(RUN.id, b.owner)) is None:
        assert time.monotonic() < deadline
        time.sleep(0.1)
    assert first.look() == "another machine has taken the run over, for this one gave no sign of life"
    first.release()  # takes nothing from the new owner
    assert second.look() == ""
    second.release()
    assert a.objects.names("owners") == []


def test_a_place_that_was_away_starts_the_watch_anew(two, monkeypatch):
    a, b = two
    monkeypatch.setattr(ownership, "LEASE", 0.2)
    monkeypatch.setattr(ownership, "GAP", 0.1)
    assert a.ownership.take(RUN.id, a.owner)
    for _ in range(4):  # no sign of life, but nobody could have given one
        assert b.ownership.take(RUN.id, b.owner) is None
        time.sleep(0.15)


def test_an_owner_whose_record_is_gone_has_lost_the_run_and_removes_nothing_of_the_next(two):
    a, b = two
    first = a.ownership.take(RUN.id, a.owner)
    for name in a.objects.names("owners"):  # the place has lost its data
        a.objects.remove(name)
    second = b.ownership.take(RUN.id, b.owner)
    assert second.generation == first.generation
    assert first.look().startswith("another machine has taken the run over")
    first.release()
    assert second.look() == ""


def test_what_a_session_has_is_shared_at_its_end(two, monkeypatch):
    a, b = two
    monkeypatch.setattr(a, "_share", lambda run, found: None)  # the place did not answer
    a.put(RUN, result())
    executor = Executor(a, 0)
    assert executor.results([RUN]) == [result()]
    assert not b.is_shared(RUN.id)
    executor.close()
    assert b.get(RUN, stored=True) == result()


def test_a_worker_asks_for_one_result_and_not_for_the_list(tmp_path, objects):
    Machine(tmp_path, "a", objects).put(RUN, result())
    worker = SharedStore(tmp_path / "w", objects, lists=False)
    worker._names = None  # not called
    assert worker.get(RUN) == result()


def test_signs_of_life_keep_a_run(two, monkeypatch):
    a, b = two
    monkeypatch.setattr(ownership, "LEASE", 1.0)
    monkeypatch.setattr(ownership, "BEAT", 0.1)
    with a.lock(RUN):
        end = time.monotonic() + 2.5
        while time.monotonic() < end:
            assert b.ownership.take(RUN.id, b.owner) is None
            time.sleep(0.1)


def test_the_run_of_a_process_that_is_known_to_be_dead_is_taken_over_at_once(tmp_path, objects):
    process = subprocess.Popen([sys.executable, "-c", "input()"], stdin=subprocess.PIPE)
    dead = Owner(pid=process.pid, born=birth(process.pid))
    owns = Ownership(objects)
    assert owns.take("run", dead)
    assert owns.take("run", Owner()) is None
    process.communicate()
    assert owns.take("run", Owner()).look() == ""
    # A session knows of its own processes on other machines.
    assert owns.take("other", Owner(session="s", machine="far", attempt=0))
    assert owns.take("other", Owner(session="s", machine="near", attempt=0)) is None
    assert owns.take("other", Owner(session="s", machine="near", attempt=1))


def test_another_machine_goes_on_from_the_last_state(tmp_path):
    shared = FolderObjects(tmp_path / "shared")
    a, b = Machine(tmp_path, "a", shared), Machine(tmp_path, "b", shared)
    (run,) = runs(1, steps=60)
    (whole,) = Executor(Machine(tmp_path, "alone", FolderObjects(tmp_path / "other")), 0).results([run])
    steps = []
    ended = time.time() + 0.01
    stopping = Execution(folder=a.work, on_step=lambda progress: steps.append(progress.step), deadline=ended)
    with pytest.raises(Stopped):
        measure(run, a, stopping)
    assert saved(folder_of(a.work, run.id))
    assert shared.names(f"states/{run.id}")
    later = []
    found = measure(run, b, Execution(folder=b.work, on_step=lambda progress: later.append(progress.step)))
    assert steps + later == list(range(60))
    assert (found.predictions, found.loss_history) == (whole.predictions, whole.loss_history)
    assert shared.names("states") == []
    assert a.get(run, stored=True) == found


def test_a_run_that_was_taken_over_is_stopped_and_what_it_would_store_refused(tmp_path, monkeypatch):
    shared = FolderObjects(tmp_path / "shared")
    a, b = Machine(tmp_path, "a", shared), Machine(tmp_path, "b", shared, attempt=1)
    b.owner = replace(b.owner, session=a.owner.session)
    monkeypatch.setattr(ownership, "BEAT", 0.05)
    (run,) = runs(1, steps=100_000)
    taken = []

    def take_over(progress):
        if not taken:
            taken.append(b.ownership.take(run.id, b.owner))

    with pytest.raises(Busy):
        measure(run, a, Execution(folder=a.work, on_step=take_over))
    assert taken[0].look() == ""
    assert not shared.names("runs")


def test_states_of_many_files_are_copied_and_the_newest_two_kept(tmp_path, objects):
    for step in (5, 10, 15):
        folder = folder_of(tmp_path / "a", "run") / f"step-{step:09}"
        (folder / "deep").mkdir(parents=True)
        (folder / "deep" / "array").write_bytes(b"%d" % step)
        with StateCopies(objects, tmp_path / "a", "run").following():
            pass
    copied = sorted({name.split("/")[2].removesuffix(".json") for name in objects.names("states")})
    assert copied == ["step-000000010", "step-000000015"]
    StateCopies(objects, tmp_path / "b", "run").fetch()
    (here,) = saved(folder_of(tmp_path / "b", "run"))
    assert (here / "deep" / "array").read_bytes() == b"15"
    StateCopies(objects, tmp_path / "b", "run").remove()
    assert objects.names("states") == []


def test_a_damaged_entry_is_set_aside_and_one_that_names_other_places_is_not_followed(two, tmp_path):
    a, b = two
    a.put(RUN, result())
    (name,) = a.objects.names("runs")
    a.objects.write(name, b"{}")
    assert b.get(RUN, stored=True) is None
    assert "the run will be computed again" in b.said[0]
    assert a.objects.names("runs") == []
    b.objects.write(f"states/{RUN.id}/step-000000005.json", b'["../../../outside"]')
    StateCopies(b.objects, b.work, RUN.id).fetch()
    assert not saved(folder_of(b.work, RUN.id))


def test_results_that_the_place_did_not_take_are_stored_there_later(tmp_path, s3, monkeypatch):
    from harness.runs import shared_store
    from harness.runs.fsspec_objects import FsspecObjects
    from tests.runs.s3_server import BUCKET

    monkeypatch.setattr(shared_store, "DOWN", 0.0)
    a = Machine(tmp_path, "a", FsspecObjects(f"s3://{BUCKET}/later", patience=1))
    s3.kill()
    a.put(RUN, result())
    assert a.get(RUN) == result()
    assert "until it does, results are stored on this machine only" in a.said[0]
    s3.start()
    assert a.get(RUN) == result()
    b = Machine(tmp_path, "b", FsspecObjects(f"s3://{BUCKET}/later", patience=1))
    assert b.get(RUN) == result()
