"""The update rules against optax's and against the sums written out."""

from dataclasses import replace

import jax
import jax.numpy as jnp
import numpy as np
import optax
import pytest
import torch
from torch import nn

from harness.core.specs import Recipe
from harness.training.torch.optimiser import BUFFER, Average, optimiser

RECIPE = Recipe("r", steps=5, batch_size=1, resolution=1, learning_rate=0.1)


def ours(recipe, gradients, start):
    """Return the weights after each update with the given gradients, at rate 0.1."""
    weight = nn.Parameter(torch.from_numpy(start.copy()))
    made = optimiser(recipe, [weight])
    made.param_groups[0]["lr"] = 0.1
    found = []
    for gradient in gradients:
        weight.grad = torch.from_numpy(gradient.copy())
        made.step()
        found.append(weight.detach().numpy().copy())
    return np.array(found), made.state[weight].get(BUFFER)


def optax_s(transformation, gradients, start):
    update = jax.jit(transformation.update)
    weight = jnp.array(start)
    state = transformation.init(weight)
    found = []
    for gradient in gradients:
        change, state = update(jnp.array(gradient), state, weight)
        weight = optax.apply_updates(weight, change)
        found.append(np.array(weight))
    return np.array(found)


@pytest.fixture(scope="module")
def gradients():
    return np.random.default_rng(0).standard_normal((6, 50)).astype(np.float32)


@pytest.fixture(scope="module")
def start():
    return np.random.default_rng(1).standard_normal(50).astype(np.float32)


@pytest.mark.parametrize("momentum", [0.0, 0.9])
@pytest.mark.parametrize("decay", [0.0, 0.2])
def test_sgd_with_momentum_is_optax_s(gradients, start, momentum, decay):
    found, buffer = ours(replace(RECIPE, momentum=momentum, weight_decay=decay), gradients, start)
    theirs = optax.chain(optax.add_decayed_weights(decay), optax.sgd(0.1, momentum=momentum))
    assert found == pytest.approx(optax_s(theirs, gradients, start), abs=2e-6)
    assert (buffer is None) == (momentum == 0)


@pytest.mark.parametrize("decay", [0.0, 0.2])
def test_momentum_stored_in_bfloat16_is_the_authors(gradients, start, decay):
    recipe = replace(RECIPE, momentum_dtype="bfloat16", weight_decay=decay)
    found, buffer = ours(recipe, gradients, start)
    theirs = optax.chain(optax.add_decayed_weights(decay), optax.sgd(0.1, momentum=0.9, accumulator_dtype=jnp.bfloat16))
    assert found == pytest.approx(optax_s(theirs, gradients, start), abs=1e-6)
    assert buffer.dtype == torch.bfloat16
    exact, _ = ours(replace(recipe, momentum_dtype="float32"), gradients, start)
    assert np.abs(found - exact).max() > 1e-3


def test_the_average_is_the_weighted_sum_of_all_weights_so_far():
    model = nn.Linear(3, 2)
    average = Average(model, 0.75)
    seen = [model.weight.detach().clone()]
    for number in range(4):
        with torch.no_grad():
            model.weight.add_(number + 1)
        average.update()
        seen.append(model.weight.detach().clone())
    average.apply()
    shares = [0.75**4, *(0.25 * 0.75 ** (4 - number) for number in range(1, 5))]
    expected = sum(share * weight for share, weight in zip(shares, seen, strict=True))
    assert torch.allclose(model.weight, expected, atol=1e-6)
