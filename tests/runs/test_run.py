"""A run's material is checked, and what may differ between machines changes neither its id nor what is stored."""

from dataclasses import replace

import pytest

from harness.catalog.checkpoint_files import file_of
from harness.catalog.checkpoints import checkpoint
from harness.core.errors import ClaimsError
from harness.runs import inputs
from harness.runs.run import measure
from harness.runs.store import Store
from harness.training.api import Execution
from harness.training.kept import Kept
from tests.runs.test_executor import broken_run, runs


def test_how_the_batch_was_split_is_not_part_of_the_run(tmp_path):
    (run,) = runs(1)
    first = measure(run, Store(tmp_path), Execution(micro_batch=3))
    assert measure(run, Store(tmp_path), Execution(micro_batch=None)) == first


def test_the_result_says_what_it_is(tmp_path):
    (run,) = runs(1)
    steps = []
    result = measure(run, Store(tmp_path), Execution(on_step=steps.append))
    assert result.n == 797
    assert {step.step: step.loss for step in steps}.items() <= dict(enumerate(result.loss_history)).items()
    assert steps[-1].step == len(result.loss_history) - 1
    assert dict(result.environment)["device"] == "cpu"
    assert 0 < result.seconds < 300
    assert result.images_per_second > 1
    assert result.peak_memory > 100e6
    assert dict(result.environment)["torch"].count(".") >= 2


def test_other_weights_than_pinned_are_refused(tmp_path):
    with pytest.raises(ClaimsError, match="expected .* with sha256 0000000000000000..., found .* restore the file"):
        measure(broken_run(), Store(tmp_path))
    assert not (tmp_path / "runs").exists()


def test_seeds_read_a_shipped_checkpoint_once_and_each_has_arrays_of_its_own(monkeypatch):
    read, count = inputs.weights_of, []
    monkeypatch.setattr(inputs, "_WEIGHTS", Kept(lambda arrays: sum(array.nbytes for array in arrays.values())))
    monkeypatch.setattr(inputs, "weights_of", lambda *given: count.append(given) or read(*given))
    first, second = (inputs.inputs_of(run).weights for run in runs(2))
    assert len(count) == 1
    whole = second["head/kernel"].copy()
    first["head/kernel"][:] = 7
    assert (second["head/kernel"] == whole).all()
    assert (inputs.inputs_of(runs(1)[0]).weights["head/kernel"] == whole).all()


@pytest.mark.parametrize("room, times", [(None, 1), (1 << 40, 1), (1 << 10, 2)])
def test_a_released_checkpoint_is_kept_for_the_next_seed_where_there_is_room(room, times, tmp_path, monkeypatch):
    copied = tmp_path / "w.npz"
    copied.write_bytes(file_of(checkpoint("micro-vit-s")).read_bytes())
    released = replace(checkpoint("micro-vit-s"), id="w", file="", sources=(str(copied),))
    assert not released.shipped
    read, count = inputs.weights_of, []
    monkeypatch.setattr(inputs, "_RELEASED", Kept(inputs._size))
    monkeypatch.setattr(inputs, "weights_of", lambda *given: count.append(given) or read(*given))
    monkeypatch.setattr(inputs, "file_of", lambda found: copied)
    monkeypatch.setattr(inputs, "available", lambda: room)
    first, second = (inputs._weights(released) for _ in range(2))
    assert len(count) == times
    assert first.keys() == second.keys()
    first["head/kernel"][:] = 7
    assert not (second["head/kernel"] == 7).all()


def test_a_missing_file_is_one_line():
    with pytest.raises(ClaimsError, match="expected its weights in .*gone.npz, found: No such file"):
        file_of(replace(checkpoint("micro-vit-l"), file="micro/checkpoints/gone.npz"))
