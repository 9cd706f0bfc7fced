"""Pets and Flowers: the same examples that torchvision reads from the same folder."""

import numpy as np
import pytest

from harness.data.oxford import flowers, pets
from harness.errors import ClaimsError
from tests.data import making


def assert_same(ours, theirs):
    """Compare with a torchvision dataset, example by example."""
    assert len(ours) == len(theirs)
    for index, (image, label) in enumerate(theirs):
        assert ours.labels[index] == label
        assert (ours.pixels(index) == np.asarray(image)).all()


def test_pets_as_torchvision_reads_them(tmp_path):
    from torchvision.datasets import OxfordIIITPet

    making.pets(tmp_path)
    parts = pets(tmp_path, {})
    assert_same(parts.train, OxfordIIITPet(tmp_path, split="trainval"))
    assert_same(parts.test, OxfordIIITPet(tmp_path, split="test"))
    assert parts.train.classes[:2] == ("Abyssinian", "american_bulldog")


def test_flowers_as_torchvision_reads_them(tmp_path, monkeypatch):
    from torchvision.datasets import Flowers102

    base = making.flowers(tmp_path)
    # torchvision insists on the real files' digests; the synthetic ones have others.
    monkeypatch.setattr(Flowers102, "_check_integrity", lambda self: True)
    parts = flowers(base, {})
    assert_same(parts.train, Flowers102(tmp_path, split="train"))
    assert_same(parts.validation, Flowers102(tmp_path, split="val"))
    assert_same(parts.test, Flowers102(tmp_path, split="test"))


def test_flowers_digests_are_checked(tmp_path):
    making.flowers(tmp_path)
    with pytest.raises(ClaimsError, match=r"setid.mat: expected md5 0000"):
        flowers(tmp_path, {"setid.mat": "md5:0000"})


@pytest.mark.parametrize(
    ("line", "message"),
    [
        ("Abyssinian_1 38 1 1", "line 1: expected an image id and a class 1 to 37"),
        ("Abyssinian_1 1", "line 1: expected an image id"),
        ("Abyssinian_1 1 1 1\nBengal_2 1 1 1", "line 2: expected Abyssinian for class 1, found Bengal"),
        ("Sphynx_9 3 1 1", "Sphynx_9.jpg: expected a file, found: No such file"),
    ],
)
def test_a_malformed_list_of_pets_is_one_line(line, message, tmp_path):
    base = making.pets(tmp_path)
    making.put(base / "annotations/trainval.txt", line + "\n")
    if "Bengal" in line:
        making.put(base / "images/Bengal_2.jpg", making.png(1))
    with pytest.raises(ClaimsError, match=message):
        pets(tmp_path, {})


@pytest.mark.parametrize(
    ("content", "message"),
    [(b"no matrix", "expected a .mat file"), (None, "expected images, imagelabels|expected jpg, imagelabels.mat")],
)
def test_malformed_flowers_are_one_line(content, message, tmp_path):
    base = making.flowers(tmp_path)
    if content is None:
        (base / "setid.mat").unlink()
    else:
        making.put(base / "setid.mat", content)
    with pytest.raises(ClaimsError, match=message) as caught:
        flowers(tmp_path, {})
    assert "\n" not in str(caught.value)
