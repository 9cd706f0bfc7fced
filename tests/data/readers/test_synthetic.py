"""The downstream tasks: pinned bytes, and labels that mean what they say."""

import subprocess
import sys
from dataclasses import replace

import numpy as np
import pytest
import scipy.ndimage

from harness.catalog.datasets import dataset, datasets
from harness.core.errors import ClaimsError
from harness.data.readers import synthetic
from harness.data.readers.synthetic import load, read, stored_digits


@pytest.mark.parametrize("name", datasets())
def test_every_dataset_is_the_one_that_is_pinned(name):
    data = load(dataset(name))
    assert len(data.test) == dataset(name).test
    assert set(data.train.labels) == set(range(dataset(name).classes)) == set(data.test.labels)


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

    data = read("digits")
    ours = sorted(image.tobytes() for image in np.concatenate([data.train.array(), data.test.array()]))
    assert ours == sorted((image * 255 // 16).astype(np.uint8).tobytes() for image in load_digits().images)


def test_digits_are_read_without_the_library_and_by_it_where_its_file_is_elsewhere(monkeypatch):
    images, labels = stored_digits()
    code = "import sys; from harness.data.readers.synthetic import digits; digits(); print('sklearn' in sys.modules)"
    done = subprocess.run([sys.executable, "-c", code], capture_output=True, text=True, check=True)
    assert done.stdout == "False\n"
    asked = []
    monkeypatch.setattr(synthetic, "find_spec", lambda name: asked.append(name))  # None: found nowhere
    theirs = stored_digits()
    assert asked == ["sklearn"]
    assert (images == theirs[0]).all()
    assert (labels == theirs[1]).all()


def test_count_is_the_number_of_bright_blobs():
    test = read("count").test
    # Touching discs count as one blob, so compare where the discs' cells leave a gap: never more blobs
    # than discs, and equal for most.
    blobs = np.array([scipy.ndimage.label(image >= 128)[1] for image in test.array()])
    discs = test.labels + 1
    assert (blobs <= discs).all()
    assert (blobs == discs).mean() > 0.75


def test_orientation_is_the_bar_s_main_axis():
    test = read("orientation").test
    for image, label in zip(test.array()[:300], test.labels[:300], strict=True):
        rows, columns = np.nonzero(image >= 128)
        _, axes = np.linalg.eigh(np.cov(np.stack([columns, rows])))
        angle = np.degrees(np.arctan2(axes[1, 1], axes[0, 1])) % 180
        middle = 180 / 8 * label + 180 / 32  # bins begin at their first fine angle
        assert abs((angle - middle + 90) % 180 - 90) < 180 / 16 + 4
