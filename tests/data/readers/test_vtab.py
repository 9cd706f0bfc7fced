"""VTAB's own datasets, each from a small copy of its form on disk."""

import json

import numpy as np
import pytest
from scipy.io import savemat

from harness.core.errors import ClaimsError
from harness.data.readers import vtab
from tests.data import making


def test_published_lists_name_files_and_classes(tmp_path):
    for name in ("images/train/0.jpg", "images/train/1.jpg", "images/test/0.jpg"):
        making.put(tmp_path / name, making.png(len(name)))
    making.put(tmp_path / "train800val200.txt", "images/train/1.jpg 4\nimages/train/0.jpg 0\n")
    making.put(tmp_path / "test.txt", "images/test/0.jpg 2\n")
    parts = vtab.lists(tmp_path, 5)
    assert parts.train.labels.tolist() == [4, 0]
    assert parts.train.names == ("1.jpg", "0.jpg")
    assert parts.test.labels.tolist() == [2]
    assert vtab.lists(tmp_path / "images", 5) is None


@pytest.mark.parametrize("line", ["images/0.jpg", "images/0.jpg 5", "images/0.jpg x", "../../etc/passwd 1", " 3"])
def test_a_malformed_list_is_one_line(line, tmp_path):
    making.put(tmp_path / "train800val200.txt", f"{line}\n")
    with pytest.raises(ClaimsError, match="line 1: expected a path and a class below 5"):
        vtab.lists(tmp_path, 5)


def test_dtd_as_torchvision_reads_it(tmp_path):
    from torchvision.datasets import DTD

    base = tmp_path / "dtd" / "dtd"
    for part, names in (("train", "waves/1 dots/1"), ("val", "dots/2 waves/2"), ("test", "waves/3 dots/3")):
        making.put(base / "labels" / f"{part}1.txt", "".join(f"{name}.jpg\n" for name in names.split()))
        for name in names.split():
            making.put(base / "images" / f"{name}.jpg", making.png(len(part) * 10 + int(name[-1])))
    parts = vtab.dtd(tmp_path, {})
    for ours, split in ((parts.train, "train"), (parts.validation, "val"), (parts.test, "test")):
        theirs = DTD(tmp_path, split=split)
        assert ours.labels.tolist() == [label for _, label in theirs]
        assert all((ours.pixels(i) == np.asarray(image)).all() for i, (image, _) in enumerate(theirs))
    making.put(base / "labels" / "val1.txt", "stripes/1.jpg\n")
    with pytest.raises(ClaimsError, match="line 1: expected CLASS/IMAGE of a class folder, found 'stripes/1.jpg'"):
        vtab.dtd(tmp_path, {})


def svhn_file(path, labels, first):
    images = np.stack([making.pixels(first + i, 32, 32) for i in range(len(labels))], axis=3)
    savemat(path, {"X": images, "y": np.array(labels, dtype=np.uint8)[:, None]})


def test_svhn_as_torchvision_reads_it(tmp_path, monkeypatch):
    from torchvision.datasets import SVHN

    svhn_file(tmp_path / "train_32x32.mat", [1, 10, 9], 0)
    svhn_file(tmp_path / "test_32x32.mat", [10, 5], 7)
    monkeypatch.setattr(SVHN, "_check_integrity", lambda self: True)  # of the real files' digests
    parts = vtab.svhn(tmp_path, {})
    for ours, split in ((parts.train, "train"), (parts.test, "test")):
        theirs = SVHN(tmp_path, split=split)
        assert ours.labels.tolist() == theirs.labels.tolist()
        assert all((ours.pixels(i) == np.asarray(image)).all() for i, (image, _) in enumerate(theirs))


def test_svhn_of_another_shape_is_one_line(tmp_path):
    savemat(tmp_path / "train_32x32.mat", {"X": np.zeros((32, 32, 3, 2), np.uint8), "y": [[1], [2], [3]]})
    with pytest.raises(ClaimsError, match=r"expected uint8 images \(32, 32, 3, 3\), found uint8 \(32, 32, 3, 2\)"):
        vtab.svhn(tmp_path, {})


def test_clevr_counts_objects_from_three(tmp_path):
    making.clevr(tmp_path)
    parts = vtab.clevr_count(tmp_path, {})
    assert parts.train.labels.tolist() == [0, 1]
    assert parts.test.labels.tolist() == [7]
    assert (parts.train.pixels(1) == making.pixels(1)).all()


def test_clevr_counts_are_torchvisions_less_three(tmp_path):
    from torchvision.datasets import CLEVRClassification

    making.clevr(tmp_path)
    theirs = [label for _, label in CLEVRClassification(tmp_path, split="train")]
    assert vtab.clevr_count(tmp_path, {}).train.labels.tolist() == [label - 3 for label in theirs]


def test_clevr_distance_is_the_step_of_the_closest_object(tmp_path):
    making.clevr(tmp_path)
    parts = vtab.clevr_distance(tmp_path, {})
    # 8.4 lies between 8.0 and 8.5, 7.9 below 8.0, 10.5 above 10.0.
    assert parts.train.labels.tolist() == [1, 0]
    assert parts.test.labels.tolist() == [5]


@pytest.mark.parametrize(
    ("content", "message"),
    [
        ("{", "expected scenes with image_filename and objects"),
        (json.dumps({"scenes": [{"objects": []}]}), "found KeyError: 'image_filename'"),
        (json.dumps({"scenes": [{"image_filename": "CLEVR_val_000000.png", "objects": []}]}), "found -3 to -3"),
    ],
)
def test_malformed_scenes_are_one_line(content, message, tmp_path):
    base = making.clevr(tmp_path)
    making.put(base / "scenes/CLEVR_val_scenes.json", content)
    with pytest.raises(ClaimsError, match=message):
        vtab.clevr_count(tmp_path, {})


def test_sun397_follows_the_published_lists(tmp_path):
    # Classes are folders at any depth; the lists write paths with a slash in front.
    lists = {"tr": ["/a/abbey/sun_1.jpg", "/c/church/indoor/sun_2.jpg"], "va": ["/a/abbey/sun_3.jpg"]}
    lists["te"] = ["/c/church/outdoor/sun_4.jpg"]
    for part, names in lists.items():
        making.put(tmp_path / f"sun397_tfds_{part}.txt", "\n".join(names))
        for name in names:
            making.put(tmp_path / "SUN397" / name[1:], making.png(int(name[-5])))
    parts = vtab.sun397(tmp_path, {})
    assert parts.test.classes == ("a/abbey", "c/church/indoor", "c/church/outdoor")
    assert parts.train.labels.tolist() == [0, 1]
    assert parts.validation.labels.tolist() == [0]
    assert parts.test.labels.tolist() == [2]
    assert (parts.test.pixels(0) == making.pixels(4)).all()


@pytest.mark.parametrize(
    ("reader", "inside"),
    [(vtab.eurosat, "eurosat/2750"), (vtab.resisc45, "NWPU-RESISC45")],
)
def test_sets_without_a_split_hold_out_a_fifth(reader, inside, tmp_path):
    for number in range(10):
        making.put(tmp_path / inside / f"class{number % 2}" / f"{number}.jpg", making.png(number))
    parts = reader(tmp_path, {})
    assert (len(parts.train), len(parts.test)) == (8, 2)
    assert not set(parts.train.names) & set(parts.test.names)
    with pytest.raises(ClaimsError, match="expected .* there or in"):
        reader(tmp_path / inside, {})


def test_caltech101_trains_on_thirty_of_each_class(tmp_path):
    for name, n in (("BACKGROUND_Google", 31), ("accordion", 33)):
        for number in range(n):
            making.put(tmp_path / "caltech101/101_ObjectCategories" / name / f"image_{number:04d}.jpg", b"")
    parts = vtab.caltech101(tmp_path, {})
    assert np.bincount(parts.train.labels).tolist() == [30, 30]
    assert np.bincount(parts.test.labels).tolist() == [1, 3]


def test_patch_camelyon_from_hdf5(tmp_path):
    h5py = pytest.importorskip("h5py")
    for number, part in enumerate(("train", "valid", "test")):
        stem = str(tmp_path / f"camelyonpatch_level_2_split_{part}_")
        with h5py.File(f"{stem}x.h5", "w") as file:
            file["x"] = np.stack([making.pixels(number, 96, 96), making.pixels(number + 10, 96, 96)])
        with h5py.File(f"{stem}y.h5", "w") as file:
            file["y"] = np.array([1, 0], dtype=np.uint8).reshape(2, 1, 1, 1)
    parts = vtab.patch_camelyon(tmp_path, {})
    assert parts.validation.labels.tolist() == [1, 0]
    assert (parts.test.pixels(1) == making.pixels(12, 96, 96)).all()


def test_hdf5_that_can_not_be_read_is_one_line(tmp_path):
    for part in ("train", "valid", "test"):
        for axis in "xy":
            making.put(tmp_path / f"camelyonpatch_level_2_split_{part}_{axis}.h5", b"no hdf5")
    with pytest.raises(ClaimsError, match=r"expected h5py .*vit-claims\[data\]|expected an HDF5 file") as caught:
        vtab.patch_camelyon(tmp_path, {})
    assert "\n" not in str(caught.value)
