"""JAX on a GPU: the CPU's logits and losses, and attention that is the fused one."""

from dataclasses import replace

import numpy as np
import pytest

from harness.training.api import Execution
from tests.cuda import small

pytestmark = pytest.mark.cuda
DEVICE = "cuda:0"
WITHIN = {"float32": 1e-4, "bfloat16": 0.05}
"""Of the largest logit."""


@pytest.fixture(scope="module", autouse=True)
def seen():
    from harness.training.accelerators import jax_has_one

    if not jax_has_one():
        pytest.skip("JAX sees no accelerator here")


def logits(made):
    import jax

    from harness.models.flax import build
    from harness.training.jax.device import device_context
    from harness.training.jax.engine import network
    from harness.training.torch.inputs import to_inputs

    here = device_context(made.device, made.run.recipe)
    with jax.default_device(here.devices[0]):
        params, architecture = network(made.run, made.weights)
        model = build.network(architecture, dtype=made.run.recipe.precision)
        images = np.moveaxis(to_inputs(made.data.test.array()[:64], small.SIDE, made.run.recipe).numpy(), 1, 3)
        return build.logits(model, here.put(params), np.ascontiguousarray(images))


@pytest.mark.parametrize("family", small.NETWORKS)
def test_logits_are_the_cpus(family):
    import torch

    from tests.cuda.test_logits import logits as of_torch

    expected = of_torch(small.case(family), torch.contiguous_format)
    for precision, tolerance in WITHIN.items():
        made = small.in_jax(small.case(family, DEVICE, precision=precision))
        small.assert_close(logits(made), expected, tolerance)


@pytest.mark.parametrize("precision", WITHIN)
@pytest.mark.parametrize("family", ["vit", "bit"])
def test_ten_steps_give_the_cpus_losses_and_predictions(family, precision):
    from harness.training.jax.engine import fine_tune
    from harness.training.torch.engine import fine_tune as in_torch

    made = small.in_jax(small.case(family, DEVICE, precision=precision))
    done = fine_tune(made.run, made.weights, made.data, Execution(DEVICE))
    there = small.case(family)
    expected = in_torch(there.run, there.weights, there.data, Execution())
    small.assert_close(done.losses, expected.losses, {"float32": 2e-3, "bfloat16": 0.05}[precision])
    if precision == "float32":
        assert (done.predictions != expected.predictions).mean() <= 0.02


def test_a_run_that_was_stopped_goes_on(tmp_path):
    from harness.training.jax.engine import fine_tune
    from harness.training.resume import Interrupted
    from tests.cuda.test_training import stop_at

    made = small.in_jax(small.case("vit", DEVICE, precision="bfloat16", steps=14))
    expected = fine_tune(made.run, made.weights, made.data, Execution(DEVICE))
    with pytest.raises(Interrupted):
        fine_tune(made.run, made.weights, made.data, Execution(DEVICE, folder=tmp_path, on_step=stop_at(5, False)))
    done = fine_tune(made.run, made.weights, made.data, Execution(DEVICE, folder=tmp_path))
    assert done.earlier > 0
    small.assert_close(done.losses, expected.losses, 0.02)


def test_parts_of_a_batch_are_the_same_update():
    from harness.training.jax.engine import fine_tune

    made = small.in_jax(small.case("vit", DEVICE, steps=4))
    whole = fine_tune(made.run, made.weights, made.data, Execution(DEVICE))
    parts = fine_tune(made.run, made.weights, made.data, replace(Execution(DEVICE), micro_batch=6))
    assert (whole.micro_batch, parts.micro_batch) == (None, 6)
    small.assert_close(parts.losses, whole.losses, 2e-3)


@pytest.mark.parametrize("tokens", [16, 197])
def test_fused_attention_is_exact_attention_but_for_rounding(tokens):
    import jax
    import jax.numpy as jnp

    from harness.models.flax.attention import FUNCTIONS, can_fuse

    if not can_fuse(tokens, 4, 64):
        pytest.skip("jax has no cuDNN attention for this card")
    generator = np.random.default_rng(0)
    given = [jnp.asarray(generator.normal(size=(2, tokens, 4, 64)), jnp.bfloat16) for _ in range(3)]
    weights = jnp.asarray(generator.normal(size=(2, tokens, 4, 64)), jnp.float32)

    def computed(way, arrays):
        def total(*arrays):
            found = FUNCTIONS[way](*arrays).astype(jnp.float32)
            return (weights * found).sum(), found

        with jax.default_matmul_precision("highest"):
            (_, found), gradient = jax.jit(jax.value_and_grad(total, argnums=(0, 1, 2), has_aux=True))(*arrays)
        return [found, *(each.astype(jnp.float32) for each in gradient)]

    exact = computed("flax", [each.astype(jnp.float32) for each in given])
    for way in ("fused", "rounded"):
        for found, expected in zip(computed(way, given), exact, strict=True):
            small.assert_close(found, expected, 0.02)


def test_a_bfloat16_step_of_a_vit_has_the_fused_attention():
    from harness.models.flax.attention import can_fuse
    from harness.training.jax.device import device_context
    from harness.training.jax.engine import network

    made = small.in_jax(small.case("vit", DEVICE, precision="bfloat16"))
    here = device_context(made.device, made.run.recipe)
    _, architecture = network(made.run, made.weights)
    fits = can_fuse(17, architecture.heads, architecture.width // architecture.heads)
    assert here.attention(architecture, "bfloat16") == ("fused" if fits else "rounded")
    assert fits, "jax finds no cuDNN attention for this card: it computes, but slower"
