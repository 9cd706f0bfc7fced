"""Inputs in JAX: what preprocessing gives one image after the other, from memory and from a cache of many sizes."""

from dataclasses import replace

import jax
import numpy as np
import pytest

from harness.catalog.checkpoints import checkpoint
from harness.catalog.datasets import dataset
from harness.catalog.recipes import recipe
from harness.core.errors import ClaimsError
from harness.core.run import Run
from harness.data.augment import VIEW_STREAM, WORDS, draw
from harness.data.pixel_cache import cached
from harness.data.preprocess import eval_rule
from harness.data.readers.image_folder import image_folder
from harness.data.rng import raw_words
from harness.data.splits import Split
from harness.training.api import EVALUATION_BATCH
from harness.training.jax.device import DeviceContext
from harness.training.jax.evaluation import eval_inputs
from harness.training.jax.inputs import RESIDENT, Feed, Pixels, aligned, filled, whole
from harness.training.jax.step import Layout
from tests.data import making
from tests.data.one_image import prepared
from tests.data.test_augment import CROPS, seen_by_preprocessing

CHOSEN = np.array([9, 0, 3, 2, 7, 5, 6, 1])


class Accelerator(DeviceContext):
    """A CPU that is treated as an accelerator: pixels lie there, compiled programs sample them."""

    accelerated = True


MACHINES = {"cpu": DeviceContext, "accelerator": Accelerator}


@pytest.fixture(params=MACHINES)
def here(request):
    return MACHINES[request.param]((jax.devices("cpu")[0],))


def run_of(how):
    return Run(checkpoint("micro-vit-s"), dataset("digits-5"), how, seed=7, backend="jax")


@pytest.fixture(params=["many sizes", "colour", "grey"])
def split(request, tmp_path):
    """Eight of ten images, out of order."""
    if request.param == "many sizes":
        for number in range(10):
            name = f"{'cat' if number < 5 else 'dog'}/{number}.png"
            making.put(tmp_path / name, making.png(number, height=16 + 3 * number, width=40 - 2 * number))
        cache = cached(image_folder(tmp_path), tmp_path / "cache")
        return Split(cache, cache.labels[CHOSEN], CHOSEN)
    shape = (10, 14, 11) if request.param == "grey" else (10, 14, 11, 3)
    images = np.random.default_rng(1).integers(0, 256, shape, dtype=np.uint8)
    return Split(images, np.arange(8) % 3, CHOSEN)


def image(split, example):
    at = int(split.index[example])
    stored = split.images[at] if isinstance(split.images, np.ndarray) else split.images.image(at)
    return stored[..., None] if stored.ndim == 2 else stored


@pytest.mark.parametrize("name", CROPS)
def test_every_batch_is_what_preprocessing_gives(split, name, here):
    how = replace(CROPS[name], mean=0.4, std=0.25)
    with Feed(split, run_of(how), here) as feed:
        for step in range(4):
            found = feed.batch(step).rows(Layout.of(how.batch_size, how.batch_size, 1))
            drawn = draw(8, how, 7, step)
            words = raw_words(VIEW_STREAM, 7, step, len(drawn.index) * WORDS).reshape(-1, WORDS)
            wanted = [
                (seen_by_preprocessing(image(split, example), how, words[n]) / 255 - 0.4) / 0.25
                for n, example in enumerate(drawn.index)
            ]
            assert np.asarray(found.images) == pytest.approx(np.stack(wanted), abs=1e-4)
            assert found.images.dtype == np.float32
            assert found.labels.tolist() == split.labels[drawn.index].tolist()
        assert 0 <= feed.waiting < 10


def test_rows_that_do_not_count_hold_the_first_example_and_partners_are_the_batch_s(split, here):
    how = replace(CROPS["random"], batch_size=7, mixup=0.3)
    layout = Layout.of(7, 3, 2)
    assert (layout.parts, layout.rows) == (3, 4)
    with Feed(split, run_of(how), here) as feed:
        batch = feed.batch(0)
        found = batch.rows(layout)
        plain = np.asarray(batch.read(np.arange(7)))
    drawn = draw(8, how, 7, 0)
    assert np.array_equal(np.asarray(found.images), plain[[0, 1, 2, 3, 4, 5, 6, 0, 0, 0, 0, 0]])
    assert found.partners[:7].tolist() == drawn.partners.tolist()
    assert sorted(found.partners[:7]) == list(range(7))
    assert found.share == pytest.approx(drawn.share)


@pytest.mark.parametrize(
    ("batch", "size", "devices", "parts", "rows"),
    [(32, 32, 1, 1, 32), (32, 5, 1, 7, 5), (512, 200, 1, 3, 171), (512, 200, 8, 3, 176), (3, 3, 2, 1, 4)],
)
def test_parts_are_as_equal_as_can_be_and_shared_out_evenly(batch, size, devices, parts, rows):
    layout = Layout.of(batch, size, devices)
    assert (layout.parts, layout.rows) == (parts, rows)
    positions = layout.positions()
    assert positions[:batch].tolist() == list(range(batch))
    assert len(positions) == parts * rows


RULES = {
    "square": {},
    "another side": {"test_resolution": 20},
    "short side": {"test_resize": "short side", "test_crop_share": 0.875},
    "timm's": {
        "test_resize": "short side",
        "test_crop_share": 0.9,
        "test_interpolation": "bicubic",
        "test_antialias": True,
    },
}


@pytest.mark.parametrize("name", RULES)
def test_test_inputs_are_those_of_preprocessing(name, split, here):
    how = replace(recipe("micro"), **{"resolution": 10, "mean": 0.4, "std": 0.3} | RULES[name])
    ((start, inputs),) = eval_inputs(split, how, here, EVALUATION_BATCH)
    wanted = np.stack([prepared(image(split, n), eval_rule(how), -0.4 / 0.3, 0.6 / 0.3) for n in range(8)])
    assert start == 0
    assert inputs.shape == (EVALUATION_BATCH, how.side, how.side, wanted.shape[3])
    assert np.asarray(inputs)[:8] == pytest.approx(wanted, abs=1e-5)
    assert np.array_equal(np.asarray(inputs)[8:], np.asarray(inputs)[[7] * 248])


def test_the_batches_come_in_order_and_whole(here):
    split = Split(np.arange(600, dtype=np.uint8)[:, None, None].repeat(14, 1).repeat(14, 2), np.zeros(600, np.int64))
    how = replace(recipe("micro"), resolution=14, mean=0, std=1 / 255)
    batches = list(eval_inputs(split, how, here, 256))
    assert [start for start, _ in batches] == [0, 256, 512]
    together = np.concatenate([np.asarray(inputs) for _, inputs in batches])[:600, 0, 0, 0]
    assert together.tolist() == pytest.approx([n % 256 for n in range(600)], abs=1e-3)


def test_another_range_than_the_model_s_is_refused(here):
    bright = Split(np.full((20, 8, 8), 200, np.uint8), np.zeros(20, np.int64))
    with pytest.raises(ClaimsError, match=r"micro-vit-s: expected inputs in \[-1, 1\], .* as if scaled to \[0, 1\]"):
        Feed(bright, run_of(replace(recipe("micro"), resolution=8)), here)


def test_sizes_of_pixels_that_come_with_a_batch_are_few_and_little_is_filled():
    numbers = np.unique(np.geomspace(1, RESIDENT, 5000).astype(np.int64))
    sizes = [filled(int(number)) for number in numbers]
    assert all(number <= size <= max(number + 1, 1.126 * number) for number, size in zip(numbers, sizes, strict=True))
    assert len(set(sizes)) <= 16 * 32


@pytest.mark.parametrize("side", [7, 16, 33])
def test_whole_images_are_stretched_as_their_whole_views_are_bit_for_bit(side):
    images = np.random.default_rng(side).integers(0, 256, (6, 16, 16, 3), np.uint8)
    split = Split(images, np.zeros(6, np.int64))
    how = replace(recipe("micro"), resolution=side, mean=0.4, std=0.3)
    pixels = Pixels(split, how, DeviceContext((jax.devices("cpu")[0],)))
    chosen = np.array([5, 0, 0, 3] * 5)
    seen = pixels.prepare(chosen, whole(pixels.heights[chosen], pixels.widths[chosen], side))
    expected = pixels.read(seen, np.arange(20))
    assert expected.shape == (20, side, side, 3)
    np.testing.assert_array_equal(pixels.stretched(chosen, side), expected)


@pytest.mark.parametrize("shape", [(3, 5), (2, 7, 7, 1), (256, 32, 32, 3)])
def test_jax_computes_with_an_aligned_array_as_it_lies(shape):
    for _ in range(5):
        array = aligned(shape)
        assert (array.shape, array.dtype) == (shape, np.float32)
        assert jax.device_put(array, jax.devices("cpu")[0]).unsafe_buffer_pointer() == array.ctypes.data
