"""A run computed by several processes that the harness starts itself."""

import os
import signal
import threading
import time
from dataclasses import replace
from multiprocessing import active_children, get_context

import pytest

from harness.core.errors import ClaimsError
from harness.runs import together
from harness.runs.run import measure
from harness.runs.store import Store
from harness.runs.together import check, devices_for, on_device
from harness.training.api import Execution
from harness.training.resume import Interrupted, Stopped, saved
from tests.training.tiny import run

CPUS = Execution(together=("cpu", "cpu"))


def asked(**changed):
    return run("micro-vit-s", "torch", **{"steps": 5, "batch_size": 8} | changed)


def test_two_processes_give_the_result_of_one(tmp_path):
    a_run = asked(crop="inception", flip=True)
    alone = measure(a_run, Store(tmp_path / "alone"), Execution())
    store = Store(tmp_path / "both")
    found = measure(a_run, store, replace(CPUS, folder=store.work))
    assert store.get(a_run) == found
    assert found.loss_history == pytest.approx(alone.loss_history, rel=1e-4)
    assert found.labels == alone.labels
    same = sum(mine == theirs for mine, theirs in zip(found.predictions, alone.predictions, strict=True))
    assert same / found.n > 0.99  # a tie may fall to either side
    assert not active_children()


def gone(pipe):
    """End without a word."""
    os._exit(3)


def waiting(pipe):
    """Wait as a process does for another one's gradients."""
    time.sleep(600)


def test_a_process_that_crashes_ends_the_others_and_the_run_in_one_line():
    context = get_context("spawn")
    said, processes = {}, []
    for rank, does in enumerate((waiting, gone)):
        mine, theirs = context.Pipe(duplex=False)
        processes.append(context.Process(target=does, args=(theirs,)))
        processes[-1].start()
        theirs.close()
        said[mine] = rank
    with pytest.raises(ClaimsError, match=r"found that number 1 ended with exit code 3; the others were") as found:
        together._gathered(asked(), processes, said)
    assert "\n" not in str(found.value)
    together._end(processes)
    assert not active_children()


def test_a_signal_saves_the_state_and_stops_all(tmp_path):
    store, a_run = Store(tmp_path), asked(steps=100_000)

    def send():
        end = time.monotonic() + 60
        while not list((store.work / "history").glob("*.jsonl")) and time.monotonic() < end:
            time.sleep(0.05)
        os.kill(os.getpid(), signal.SIGINT)

    thread = threading.Thread(target=send)
    thread.start()
    with pytest.raises(Interrupted, match="state saved; run it again"):
        measure(a_run, store, replace(CPUS, folder=store.work))
    thread.join()
    assert saved(store.work / "states" / a_run.id)
    assert not active_children()


def test_what_a_process_raises_is_raised_here(tmp_path):
    wrong = asked()
    wrong = replace(wrong, checkpoint=replace(wrong.checkpoint, sha256="0" * 64))
    with pytest.raises(ClaimsError, match="micro-vit-s"):
        measure(wrong, Store(tmp_path), CPUS)
    assert not active_children()


def test_a_worker_s_accelerators_compute_a_run_together():
    large = replace(asked(), checkpoint=replace(asked().checkpoint, file="", sources=("https://example.org/l.npz",)))
    assert on_device(Execution(), large, "2,5") == Execution(device="cuda", together=("2", "5"))
    assert on_device(CPUS, large, "2") == Execution(device="cuda")
    assert on_device(Execution(), replace(large, backend="jax"), "2,5") == Execution(device="cuda")
    assert on_device(Execution(), asked(), "2,5") == on_device(Execution(), large, "cpu") == Execution()


def test_a_run_whose_time_is_up_is_saved_by_the_first_process(tmp_path):
    store, a_run = Store(tmp_path), asked(steps=100_000)

    def stop():
        return "enough" if list((store.work / "history").glob("*.jsonl")) else ""

    with pytest.raises(Stopped, match="^enough: .* state saved; run it again"):
        together.compute_together(a_run, replace(CPUS, folder=store.work, stop=stop))
    assert saved(store.work / "states" / a_run.id)
    assert not active_children()


def test_what_can_not_be_shared_is_one_line(monkeypatch):
    with pytest.raises(ClaimsError, match=r"that divides the batch of 8, found 3; choose another for --gpus-per-run"):
        check(asked(), 3)
    with pytest.raises(ClaimsError, match="expected the backend torch, found jax, which shares each batch out"):
        check(replace(asked(), backend="jax"), 2)
    assert devices_for(asked(), "cuda", 1) == ()
    assert devices_for(asked(), "cpu", 2) == ("cpu", "cpu")
    with pytest.raises(ClaimsError, match="expected a whole number of at least 1, found 0"):
        devices_for(asked(), "cpu", 0)
    monkeypatch.setattr(together, "visible", lambda: ("2", "5", "7"))
    assert devices_for(asked(), "cuda", 2) == ("2", "5")
    with pytest.raises(ClaimsError, match="expected at least 4 accelerators, found 3"):
        devices_for(asked(), "cuda", 4)
