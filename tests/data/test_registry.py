"""The table of real datasets, and what reading one checks."""

import dataclasses

import numpy as np
import pytest

from harness.core.errors import ClaimsError
from harness.data.download.google_drive import from_drive
from harness.data.paths import location
from harness.data.registry import READERS, Entry, entries, load_parts
from tests.data import making
from tests.data.readers.test_cifar import archive10


def small(name, **changed):
    """An entry with the sizes of a synthetic copy."""
    return dataclasses.replace(entries()[name], files=(), **changed)


def test_a_dataset_is_read_and_counted(tmp_path):
    archive10(tmp_path)
    entry = small("cifar10", train=11, test=3)
    with pytest.raises(
        ClaimsError, match=r"cifar10: expected 11 training images, found 10 in .*cifar-10-binary.tar.gz"
    ):
        load_parts(entry, tmp_path)
    with pytest.raises(ClaimsError, match="cifar10: expected 10 classes among the training images, found 8"):
        load_parts(small("cifar10", train=10, test=3), tmp_path)


def test_the_published_digest_refuses_another_archive(tmp_path):
    archive10(tmp_path)
    with pytest.raises(ClaimsError, match="expected md5 00000000000000000000000000000010, found"):
        load_parts(entries()["cifar10"], tmp_path)


def folders(root, n=12):
    for number in range(n):
        making.put(root / "2750" / f"class{number % 2}" / f"{number:02d}.png", making.png(number))


def test_a_vtab_task_draws_its_examples_from_the_pool(tmp_path):
    folders(tmp_path, 20)
    entry = small("vtab-eurosat", classes=2, pool=16, train=5, test=4)
    parts = load_parts(entry, tmp_path)
    assert len(parts.train) == 5
    whole = load_parts(small("vtab-eurosat", classes=2, pool=None, train=16, test=4), tmp_path)
    assert set(parts.train.names) < set(whole.train.names)
    assert whole.test.names == parts.test.names


def test_train_and_validation_are_joined_where_the_protocol_says_so(tmp_path):
    making.flowers(tmp_path)
    alone = dataclasses.asdict(small("flowers", train=2, test=2, classes=102))
    both = small("flowers", train_on="train+validation", pool=4, train=4, test=2)
    for values, n in ((alone, 2), (dataclasses.asdict(both), 4)):
        with pytest.raises(ClaimsError, match=f"expected 999 training images, found {n} "):
            load_parts(Entry(**values | {"train": 999, "pool": None}), tmp_path)


def test_published_lists_are_used_where_they_are(tmp_path):
    for index in range(3):
        making.put(tmp_path / "dmlab" / "images" / f"{index}.png", making.png(index))
    making.put(tmp_path / "dmlab" / "train800val200.txt", "images/0.png 3\nimages/1.png 0\n")
    making.put(tmp_path / "dmlab" / "test.txt", "images/2.png 1\nimages/0.png 0\nimages/1.png 2\nimages/1.png 3\n")
    parts = load_parts(small("vtab-dmlab", classes=4, train=2, test=4), tmp_path)
    assert parts.train.labels.tolist() == [3, 0]
    assert (parts.test.pixels(0) == making.pixels(2)).all()


def test_a_task_without_a_reader_says_what_is_missing(tmp_path):
    with pytest.raises(ClaimsError, match=r"vtab-dmlab: expected VTAB-1k's published lists .*TFRecords only"):
        load_parts(entries()["vtab-dmlab"], tmp_path)


def test_a_missing_folder_is_one_line(tmp_path):
    with pytest.raises(ClaimsError, match="pets: expected it in .*nowhere, found no such folder"):
        load_parts(entries()["pets"], tmp_path / "nowhere")


def test_any_folder_with_and_without_a_split(tmp_path):
    folders(tmp_path, 10)
    parts = READERS["folder"](tmp_path / "2750", {})
    assert (len(parts.train), len(parts.test)) == (8, 2)
    for part, n in (("train", 4), ("val", 2)):
        for number in range(n):
            making.put(tmp_path / "split" / part / f"class{number % 2}" / f"{number}.png", making.png(number))
    parts = READERS["folder"](tmp_path / "split", {})
    assert (len(parts.train), len(parts.test)) == (4, 2)


def test_imagenet_training_folder_must_have_the_same_synsets(tmp_path, monkeypatch):
    from harness.data import registry as module
    from harness.data.readers.imagenet import Sizes, imagenet_validation

    monkeypatch.setattr(module, "imagenet_validation", lambda root: imagenet_validation(root, Sizes(6, 3)))
    for name, content in making.validation("synset folders").items():
        making.put(tmp_path / name, content)
    for synset in making.SYNSETS:
        making.put(tmp_path / "train" / synset / f"{synset}_1.JPEG", making.png(1))
    parts = READERS["imagenet-with-train"](tmp_path, {})
    assert parts.train.labels.tolist() == [0, 1, 2]
    assert np.bincount(parts.test.labels).tolist() == [2, 2, 2]
    making.put(tmp_path / "train" / "n00000001" / "x.JPEG", making.png(1))
    with pytest.raises(ClaimsError, match="expected the synsets of"):
        READERS["imagenet-with-train"](tmp_path, {})


def test_location_is_the_option_then_the_variable_then_home(tmp_path, monkeypatch):
    monkeypatch.setenv("VIT_CLAIMS_HOME", str(tmp_path / "home"))
    monkeypatch.delenv("VIT_CLAIMS_DATA", raising=False)
    assert location("pets") == tmp_path / "home" / "data" / "pets"
    monkeypatch.setenv("VIT_CLAIMS_DATA", str(tmp_path / "sets"))
    assert location("pets") == tmp_path / "sets" / "pets"
    assert location("pets", tmp_path / "mine.tar") == tmp_path / "mine.tar"
    assert dataclasses.replace(entries()["pets"], id="vtab-pets").folder == entries()["pets"].folder == "pets"


def test_the_drives_file_is_not_asked_for_twice(tmp_path):
    making.put(tmp_path / "val.zip", b"here")
    assert from_drive(tmp_path, "val.zip", "gdown:0").read_bytes() == b"here"
