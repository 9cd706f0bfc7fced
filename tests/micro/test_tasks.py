"""The downstream tasks: pinned bytes, and labels that mean what they say."""

from dataclasses import replace

import numpy as np
import pytest
import scipy.ndimage

from harness.datasets import dataset, datasets
from harness.errors import ClaimsError
from harness.micro.tasks import load, read


@pytest.mark.parametrize("name", datasets())
def test_every_dataset_is_the_one_that_is_pinned(name):
    arrays = load(dataset(name))
    assert len(arrays.test_labels) == dataset(name).test
    assert set(arrays.train_labels) == set(range(dataset(name).classes)) == set(arrays.test_labels)


@pytest.mark.parametrize(
    "changed, message",
    [
        ({"sha256": "0" * 64}, "expected the data with digest 000000000000..., found 9677d9424575"),
        ({"test": 999}, r"expected \(train, test, classes\) \(1000, 999, 6\), found \(1000, 1000, 6\)"),
        ({"reader": "counting"}, r"unknown reader 'counting' \(did you mean 'count'\?\)"),
    ],
)
def test_other_data_than_pinned_is_refused(changed, message):
    with pytest.raises(ClaimsError, match=message):
        load(replace(dataset("count"), **changed))


def test_digits_are_those_of_scikit_learn_and_no_test_image_trains():
    from sklearn.datasets import load_digits

    arrays = read("digits")
    ours = sorted(image.tobytes() for image in np.concatenate([arrays.train_images, arrays.test_images]))
    assert ours == sorted((image * 255 // 16).astype(np.uint8).tobytes() for image in load_digits().images)


def test_count_is_the_number_of_bright_blobs():
    arrays = read("count")
    # Touching discs count as one blob, so compare where the discs' cells leave a gap: never more blobs
    # than discs, and equal for most.
    blobs = np.array([scipy.ndimage.label(image >= 128)[1] for image in arrays.test_images])
    discs = arrays.test_labels + 1
    assert (blobs <= discs).all()
    assert (blobs == discs).mean() > 0.75


def test_orientation_is_the_bar_s_main_axis():
    arrays = read("orientation")
    for image, label in zip(arrays.test_images[:300], arrays.test_labels[:300], strict=True):
        rows, columns = np.nonzero(image >= 128)
        _, axes = np.linalg.eigh(np.cov(np.stack([columns, rows])))
        angle = np.degrees(np.arctan2(axes[1, 1], axes[0, 1])) % 180
        middle = 180 / 8 * label + 180 / 32  # bins begin at their first fine angle
        assert abs((angle - middle + 90) % 180 - 90) < 180 / 16 + 4
