"""The update rule against sums written out in numpy, and momentum in bfloat16 as the authors have it."""

import jax
import jax.numpy as jnp
import numpy as np
import optax
import pytest

from harness.core.specs import Recipe
from harness.training.jax.optimiser import Rule, half_momentum
from harness.training.lr_schedule import learning_rate

BF16 = jnp.bfloat16


@pytest.fixture(scope="module")
def gradients():
    return np.random.default_rng(0).standard_normal((6, 50)).astype(np.float32)


@pytest.fixture(scope="module")
def begun():
    return np.random.default_rng(1).standard_normal(50).astype(np.float32)


def updated(rule, gradients, begun, rates):
    """Return the weights after each update, and the optimiser's last state."""
    transform = rule.transform()
    weights, state = jnp.array(begun), transform.init(jnp.array(begun))
    found = []
    for gradient, rate in zip(gradients, rates, strict=True):
        change, state = jax.jit(transform.update)(jnp.array(gradient), state, weights)
        weights = weights - rate * change
        found.append(np.array(weights))
    return np.array(found), state


@pytest.mark.parametrize("momentum", [0.0, 0.9])
@pytest.mark.parametrize("decay", [0.0, 0.2])
@pytest.mark.parametrize("clip", [None, 3.0])
def test_the_rule_is_the_sum_written_out(gradients, begun, momentum, decay, clip):
    found, _ = updated(Rule(momentum, "float32", decay, clip, None), gradients, begun, [0.1] * 6)
    weights, velocity = begun.astype(np.float64), np.zeros(50)
    for gradient, theirs in zip(gradients, found, strict=True):
        norm = np.sqrt((gradient.astype(np.float64) ** 2).sum())
        assert norm > 3
        clipped = gradient * min(1, clip / norm) if clip else gradient
        velocity = momentum * velocity + clipped + decay * weights
        weights = weights - 0.1 * velocity
        assert theirs == pytest.approx(weights, abs=2e-6)


def test_bfloat16_momentum_is_rounded_when_stored_and_used_before(gradients, begun):
    found, state = updated(Rule(0.9, "bfloat16", 0.0, None, None), gradients, begun, [0.1] * 6)
    factor = np.float32(0.8984375)  # 0.9 in 8 bits of mantissa
    weights, stored = begun.copy(), np.zeros(50, BF16)
    for gradient, theirs in zip(gradients, found, strict=True):
        velocity = gradient + factor * stored.astype(np.float32)
        weights = weights - np.float32(0.1) * velocity
        stored = velocity.astype(BF16)
        assert theirs == pytest.approx(weights, abs=1e-6)
    (kept,) = jax.tree.leaves(state)
    assert kept.dtype == BF16
    assert (np.asarray(kept) != stored).mean() <= 0.02  # a last bit of float32 may decide how a value is rounded


def test_bfloat16_momentum_is_optax_s_but_for_the_rounding_of_the_product(gradients, begun):
    """The authors' code: optax.trace(0.9, accumulator_dtype="bfloat16")."""
    ours, theirs = half_momentum(0.9), optax.trace(0.9, accumulator_dtype=BF16)
    mine, other = ours.init(begun), theirs.init(begun)
    for gradient in gradients:
        found, mine = ours.update(jnp.array(gradient), mine)
        expected, other = theirs.update(jnp.array(gradient), other)
        assert found.dtype == jnp.float32
        size = np.abs(np.asarray(other.trace, np.float32)) + np.abs(gradient)
        assert (np.abs(np.asarray(found) - np.asarray(expected, np.float32)) <= 0.02 * (size + 1)).all()


def test_the_first_update_has_rate_0_and_changes_nothing_but_the_momentum(gradients, begun):
    recipe = Recipe("r", steps=6, batch_size=1, resolution=1, learning_rate=0.1, warmup_steps=2)
    rates = [learning_rate(recipe, step) for step in range(6)]
    assert rates[0] == 0
    for kind in ("float32", "bfloat16"):
        found, _ = updated(Rule(0.9, kind, 0.0, None, None), gradients, begun, rates)
        assert np.array_equal(found[0], begun)
        assert not np.array_equal(found[1], begun)
        second = begun - np.float32(rates[1]) * (gradients[1] + 0.9 * gradients[0])
        assert found[1] == pytest.approx(second, abs=5e-4)  # the first gradient was not lost


def test_the_average_moves_by_its_share():
    rule = Rule(0.9, "float32", 0.0, None, 0.75)
    average = rule.averaged({"w": jnp.array([0.0, 4.0])}, {"w": jnp.array([4.0, 4.0])})
    assert average["w"].tolist() == [1.0, 4.0]
    assert Rule(0.9, "float32", 0.0, None, None).averaged(None, {"w": 1}) is None
