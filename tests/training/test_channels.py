"""Levels normalised by a mean and a standard deviation of each channel, on every way from stored pixels to inputs."""

from dataclasses import replace

import jax
import numpy as np
import pytest
import torch

from harness.catalog.checkpoints import checkpoint
from harness.catalog.datasets import dataset
from harness.catalog.recipes import recipe
from harness.core.run import Run, identity
from harness.core.specs import Recipe
from harness.data.preprocess import Resize, resized
from harness.data.splits import Split
from harness.data.stored_pixels import limits
from harness.training.api import EVALUATION_BATCH
from harness.training.jax import evaluation as jax_evaluation
from harness.training.jax import inputs as jax_inputs
from harness.training.jax.device import DeviceContext as JaxDeviceContext
from harness.training.torch import evaluation as torch_evaluation
from harness.training.torch import feed as torch_feed
from harness.training.torch.device import DeviceContext
from harness.training.torch.inputs import to_inputs

MEAN, STD = (0.485, 0.456, 0.406), (0.229, 0.224, 0.225)
CPU = DeviceContext(torch.device("cpu"))


def how(**changed):
    return replace(recipe("micro"), mean=MEAN, std=STD, resolution=12, batch_size=4, **changed)


@pytest.fixture(params=["colour", "grey"])
def split(request):
    shape = (8, 12, 12) if request.param == "grey" else (8, 12, 12, 3)
    images = np.random.default_rng(1).integers(0, 256, shape, dtype=np.uint8)
    return Split(images, np.arange(8) % 3)


def wanted(levels):
    """The formula, NHWC, in float64; a grey image is all three channels."""
    colour = levels if levels.shape[-1] == 3 else np.repeat(levels, 3, axis=-1)
    return np.stack([(colour[..., c] / 255 - MEAN[c]) / STD[c] for c in range(3)], axis=-1)


def stored(split):
    images = split.images.astype(np.float64)
    return images if images.ndim == 4 else images[..., None]


def run_of(changed, backend):
    return Run(checkpoint("micro-vit-s"), dataset("digits-5"), changed, seed=7, backend=backend)


def test_one_size_of_images_is_normalised_channel_by_channel(split):
    found = to_inputs(split.images, 12, how())
    assert found.movedim(1, 3).numpy() == pytest.approx(wanted(stored(split)), abs=1e-5)
    low, high = limits(how())
    assert (low, high) == pytest.approx((min(-m / s for m, s in zip(MEAN, STD, strict=True)), (1 - 0.406) / 0.225))


@pytest.mark.parametrize("flip", [False, True], ids=["prepared once", "sampled"])
def test_training_batches_are(split, flip):
    """A flipped image of both halves alike is itself, so that what was drawn need not be known."""
    images = np.concatenate([split.images[:, :, :6], split.images[:, :, 5::-1]], axis=2)
    alike = Split(images, split.labels)
    changed = how(flip=flip)
    expected = wanted(stored(alike))
    with torch_feed.Feed(alike, run_of(changed, "torch"), CPU) as feed:
        batch = feed.batch(0)
        inputs = batch.part(0, 4)[0]
        assert inputs.movedim(1, 3).numpy() == pytest.approx(expected[batch.index[:4]], abs=1e-4)
    context = JaxDeviceContext((jax.devices("cpu")[0],))
    with jax_inputs.Feed(alike, run_of(changed, "jax"), context) as feed:
        batch = feed.batch(0)
        found = np.asarray(batch.read(np.arange(4)))
        assert found == pytest.approx(expected[batch.drawn.index[:4]], abs=1e-4)
        assert found.dtype == np.float32


@pytest.mark.parametrize("changed", [{}, {"test_interpolation": "bicubic", "test_antialias": True}])
def test_test_inputs_are(split, changed):
    recipe_of = how(test_resolution=9, **changed)
    rule = Resize("square", 9, recipe_of.test_interpolation, recipe_of.test_antialias)
    expected = wanted(np.stack([resized(image, rule) for image in stored(split).astype(np.uint8)]))
    (found,) = torch_evaluation.eval_inputs(split, recipe_of, range(0, 8, EVALUATION_BATCH), CPU)
    assert found.movedim(1, 3).numpy() == pytest.approx(expected, abs=1e-4)
    context = JaxDeviceContext((jax.devices("cpu")[0],))
    ((_, inputs),) = jax_evaluation.eval_inputs(split, recipe_of, context, EVALUATION_BATCH)
    assert np.asarray(inputs)[:8] == pytest.approx(expected, abs=1e-4)
    assert np.asarray(inputs).dtype == np.float32


def test_the_centre_of_a_stretched_image_is_the_input(split):
    recipe_of = how(test_resolution=8, test_crop_share=0.5)
    stretched = np.stack([resized(image, Resize("square", 16)) for image in stored(split).astype(np.uint8)])
    expected = wanted(stretched[:, 4:12, 4:12])
    (found,) = torch_evaluation.eval_inputs(split, recipe_of, range(0, 8, EVALUATION_BATCH), CPU)
    assert found.movedim(1, 3).numpy() == pytest.approx(expected, abs=1e-4)
    context = JaxDeviceContext((jax.devices("cpu")[0],))
    ((_, inputs),) = jax_evaluation.eval_inputs(split, recipe_of, context, EVALUATION_BATCH)
    assert np.asarray(inputs)[:8] == pytest.approx(expected, abs=1e-4)


def test_three_equal_numbers_are_one_and_no_other_identity():
    def of(**values):
        return Recipe("r", batch_size=1, resolution=8, steps=1, learning_rate=1, **values)

    assert identity(of(mean=(0.5, 0.5, 0.5), std=[0.5, 0.5, 0.5])) == identity(of())
    assert identity(of(mean=[0.1, 0.2, 0.3]))["mean"] == [0.1, 0.2, 0.3]
