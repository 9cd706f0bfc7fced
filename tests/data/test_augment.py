"""What a step sees: boxes and taps against preprocessing's own, and what they may depend on."""

from dataclasses import replace

import numpy as np
import pytest
import torch

from harness.core.specs import Recipe
from harness.data.augment import ATTEMPTS, VIEW_STREAM, WORDS, draw, dropout_seed, inception_boxes, taps, views
from harness.data.preprocess import Resize, resized
from harness.data.rng import raw_words
from harness.data.splits import batch_indices
from tests.data.one_image import inception_box, random_box

PLAIN = Recipe("r", steps=9, batch_size=6, resolution=12, learning_rate=0.1)
CROPS = {
    "none": PLAIN,
    "flip": replace(PLAIN, flip=True),
    "random": replace(PLAIN, crop="random", train_resize=17, flip=True),
    "inception": replace(PLAIN, crop="inception", flip=True),
}


@pytest.fixture(scope="module")
def images():
    generator = np.random.default_rng(3)
    shapes = [(20, 30), (31, 9), (12, 12), (7, 8), (40, 41), (1, 3)]
    return [generator.integers(0, 256, (*shape, 3), dtype=np.uint8) for shape in shapes]


def sizes(images):
    return tuple(np.array([image.shape[axis] for image in images]) for axis in (0, 1))


def seen_by_preprocessing(image, recipe, words):
    """Return what a step must see of an image: resized, cropped and flipped as preprocessing does it."""
    levels = image
    if recipe.crop == "random":
        levels = resized(image, Resize("square", recipe.train_resize))
        box = random_box(recipe.resolution, *levels.shape[:2], words[1:3])
        levels = levels[box.top : box.top + box.height, box.left : box.left + box.width]
    elif recipe.crop == "inception":
        box = inception_box(0.05, *image.shape[:2], words[1:])
        levels = image[box.top : box.top + box.height, box.left : box.left + box.width]
    levels = resized(levels, Resize("square", recipe.resolution))
    return levels[:, ::-1] if recipe.flip and int(words[0]) >> 63 else levels


@pytest.mark.parametrize("name", CROPS)
def test_taps_give_what_preprocessing_gives(images, name):
    recipe = CROPS[name]
    flips = 0
    for step in range(4):
        seen = views(recipe, *sizes(images), 5, step)
        rows, columns = taps(seen)
        all_words = raw_words(VIEW_STREAM, 5, step, len(images) * WORDS).reshape(-1, WORDS)
        for n, image in enumerate(images):
            top, left, height, width = seen.boxes[n]
            box = image[top : top + height, left : left + width].astype(np.float64)
            down, across = rows.weight[n][:, None, None], columns.weight[n][:, None]
            lines = box[rows.low[n]] * (1 - down) + box[rows.high[n]] * down
            found = lines[:, columns.low[n]] * (1 - across) + lines[:, columns.high[n]] * across
            assert found == pytest.approx(seen_by_preprocessing(image, recipe, all_words[n]), abs=2e-3)
        flips += seen.flips.sum()
    assert (flips > 0) == recipe.flip
    assert flips < 4 * len(images)


def test_inception_boxes_are_those_of_one_image_at_a_time():
    n = 400
    words = raw_words(1, 2, n * 4 * ATTEMPTS).reshape(n, -1)
    heights, widths = (raw_words(key, n) % 90 + 1 for key in (3, 4))
    found = inception_boxes(0.05, heights.astype(np.int64), widths.astype(np.int64), words)
    for box, height, width, row in zip(found, heights, widths, words, strict=True):
        one = inception_box(0.05, int(height), int(width), row)
        assert tuple(box) == (one.top, one.left, one.height, one.width)
    assert len({tuple(box[:2]) for box in found}) > 100


def test_an_image_that_no_box_fits_is_taken_whole():
    words = raw_words(9, 4 * ATTEMPTS)[None]
    assert inception_boxes(0.9, np.array([2]), np.array([1000]), words).tolist() == [[0, 0, 2, 1000]]


def test_an_inception_box_by_hand():
    # Area 0.525 of 100 x 100, aspect 3/4: height sqrt(7,000) = 84, width sqrt(3,937.5) = 63; half of what is left.
    half = 2**63
    words = np.array([[half, 0, half, half] + [0] * (4 * ATTEMPTS - 4)], dtype=np.uint64)
    assert inception_boxes(0.05, np.array([100]), np.array([100]), words).tolist() == [[8, 19, 84, 63]]


def test_inception_boxes_keep_to_their_area_and_aspect_ratio():
    n = 300
    words = np.random.default_rng(0).integers(0, 2**64, (n, 4 * ATTEMPTS), dtype=np.uint64)
    top, left, height, width = inception_boxes(0.05, np.full(n, 400), np.full(n, 500), words).T
    share, aspect = height * width / 200_000, width / height
    assert 0.048 < share.min() < 0.1
    assert 0.74 < aspect.min() < aspect.max() < 1.35
    assert (top + height <= 400).all()
    assert (left + width <= 500).all()


def test_views_depend_on_seed_and_step_alone(images):
    recipe = CROPS["inception"]
    first, again, other, later = (views(recipe, *sizes(images), *key) for key in ((5, 1), (5, 1), (6, 1), (5, 2)))
    assert np.array_equal(first.boxes, again.boxes)
    assert not np.array_equal(first.boxes, other.boxes)
    assert not np.array_equal(first.boxes, later.boxes)
    some = np.array([4, 1])
    assert np.array_equal(taps(first[some])[1].low, taps(first)[1].low[some])


def test_half_of_all_images_are_flipped():
    recipe = replace(PLAIN, flip=True)
    side = np.full(2000, 8)
    flipped = views(recipe, side, side, 0, 0).flips.mean()
    assert flipped == pytest.approx(0.5, abs=4 * 0.5 / np.sqrt(2000))


def test_the_examples_of_all_processes_are_the_batch():
    recipe = replace(PLAIN, batch_size=7, mixup=0.1)
    whole = draw(50, recipe, 3, 2)
    assert np.array_equal(whole.index, batch_indices(50, 7, 2, 3))
    assert np.array_equal(whole.needed[whole.own], np.arange(7))
    assert sorted(whole.needed[whole.partners]) == list(range(7))
    parts = [draw(50, recipe, 3, 2, rank, 3) for rank in range(3)]
    own = np.concatenate([part.needed[part.own] for part in parts])
    partners = np.concatenate([part.needed[part.partners] for part in parts])
    assert sorted(own) == list(range(7))
    assert np.array_equal(partners, whole.needed[whole.partners][own])
    assert {part.share for part in parts} == {whole.share}


def test_mixup_s_share_is_beta_distributed():
    recipe = replace(PLAIN, mixup=0.1)
    shares = np.array([draw(50, recipe, 1, step).share for step in range(1500)])
    # beta(a, a): mean 1/2, variance 1 / (4 (2 a + 1)).
    assert shares.mean() == pytest.approx(0.5, abs=4 * np.sqrt(0.2083 / 1500))
    assert shares.var() == pytest.approx(1 / (4 * 1.2), rel=0.06)
    assert ((shares >= 0) & (shares <= 1)).all()
    assert draw(50, PLAIN, 1, 0).partners is None


def test_dropout_has_a_seed_of_its_own_for_every_step_and_process():
    seeds = {dropout_seed(*key) for key in [(0, 0), (0, 1), (1, 0), (0, 0, 1), (0, 1, 1)]}
    assert len(seeds) == 5
    for seed in seeds:
        torch.Generator().manual_seed(seed)  # takes it
