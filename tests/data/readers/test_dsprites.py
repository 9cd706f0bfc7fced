"""dSprites from a small file of the published form: labels, splits, nothing unpickled."""

import numpy as np
import pytest

from harness.core.errors import ClaimsError
from harness.data.readers import dsprites
from harness.data.readers.one_pass import OnePass
from harness.data.tfds_order import tfds_order
from tests.data import making


@pytest.fixture(scope="module")
def made(tmp_path_factory):
    folder = tmp_path_factory.mktemp("dsprites")
    return folder, making.dsprites(folder)


def numbers(part):
    return np.array([int(name) for name in part.names])


def test_the_x_position_two_to_a_class_of_the_images_that_vtab_takes(made):
    folder, latents = made
    parts = dsprites.dsprites_location(folder, {})
    order = tfds_order(2000, "train").tolist()
    assert parts.train.names == tuple(f"{number:06d}" for number in [*order[:800], *order[1600:1800]])
    assert parts.test.names == tuple(f"{number:06d}" for number in order[1800:])
    assert parts.validation is None
    for part in (parts.train, parts.test):
        assert part.labels.tolist() == (latents[numbers(part), 4] // 2).tolist()
        assert set(part.labels.tolist()) == set(range(16))


def test_the_orientation_two_or_three_to_a_class_as_vtab_divides_in_float32(made):
    folder, latents = made
    part = dsprites.dsprites_orientation(folder, {}).train
    divided = np.floor_divide(latents[numbers(part), 3].astype(np.float32), np.float32(40 / 16))
    assert part.labels.tolist() == divided.astype(int).tolist()
    assert set(part.labels.tolist()) == set(range(16))


def test_black_and_white_in_three_channels(made):
    part = dsprites.dsprites_location(made[0], {}).test
    for index in (0, 3, 199):
        image = part.pixels(index)
        assert image.dtype == np.uint8
        assert (image == 255 * making.dsprites_image(int(part.names[index]))[:, :, None]).all()
        assert image.shape == (64, 64, 3)


def test_the_published_number_of_images_splits_as_vtab_does():
    train, test = dsprites.vtab_split(737_280)
    assert (len(train), len(test)) == (1000, 73_728)
    assert len(set(train.tolist()) | set(test.tolist())) == 74_728


def test_a_change_of_the_file_or_of_what_is_taken_changes_the_stamp(made, tmp_path):
    first = dsprites.dsprites_location(made[0], {})
    assert first.train.stamp != first.test.stamp
    assert first.train.stamp == dsprites.dsprites_location(made[0], {}).train.stamp
    making.dsprites(tmp_path)
    other = dsprites.dsprites_location(tmp_path, {})
    assert other.train.stamp != first.train.stamp
    assert other.test.content() == first.test.content()


def test_all_that_is_wanted_is_read_once():
    asked = []

    def read(rows):
        asked.append(rows.tolist())
        return np.stack([np.full((2, 3), row, np.uint8) for row in rows])

    file = OnePass("file", read, np.array([7, 3, 5, 3]), (2, 3), 255, "stamp")
    one, two = (file.examples(np.array(rows), np.zeros(len(rows)), 2) for rows in ([5, 7], [3]))
    assert not asked
    assert [part.pixels(i)[0, 0, 0] for part, i in ((two, 0), (one, 0), (one, 1))] == [3, 5, 7]
    assert asked == [[3, 5, 7]]


@pytest.mark.parametrize(
    ("changed", "message"),
    [
        (
            {"latents_classes": np.zeros((2000, 5), np.int64)},
            r"int64 latents_classes \(N, 6\), found int64 \(2000, 5\)",
        ),
        ({"latents_classes": np.full((2000, 6), 32)}, "values 0 to 31 of the x position, found 32 to 32"),
        ({"latents_classes": np.array({}, object)}, "npz file with latents_classes, found: .*allow_pickle=False"),
        ({"imgs": np.zeros((1999, 64, 64), np.uint8)}, r"uint8 imgs \(2000, 64, 64\), found: uint8 \(1999, 64, 64\)"),
        ({"imgs": np.zeros((2000, 64, 64), np.float32)}, r"found: float32 \(2000, 64, 64\)"),
        ({"imgs": np.full((2000, 64, 64), 3, np.uint8)}, "images of 0 and 1, found 3"),
    ],
)
def test_other_arrays_are_one_line(changed, message, tmp_path):
    arrays = {"imgs": np.zeros((2000, 64, 64), np.uint8), "latents_classes": np.zeros((2000, 6), np.int64)}
    np.savez_compressed(tmp_path / dsprites.NAME, **arrays | changed)
    with pytest.raises(ClaimsError, match=message) as caught:
        dsprites.dsprites_location(tmp_path, {}).test.pixels(0)
    assert "\n" not in str(caught.value)


def test_a_damaged_file_is_one_line(made, tmp_path):
    content = (made[0] / dsprites.NAME).read_bytes()
    with pytest.raises(ClaimsError, match="expected a file, found: No such file"):
        dsprites.dsprites_location(tmp_path, {})
    making.put(tmp_path / dsprites.NAME, content[: len(content) // 2])
    with pytest.raises(ClaimsError, match="expected an npz file with latents_classes"):
        dsprites.dsprites_location(tmp_path, {})
    with pytest.raises(ClaimsError, match=r"expected md5 0+, found \w+; fetch it again"):
        dsprites.dsprites_location(made[0], {dsprites.NAME: f"md5:{'0' * 32}"})
