"""Splits by rule: nothing lost, nothing twice, the same everywhere."""

import hashlib

import numpy as np
import pytest

from harness.core.errors import ClaimsError
from harness.data.examples import from_array
from harness.data.published_splits import check_digest, hold_out, join, per_class, stratified, subset


def numbered(n, classes=2, first=0):
    """Examples whose pixel is their number."""
    images = np.arange(first, first + n, dtype=np.uint8).reshape(n, 1, 1)
    return from_array("numbers", images, np.arange(n) % classes, [str(i) for i in range(classes)])


def numbers(examples):
    return [int(examples.pixels(i)[0, 0, 0]) for i in range(len(examples))]


def test_join_is_the_first_then_the_second():
    both = join(numbered(3), numbered(2, first=10))
    assert numbers(both) == [0, 1, 2, 10, 11]
    assert both.labels.tolist() == [0, 1, 0, 0, 1]
    with pytest.raises(ClaimsError, match="expected the classes"):
        join(numbered(3), numbered(3, classes=3))


def test_hold_out_is_a_partition_of_the_stated_size():
    parts = hold_out(numbered(50), 0.2)
    assert len(parts.test) == 10
    assert sorted(numbers(parts.train) + numbers(parts.test)) == list(range(50))
    # Pinned: the draw is a rule, the same on every machine and in every version.
    assert numbers(parts.test) == PINNED_HOLD_OUT


def labelled(counts):
    """So many examples of each class, class by class."""
    labels = np.repeat(np.arange(len(counts)), counts)
    images = np.arange(len(labels), dtype=np.uint8).reshape(-1, 1, 1)
    return from_array("numbers", images, labels, [f"class {i}" for i in range(len(counts))])


def test_a_stratified_fifth_has_a_fifth_of_each_class_and_at_least_one():
    parts = stratified(labelled([50, 10, 7, 2]), 0.2)
    assert np.bincount(parts.test.labels).tolist() == [10, 2, 1, 1]
    assert np.bincount(parts.train.labels).tolist() == [40, 8, 6, 1]
    assert numbers(parts.test) == sorted(numbers(parts.test))
    assert sorted(numbers(parts.train) + numbers(parts.test)) == list(range(69))
    assert numbers(parts.test)[:10] == PINNED_HOLD_OUT  # the rule's permutation of 50, whatever the other classes


def test_a_class_of_one_image_has_no_stratified_part():
    with pytest.raises(ClaimsError, match="expected at least 2 images of class 1, .*, found 1; add images"):
        stratified(labelled([5, 1]), 0.2)


def test_per_class_takes_so_many_of_each():
    parts = per_class(numbered(31, classes=3), 4)
    assert np.bincount(parts.train.labels).tolist() == [4, 4, 4]
    assert sorted(numbers(parts.train) + numbers(parts.test)) == list(range(31))
    with pytest.raises(ClaimsError, match="expected more than 10 images of 1, found 10"):
        per_class(numbered(31, classes=3), 10)


def test_subset_is_a_draw_by_index_in_the_old_order():
    chosen = numbers(subset(numbered(100), 10))
    assert chosen == sorted(set(chosen))
    assert chosen == PINNED_SUBSET
    # A longer draw holds the shorter one.
    assert set(chosen) < set(numbers(subset(numbered(100), 20)))
    with pytest.raises(ClaimsError, match="expected at least 101 training examples, found 100"):
        subset(numbered(100), 101)


def test_digests_of_either_algorithm_are_checked(tmp_path):
    path = tmp_path / "file.bin"
    path.write_bytes(b"abc")
    check_digest(path, {"file.bin": f"md5:{hashlib.md5(b'abc').hexdigest()}"})
    check_digest(path, {"file.bin": f"sha256:{hashlib.sha256(b'abc').hexdigest()}"})
    check_digest(path, {"other.bin": "md5:0"})
    with pytest.raises(ClaimsError, match="expected sha256 00, found ba7816bf"):
        check_digest(path, {"file.bin": "sha256:00"})
    with pytest.raises(ClaimsError, match="expected a file, found: No such file"):
        check_digest(tmp_path / "gone.bin", {"gone.bin": "md5:00"})


PINNED_HOLD_OUT = [6, 7, 27, 29, 36, 37, 41, 42, 43, 45]
PINNED_SUBSET = [22, 50, 53, 63, 73, 75, 88, 89, 95, 98]
