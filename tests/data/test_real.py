"""A real dataset in memory: the right arrays, and pinned at the first read."""

import numpy as np
import pytest

from harness.data.preprocess import Resize, stored
from harness.data.real import load_real
from harness.errors import ClaimsError
from tests.data import making
from tests.data.test_entries import folders, small

SQUARE = Resize("square", 4)


def eurosat(tmp_path):
    folders(tmp_path / "set", 20)
    return small("vtab-eurosat", classes=2, pool=None, train=16, test=4)


def test_arrays_are_the_decoded_images_and_fit_the_split_rules(tmp_path):
    loaded = load_real(eurosat(tmp_path), tmp_path / "set", tmp_path / "cache", SQUARE)
    train, test = loaded.data.train.array(), loaded.data.test.array()
    assert train.shape == (16, 4, 4, 3)
    assert test.shape == (4, 4, 4, 3)
    everything = np.concatenate([train, test])
    expected = np.stack([stored(making.pixels(number), SQUARE) for number in range(20)])
    # Each image is there once; np.unique sorts rows.
    assert (np.unique(everything.reshape(20, -1), axis=0) == np.unique(expected.reshape(20, -1), axis=0)).all()


def test_a_dataset_that_is_only_evaluated_has_no_training_images(tmp_path):
    making.pets(tmp_path, train=((1, "a"), (2, "b")), test=((1, "a"), (2, "b")))
    entry = small("pets", classes=2, train=0, test=2)
    loaded = load_real(entry, tmp_path, tmp_path / "cache", SQUARE)
    assert loaded.data.train.array().shape == (0, 4, 4, 3)
    assert loaded.data.test.labels.tolist() == [0, 1]
    assert [part for part, _ in loaded.contents] == ["test"]


def test_other_images_than_the_first_time_are_refused(tmp_path):
    entry = eurosat(tmp_path)
    first = load_real(entry, tmp_path / "set", tmp_path / "cache", SQUARE)
    # Another resize and another place of the same images pass: the pin is of what was read.
    assert load_real(entry, tmp_path / "set", tmp_path / "cache", Resize("square", 5)).contents == first.contents
    folders(tmp_path / "copy", 20)
    assert load_real(entry, tmp_path / "copy", tmp_path / "cache", SQUARE).contents == first.contents
    making.put(tmp_path / "copy/2750/class0/00.png", making.png(77))
    with pytest.raises(
        ClaimsError, match="vtab-eurosat: expected the .* images with digest .*, pinned at the first read"
    ):
        load_real(entry, tmp_path / "copy", tmp_path / "cache", SQUARE)


def test_damaged_pins_are_one_line(tmp_path):
    entry = eurosat(tmp_path)
    making.put(tmp_path / "cache/pins/vtab-eurosat.json", "[1")
    with pytest.raises(ClaimsError, match="expected pinned digests"):
        load_real(entry, tmp_path / "set", tmp_path / "cache", SQUARE)
