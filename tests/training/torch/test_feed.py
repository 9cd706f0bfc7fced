"""Batches on the device: the same inputs from memory, from a cache of many sizes, and from preprocessing."""

from dataclasses import replace

import numpy as np
import pytest
import torch

from harness.catalog.checkpoints import checkpoint
from harness.catalog.datasets import dataset
from harness.core.errors import ClaimsError
from harness.core.run import Run
from harness.data.augment import VIEW_STREAM, WORDS, draw
from harness.data.pixel_cache import cached
from harness.data.preprocess import Resize
from harness.data.readers.image_folder import image_folder
from harness.data.rng import raw_words
from harness.data.splits import Split
from harness.training.torch.device import DeviceContext
from harness.training.torch.feed import Feed, Prepared, Sampled
from tests.data import making
from tests.data.test_augment import CROPS, seen_by_preprocessing

CPU = DeviceContext(torch.device("cpu"))


def run_of(recipe):
    return Run(checkpoint("micro-vit-s"), dataset("digits-5"), recipe, seed=7)


@pytest.fixture
def many_sizes(tmp_path):
    """A cache of ten images of several sizes, of which a split takes eight, out of order."""
    for number in range(10):
        name = f"{'cat' if number < 5 else 'dog'}/{number}.png"
        making.put(tmp_path / name, making.png(number, height=16 + 3 * number, width=40 - 2 * number))
    chosen = np.array([9, 0, 3, 2, 7, 5, 6, 1])
    cache = cached(image_folder(tmp_path), tmp_path / "cache")
    return Split(cache, cache.labels[chosen], chosen)


def one_size(channels=3):
    generator = np.random.default_rng(1)
    shape = (10, 14, 11) if channels == 1 else (10, 14, 11, 3)
    chosen = np.array([9, 0, 3, 2, 7, 5, 6, 1])
    return Split(generator.integers(0, 256, shape, dtype=np.uint8), np.arange(8) % 3, chosen)


def image(split, example):
    at = int(split.index[example])
    stored = split.images[at] if isinstance(split.images, np.ndarray) else split.images.image(at)
    return stored[..., None] if stored.ndim == 2 else stored


def expected(split, recipe, seed, step):
    """Return a batch's inputs and labels by preprocessing one image after the other."""
    drawn = draw(len(split), recipe, seed, step)
    words = raw_words(VIEW_STREAM, seed, step, len(drawn.index) * WORDS).reshape(-1, WORDS)
    inputs = [
        (seen_by_preprocessing(image(split, example), recipe, words[n]) / 255 - recipe.mean) / recipe.std
        for n, example in enumerate(drawn.index)
    ]
    return np.stack(inputs).transpose(0, 3, 1, 2), split.labels[drawn.index]


@pytest.mark.parametrize("name", CROPS)
@pytest.mark.parametrize("stored", ["many sizes", "colour", "grey"])
def test_every_batch_is_what_preprocessing_gives(many_sizes, name, stored):
    split = many_sizes if stored == "many sizes" else one_size(1 if stored == "grey" else 3)
    recipe = replace(CROPS[name], mean=0.4, std=0.25)
    with Feed(split, run_of(recipe), CPU) as feed:
        for step in range(5):
            inputs, ((share, labels),) = feed.batch(step).part(0, 6)
            wanted, wanted_labels = expected(split, recipe, 7, step)
            assert inputs.numpy() == pytest.approx(wanted, abs=1e-4)
            assert labels.tolist() == wanted_labels.tolist()
            assert share == 1
        assert 0 <= feed.waiting < 10


def test_inputs_are_prepared_once_where_nothing_is_random_and_sampled_otherwise(many_sizes):
    kinds = []
    for split, recipe in [(one_size(), CROPS["none"]), (one_size(), CROPS["flip"]), (many_sizes, CROPS["none"])]:
        with Feed(split, run_of(recipe), CPU) as feed:
            kinds.append((type(feed.source), getattr(feed.source, "resident", None) is not None))
    assert kinds == [(Prepared, False), (Sampled, True), (Sampled, False)]


def test_pixels_that_come_with_the_batch_give_the_inputs_of_those_on_the_device(monkeypatch):
    split, recipe = one_size(), CROPS["inception"]
    with Feed(split, run_of(recipe), CPU) as feed:
        resident = [feed.batch(step).part(0, 6)[0] for step in range(3)]
    monkeypatch.setattr("harness.training.torch.feed.RESIDENT", 0)
    with Feed(split, run_of(recipe), CPU) as feed:
        assert feed.source.resident is None
        for step, inputs in enumerate(resident):
            assert torch.equal(feed.batch(step).part(0, 6)[0], inputs)


def test_a_feed_begins_at_any_step():
    split, recipe = one_size(), CROPS["inception"]
    with Feed(split, run_of(recipe), CPU) as feed:
        wanted = [feed.batch(step).part(0, 6)[0] for step in range(5)][3]
    with Feed(split, run_of(recipe), CPU, first=3) as feed:
        assert torch.equal(feed.batch(3).part(0, 6)[0], wanted)


@pytest.mark.parametrize("name", ["none", "inception"])
def test_mixup_mixes_images_and_labels_of_the_same_two_examples(name):
    split, recipe = one_size(), CROPS[name]
    mixed = replace(recipe, mixup=0.5)
    with Feed(split, run_of(recipe), CPU) as plain, Feed(split, run_of(mixed), CPU) as feed:
        for step in range(3):
            alone, ((_, labels),) = plain.batch(step).part(0, 6)
            drawn = draw(8, mixed, 7, step)
            share, partners = drawn.share, torch.from_numpy(drawn.partners)
            batch = feed.batch(step)
            parts = [batch.part(0, 4), batch.part(4, 6)]
            inputs = torch.cat([part for part, _ in parts])
            assert torch.allclose(inputs, share * alone + (1 - share) * alone[partners], atol=1e-6)
            targets = [torch.cat([targets[n][1] for _, targets in parts]) for n in range(2)]
            assert targets[0].equal(labels)
            assert targets[1].equal(labels[partners])
            assert [weight for weight, _ in parts[0][1]] == pytest.approx([share, 1 - share])


def test_the_shares_of_two_processes_are_the_batch():
    split, recipe = one_size(), replace(CROPS["inception"], mixup=0.5, batch_size=5)
    with Feed(split, run_of(recipe), CPU) as feed:
        inputs, targets = feed.batch(0).part(0, 5)
    for rank in range(2):
        with Feed(split, run_of(recipe), DeviceContext(torch.device("cpu"), rank=rank, world=2)) as feed:
            batch = feed.batch(0)
            part, part_targets = batch.part(0, len(batch))
            assert torch.equal(part, inputs[rank::2])
            assert part_targets[1][1].equal(targets[1][1][rank::2])
            assert len(batch.index) == 5


@pytest.mark.parametrize("name", ["none", "flip"])
def test_images_as_bright_as_from_another_scale_are_refused_at_the_door(name):
    bright = Split(np.full((9, 8, 8, 3), 200, np.uint8), np.zeros(9, np.int64))
    recipe = replace(CROPS[name], batch_size=9)
    with pytest.raises(ClaimsError, match="micro-vit-s: expected inputs in .* as if scaled to"):
        with Feed(bright, run_of(recipe), CPU) as feed:
            feed.batch(0).part(0, 9)


def test_a_square_cache_is_one_array_on_the_device(tmp_path):
    for number in range(4):
        making.put(tmp_path / f"cat/{number}.png", making.png(number, height=9 + number))
    cache = cached(image_folder(tmp_path), tmp_path / "cache", Resize("square", 16))
    with Feed(Split(cache, cache.labels), run_of(CROPS["flip"]), CPU) as feed:
        assert feed.source.resident.shape == (4 * 16 * 16, 3)
        assert feed.batch(0).part(0, 2)[0].shape == (2, 3, 12, 12)
