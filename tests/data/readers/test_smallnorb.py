"""SmallNORB from small files of the published form: labels, splits, the first image of each pair."""

import gzip

import numpy as np
import pytest

from harness.core.errors import ClaimsError
from harness.data.readers import smallnorb
from harness.data.tfds_order import tfds_order
from tests.data import making

TRAIN_INFO, TEST_DAT = (f"{making.NORB[part]}-{kind}.mat" for part, kind in (("train", "info"), ("test", "dat")))


@pytest.fixture(scope="module")
def made(tmp_path_factory):
    folder = tmp_path_factory.mktemp("smallnorb")
    return folder, making.smallnorb(folder)


def taken():
    """(part, number) of VTAB-1k's training and test images."""
    train, test = tfds_order(900, "train").tolist(), tfds_order(600, "test").tolist()
    chosen = [*(("train", number) for number in train[:800]), *(("test", number) for number in test[:200])]
    return chosen, [("test", number) for number in test[300:]]


@pytest.mark.parametrize(
    ("reader", "column", "step", "classes"),
    [(smallnorb.smallnorb_azimuth, 2, 2, 18), (smallnorb.smallnorb_elevation, 1, 1, 9)],
)
def test_labels_of_the_images_that_vtab_takes(made, reader, column, step, classes):
    folder, info = made
    parts = reader(folder, {})
    for found, chosen in zip((parts.train, parts.test), taken(), strict=True):
        assert found.names == tuple(f"{number:06d}" for _, number in chosen)
        assert found.labels.tolist() == [info[part][number, column] // step for part, number in chosen]
        assert set(found.labels.tolist()) == set(range(classes))
        assert len(found.classes) == classes


def test_the_first_image_of_a_pair_in_three_channels(made):
    parts = smallnorb.smallnorb_azimuth(made[0], {})
    for found, chosen in zip((parts.train, parts.test), taken(), strict=True):
        for index in (0, 5, len(found) - 1):
            part, number = chosen[index]
            image = found.pixels(index)
            assert image.shape == (96, 96, 3)
            expected = making.norb_image(number + (20_000 if part == "test" else 0))
            assert (image == expected[:, :, None]).all()


def test_uncompressed_files_hold_the_same(made, tmp_path):
    making.smallnorb(tmp_path, suffix=".mat")
    packed, plain = (smallnorb.smallnorb_elevation(folder, {}) for folder in (made[0], tmp_path))
    assert packed.train.content() == plain.train.content()
    assert packed.test.content() == plain.test.content()


def spoilt(folder, name, content):
    making.smallnorb(folder, suffix=".mat")
    making.put(folder / name, content)
    return smallnorb.smallnorb_azimuth(folder, {})


@pytest.mark.parametrize(
    ("name", "content", "message"),
    [
        (TRAIN_INFO, b"", "expected 8 bytes more, found 0"),
        (TRAIN_INFO, making.norb_matrix(0x1E3D4C51, (2, 4), b"0" * 32), "magic number 0x1e3d4c51 and 2 dimensions"),
        (TRAIN_INFO, making.norb_matrix(0x1E3D4C54, (9, 3), b"0" * 108), "expected 4 columns, found 3"),
        (TRAIN_INFO, making.norb_matrix(0x1E3D4C54, (9, 4), b"0" * 100), "expected 144 bytes more, found 100"),
        (
            TRAIN_INFO,
            making.norb_matrix(0x1E3D4C54, (1, 4), np.array([0, 0, 3, 0], "<i4").tobytes()),
            "expected 18 values of column 2, found 3 to 3",
        ),
        (TEST_DAT, making.norb_matrix(0x1E3D4C55, (5, 2, 96, 96), b""), r"\(600, 2, 96, 96\) values, found \(5, 2, 96"),
        (
            TEST_DAT,
            making.norb_matrix(0x1E3D4C55, (600, 2, 96, 96), b"0" * 18432),
            r"expected image \d+, found the end",
        ),
    ],
)
def test_other_matrices_are_one_line(name, content, message, tmp_path):
    with pytest.raises(ClaimsError, match=message) as caught:
        spoilt(tmp_path, name, content).test.pixels(0)
    assert "\n" not in str(caught.value)


def test_damaged_and_missing_files_are_one_line(made, tmp_path):
    with pytest.raises(ClaimsError, match="expected a file, found: No such file"):
        smallnorb.smallnorb_azimuth(tmp_path, {})
    making.smallnorb(tmp_path)
    path = tmp_path / f"{TEST_DAT}.gz"
    path.write_bytes(path.read_bytes()[:20_000])
    with pytest.raises(ClaimsError, match="expected a whole gzip file, found: Compressed file ended"):
        smallnorb.smallnorb_azimuth(tmp_path, {}).test.pixels(0)
    making.put(tmp_path / f"{TRAIN_INFO}.gz", gzip.compress(b"x" * 99)[:-3])
    with pytest.raises(ClaimsError, match="magic number 0x78787878"):
        smallnorb.smallnorb_azimuth(tmp_path, {})
    with pytest.raises(ClaimsError, match=r"expected sha256 0+, found \w+; fetch it again"):
        smallnorb.smallnorb_azimuth(made[0], {f"{TEST_DAT}.gz": f"sha256:{'0' * 64}"})
