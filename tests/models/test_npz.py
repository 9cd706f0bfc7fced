"""Weights files: damage is refused in one line, writing is atomic and repeatable."""

import hashlib
import zipfile

import numpy as np
import pytest

from harness.core.errors import ClaimsError
from harness.models import npz


@pytest.fixture
def arrays():
    generator = np.random.default_rng(0)
    return {f"b/{i}/kernel": generator.standard_normal((20, i + 1)).astype(np.float32) for i in range(5)}


def sha256(path):
    return hashlib.sha256(path.read_bytes()).hexdigest()


def refused(path, *words):
    """The message with which `path` is refused; it is one line, names the file and holds the words."""
    with pytest.raises(ClaimsError) as error:
        npz.read(path)
    message = str(error.value)
    assert "\n" not in message
    assert message.startswith(str(path))
    for word in words:
        assert word in message
    return message


def test_what_is_written_reads_back_bit_for_bit(tmp_path, arrays):
    arrays["scalar"] = np.array(0.5)
    arrays["half"] = np.array([1, 2], np.float16)
    npz.write(tmp_path / "folder" / "w.npz", arrays)
    found = npz.read(tmp_path / "folder" / "w.npz")
    assert found.keys() == arrays.keys()
    for key, array in arrays.items():
        assert found[key].dtype == array.dtype
        assert found[key].shape == array.shape
        assert np.array_equal(found[key], array)


def test_numpys_own_files_are_read(tmp_path, arrays):
    np.savez_compressed(tmp_path / "w.npz", **arrays)
    found = npz.read(tmp_path / "w.npz")
    assert all(np.array_equal(found[key], array) for key, array in arrays.items())


def test_equal_arrays_give_equal_bytes(tmp_path, arrays):
    npz.write(tmp_path / "a.npz", arrays)
    backwards = {key: np.asfortranarray(arrays[key]).astype(">f4") for key in reversed(arrays)}
    npz.write(tmp_path / "b.npz", backwards)
    assert sha256(tmp_path / "a.npz") == sha256(tmp_path / "b.npz")
    backwards["b/0/kernel"][0] += 1
    npz.write(tmp_path / "b.npz", backwards)
    assert sha256(tmp_path / "a.npz") != sha256(tmp_path / "b.npz")


def test_no_time_stamp_enters_a_file(tmp_path, arrays):
    npz.write(tmp_path / "a.npz", arrays)
    with zipfile.ZipFile(tmp_path / "a.npz") as archive:
        assert {entry.date_time for entry in archive.infolist()} == {(1980, 1, 1, 0, 0, 0)}


class FullDisk(dict):
    """Arrays of which the third can't be had: the write fails half-way."""

    def __getitem__(self, key):
        if key == "b/2/kernel":
            raise OSError(28, "No space left on device")
        return super().__getitem__(key)


def test_a_failed_write_leaves_the_old_file_and_nothing_else(tmp_path, arrays):
    path = tmp_path / "w.npz"
    npz.write(path, {"old": np.ones(3)})
    before = sha256(path)
    with pytest.raises(OSError, match="No space left"):
        npz.write(path, FullDisk(arrays))
    with pytest.raises(ClaimsError, match="NaN"):
        npz.write(path, {"new": np.array([np.nan])})
    assert sha256(path) == before
    assert [entry.name for entry in tmp_path.iterdir()] == ["w.npz"]


@pytest.mark.parametrize("share", [0.0, 0.02, 0.5, 0.9, 0.999])
def test_a_truncated_file_is_refused(tmp_path, arrays, share):
    path = tmp_path / "w.npz"
    npz.write(path, arrays)
    whole = path.read_bytes()
    path.write_bytes(whole[: int(len(whole) * share)])
    refused(path, "expected a whole npz file")


def test_a_flipped_bit_is_refused_by_key(tmp_path, arrays):
    path = tmp_path / "w.npz"
    npz.write(path, arrays)
    whole = bytearray(path.read_bytes())
    at = bytes(whole).index(arrays["b/3/kernel"].tobytes())
    whole[at + 5] ^= 1
    path.write_bytes(whole)
    refused(path, "b/3/kernel", "CRC")


def test_a_pickled_array_is_refused_and_never_loaded(tmp_path, arrays):
    marker = tmp_path / "unpickled"

    class Payload:
        def __reduce__(self):
            return (open, (str(marker), "w"))

    np.savez(tmp_path / "w.npz", **arrays, extra=np.array([Payload()], dtype=object))
    refused(tmp_path / "w.npz", "extra", "without pickles")
    assert not marker.exists()


@pytest.mark.parametrize(
    ("bad", "words"),
    [
        (np.array([1.0, np.nan, np.inf]), "2 of 3 NaN or infinite"),
        (np.array([1, 2]), "found dtype int64"),
        (np.array([True]), "found dtype bool"),
        (np.array(["w"]), "found dtype <U1"),
        (np.array([1j]), "found dtype complex128"),
    ],
    ids=["not finite", "integers", "booleans", "text", "complex"],
)
def test_arrays_that_are_no_weights_are_refused(tmp_path, arrays, bad, words):
    np.savez(tmp_path / "w.npz", **arrays, bad=bad)
    refused(tmp_path / "w.npz", ": bad: ", words)
    with pytest.raises(ClaimsError, match="bad"):
        npz.write(tmp_path / "other.npz", {**arrays, "bad": bad})


def test_other_files_are_refused(tmp_path):
    refused(tmp_path / "absent.npz", "no such file")
    np.save(tmp_path / "single.npy", np.ones(3))
    refused(tmp_path / "single.npy", "single array")
    np.savez(tmp_path / "empty.npz")
    refused(tmp_path / "empty.npz", "empty")
    (tmp_path / "page.npz").write_text("<html>403 Forbidden</html>")
    refused(tmp_path / "page.npz", "expected a whole npz file")
    with zipfile.ZipFile(tmp_path / "other.npz", "w") as archive:
        archive.writestr("readme.txt", "hello")
    refused(tmp_path / "other.npz", "readme.txt")


def test_a_key_that_is_there_twice_is_refused(tmp_path):
    np.savez(tmp_path / "w.npz", w=np.ones(3))
    with zipfile.ZipFile(tmp_path / "w.npz", "a") as archive:
        member = archive.read("w.npy")
        with pytest.warns(UserWarning, match="Duplicate"):
            archive.writestr("w.npy", member)
    refused(tmp_path / "w.npz", ": w: ")
