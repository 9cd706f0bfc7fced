"""A real dataset in a run: named by its very bytes in any form, decoded as the recipe asks, and no part too many."""

import dataclasses
import json
import shutil

import numpy as np
import pytest

from harness.catalog.datasets import pinned_dataset
from harness.core.errors import ClaimsError
from harness.core.run import Run
from harness.core.specs import Checkpoint, Recipe
from harness.data.pinned import eval_resize, load_real, pin, pinned, train_rule
from harness.data.pixel_cache import PixelCache
from harness.data.preprocess import Resize, stored
from harness.data.splits import dev_split
from harness.fetch import unpack
from tests.data import making
from tests.data.readers.test_cifar import NAMES_10
from tests.data.test_registry import folders, small


@pytest.fixture(autouse=True)
def places(tmp_path, monkeypatch):
    monkeypatch.setenv("VIT_CLAIMS_HOME", str(tmp_path / "home"))
    monkeypatch.setenv("VIT_CLAIMS_DATA", str(tmp_path / "data"))
    monkeypatch.setenv("VIT_CLAIMS_OFFLINE", "1")


def recipe(**changed):
    values = {"id": "r", "batch_size": 2, "resolution": 4, "steps": 3, "learning_rate": 0.1}
    return Recipe(**values | changed)


EVALUATE = {"steps": 0, "learning_rate": None}


def run(entry, split="test", **changed):
    how = recipe(**changed)
    weights = Checkpoint("c", "vit", "ViT-L/16", "ImageNet-21k", "vit-npz", file="c.npz", sha256="a" * 64)
    return Run(weights, pinned_dataset(entry, train=not how.evaluates_only), how, seed=0, split=split)


def data_of(a_run, entry, tmp_path):
    return load_real(a_run, entry, tmp_path / "data" / entry.folder, tmp_path / "home" / "decoded")


def eurosat(tmp_path, n=20):
    """Images of 6 x 5 pixels, numbered, in two classes: a fifth is the test part."""
    folders(tmp_path / "data" / "eurosat", n)
    return small("vtab-eurosat", classes=2, pool=None, train=n - n // 5, test=n // 5, dev_fraction=0.25)


def cifar(root):
    """CIFAR-10 with one image of each class in either part, in its archive."""
    files = {"batches.meta.txt": "\n".join(NAMES_10).encode()}
    for batch in range(5):
        files[f"data_batch_{batch + 1}.bin"] = making.cifar_records([2 * batch, 2 * batch + 1], first=2 * batch)
    files["test_batch.bin"] = making.cifar_records(range(10), first=50)
    inside = {f"cifar-10-batches-bin/{name}": content for name, content in files.items()}
    making.tar(root / "cifar-10-binary.tar.gz", inside, "w:gz")
    return small("cifar10", train=10, test=10)


def many_sizes(tmp_path, wide=9):
    """Training and test images of the class-folder form, each of another size."""
    root = tmp_path / "data" / "mine"
    for number in range(8):
        making.put(root / "train" / f"c{number % 2}" / f"{number}.png", making.png(number, 6 + number, wide))
    for number in range(8, 12):
        making.put(root / "test" / f"c{number % 2}" / f"{number}.png", making.png(number, 6 + number, wide))
    return small("cifar10", id="mine", reader="folder", classes=2, train=8, test=4, dev_fraction=0.25)


# Numbers of the images in the order of the class folders and of the files' names.
TRAIN, TEST = [0, 2, 4, 6, 1, 3, 5, 7], [10, 8, 11, 9]


def images(split):
    if isinstance(split.images, PixelCache):
        where = range(len(split)) if split.index is None else split.index
        return [split.images.image(int(i)) for i in where]
    return list(split.array())


def originals(numbers, rule, wide=9):
    return [stored(making.pixels(number, 6 + number, wide), rule) for number in numbers]


def assert_same(found, expected):
    assert len(found) == len(expected)
    assert all(np.array_equal(a, b) for a, b in zip(found, expected, strict=True))


def test_the_same_images_in_another_form_are_the_same_dataset(tmp_path, monkeypatch):
    entry = cifar(tmp_path / "data" / "cifar10")
    first = pinned_dataset(entry)
    monkeypatch.setenv("VIT_CLAIMS_HOME", str(tmp_path / "another"))
    monkeypatch.setenv("VIT_CLAIMS_DATA", str(tmp_path / "unpacked"))
    archive = tmp_path / "data/cifar10/cifar-10-binary.tar.gz"
    unpack(archive, tmp_path / "unpacked" / "cifar10", max_bytes=1 << 20)
    again = pinned_dataset(entry)
    assert first == again
    assert (first.train, first.test, first.protocol) == (10, 10, entry.protocol)


@pytest.mark.parametrize("part", ["test", "train"])
def test_one_byte_makes_another_dataset(tmp_path, monkeypatch, part):
    entry = many_sizes(tmp_path)
    first = run(entry)
    evaluation = run(entry, **EVALUATE)
    number = TEST[0] if part == "test" else TRAIN[0]
    making.put(tmp_path / "data/mine" / part / "c0" / f"{number}.png", making.png(99))
    assert run(entry).id == first.id  # pinned at the first read, and not read again
    with pytest.raises(ClaimsError, match=f"mine: expected the {part} images with digest .*, pinned at the first read"):
        data_of(first, entry, tmp_path)
    (tmp_path / "home/decoded/pins/mine.json").unlink()
    assert run(entry).id != first.id
    # An evaluation neither names nor misses the training images.
    assert (run(entry, **EVALUATE).id == evaluation.id) is (part == "train")
    with pytest.raises(ClaimsError, match=rf"mine: expected the images that run {first.id} names"):
        data_of(first, entry, tmp_path)


def test_which_examples_are_trained_on_is_part_of_the_dataset(tmp_path, monkeypatch):
    entry = eurosat(tmp_path)
    whole = pinned_dataset(entry)
    monkeypatch.setenv("VIT_CLAIMS_HOME", str(tmp_path / "another"))
    drawn = pinned_dataset(dataclasses.replace(entry, pool=16, train=8))
    assert drawn.sha256 != whole.sha256


def test_a_known_dataset_is_named_without_its_files(tmp_path):
    entry = many_sizes(tmp_path)
    first = pinned_dataset(entry)
    evaluation = pinned_dataset(entry, train=False)
    assert (evaluation.train, evaluation.sha256 == first.sha256) == (0, False)
    shutil.rmtree(tmp_path / "data")
    assert pinned_dataset(entry) == first
    assert pinned_dataset(entry, train=False) == evaluation
    with pytest.raises(ClaimsError, match="mine: expected it in .*mine, found no such folder"):
        data_of(run(entry), entry, tmp_path)


def test_the_parts_are_pinned_one_after_the_other(tmp_path):
    entry = many_sizes(tmp_path)
    folder = tmp_path / "home" / "decoded"
    pinned_dataset(entry, train=False)
    assert set(pinned("mine", folder)) == {"test", "numbered"}
    pinned_dataset(entry)
    assert set(pinned("mine", folder)) == {"test", "train", "numbered"}


def test_pins_of_version_0_1_are_read_and_none_is_lost(tmp_path):
    path = making.put(tmp_path / "pins" / "mine.json", json.dumps({"test": "a" * 64, "numbered": "false"}))
    written = path.read_bytes()
    assert pinned("mine", tmp_path) == {"test": "a" * 64, "numbered": "false"}
    pin("mine", {"test": "a" * 64}, tmp_path)
    assert path.read_bytes() == written  # nothing new
    with pytest.raises(
        ClaimsError, match=r"mine: expected the test images with digest a{16}\.\.\., pinned at the first"
    ):
        pin("mine", {"train": "c" * 64, "test": "b" * 64}, tmp_path)
    assert path.read_bytes() == written
    pin("mine", {"train": "c" * 64}, tmp_path)
    every = {"numbered": "false", "test": "a" * 64, "train": "c" * 64}
    assert json.loads(path.read_text()) == {"format": 1, "pins": every}
    assert pinned("mine", tmp_path) == every


@pytest.mark.parametrize(
    ("content", "message"),
    [
        ("[1", "expected pinned digests, found: Expecting"),
        ('["test"]', "expected pinned digests, found: list instead of an object"),
        ('{"format": 1}', 'expected pinned digests, found: no "format" and "pins"'),
        ('{"format": 2, "pins": {}}', "expected format 1, found 2; update the project"),
    ],
)
def test_pins_that_cannot_be_read_are_kept_and_reported(tmp_path, content, message):
    path = making.put(tmp_path / "pins" / "mine.json", content)
    for use in (lambda: pinned("mine", tmp_path), lambda: pin("mine", {"test": "a" * 64}, tmp_path)):
        with pytest.raises(ClaimsError, match=f"mine.json: {message}"):
            use()
    assert path.read_text() == content


def test_damaged_pins_are_one_line(tmp_path):
    making.put(tmp_path / "home/decoded/pins/vtab-eurosat.json", "[1")
    with pytest.raises(ClaimsError, match="expected pinned digests"):
        pinned_dataset(eurosat(tmp_path))


@pytest.mark.parametrize(
    ("changed", "rule"),
    [
        ({}, Resize("square", 4)),
        ({"crop": "random", "train_resize": 5}, Resize("square", 5)),
        ({"crop": "inception"}, None),
    ],
)
def test_training_images_are_stored_as_their_crop_needs_them(tmp_path, changed, rule):
    entry = many_sizes(tmp_path)
    data = data_of(run(entry, **changed), entry, tmp_path)
    assert_same(images(data.train), originals(TRAIN, rule))
    assert data.train.labels.tolist() == [0] * 4 + [1] * 4
    assert isinstance(data.train.images, PixelCache) is (rule is None)
    assert_same(images(data.test), originals(TEST, Resize("square", 4)))


@pytest.mark.parametrize(
    ("changed", "rule"),
    [
        ({"test_resolution": 6}, Resize("square", 6)),
        ({"test_resize": "short side", "test_crop_share": 0.875}, Resize("short side", 4)),
        (
            {"test_resize": "short side", "test_interpolation": "bicubic", "test_antialias": True},
            Resize("short side", 4, "bicubic", True),
        ),
    ],
)
def test_scored_images_are_stored_as_the_recipe_tests_them(tmp_path, changed, rule):
    entry = many_sizes(tmp_path)
    data = data_of(run(entry, **EVALUATE, **changed), entry, tmp_path)
    assert_same(images(data.test), originals(TEST, rule))
    assert data.test.labels.tolist() == [0, 0, 1, 1]
    assert len(data.train) == 0
    # 224 pixels of 0.875 of the short side: 256.
    assert eval_resize(recipe(resolution=224, test_resize="short side", test_crop_share=0.875), False).side == 256


def test_bicubic_without_antialiasing_is_refused_in_one_line(tmp_path):
    entry = many_sizes(tmp_path)
    with pytest.raises(ClaimsError, match="recipe r: test resize: .*bicubic without antialiasing"):
        data_of(run(entry, test_interpolation="bicubic"), entry, tmp_path)


def test_images_of_one_small_size_are_stored_as_they_are(tmp_path):
    entry = cifar(tmp_path / "data" / "cifar10")
    data = data_of(run(entry, crop="random", train_resize=160, resolution=128), entry, tmp_path)
    assert data.train.array().shape == (10, 32, 32, 3)
    assert all((data.test.array()[number] == making.pixels(50 + number, 32, 32)).all() for number in range(10))
    assert train_rule(recipe(), raw=True) is eval_resize(recipe(), raw=True) is None


@pytest.mark.parametrize("changed", [{}, {"crop": "random", "train_resize": 5}, {"crop": "inception"}])
def test_the_dev_split_is_scored_as_the_test_set_would_be_and_never_trained_on(tmp_path, changed):
    entry = many_sizes(tmp_path)
    kept, held = dev_split(8, 0.25)
    data = data_of(run(entry, "dev", **changed), entry, tmp_path)
    rule = train_rule(recipe(**changed), False)
    assert_same(images(data.train), originals([TRAIN[i] for i in kept], rule))
    assert_same(images(data.test), originals([TRAIN[i] for i in held], Resize("square", 4)))
    assert data.test.labels.tolist() == [TRAIN[i] % 2 for i in held]
    final = data_of(run(entry, trains_on="all but dev", **changed), entry, tmp_path)
    assert_same(images(final.train), originals([TRAIN[i] for i in kept], rule))
    assert_same(images(final.test), originals(TEST, Resize("square", 4)))


def test_no_part_is_decoded_that_the_run_does_not_need(tmp_path):
    entry = many_sizes(tmp_path)
    broken = tmp_path / "data/mine/train/c0/0.png"
    broken.write_bytes(b"no image")
    assert len(data_of(run(entry, **EVALUATE), entry, tmp_path).test) == 4
    with pytest.raises(ClaimsError, match="expected an image file, found 8 bytes"):
        data_of(run(entry), entry, tmp_path)
    broken.write_bytes(making.png(0))
    (tmp_path / "home/decoded/pins/mine.json").unlink()
    (tmp_path / "data/mine/test/c0/8.png").write_bytes(b"no image")
    dev = data_of(run(entry, "dev"), entry, tmp_path)
    assert (len(dev.train), len(dev.test)) == (6, 2)


def test_a_dataset_that_is_only_evaluated_has_no_training_images(tmp_path):
    making.pets(tmp_path / "data" / "pets", train=((1, "a"), (2, "b")), test=((1, "a"), (2, "b")))
    entry = small("pets", classes=2, train=0, test=2)
    data = data_of(run(entry, **EVALUATE), entry, tmp_path)
    assert (len(data.train), data.test.labels.tolist()) == (0, [0, 1])
    with pytest.raises(ValueError, match="expected a recipe that only evaluates pets"):
        run(entry)


LEAST_SQUARES = {**EVALUATE, "method": "least squares", "l2": 1.0}


def test_least_squares_sees_training_images_as_test_images(tmp_path):
    entry = many_sizes(tmp_path)
    found = data_of(run(entry, **LEAST_SQUARES, crop="inception"), entry, tmp_path)
    rule = Resize("square", 4)
    assert_same(images(found.train), originals(TRAIN, rule))
    assert_same(images(found.test), originals(TEST, rule))


def test_few_shots_of_very_many_images_are_decoded_alone(tmp_path, monkeypatch):
    entry = many_sizes(tmp_path)
    a_run = run(entry, **LEAST_SQUARES, shots=1)
    usual = data_of(a_run, entry, tmp_path)
    monkeypatch.setattr("harness.data.pinned.MANY", 7)
    shutil.copytree(tmp_path / "home/decoded/pins", tmp_path / "another/pins")
    place = tmp_path / "data" / entry.folder
    few = load_real(a_run, entry, place, tmp_path / "another")
    assert (few.train.labels.tolist(), len(few.train.images)) == ([0, 1], 2)
    assert (usual.train.labels.tolist(), len(usual.train.images)) == ([0, 1], 8)
    assert_same(images(few.train), images(usual.train))
    held = load_real(run(entry, "dev", **LEAST_SQUARES, shots=1), entry, place, tmp_path / "another")
    assert (len(held.train), len(held.test)) == (2, 2)
