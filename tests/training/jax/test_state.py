"""Saved states in JAX: a run killed at any moment gives the weights and predictions of one that was not."""

import json
import os
import re
import shutil
import signal

import jax
import numpy as np
import pytest

from harness.core.errors import ClaimsError
from harness.runs.run import measure
from harness.runs.store import Store
from harness.training.api import Execution
from harness.training.jax.device import device_context
from harness.training.jax.engine import fine_tune, network
from harness.training.jax.loop import Loop
from harness.training.jax.state import load, restore, save
from harness.training.resume import Interrupted, folder_of, saved
from tests.training.killable_runs import said_until, start, victims_of
from tests.training.tiny import EVERYTHING, data_of, run, weights_of

RUNS = {"micro-vit-s": EVERYTHING, "micro-bit-s": {}}


def loop(a_run, execution):
    params, architecture = network(a_run, weights_of(a_run))
    return Loop(params, architecture, data_of(a_run).train, a_run, execution, device_context("cpu", a_run.recipe))


def computed(a_run, execution):
    return loop(a_run, execution).train()


def same(one, other):
    return all(jax.tree.leaves(jax.tree.map(np.array_equal, one, other)))


def compute(name, execution):
    """Fine-tune a run of RUNS, in a process of its own."""
    a_run = run(name, **RUNS[name])
    return fine_tune(a_run, weights_of(a_run), data_of(a_run), execution)


@pytest.fixture(scope="module")
def victims():
    with victims_of(__name__) as process:
        yield process


@pytest.fixture(scope="module")
def programs(tmp_path_factory):
    return tmp_path_factory.mktemp("programs")


@pytest.fixture
def folder(tmp_path, programs):
    """An execution's folder, whose compiled programs are those of the other tests."""
    (tmp_path / "programs").symlink_to(programs)
    return tmp_path


@pytest.mark.parametrize(("name", "moments"), [("micro-vit-s", (2, 5, 9)), ("micro-bit-s", (5,))])
def test_a_run_killed_again_and_again_gives_what_an_uninterrupted_one_gives(name, moments, folder, victims):
    a_run = run(name, **RUNS[name])
    begun = []
    for moment in moments:
        process = start(victims, name, folder, 0.01)
        begun.append(int(said_until(victims, str(moment))[0]))
        os.kill(process, signal.SIGKILL)  # wherever it is by now: in a step, or while a state is written
        said_until(victims, "killed by 9")
        assert saved(folder_of(folder, a_run.id))
    assert begun[0] == 0
    assert all(first >= moment for first, moment in zip(begun[1:], moments, strict=False))  # it did not begin anew
    start(victims, name, folder)
    steps = said_until(victims, "end")[:-1]
    assert all(int(step) >= moments[-1] for step in steps)
    trained = computed(a_run, Execution())
    outcome = fine_tune(a_run, weights_of(a_run), data_of(a_run), Execution())
    with np.load(folder / "outcome.npz") as found:
        assert np.array_equal(found["predictions"], outcome.predictions)
        assert found["losses"].tolist() == list(trained.losses) == list(outcome.losses)
    assert same(computed(a_run, Execution(folder=folder)).params, trained.params)
    history = [json.loads(line)["step"] for line in (folder / "history" / f"{a_run.id}.jsonl").open()]
    assert history == sorted(set(history))


@pytest.mark.parametrize("number", [signal.SIGTERM, signal.SIGINT])
def test_a_signal_saves_and_leaves_one_line(number, folder, victims):
    process = start(victims, "micro-vit-s", folder, 0.1)
    said_until(victims, "3")
    os.kill(process, number)
    *_, last, _ = said_until(victims, "end")
    line = r"[\w.]+Interrupted: micro-vit-s on digits-5, micro, seed 3, jax: stopped after (\d+) steps, state saved; .*"
    done = int(re.fullmatch(line, last)[1])
    assert done in (4, 5)
    a_run = run(**EVERYTHING)
    assert len(saved(folder_of(folder, a_run.id))) == 2
    seen = []
    resumed = computed(a_run, Execution(folder=folder, on_step=seen.append))
    assert seen[0].step == done
    assert resumed.losses == computed(a_run, Execution()).losses
    assert 0 < resumed.earlier < resumed.seconds


def stop_in(step):
    def on_step(progress):
        if progress.step == step:
            signal.raise_signal(signal.SIGTERM)

    return on_step


def test_a_signal_in_the_last_step_is_obeyed_too(tmp_path):
    a_run = run(**EVERYTHING)
    with pytest.raises(Interrupted, match="stopped after 10 steps, state saved"):
        computed(a_run, Execution(folder=tmp_path, on_step=stop_in(9)))
    assert [path.name for path in saved(folder_of(tmp_path, a_run.id))] == ["step-000000010"]
    seen = []
    resumed = computed(a_run, Execution(folder=tmp_path, on_step=seen.append))
    assert resumed.losses == computed(a_run, Execution()).losses
    assert seen == []


def test_a_run_that_diverges_as_it_is_stopped_has_diverged(tmp_path):
    a_run = run(learning_rate=1e9, steps=30, clip_norm=None, warmup_steps=0)
    diverged = computed(a_run, Execution()).diverged
    stopped = computed(a_run, Execution(folder=tmp_path, on_step=stop_in(diverged.step - 1)))
    assert stopped.diverged == diverged
    assert saved(folder_of(tmp_path, a_run.id)) == []


@pytest.fixture
def states(tmp_path):
    """Where the two states lie that a run left when it was stopped after 7 steps, and the run."""
    a_run = run(**EVERYTHING)
    with pytest.raises(Interrupted):
        computed(a_run, Execution(folder=tmp_path, save_every=0, on_step=stop_in(6)))
    return folder_of(tmp_path, a_run.id), a_run


def test_two_states_are_kept_and_the_newest_is_taken(states):
    folder, a_run = states
    assert [path.name for path in saved(folder)] == ["step-000000007", "step-000000006"]
    assert [path.name for path in folder.iterdir() if path.name.startswith(".")] == []
    training = loop(a_run, Execution()).training
    assert restore(folder, a_run.id, training)
    assert training.step == 7
    assert {str(leaf.dtype) for leaf in jax.tree.leaves(training.state)} == {"float32", "bfloat16"}


def files_of(state):
    return sorted((path for path in state.rglob("*") if path.is_file()), key=lambda path: path.stat().st_size)


def cut(state):
    largest = files_of(state)[-1]
    largest.write_bytes(largest.read_bytes()[: largest.stat().st_size // 2])


def flip_a_bit(state):
    largest = files_of(state)[-1]
    content = bytearray(largest.read_bytes())
    content[len(content) // 2] ^= 1
    largest.write_bytes(content)


def empty(state):
    for path in files_of(state):
        path.write_bytes(b"")


def lose_the_index(state):
    (state / "manifest.ocdbt").unlink()


def lose_everything(state):
    shutil.rmtree(state)
    state.mkdir()


def change_a_number(state):
    """What no checksum of a file would notice: another array, saved whole."""
    import orbax.checkpoint as ocp

    with ocp.StandardCheckpointer() as checkpointer:
        said = checkpointer.metadata(state).custom_metadata
        arrays = checkpointer.restore(state)
        arrays["losses"] = np.asarray(arrays["losses"]) + 1e-12
        shutil.rmtree(state)
        checkpointer.save(state, arrays, custom_metadata=said)


DAMAGES = [cut, flip_a_bit, empty, lose_the_index, lose_everything, change_a_number]


# A thread of orbax may report what it can't read after its reader has given up.
@pytest.mark.filterwarnings("ignore::pytest.PytestUnraisableExceptionWarning")
@pytest.mark.parametrize("damage", DAMAGES, ids=lambda damage: damage.__name__)
def test_a_damaged_newest_state_falls_back_to_the_other(damage, states, capsys):
    folder, a_run = states
    damage(saved(folder)[0])
    training = loop(a_run, Execution()).training
    assert restore(folder, a_run.id, training)
    assert training.step == 6
    said = capsys.readouterr().err
    assert re.fullmatch(r".*step-000000007: expected a .*; an earlier state is taken, if there is one\n", said)
    # The next save replaces it.
    training.losses.append(1.0)
    save(folder, a_run.id, training)
    load(saved(folder)[0], a_run.id, training)


def test_a_state_of_another_run_or_network_is_refused_and_changes_nothing(states):
    folder, a_run = states
    training = loop(a_run, Execution()).training
    before = training.state
    with pytest.raises(ClaimsError, match="expected a valid state of run 0000, found another or a damaged one"):
        load(saved(folder)[0], "0000", training)
    other = loop(run("micro-bit-s"), Execution()).training
    with pytest.raises(ClaimsError, match="expected a saved state, found"):
        load(saved(folder)[0], a_run.id, other)
    assert training.state is before
    assert (training.step, other.step) == (0, 0)


def test_a_state_that_can_t_be_written_is_said_and_training_goes_on(tmp_path, capsys):
    a_run = run(**EVERYTHING)
    (tmp_path / "states").mkdir()
    (tmp_path / "states" / a_run.id).write_bytes(b"")  # a file where the folder should be
    assert len(computed(a_run, Execution(folder=tmp_path, save_every=0)).losses) == 10
    assert "expected to save the state, found" in capsys.readouterr().err


def test_states_are_gone_once_the_result_is_stored(tmp_path):
    a_run = run(**EVERYTHING)
    work = tmp_path / "work"
    result = measure(a_run, Store(tmp_path), Execution(folder=work, save_every=0))
    assert result.n == 797
    assert not folder_of(work, a_run.id).exists()
