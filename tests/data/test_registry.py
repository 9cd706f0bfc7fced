"""The table of real datasets, and what reading one checks."""

import dataclasses

import numpy as np
import pytest

from harness.core.errors import ClaimsError
from harness.core.paper import paper
from harness.data.download.google_drive import from_drive
from harness.data.paths import location
from harness.data.registry import READERS, Entry, entries, load_parts
from tests.data import making
from tests.data.readers.test_cifar import archive10

VTAB_CLASSES = {
    # arXiv:1910.04867, table 2.
    "natural": [102, 100, 47, 102, 37, 397, 10],
    "specialized": [2, 10, 45, 5],
    "structured": [8, 6, 6, 4, 16, 16, 18, 9],
}


def small(name, **changed):
    """An entry with the sizes of a synthetic copy."""
    return dataclasses.replace(entries()[name], files=(), **changed)


@pytest.mark.paper
def test_vtab_has_its_nineteen_tasks_in_three_groups():
    found = {name: entry for name, entry in entries().items() if entry.group}
    assert len(found) == 19
    for group, classes in VTAB_CLASSES.items():
        assert sorted(entry.classes for entry in found.values() if entry.group == group) == sorted(classes)
    assert all(entry.train == 1000 and round(entry.train * entry.dev_fraction) == 200 for entry in found.values())


@pytest.mark.paper
def test_the_papers_groups_are_vtab_and_its_three():
    groups = {name: paper().members_of(name) for name, _ in paper().groups}
    by_group = {group: {name for name, entry in entries().items() if entry.group == group} for group in VTAB_CLASSES}
    assert {name: set(members) for name, members in groups.items()} == {
        "vtab1k": set().union(*by_group.values()),
        **{f"vtab1k_{group}": members for group, members in by_group.items()},
    }
    assert {name: len(members) for name, members in groups.items()} == {
        "vtab1k": 19,
        "vtab1k_natural": 7,
        "vtab1k_specialized": 4,
        "vtab1k_structured": 8,
    }
    assert paper().members_of("cifar10") == ("cifar10",)


@pytest.mark.paper
def test_sizes_are_the_published_ones():
    sizes = {name: (entry.train, entry.test, entry.classes) for name, entry in entries().items() if not entry.group}
    assert sizes == {
        "imagenet": (0, 50_000, 1000),
        "imagenet-train": (1_281_167, 50_000, 1000),
        "cifar10": (50_000, 10_000, 10),
        "cifar100": (50_000, 10_000, 100),
        "pets": (3680, 3669, 37),
        "flowers": (1020, 6149, 102),
    }


@pytest.mark.paper
def test_every_entry_is_readable_or_says_what_is_missing():
    assert {entry.reader for entry in entries().values() if entry.missing} == {""}
    assert {entry.reader for entry in entries().values() if not entry.missing} == set(READERS) - {"folder"}


@pytest.mark.paper
def test_published_digests_are_torchvisions():
    from torchvision.datasets import DTD, Flowers102, OxfordIIITPet

    files = {name: dict(entry.files) for name, entry in entries().items()}
    assert set(files["pets"].values()) == {f"md5:{md5}" for _, md5 in OxfordIIITPet._RESOURCES}
    assert files["flowers"] == {name: f"md5:{md5}" for name, md5 in Flowers102._file_dict.values()}
    assert files["vtab-dtd"] == {"dtd-r1.0.1.tar.gz": f"md5:{DTD._MD5}"}


@pytest.mark.paper
def test_a_dataset_is_read_and_counted(tmp_path):
    archive10(tmp_path)
    entry = small("cifar10", train=11, test=3)
    with pytest.raises(
        ClaimsError, match=r"cifar10: expected 11 training images, found 10 in .*cifar-10-binary.tar.gz"
    ):
        load_parts(entry, tmp_path)
    with pytest.raises(ClaimsError, match="cifar10: expected 10 classes among the training images, found 8"):
        load_parts(small("cifar10", train=10, test=3), tmp_path)


@pytest.mark.paper
def test_the_real_digest_refuses_another_archive(tmp_path):
    archive10(tmp_path)
    with pytest.raises(ClaimsError, match="expected md5 c32a1d4ab5d03f1284b67883e8d87530, found"):
        load_parts(entries()["cifar10"], tmp_path)


def folders(root, n=12):
    for number in range(n):
        making.put(root / "2750" / f"class{number % 2}" / f"{number:02d}.png", making.png(number))


@pytest.mark.paper
def test_a_vtab_task_draws_its_examples_from_the_pool(tmp_path):
    folders(tmp_path, 20)
    entry = small("vtab-eurosat", classes=2, pool=16, train=5, test=4)
    parts = load_parts(entry, tmp_path)
    assert len(parts.train) == 5
    whole = load_parts(small("vtab-eurosat", classes=2, pool=None, train=16, test=4), tmp_path)
    assert set(parts.train.names) < set(whole.train.names)
    assert whole.test.names == parts.test.names


@pytest.mark.paper
def test_train_and_validation_are_joined_where_the_protocol_says_so(tmp_path):
    making.flowers(tmp_path)
    alone = dataclasses.asdict(small("flowers", train=2, test=2, classes=102))
    both = small("vtab-flowers", pool=4, train=4, test=2)
    for values, n in ((alone, 2), (dataclasses.asdict(both), 4)):
        with pytest.raises(ClaimsError, match=f"expected 999 training images, found {n} "):
            load_parts(Entry(**values | {"train": 999, "pool": None}), tmp_path)


@pytest.mark.paper
def test_published_lists_are_used_where_they_are(tmp_path):
    for index in range(3):
        making.put(tmp_path / "kitti" / "images" / f"{index}.png", making.png(index))
    making.put(tmp_path / "kitti" / "train800val200.txt", "images/0.png 3\nimages/1.png 0\n")
    making.put(tmp_path / "kitti" / "test.txt", "images/2.png 1\nimages/0.png 0\nimages/1.png 2\nimages/1.png 3\n")
    parts = load_parts(small("vtab-kitti", train=2, test=4), tmp_path)
    assert parts.train.labels.tolist() == [3, 0]
    assert (parts.test.pixels(0) == making.pixels(2)).all()


@pytest.mark.paper
def test_a_task_without_a_reader_says_what_is_missing(tmp_path):
    with pytest.raises(ClaimsError, match=r"vtab-dmlab: expected VTAB-1k's published lists .*TFRecords only"):
        load_parts(entries()["vtab-dmlab"], tmp_path)


@pytest.mark.paper
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


@pytest.mark.paper
def test_location_is_the_option_then_the_variable_then_home(tmp_path, monkeypatch):
    monkeypatch.setenv("VIT_CLAIMS_HOME", str(tmp_path / "home"))
    monkeypatch.delenv("VIT_CLAIMS_DATA", raising=False)
    assert location("pets") == tmp_path / "home" / "data" / "pets"
    monkeypatch.setenv("VIT_CLAIMS_DATA", str(tmp_path / "sets"))
    assert location("pets") == tmp_path / "sets" / "pets"
    assert location("pets", tmp_path / "mine.tar") == tmp_path / "mine.tar"
    assert entries()["vtab-pets"].folder == entries()["pets"].folder == "pets"


def test_the_drives_file_is_not_asked_for_twice(tmp_path):
    making.put(tmp_path / "val.zip", b"here")
    assert from_drive(tmp_path, "val.zip", "gdown:0").read_bytes() == b"here"
