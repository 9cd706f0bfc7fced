"""CIFAR's binary versions: archive or folder, digests, record sizes."""

import hashlib

import pytest

from harness.core.errors import ClaimsError
from harness.data.readers.cifar import cifar10, cifar100
from tests.data import making

NAMES_10 = "airplane automobile bird cat deer dog frog horse ship truck".split()


def files10():
    found = {"batches.meta.txt": "\n".join(NAMES_10).encode() + b"\n\n"}
    for batch in range(1, 6):
        found[f"data_batch_{batch}.bin"] = making.cifar_records([batch, 9 - batch], first=10 * batch)
    found["test_batch.bin"] = making.cifar_records([4, 0, 9], first=100)
    return found


def archive10(root):
    return making.tar(
        root / "cifar-10-binary.tar.gz",
        {f"cifar-10-batches-bin/{name}": content for name, content in files10().items()},
        "w:gz",
    )


def folder10(root):
    for name, content in files10().items():
        making.put(root / "cifar-10-batches-bin" / name, content)


@pytest.mark.parametrize("form", [archive10, folder10])
def test_records_are_read_in_the_order_of_the_batches(form, tmp_path):
    form(tmp_path)
    parts = cifar10(tmp_path, {})
    assert parts.train.labels.tolist() == [1, 8, 2, 7, 3, 6, 4, 5, 5, 4]
    assert parts.test.labels.tolist() == [4, 0, 9]
    assert parts.train.classes == tuple(NAMES_10)
    assert (parts.train.pixels(3) == making.pixels(21, 32, 32)).all()
    assert (parts.test.pixels(2) == making.pixels(102, 32, 32)).all()


def test_archive_and_folder_have_one_content_digest(tmp_path):
    archive10(tmp_path / "a")
    folder10(tmp_path / "b")
    assert cifar10(tmp_path / "a", {}).train.content() == cifar10(tmp_path / "b", {}).train.content()


def test_cifar100_takes_the_fine_label(tmp_path):
    making.put(tmp_path / "cifar-100-binary/fine_label_names.txt", "\n".join(f"class{i}" for i in range(100)))
    making.put(tmp_path / "cifar-100-binary/train.bin", making.cifar_records([99, 3], 0, label_bytes=2))
    making.put(tmp_path / "cifar-100-binary/test.bin", making.cifar_records([42], 5, label_bytes=2))
    parts = cifar100(tmp_path, {})
    assert parts.train.labels.tolist() == [99, 3]
    assert parts.test.labels.tolist() == [42]
    assert (parts.test.pixels(0) == making.pixels(5, 32, 32)).all()


def test_the_archives_digest_is_checked(tmp_path):
    path = archive10(tmp_path)
    right = hashlib.md5(path.read_bytes()).hexdigest()
    assert len(cifar10(tmp_path, {path.name: f"md5:{right}"}).test) == 3
    with pytest.raises(ClaimsError, match=f"expected md5 {'0' * 32}, found {right}"):
        cifar10(tmp_path, {path.name: f"md5:{'0' * 32}"})


@pytest.mark.parametrize(
    ("name", "content", "message"),
    [
        ("test_batch.bin", b"x" * 3072, "test_batch.bin: expected records of 3,073 bytes, found 3,072 bytes"),
        ("test_batch.bin", b"", "found 0 bytes"),
        ("test_batch.bin", b"\x0a" + b"x" * 3072, "record 0 of test_batch.bin: expected a class below 10, found 10"),
        ("batches.meta.txt", b"cat\ndog\n", "expected 10 class names, found 2"),
    ],
)
def test_malformed_files_are_one_line(name, content, message, tmp_path):
    folder10(tmp_path)
    making.put(tmp_path / "cifar-10-batches-bin" / name, content)
    with pytest.raises(ClaimsError, match=message):
        cifar10(tmp_path, {})


def test_the_pickled_version_is_not_read(tmp_path):
    making.put(tmp_path / "cifar-10-batches-py/data_batch_1", b"\x80\x04.")
    with pytest.raises(ClaimsError, match="Python version there is a pickle, which is not read"):
        cifar10(tmp_path, {})
