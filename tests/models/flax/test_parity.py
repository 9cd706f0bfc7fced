"""The authors' order of operations in Flax: which variance, which sums, which standardisation."""

import jax
import jax.numpy as jnp
import numpy as np
import pytest
from flax import linen as nn

from harness.models.flax import build, parity
from harness.models.flax.resnet import GroupNorm
from tests.models import reference
from tests.models.torch.test_build import ARCHITECTURES, images


@pytest.fixture(autouse=True)
def one_processor():
    with jax.default_device(jax.devices("cpu")[0]):
        yield


def features(side, channels, mean):
    return (mean + np.random.default_rng(0).standard_normal((1, side, side, channels))).astype(np.float32)


def test_a_hybrids_norms_are_flaxs_own():
    x = features(8, 64, 1000)  # far from zero, where E[x^2] - E[x]^2 has few digits left
    parameters = {"scale": np.linspace(0.5, 2, 64, dtype="f4"), "bias": np.linspace(-1, 1, 64, dtype="f4")}
    group = GroupNorm(1e-6, jnp.float32, ("scale", "bias"), leading=3)
    ours = {"params": {name: array.reshape(1, 1, 1, -1) for name, array in parameters.items()}}
    layer = nn.LayerNorm(epsilon=1e-6, use_fast_variance=False)
    for module, given, own in (
        (group, ours, nn.GroupNorm(32)),
        (layer, {"params": parameters}, nn.LayerNorm()),
    ):
        expected = own.apply({"params": parameters}, x)
        with nn.intercept_methods(parity._vit_norms):
            found = module.apply(given, x)
        assert np.array_equal(found, expected)
        assert np.abs(module.apply(given, x) - expected).max() > 1e-3


def test_a_bits_group_norm_rounds_less():
    x = features(112, 64, 3)
    module = GroupNorm(1e-5, jnp.float32)
    given = {"params": {"gamma": np.ones(64, "f4"), "beta": np.zeros(64, "f4")}}
    expected = reference.group_norm(x.astype(np.float64), np.ones(64), np.zeros(64), 1e-5)
    with nn.intercept_methods(parity._bit_norms):
        found = jax.jit(module.apply)(given, x)
    assert np.abs(found - expected).max() < 3e-6  # 9.5e-6 with one sum over 25,088 values


@pytest.mark.parametrize("name", ["hybrid-3-stages", "bit"])
def test_kernels_are_standardised(name):
    fold, key = (
        (parity._bit_kernel, "resnet/block2/unit01/b/standardized_conv2d/kernel")
        if name == "bit"
        else (parity._vit_kernel, "block2/unit1/conv2/kernel")
    )
    kernel = reference.weights(ARCHITECTURES[name])[key]
    wide = kernel.astype(np.float64)
    scale = np.sqrt(wide.var((0, 1, 2)) + 1e-10) if name == "bit" else wide.std((0, 1, 2)) + 1e-5
    expected = (wide - wide.mean((0, 1, 2))) / scale
    found = np.asarray(fold(jnp.asarray(kernel)))
    assert np.abs(found - expected).max() < (2.5e-7 if name == "bit" else 2e-6)


def test_a_hybrids_kernels_are_standardised_in_the_authors_order_to_the_bit():
    kernel = jnp.asarray(reference.weights(ARCHITECTURES["hybrid-3-stages"])["block2/unit1/conv2/kernel"]) + 0.3

    @jax.jit
    def written_out(w):
        w = w - jnp.mean(w, axis=(0, 1, 2))
        return w / (jnp.std(w, axis=(0, 1, 2)) + 1e-5)

    assert np.array_equal(parity._vit_kernel(kernel), written_out(kernel))


@pytest.mark.parametrize("name", ARCHITECTURES)
def test_logits_are_those_of_the_second_implementation(name):
    architecture = ARCHITECTURES[name]
    arrays, x = reference.weights(architecture), images(*getattr(architecture, "resolution", (32, 32)), n=3)
    params, _ = build.load(arrays)
    found = parity.logits(params, architecture, x, batch=2)
    assert np.abs(found - reference.logits(arrays, architecture, x)).max() < (1e-5 if name.startswith("vit") else 2e-5)
    plain = build.logits(build.network(architecture), params, x, batch=2)
    assert not np.array_equal(plain, found)
    assert found.dtype == np.float32
