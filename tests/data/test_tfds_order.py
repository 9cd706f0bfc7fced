"""The order of TensorFlow Datasets, against the orders that its own tests state."""

import hashlib

import numpy as np

from harness.data.tfds_order import tfds_order


def test_the_order_of_its_writers_test():
    """tensorflow/datasets, core/tfrecords_writer_test.py: keys 1 to 8 without a salt are written as f g d a b h e c."""
    order = [number for number in tfds_order(9, "").tolist() if number]
    assert ["_abcdefgh"[number] for number in order] == list("fgdabhec")


def test_it_is_a_permutation_that_depends_on_the_split():
    train, test = tfds_order(500, "train"), tfds_order(500, "test")
    assert sorted(train.tolist()) == list(range(500))
    assert (train != test).any()
    assert train[0] == min(range(500), key=lambda number: hashlib.md5(b"train%d" % number).hexdigest())
    assert train.dtype == np.int64
