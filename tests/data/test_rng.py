"""Raw words are the same everywhere, and what is built on them is what it says."""

import numpy as np
import pytest

from harness.data.rng import below, permutation, raw_words


def test_raw_words_are_pinned():
    # PCG64's raw stream is part of NumPy's compatibility promise; these are its values for the key (1, 2).
    assert [int(word) for word in raw_words(1, 2, 3)] == [8271799387826207682, 7948369750201702571, 7747616451078592673]


def test_a_longer_stream_begins_with_the_shorter():
    assert np.array_equal(raw_words(7, 10)[:4], raw_words(7, 4))


def test_permutation_holds_every_index_once_and_depends_on_its_key():
    order = permutation(1000, 1, 2)
    assert np.array_equal(np.sort(order), np.arange(1000))
    assert not np.array_equal(order, permutation(1000, 1, 3))


@pytest.mark.parametrize("limit", [2, 3, 10])
def test_below_is_uniform(limit):
    counts = np.bincount(below(limit, raw_words(3, 30_000)), minlength=limit)
    # Chi-square with limit - 1 degrees of freedom: 27.9 is the 99.9 % point at 9.
    assert ((counts - 30_000 / limit) ** 2 / (30_000 / limit)).sum() < 27.9
