"""Pets and Flowers: which examples, in which order, with which labels, of copies whose content is known."""

import hashlib
import io

import numpy as np
import pytest
from scipy.io import savemat

from harness.core.errors import ClaimsError
from harness.data.readers.oxford import flowers, pets
from tests.data import making

LISTS = ("imagelabels.mat", "setid.mat")


def assert_holds(examples, names, numbers, labels):
    """Check a split against what was laid: the images making.png(number), in this order, and their classes."""
    assert examples.names == tuple(names)
    assert examples.labels.tolist() == labels
    for index, number in enumerate(numbers):
        assert examples.encoded(index) == making.png(number)
        assert (examples.pixels(index) == making.pixels(number)).all()
    hashes = b"".join(hashlib.sha256(making.png(number)).digest() for number in numbers)
    assert examples.content() == hashlib.sha256(hashes + np.array(labels, dtype="<i8").tobytes()).hexdigest()


@pytest.mark.parametrize("own_folder", [False, True])
def test_pets_are_in_the_order_of_the_lists(own_folder, tmp_path):
    # Classes and images out of order, in a folder of any name: a list's order is the examples'.
    base = making.pets(
        tmp_path,
        train=((2, "american_bulldog"), (1, "Abyssinian"), (2, "american_bulldog")),
        test=((2, "american_bulldog"), (1, "Abyssinian")),
    )
    parts = pets(base.rename(tmp_path / "cats-and-dogs") if own_folder else tmp_path, {})
    train = ["american_bulldog_1.jpg", "Abyssinian_2.jpg", "american_bulldog_3.jpg"]
    assert_holds(parts.train, train, [0, 1, 2], [1, 0, 1])
    assert_holds(parts.test, ["american_bulldog_100.jpg", "Abyssinian_101.jpg"], [0, 1], [1, 0])
    assert parts.train.classes == parts.test.classes == ("Abyssinian", "American Bulldog")
    assert parts.validation is None


@pytest.mark.parametrize("own_folder", [False, True])
def test_flowers_are_in_the_order_of_setid(own_folder, tmp_path):
    base = making.flowers(tmp_path)
    parts = flowers(base.rename(tmp_path / "garden") if own_folder else tmp_path, {})
    # Classes 3, 1, 102, 1, 2, 3 of images 1 ... 6.
    assert_holds(parts.train, ["image_00005.jpg", "image_00001.jpg"], [5, 1], [1, 2])
    assert_holds(parts.validation, ["image_00002.jpg", "image_00006.jpg"], [2, 6], [0, 2])
    assert_holds(parts.test, ["image_00003.jpg", "image_00004.jpg"], [3, 4], [101, 0])
    assert len(parts.test.classes) == 102
    assert (parts.test.classes[0], parts.test.classes[101]) == ("pink primrose", "blackberry lily")


def test_flowers_digests_are_checked(tmp_path):
    base = making.flowers(tmp_path)
    published = {name: "md5:" + hashlib.md5((base / name).read_bytes()).hexdigest() for name in LISTS}
    assert len(flowers(tmp_path, published).train) == 2
    sha256 = "sha256:" + hashlib.sha256((base / "setid.mat").read_bytes()).hexdigest()
    assert len(flowers(tmp_path, published | {"setid.mat": sha256}).train) == 2
    for name in LISTS:
        with pytest.raises(ClaimsError, match=rf"{name}: expected md5 0000, found \w+; fetch it again"):
            flowers(tmp_path, published | {name: "md5:0000"})


@pytest.mark.parametrize(
    ("line", "message"),
    [
        ("Abyssinian_1 38 1 1", "line 1: expected an image id and a class 1 to 37"),
        ("Abyssinian_1 0 1 1", "line 1: expected an image id and a class 1 to 37"),
        ("Abyssinian_1 1", "line 1: expected an image id"),
        ("Abyssinian_1 1 cat 1", "line 1: expected an image id"),
        ("Abyssinian_1 1 1 1\n\nAbyssinian_1 1 1 1", "line 2: expected an image id .* found ''"),
        ("Abyssinian_1 1 1 1\nBengal_2 1 1 1", "line 2: expected Abyssinian for class 1, found Bengal"),
        ("Sphynx_9 3 1 1", "Sphynx_9.jpg: expected a file, found: No such file"),
        ("american_bulldog_100 2 1 1", "expected each image in one list, found .*american_bulldog_100.jpg twice"),
        ("Abyssinian_1 1 1 1\nAbyssinian_1 1 1 1", "expected each image in one list, found .*Abyssinian_1.jpg twice"),
        ("\udcff", "trainval.txt: expected a text file, found: 'utf-8' codec"),
        ("", "expected images with one label each, found 0 images"),
    ],
)
def test_a_malformed_list_of_pets_is_one_line(line, message, tmp_path):
    base = making.pets(tmp_path)
    making.put(base / "annotations/trainval.txt", f"{line}\n".lstrip().encode(errors="surrogateescape"))
    if "Bengal" in line:
        making.put(base / "images/Bengal_2.jpg", making.png(1))
    with pytest.raises(ClaimsError, match=message) as caught:
        pets(tmp_path, {})
    assert "\n" not in str(caught.value)


def test_a_missing_list_of_pets_is_one_line(tmp_path):
    (making.pets(tmp_path) / "annotations" / "test.txt").unlink()
    with pytest.raises(
        ClaimsError, match="expected images, annotations/trainval.txt, annotations/test.txt there or in"
    ):
        pets(tmp_path, {})


@pytest.mark.parametrize(
    ("name", "content", "message"),
    [
        ("setid.mat", b"no matrix", "setid.mat: expected a .mat file"),
        ("imagelabels.mat", b"no matrix", "imagelabels.mat: expected a .mat file"),
        ("setid.mat", None, "expected jpg, imagelabels.mat, setid.mat there or in"),
        ("jpg/image_00004.jpg", None, "image_00004.jpg: expected a file, found: No such file"),
        ("imagelabels.mat", {"marks": [[1]]}, "imagelabels.mat: expected the variable 'labels', found none"),
        ("setid.mat", {"trnid": [[5, 1]], "valid": [[2, 6]]}, "setid.mat: expected the variable 'tstid', found none"),
        ("setid.mat", {"trnid": [[5, 7]]}, "setid.mat: trnid: expected images 1 to 6, found 7"),
        ("setid.mat", {"trnid": [[0, 1]]}, "setid.mat: trnid: expected images 1 to 6, found 0"),
        ("imagelabels.mat", {"labels": [[3, 1, 2, 1, 103, 3]]}, "imagelabels.mat: expected classes 1 to 102, found"),
        # One below 0 is 255 in the file's own type.
        ("imagelabels.mat", {"labels": np.array([[0] * 6], np.uint8)}, "imagelabels.mat: expected classes 1 to 102"),
        ("setid.mat", {"trnid": [[1.5, 2.5]]}, "setid.mat: trnid: expected whole numbers, found others"),
        ("setid.mat", {"trnid": [[float("nan"), 2]]}, "setid.mat: trnid: expected whole numbers, found others"),
        ("setid.mat", {"trnid": "five"}, "setid.mat: trnid: expected whole numbers, found others"),
        ("imagelabels.mat", {"labels": [[1, 2j]]}, "imagelabels.mat: labels: expected whole numbers, found others"),
        (
            "setid.mat",
            {"trnid": [[5, 3]], "valid": [[2, 6]], "tstid": [[3, 4]]},
            "expected each image in one list, found .*image_00003.jpg twice; restore the lists",
        ),
    ],
)
def test_malformed_flowers_are_one_line(name, content, message, tmp_path):
    path = making.flowers(tmp_path) / name
    if content is None:
        path.unlink()
    elif isinstance(content, bytes):
        path.write_bytes(content)
    else:
        buffer = io.BytesIO()
        savemat(buffer, content)
        path.write_bytes(buffer.getvalue())
    with pytest.raises(ClaimsError, match=message) as caught:
        flowers(tmp_path, {})
    assert "\n" not in str(caught.value)
