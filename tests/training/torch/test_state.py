"""Saved states: a run killed at any moment gives the weights and predictions of one that was not."""

import json
import os
import re
import signal
import threading
from dataclasses import replace

import numpy as np
import pytest
import torch
from safetensors import safe_open
from torch import nn

from harness.catalog.checkpoint_files import file_of
from harness.catalog.checkpoints import checkpoint
from harness.catalog.datasets import dataset
from harness.catalog.recipes import recipe
from harness.core.errors import ClaimsError
from harness.core.run import Run
from harness.models.npz_layout import read
from harness.training.api import Execution
from harness.training.resume import Interrupted, discard, folder_of, interruption, saved
from harness.training.torch import state
from harness.training.torch.device import AsyncReadback, DeviceContext
from harness.training.torch.engine import fine_tune
from harness.training.torch.loop import Loop
from harness.training.torch.network import network
from harness.training.torch.state import load, restore, save
from tests.training.killable_runs import said_until, start, victims_of
from tests.training.tiny import EVERYTHING, data_of

CPU = DeviceContext(torch.device("cpu"))
RUNS = {"micro-vit-s": EVERYTHING, "micro-bit-s": {}}


def run(name="micro-vit-s", **changed):
    short = replace(recipe("micro"), **{"steps": 12, "batch_size": 8, "warmup_steps": 2} | changed)
    return Run(checkpoint(name), dataset("digits-5"), short, seed=3)


class Late(AsyncReadback):
    """What comes over as late as from an accelerator."""

    def add(self, number, computed):
        self._pending.append((number, computed.clone()))
        return self.due(self.lag)

    def due(self, lag=0):
        return [self._pending.popleft() for _ in range(len(self._pending) - lag)]


def computed(a_run, execution):
    """Return a run's weights after training, and what fine-tuning gives."""
    torch.set_num_threads(1)
    weights = read(file_of(a_run.checkpoint))
    model = network(a_run, weights)
    trained = Loop(model, data_of(a_run).train, a_run, execution, CPU).train()
    return {name: tensor.numpy() for name, tensor in model.state_dict().items()}, trained


def compute(name, execution):
    """Fine-tune a run of RUNS, in a process of its own."""
    a_run = run(name, **RUNS[name])
    return fine_tune(a_run, read(file_of(a_run.checkpoint)), data_of(a_run), execution)


@pytest.fixture(scope="module")
def victims():
    with victims_of(__name__) as process:
        yield process


@pytest.mark.parametrize("name", RUNS)
def test_a_run_killed_three_times_gives_what_an_uninterrupted_one_gives(name, tmp_path, victims):
    a_run = run(name, **RUNS[name])
    begun = []
    for moment in (2, 6, 11):
        process = start(victims, name, tmp_path, 0.01)
        begun.append(int(said_until(victims, str(moment))[0]))
        os.kill(process, signal.SIGKILL)  # wherever it is by now: in a step, or while a state is written
        said_until(victims, "killed by 9")
        assert saved(folder_of(tmp_path, a_run.id))
    assert begun[0] == 0
    assert begun[1] >= 2  # it did not begin anew
    assert begun[2] >= 6
    start(victims, name, tmp_path)
    steps = said_until(victims, "end")[:-1]
    assert all(int(step) >= 11 for step in steps)
    weights, trained = computed(a_run, Execution())
    outcome = fine_tune(a_run, read(file_of(a_run.checkpoint)), data_of(a_run), Execution())
    with np.load(tmp_path / "outcome.npz") as found:
        assert np.array_equal(found["predictions"], outcome.predictions)
        assert found["losses"].tolist() == list(trained.losses) == list(outcome.losses)
    resumed, _ = computed(a_run, Execution(folder=tmp_path, on_step=None))
    assert resumed.keys() == weights.keys()
    for key, weight in weights.items():
        assert np.array_equal(resumed[key], weight), key
    history = [json.loads(line)["step"] for line in (tmp_path / "history" / f"{a_run.id}.jsonl").open()]
    assert history == sorted(set(history))


@pytest.mark.parametrize("number", [signal.SIGTERM, signal.SIGINT])
def test_a_signal_saves_and_leaves_one_line(number, tmp_path, victims):
    process = start(victims, "micro-vit-s", tmp_path, 0.1)
    said_until(victims, "3")
    os.kill(process, number)
    *_, last, _ = said_until(victims, "end")
    line = r"[\w.]+Interrupted: micro-vit-s on digits-5, micro, seed 3: stopped after (\d+) steps, state saved; .*"
    done = int(re.fullmatch(line, last)[1])
    assert done in (4, 5)
    a_run = run(**EVERYTHING)
    assert len(saved(folder_of(tmp_path, a_run.id))) == 2
    seen = []
    resumed = computed(a_run, Execution(folder=tmp_path, on_step=seen.append))[1]
    assert seen[0].step == done
    assert resumed.losses == computed(a_run, Execution())[1].losses


def stop_in(step):
    def on_step(progress):
        if progress.step == step:
            signal.raise_signal(signal.SIGTERM)

    return on_step


def test_an_interrupted_run_says_how_long_it_took_before(tmp_path):
    a_run = run()
    with pytest.raises(Interrupted, match="stopped after 5 steps"):
        computed(a_run, Execution(folder=tmp_path, on_step=stop_in(4)))
    seen = []
    _, trained = computed(a_run, Execution(folder=tmp_path, on_step=seen.append))
    assert [progress.step for progress in seen] == list(range(5, 12))
    assert 0 < trained.earlier < trained.seconds
    assert len(trained.losses) == 12


class Signalled(nn.Module):
    """A network that is sent SIGTERM in one step and, if that is asked for, has no finite loss from another on."""

    def __init__(self, model, signalled, broken=99):
        super().__init__()
        self.model, self.signalled, self.broken, self.steps = model, signalled, broken, 0

    def forward(self, x):
        if self.steps == self.signalled:
            signal.raise_signal(signal.SIGTERM)
        self.steps += 1
        return self.model(x) * (float("nan") if self.steps > self.broken else 1)


@pytest.mark.parametrize("every", [0, 600])
def test_a_state_holds_the_losses_that_were_still_on_the_way(every, tmp_path, monkeypatch):
    monkeypatch.setattr("harness.training.torch.loop.AsyncReadback", Late)
    a_run, execution = run(), Execution(folder=tmp_path, save_every=every)
    model = Signalled(network(a_run, read(file_of(a_run.checkpoint))), 6)
    with pytest.raises(Interrupted, match="stopped after 7 steps"):
        Loop(model, data_of(a_run).train, a_run, execution, CPU).train()
    model.signalled = None
    resumed = Loop(model, data_of(a_run).train, a_run, execution, CPU).train()
    assert model.steps == 12
    weights, trained = computed(a_run, Execution())
    assert resumed.losses == trained.losses
    for key, tensor in model.model.state_dict().items():
        assert np.array_equal(tensor.numpy(), weights[key]), key


@pytest.mark.parametrize("every", [0, 600])
def test_a_loss_still_on_the_way_that_is_not_finite_ends_the_run_and_is_not_saved(every, tmp_path, monkeypatch):
    monkeypatch.setattr("harness.training.torch.loop.AsyncReadback", Late)
    a_run, execution = run(), Execution(folder=tmp_path, save_every=every)
    model = Signalled(network(a_run, read(file_of(a_run.checkpoint))), 6, broken=5)
    trained = Loop(model, data_of(a_run).train, a_run, execution, CPU).train()
    assert trained.diverged.step == 5
    assert len(trained.losses) == 5
    for path in saved(folder_of(tmp_path, a_run.id)):
        with safe_open(path, "pt") as state:
            assert all(state.get_tensor(name).isfinite().all() for name in state.keys())  # noqa: SIM118


@pytest.fixture
def interrupting():
    """Let SIGINT interrupt, as it does in a terminal; a shell's background jobs inherit that it is ignored."""
    inherited = signal.signal(signal.SIGINT, signal.default_int_handler)
    yield
    signal.signal(signal.SIGINT, inherited)


@pytest.mark.usefixtures("interrupting")
def test_signals_mean_what_they_meant_where_nothing_can_be_saved_and_afterwards(tmp_path):
    before = signal.getsignal(signal.SIGTERM), signal.getsignal(signal.SIGINT)
    with interruption(False) as asked:
        assert (signal.getsignal(signal.SIGTERM), signal.getsignal(signal.SIGINT)) == before
        with pytest.raises(KeyboardInterrupt):
            signal.raise_signal(signal.SIGINT)
        assert not asked
    with interruption(True) as asked:
        signal.raise_signal(signal.SIGINT)
        assert asked
        with pytest.raises(KeyboardInterrupt):  # the second one
            signal.raise_signal(signal.SIGINT)
    assert (signal.getsignal(signal.SIGTERM), signal.getsignal(signal.SIGINT)) == before


@pytest.fixture
def states(tmp_path):
    """The two states that a run left in its last steps, and the run."""
    a_run = run(**EVERYTHING)
    computed(a_run, Execution(folder=tmp_path, save_every=0))
    discard(tmp_path, a_run.id)
    with pytest.raises(Interrupted):
        computed(a_run, Execution(folder=tmp_path, save_every=0, on_step=stop_in(6)))
    return folder_of(tmp_path, a_run.id), a_run


def training_of(a_run):
    model = network(a_run, read(file_of(a_run.checkpoint)))
    return Loop(model, data_of(a_run).train, a_run, Execution(), CPU).training


def test_two_states_are_kept_and_the_newest_is_taken(states):
    folder, a_run = states
    assert [path.stem for path in saved(folder)] == ["step-000000007", "step-000000006"]
    training = training_of(a_run)
    assert restore(folder, a_run.id, training)
    assert training.step == 7


@pytest.mark.parametrize("damage", ["cut", "flipped bit", "empty", "no header", "another run's"])
def test_a_damaged_newest_state_falls_back_to_the_other(states, damage, capsys):
    folder, a_run = states
    newest = saved(folder)[0]
    content = bytearray(newest.read_bytes())
    if damage == "cut":
        del content[-100:]
    elif damage == "flipped bit":
        content[-5000] ^= 1
    elif damage == "empty":
        content.clear()
    elif damage == "no header":
        content[:8] = b"\xff" * 8
    elif damage == "another run's":
        content = bytes(content).replace(a_run.id.encode(), b"0123456789abcdef")
    newest.write_bytes(content)
    training = training_of(a_run)
    untouched = [tensor.clone() for tensor in training.tensors().values()]
    with pytest.raises(ClaimsError, match=f"{newest.name}: expected a (saved|valid) state"):
        load(newest, a_run.id, training)
    assert all(torch.equal(*pair) for pair in zip(untouched, training.tensors().values(), strict=True))
    assert restore(folder, a_run.id, training)
    assert training.step == 6
    assert "an earlier state is taken" in capsys.readouterr().err


def test_what_was_half_written_is_removed_by_the_next_save(states):
    folder, a_run = states
    (folder / ".step-000000009.safetensors.123").write_bytes(b"half")
    training = training_of(a_run)
    assert restore(folder, a_run.id, training)
    save(folder, a_run.id, training)
    assert sorted(path.name for path in folder.iterdir()) == [
        "step-000000006.safetensors",
        "step-000000007.safetensors",
    ]


def test_a_state_written_from_a_thread_is_that_of_the_moment_it_was_asked_for(states, monkeypatch):
    folder, a_run = states
    training = training_of(a_run)
    restore(folder, a_run.id, training)
    discard(folder.parents[1], a_run.id)
    before = {name: tensor.clone() for name, tensor in training.tensors().items()}
    go_on = threading.Event()
    write = state._write

    def slowly(*args):
        assert go_on.wait(60)
        write(*args)

    monkeypatch.setattr(state, "_write", slowly)
    saver = state.Saver(folder, a_run.id, accelerated=True)
    saver.save(training)
    for tensor in training.tensors().values():
        tensor.zero_()
    assert not folder.exists()
    go_on.set()
    saver.wait()
    assert restore(folder, a_run.id, training)
    for name, tensor in training.tensors().items():
        assert torch.equal(tensor, before[name]), name
    nowhere = state.Saver(None, a_run.id, accelerated=True)
    nowhere.save(training)
    nowhere.wait()


def test_a_state_that_can_t_be_saved_does_not_end_the_run(tmp_path, capsys):
    a_run = run()
    (tmp_path / "states").write_text("a file where a folder should be")
    _, trained = computed(a_run, Execution(folder=tmp_path, save_every=0))
    assert len(trained.losses) == 12
    assert "training goes on without it" in capsys.readouterr().err


def test_states_go_when_the_result_is_stored(tmp_path):
    from harness.runs.run import measure
    from harness.runs.store import Store

    a_run = run()
    execution = Execution(folder=tmp_path / "work", save_every=0)
    seen = []
    watched = replace(execution, on_step=lambda _: seen.append(len(saved(folder_of(tmp_path / "work", a_run.id)))))
    result = measure(a_run, Store(tmp_path), watched)
    assert max(seen) == 2
    assert not folder_of(tmp_path / "work", a_run.id).exists()
    assert len(result.loss_history) == 12
    assert (tmp_path / "work" / "history" / f"{a_run.id}.jsonl").exists()
