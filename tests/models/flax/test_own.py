"""Flax networks that a function of the paper's folder makes: their weights, their heads, and that they are trained."""

import math
from dataclasses import replace

import jax
import jax.numpy as jnp
import numpy as np
import pytest
from flax.traverse_util import flatten_dict

from harness.catalog.checkpoints import checkpoint
from harness.catalog.datasets import dataset
from harness.catalog.recipes import recipe
from harness.core.errors import ClaimsError
from harness.core.paper import using
from harness.core.run import Run
from harness.core.specs import Checkpoint, build
from harness.data.load import load
from harness.models.flax import build as flax_models
from harness.models.load import build_checkpoint_flax, weights_of
from harness.training.api import Execution
from harness.training.jax.engine import fine_tune

MODULE = """
import helper
from flax import linen as nn


class Net(nn.Module):
    classes: int = 4

    @nn.compact
    def __call__(self, images, train=False):
        hidden = nn.relu(nn.Conv(helper.WIDTH, (3, 3), name="body")(images)).mean((1, 2))
        hidden = nn.Dropout(0.5, deterministic=not train)(hidden)
        return nn.Dense(self.classes, name="logits")(hidden)


class Normed(nn.Module):
    @nn.compact
    def __call__(self, images):
        return nn.Dense(4)(nn.BatchNorm(use_running_average=True)(images).mean((1, 2)))


def net(classes=4):
    return Net(classes)


def fixed():
    return Net(4)


def normed():
    return Normed()


def nothing():
    return 3
"""
ENTRY = {"id": "mine", "architecture": "net", "pretrained_on": "-", "model": "my_flax:net", "resolution": 16}


@pytest.fixture
def folder(tmp_path):
    (tmp_path / "paper.toml").write_text("")
    (tmp_path / "my_flax.py").write_text(MODULE)
    (tmp_path / "helper.py").write_text("WIDTH = 6\n")
    rng = np.random.default_rng(1)
    shapes = {"body/kernel": (3, 3, 3, 6), "body/bias": (6,), "logits/kernel": (6, 4), "logits/bias": (4,)}
    np.savez(tmp_path / "w.npz", **{name: rng.normal(size=shape).astype("f4") for name, shape in shapes.items()})
    with using(tmp_path):
        yield tmp_path


def entry(**changed):
    return build(Checkpoint, ENTRY | changed, "test")


def test_a_module_of_the_folder_gets_the_weights_of_a_file(folder):
    found = entry()
    params, own = build_checkpoint_flax(found, weights_of(found, folder / "w.npz"))
    file = np.load(folder / "w.npz")
    images = np.random.default_rng(2).normal(size=(5, 16, 16, 3)).astype("f4")
    logits = flax_models.logits(flax_models.network(own), params, images, batch=2)
    # By numpy: the mean over positions of a convolution's positive part, then a matrix.
    padded = np.pad(images, ((0, 0), (1, 1), (1, 1), (0, 0)))
    windows = np.lib.stride_tricks.sliding_window_view(padded, (3, 3), (1, 2))
    hidden = np.einsum("nijchw,hwcd->nijd", windows, file["body/kernel"]) + file["body/bias"]
    expected = np.maximum(hidden, 0).mean((1, 2)) @ file["logits/kernel"] + file["logits/bias"]
    np.testing.assert_allclose(logits, expected, rtol=1e-4, atol=1e-4)


@pytest.fixture
def digits():
    """A short recipe of the tests' paper, and its digits."""
    short = replace(recipe("micro"), steps=60, batch_size=32, learning_rate=0.1, resolution=16, dropout=0.0)
    run = Run(checkpoint("micro-vit-s"), dataset("digits-5"), short, 1, "jax")
    return run, load(run)


def test_it_is_trained_with_a_new_head_of_zeros(digits, folder):
    run, data = digits
    run = replace(run, checkpoint=replace(entry(), sha256="0" * 64))
    outcome = fine_tune(run, weights_of(entry(), folder / "w.npz"), data, Execution())
    assert outcome.losses[0] == pytest.approx(math.log(run.dataset.classes), abs=1e-4)
    assert np.mean(outcome.losses[-20:]) < outcome.losses[0]
    assert outcome.predictions.shape == (run.dataset.test,)


def test_a_head_of_another_size_needs_a_function_that_takes_it(folder):
    found = entry(model="my_flax:fixed")
    weights = weights_of(found, folder / "w.npz")
    params, own = build_checkpoint_flax(found, weights, classes=4)
    assert own.classes == 4
    assert not np.any(flatten_dict(params, sep="/")["logits/kernel"])
    with pytest.raises(ClaimsError, match="expected my_flax:fixed to take a number of classes for a new head of 7"):
        build_checkpoint_flax(found, weights, classes=7)


@pytest.mark.parametrize(
    ("model", "said"),
    [
        ("my_flax:nothing", r"to return a Flax module \(flax.linen\) for the backend jax, found builtins.int"),
        ("my_flax:normed", "expected a network with parameters alone, found batch_stats, too; use layers without"),
    ],
)
def test_what_is_no_network_for_it_is_one_line(folder, model, said):
    found = entry(model=model)
    with pytest.raises(ClaimsError, match=said) as error:
        build_checkpoint_flax(found, weights_of(found, folder / "w.npz"))
    assert "\n" not in str(error.value)


@pytest.mark.parametrize(
    ("arrays", "said"),
    [
        ({"body/kernel": (3, 3, 3, 6)}, "body/bias: expected weights of shape .* found none"),
        ({"body/kernel": (3, 3, 3, 5)}, r"body/kernel: expected shape \(3, 3, 3, 6\), found \(3, 3, 3, 5\)"),
        ({"more/kernel": (1,)}, "more/kernel: expected no such weights, found 1 of these"),
    ],
)
def test_weights_that_do_not_fit_are_one_line(folder, arrays, said):
    found = entry()
    whole = {} if "none" in said else dict(np.load(folder / "w.npz"))
    with pytest.raises(ClaimsError, match=said):
        build_checkpoint_flax(found, whole | {name: np.zeros(shape, "f4") for name, shape in arrays.items()})


def test_a_function_of_lower_precision_gives_float32_logits(folder):
    found = entry()
    params, own = build_checkpoint_flax(found, weights_of(found, folder / "w.npz"))
    images = jnp.ones((2, 16, 16, 3))
    exact = flax_models.apply(flax_models.network(own), params, images)
    lower = flax_models.apply(flax_models.network(own, dtype="bfloat16"), params, images)
    assert lower.dtype == exact.dtype == jnp.float32
    assert 0 < float(jnp.max(jnp.abs(lower - exact))) < 0.1 * float(jnp.max(jnp.abs(exact)))
    assert jax.tree.all(jax.tree.map(lambda leaf: leaf.dtype == jnp.float32, params))
