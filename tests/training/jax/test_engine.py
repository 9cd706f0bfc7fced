"""Fine-tuning in JAX: PyTorch's losses, and what may differ does not change the outcome."""

import dataclasses
import json
import math
import os
import subprocess
import sys
from dataclasses import replace

import jax
import numpy as np
import pytest

from harness.catalog.checkpoint_files import file_of
from harness.core.errors import ClaimsError
from harness.core.specs import Recipe
from harness.data.readers import synthetic
from harness.data.splits import Data, Split, batch_indices
from harness.models.flax import build
from harness.models.initialise import library_head
from harness.models.npz_layout import read
from harness.runs.run import measure
from harness.runs.store import Store
from harness.training.api import Execution, backend, environment
from harness.training.jax.device import device_context
from harness.training.jax.engine import at_side, fine_tune, head_of, network
from harness.training.jax.evaluation import evaluate
from harness.training.jax.loop import Loop
from harness.training.lr_schedule import learning_rate
from tests.training.tiny import NETWORKS, data_of, run, weights_of

FAMILIES = list(NETWORKS)
RECIPES = {
    "as the authors": {},
    "random crop": {"crop": "random", "train_resize": 40, "flip": True},
    "inception crop, mixup": {"crop": "inception", "flip": True, "mixup": 0.2},
    "bfloat16 momentum": {"momentum_dtype": "bfloat16"},
    "weight decay, no clipping": {"weight_decay": 0.1, "clip_norm": None},
    "polyak, staircase": {"polyak": 0.7, "schedule": "staircase", "decay_at": (3, 6)},
    "library head, another test size": {"head": "library", "test_resolution": 48},
    "no momentum": {"momentum": 0.0, "schedule": "constant"},
}
ALL_FAMILIES = {"as the authors", "random crop", "inception crop, mixup"}


def computed(a_run, execution=None):
    return backend(a_run.backend)(a_run, weights_of(a_run), data_of(a_run), execution or Execution())


def loop(a_run, execution=None, here=None):
    params, architecture = network(a_run, weights_of(a_run))
    here = here or device_context("cpu", a_run.recipe)
    return Loop(params, architecture, data_of(a_run).train, a_run, execution or Execution(), here)


def flat(params):
    return np.concatenate([np.asarray(leaf).ravel() for leaf in jax.tree.leaves(params)])


@pytest.mark.parametrize(
    ("name", "changed"),
    [(name, changed) for changed in RECIPES for name in FAMILIES if changed in ALL_FAMILIES or name == FAMILIES[0]],
)
def test_ten_steps_give_pytorchs_losses_and_predictions(name, changed):
    ours = computed(run(name, **RECIPES[changed]))
    theirs = computed(run(name, "torch", **RECIPES[changed]))
    assert len(ours.losses) == 10
    np.testing.assert_allclose(ours.losses[:5], theirs.losses[:5], rtol=0, atol=1e-5)
    # Rounding grows from step to step, by how much depends on the CPU (3.3e-5 seen after nine steps).
    np.testing.assert_allclose(ours.losses, theirs.losses, rtol=0, atol=1e-4)
    assert ours.losses[-1] != pytest.approx(ours.losses[0], abs=1e-3)
    assert (ours.predictions != theirs.predictions).sum() <= 2  # of 797; a last bit may decide between two classes
    assert ours.predictions.dtype == np.int64


def test_each_part_of_a_recipe_changes_the_weights():
    trained = {name: flat(loop(run(**changed)).train().params).sum() for name, changed in RECIPES.items()}
    assert len({float(total) for total in trained.values()}) == len(RECIPES)


def test_no_field_of_a_recipe_is_unknown_to_the_backend():
    """A new field must be honoured or refused here, too."""
    handled = {
        # by what both frameworks share: splits, views, schedule, sizes and values of inputs
        *"id sources learning_rates learning_rate_grid epochs trains_on batch_size resolution steps".split(),
        *"learning_rate schedule warmup_steps decay_at train_resize crop flip mixup".split(),
        *"test_resolution test_resize test_crop_share test_crop_rounding test_interpolation".split(),
        *"test_antialias mean std".split(),
        # by least_squares, to which both frameworks give their features, and by the draw of the examples
        *"method shots l2".split(),
        # by jax_optimiser, jax_step and jax_engine; float16 is refused
        *"momentum momentum_dtype weight_decay clip_norm polyak dropout head precision".split(),
    }
    assert {field.name for field in dataclasses.fields(Recipe)} == handled


def test_the_gradient_is_the_whole_batch_s_however_memory_splits_it():
    for changed in ({}, {"mixup": 0.3, "flip": True}):
        whole = loop(run(**changed)).train()
        parts = loop(run(**changed), Execution(micro_batch=5)).train()  # 16 in 4 parts of 4
        uneven = loop(run(**changed), Execution(micro_batch=6)).train()  # 6, 6 and 4, filled up
        assert (whole.micro_batch, parts.micro_batch, uneven.micro_batch) == (None, 5, 6)
        for other in (parts, uneven):
            np.testing.assert_allclose(other.losses, whole.losses, rtol=0, atol=1e-6)
            np.testing.assert_allclose(flat(other.params), flat(whole.params), rtol=0, atol=2e-6)


def test_dropout_differs_from_step_to_step_and_from_part_to_part_and_is_the_same_again():
    a_run = run(dropout=0.5, learning_rate=1e-9, head="library")
    same = Split(np.zeros((8, 32, 32), np.uint8), np.zeros(8, np.int64))
    losses = {}
    for size in (None, None, 8):
        begun = loop(a_run, Execution(micro_batch=size))
        begun.split = same
        found = begun.train().losses
        assert len({round(loss, 4) for loss in found}) == 10
        losses.setdefault(size, []).append(found)
    assert losses[None][0] == losses[None][1]
    assert losses[8][0] != losses[None][0]


@pytest.mark.parametrize("name", ["micro-vit-s", "micro-bit-s"])
def test_a_library_s_head_is_pytorchs(name):
    a_run = run(name, head="library")
    params, architecture = network(a_run, weights_of(a_run))
    head = head_of(params, architecture)
    kernel = np.asarray(head["kernel"])
    assert kernel.std() == pytest.approx(0.02, rel=0.15)
    assert np.array_equal(kernel.reshape(-1, 10), library_head((kernel.shape[-2], 10), 3))
    assert not np.asarray(head["bias"]).any()


def test_bfloat16_is_computed_in_bfloat16():
    exact, half = computed(run()), computed(run(precision="bfloat16"))
    assert half.losses != exact.losses
    assert half.losses == pytest.approx(exact.losses, rel=0.02)
    assert 0 < (half.predictions != exact.predictions).sum() < 100


def test_recomputed_activations_change_nothing_but_the_last_bits():
    kept, recomputed = loop(run()), loop(run())
    recomputed.micro.checkpointing = True
    assert recomputed.program(recomputed._layout()).network.remat
    np.testing.assert_allclose(recomputed.train().losses, kept.train().losses, rtol=0, atol=1e-6)


def test_another_test_size_interpolates_the_positions():
    a_run = run(test_resolution=48)
    params, architecture = network(a_run, weights_of(a_run))
    moved, larger = at_side(params, architecture, a_run)
    expected, _ = build.load(weights_of(a_run), classes=10, resolution=48)
    assert larger.resolution == (48, 48)
    assert all(jax.tree.leaves(jax.tree.map(np.array_equal, moved, expected)))


def test_every_example_is_predicted_once_the_last_partial_batch_included():
    a_run = run("micro-bit-s")
    params, architecture = build.load(read(file_of(a_run.checkpoint)))
    split = synthetic.read("digits").test
    here = device_context("cpu", a_run.recipe)
    together = evaluate(params, architecture, split, a_run.recipe, here, "m")
    chosen = (0, 255, 256, 796)
    one_by_one = [evaluate(params, architecture, split.take(np.array([n])), a_run.recipe, here, "m")[0] for n in chosen]
    assert len(together) == 797
    assert together[list(chosen)].tolist() == one_by_one
    assert len(set(together)) > 1


def test_a_recipe_without_steps_keeps_the_checkpoint_s_head_and_trains_nothing():
    a_run = run("micro-vit-s", steps=0, learning_rate=None, learning_rates="", warmup_steps=0)
    images = synthetic.read("digits").test.images[:30]
    data = Data(Split(images, np.zeros(30, np.int64)).take_none(), Split(images, np.zeros(30, np.int64)))
    asked = replace(a_run, dataset=replace(a_run.dataset, test=30))
    outcome = fine_tune(asked, weights_of(a_run), data, Execution())
    theirs = backend("torch")(replace(asked, backend="torch"), weights_of(a_run), data, Execution())
    assert outcome.predictions.tolist() == theirs.predictions.tolist()
    assert len(set(outcome.predictions)) > 3
    assert outcome.losses == ()
    assert outcome.images_per_second > 0
    other = replace(asked, dataset=replace(asked.dataset, classes=7))
    with pytest.raises(ClaimsError, match="micro-vit-s: expected a head of 7 classes for digits-5, found 10"):
        fine_tune(other, weights_of(a_run), data, Execution())


def test_a_loss_that_is_not_finite_ends_the_run_with_its_batch():
    a_run = run(learning_rate=1e9, steps=30, clip_norm=None, warmup_steps=0)
    seen = []
    outcome = computed(a_run, Execution(on_step=seen.append))
    found = outcome.diverged
    assert 0 < found.step < 30
    assert len(outcome.losses) == len(seen) == found.step
    assert all(map(math.isfinite, outcome.losses))
    assert found.learning_rate == learning_rate(a_run.recipe, found.step)
    assert found.examples == tuple(batch_indices(50, 16, found.step, 3))
    assert outcome.predictions.size == 0
    assert found.step == computed(replace(a_run, backend="torch")).diverged.step


def test_every_step_is_told(tmp_path):
    seen = []
    a_run = run()
    outcome = computed(a_run, Execution(on_step=seen.append, folder=tmp_path))
    assert [progress.step for progress in seen] == list(range(10))
    assert tuple(progress.loss for progress in seen) == outcome.losses
    assert [progress.learning_rate for progress in seen] == [learning_rate(a_run.recipe, step) for step in range(10)]
    assert all(progress.images_per_second > 0 for progress in seen)
    assert 0 <= outcome.waiting < 1
    lines = [json.loads(line) for line in (tmp_path / "history" / f"{a_run.id}.jsonl").open()]
    assert lines[-1]["step"] == 9
    assert lines[-1]["loss"] == outcome.losses[-1]


def test_what_the_backend_does_not_have_is_refused_by_name():
    a_run = run()
    data = data_of(a_run)
    with pytest.raises(ClaimsError, match="recipe micro: precision: expected float32 or bfloat16 .* found float16"):
        fine_tune(run(precision="float16"), weights_of(a_run), data, Execution())
    timm = replace(a_run, checkpoint=replace(a_run.checkpoint, semantics="timm"))
    with pytest.raises(ClaimsError, match="micro-vit-s: expected the reference's semantics, .* found timm"):
        fine_tune(timm, weights_of(a_run), data, Execution())
    if jax.default_backend() == "cpu":
        with pytest.raises(ClaimsError, match="device cuda: expected one of no accelerators"):
            fine_tune(a_run, weights_of(a_run), data, Execution(device="cuda"))


def test_a_measured_run_names_its_framework(tmp_path):
    result = measure(run(steps=2, warmup_steps=0), Store(tmp_path), Execution(folder=tmp_path / "work"))
    said = dict(result.environment)
    assert said["device"] == "cpu"
    assert all(said[package][0].isdigit() for package in ("jax", "jaxlib", "flax", "optax"))
    assert "torch" not in said
    assert environment("torch") != environment("jax")
    assert result.n == 797


OTHER_PROCESS = """
import json, os, sys
import numpy as np
import jax
from dataclasses import replace
from pathlib import Path
from harness.training.api import Execution
from harness.training.jax.step import compiled
from harness.training.jax.device import DeviceContext
from tests.training.jax.test_engine import computed, flat, loop
from tests.training.tiny import data_of, run, weights_of

kind, name, folder = sys.argv[1:]
execution = Execution(folder=Path(folder))
if kind == "devices":
    from harness.training.devices import start_jax
    start_jax()
    both = DeviceContext(tuple(jax.devices()))
    assert len(both.devices) == 2
    found = {}
    for size in (16, 6):
        begun = loop(run(name), Execution(micro_batch=size), both)
        trained = begun.train()
        found[size] = (list(trained.losses), flat(trained.params).tolist())
    program, examples = begun.program(begun._layout()), begun.feed.batch(0).rows(begun._layout())
    step = compiled(program, both.mesh).lower(begun.training.state, examples, np.float32(0), np.zeros(2, np.uint32))
    assert "all-reduce" in step.compile().as_text()  # of the devices' gradients
    from harness.training.jax.engine import network
    from harness.training.jax.evaluation import evaluate
    params, architecture = network(run(name), weights_of(run(name)))
    classes = evaluate(both.put(trained.params), architecture, data_of(run(name)).test, run(name).recipe, both, "m")
    print(json.dumps([found[16], found[6], classes.tolist()]))
else:
    if kind == "one core" and hasattr(os, "sched_setaffinity"):
        os.sched_setaffinity(0, {min(os.sched_getaffinity(0))})
    outcome = computed(run(name), execution)
    print(json.dumps([list(outcome.losses), outcome.predictions.tolist()]))
"""


def in_another_process(kind, name, folder, **variables):
    environ = {key: value for key, value in os.environ.items() if key != "PJRT_NPROC"} | variables
    command = [sys.executable, "-c", OTHER_PROCESS, kind, name, str(folder)]
    done = subprocess.run(command, capture_output=True, text=True, check=False, env=environ)
    assert done.returncode == 0, done.stderr
    return json.loads(done.stdout), done.stderr


@pytest.fixture(scope="module")
def folder(tmp_path_factory):
    """Where compiled programs are kept for the processes of these tests."""
    return tmp_path_factory.mktemp("work")


def test_two_devices_give_what_one_gives(folder):
    one = loop(run("micro-hybrid-s")).train()
    flags = f"--xla_force_host_platform_device_count=2 {os.environ['XLA_FLAGS']}"
    (whole, parts, classes), _ = in_another_process("devices", "micro-hybrid-s", folder, XLA_FLAGS=flags)
    for losses, params in (whole, parts):
        np.testing.assert_allclose(losses, one.losses, rtol=0, atol=1e-6)
        np.testing.assert_allclose(params, flat(one.params), rtol=0, atol=2e-6)
    assert (np.array(classes) != computed(run("micro-hybrid-s")).predictions).sum() <= 1


def test_the_number_of_cores_changes_no_bit_and_programs_are_compiled_once(folder):
    here = computed(run("micro-hybrid-s"))
    first, _ = in_another_process("one core", "micro-hybrid-s", folder)
    programs = {path.name: path.stat().st_mtime_ns for path in (folder / "programs").glob("*-cache")}
    assert any("step" in name for name in programs)
    again, said = in_another_process("all cores", "micro-hybrid-s", folder)
    assert first == again == [list(here.losses), here.predictions.tolist()]
    assert programs == {path.name: path.stat().st_mtime_ns for path in (folder / "programs").glob("*-cache")}
    assert said == ""
    for path in (folder / "programs").glob("*-cache"):  # as a killed process may leave them
        path.write_bytes(path.read_bytes()[: path.stat().st_size // 2])
    damaged, _ = in_another_process("all cores", "micro-hybrid-s", folder)
    assert damaged == first


def test_a_process_whose_jax_has_started_with_more_threads_is_refused():
    code = """
import jax, jax.numpy as jnp
jnp.zeros(1)
from harness.core.errors import ClaimsError
from tests.training.jax.test_engine import computed
from tests.training.tiny import run
try:
    computed(run())
except ClaimsError as error:
    print(error)
"""
    environ = {key: value for key, value in os.environ.items() if key != "PJRT_NPROC"}
    done = subprocess.run([sys.executable, "-c", code], capture_output=True, text=True, check=True, env=environ)
    assert done.stdout.startswith("device cpu: expected JAX to compute with one thread")
    assert len(done.stdout.splitlines()) == 1
