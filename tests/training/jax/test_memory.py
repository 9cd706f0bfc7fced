"""The micro-batch that fits in JAX: found by trying, the update unchanged, remembered for the next run."""

from dataclasses import replace

import jax
import jax.numpy as jnp
import numpy as np
import pytest

from harness.core.errors import ClaimsError
from harness.training.api import Execution
from harness.training.jax.device import DeviceContext
from harness.training.jax.engine import network
from harness.training.jax.inputs import Feed
from harness.training.jax.loop import Loop
from harness.training.jax.memory import MicroBatch, attempted, estimate, out_of_memory
from harness.training.micro_batches import Remembered
from tests.training.tiny import data_of, run, weights_of

SHORT = {"steps": 3, "batch_size": 8, "warmup_steps": 0}


class Accelerator(DeviceContext):
    """A CPU that is treated as an accelerator with some free memory, and whose host's memory is not its own."""

    accelerated = True
    free = 1 << 40

    def room(self):
        return self.free

    def card(self):
        return "a card"


class Small(Loop):
    """A loop on a device that holds the activations of `held` images; of 8 times as many if it recomputes them."""

    held = 99

    def _update(self, step, batch):
        self.sizes = [*getattr(self, "sizes", []), self.micro.size]
        # The state's memory is used up, whatever comes of it.
        loss = super()._update(step, batch) if self.held else None
        if self.micro.size > self.held * (8 if self.micro.checkpointing else 1):
            jnp.zeros(1 << 46, jnp.uint8).block_until_ready()  # more than there is: JAX's own error
        return loss


def small(a_run, held=99, execution=None, here=None):
    params, architecture = network(a_run, weights_of(a_run))
    here = here or Accelerator((jax.devices("cpu")[0],))
    made = Small(params, architecture, data_of(a_run).train, a_run, execution or Execution(), here)
    made.held = held
    return made


def flat(params):
    return np.concatenate([np.asarray(leaf).ravel() for leaf in jax.tree.leaves(params)])


def test_jaxs_own_error_is_known_as_too_little_memory():
    with pytest.raises(jax.errors.JaxRuntimeError) as caught:
        jnp.zeros(1 << 46, jnp.uint8)
    assert out_of_memory(caught.value)
    assert not out_of_memory(jax.errors.JaxRuntimeError("INVALID_ARGUMENT: something else"))
    assert not out_of_memory(ValueError("RESOURCE_EXHAUSTED"))
    assert attempted(lambda: jnp.zeros(1 << 46, jnp.uint8)) is None
    assert attempted(lambda: jnp.ones(2)).tolist() == [1, 1]
    with pytest.raises(ZeroDivisionError):
        attempted(lambda: 1 / 0)


def test_the_batch_is_halved_until_it_fits_and_the_update_is_the_same(tmp_path):
    a_run = run(**SHORT)
    whole = small(a_run).train()
    begun = small(a_run, 5, Execution(folder=tmp_path))
    done = begun.train()
    assert begun.sizes == [8, 4, 4, 4]
    assert done.micro_batch == 4
    assert whole.micro_batch is None
    np.testing.assert_allclose(done.losses, whole.losses, rtol=0, atol=1e-6)
    np.testing.assert_allclose(flat(done.params), flat(whole.params), rtol=0, atol=2e-6)
    again = small(a_run, 5, Execution(folder=tmp_path))
    assert again.train().micro_batch == 4
    assert again.sizes == [4, 4, 4]
    on_a_cpu = Remembered(tmp_path, a_run, "cpu")
    theirs = Remembered(tmp_path, replace(a_run, backend="torch"), "a card")
    assert on_a_cpu.get(8) is theirs.get(8) is None


def test_activations_are_recomputed_once_even_few_images_do_not_fit():
    a_run = run(**SHORT)
    begun = small(a_run, 1)
    done = begun.train()
    assert begun.sizes == [8, 4, 8, 8, 8]
    assert begun.micro.checkpointing
    np.testing.assert_allclose(done.losses, small(a_run).train().losses, rtol=0, atol=1e-6)


def test_not_even_one_image_is_one_line():
    with pytest.raises(ClaimsError, match="expected memory for one example at a time, found too little"):
        small(run(**SHORT), 0).train()


def test_a_size_that_is_asked_for_is_kept_to(tmp_path):
    begun = small(run(**SHORT), 99, Execution(micro_batch=4, folder=tmp_path))
    assert begun.train().micro_batch == 4
    assert not (tmp_path / "micro_batches.json").exists()


def test_as_many_as_are_expected_to_fit_are_tried_first():
    a_run = run(batch_size=64)
    begun = small(a_run)
    begun.feed = Feed(begun.split, a_run, begun.context, 0)
    with begun.feed:
        room = int(begun._expected(64) / 0.85)
        chosen = estimate(begun._expected, 64, room)
        assert 32 <= chosen <= 64
        assert estimate(begun._expected, 64, room // 2) < chosen
        assert estimate(begun._expected, 64, 1 << 40) == 64


def test_a_resumed_run_that_does_not_fit_goes_on_from_its_state(tmp_path):
    """The first step uses the state up: it is read once more, not begun anew."""
    a_run, there = run(steps=6, batch_size=8, warmup_steps=0), Execution(folder=tmp_path, save_every=0)
    whole = small(a_run).train()

    def stop(progress):
        if progress.step == 2:
            raise ZeroDivisionError

    with pytest.raises(ZeroDivisionError):
        small(a_run, execution=replace(there, on_step=stop)).train()
    (tmp_path / "micro_batches.json").unlink()
    begun = small(a_run, 5, there)
    done = begun.train()
    assert begun.first > 0
    assert begun.sizes[:2] == [8, 4]
    assert done.micro_batch == 4
    np.testing.assert_allclose(done.losses, whole.losses, rtol=0, atol=1e-6)
    np.testing.assert_allclose(flat(done.params), flat(whole.params), rtol=0, atol=2e-6)


def test_sizes_end_at_one():
    micro = MicroBatch(100, 3, checkpointing=True)
    sizes = []
    for _ in range(2):
        micro.reduce()
        sizes.append(micro.size)
    assert sizes == [2, 1]
    with pytest.raises(ClaimsError):
        micro.reduce()
