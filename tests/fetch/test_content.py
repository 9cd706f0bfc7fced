"""What is no whole weights file or archive is named for what it is and never pinned; the next, good one is."""

import gzip
import hashlib
import io
import pickle
import tarfile
import zipfile

import pytest

from harness.core.errors import ClaimsError
from harness.fetch import Local, Material, Pins, Url, fetch
from harness.fetch.content import fault
from tests.models import weights

TENSORS = weights.safetensors(shape=(50, 30))
OLDER = weights.pytorch(_use_new_zipfile_serialization=False)
ARRAYS = weights.npz(shape=(50, 30))


def zipped(**files):
    buffer = io.BytesIO()
    with zipfile.ZipFile(buffer, "w") as archive:
        for name, content in files.items():
            archive.writestr(name, content)
    return buffer.getvalue()


def tarred(mode="w:gz"):
    buffer = io.BytesIO()
    with tarfile.open(fileobj=buffer, mode=mode) as archive:
        member = tarfile.TarInfo("images/1.jpg")
        member.size = 50_000
        archive.addfile(member, io.BytesIO(bytes(range(250)) * 200))
    return buffer.getvalue()


@pytest.mark.parametrize(
    "content",
    [
        ARRAYS,
        TENSORS,
        weights.pytorch(),
        OLDER,
    ],
    ids=["npz", "safetensors", "pytorch", "older pytorch"],
)
def test_whole_weights_pass(tmp_path, content):
    (tmp_path / "w").write_bytes(content)
    assert fault(tmp_path / "w", "weights") is None


NOT_WEIGHTS = {
    "git-LFS pointer": (weights.LFS, r"a git-LFS pointer to a file of 345,592 bytes \(\d+ bytes of text\)"),
    "HTML": (weights.HTML, r"an HTML page \(\d+ bytes\)"),
    "HTML in capitals": (b"<HTML><BODY>404</BODY></HTML>", "an HTML page"),
    "HTML with a byte-order mark": (b"\xef\xbb\xbf<html>", "an HTML page"),
    "HTML in UTF-16": ("<html>moved</html>".encode("utf-16"), "an HTML page"),
    "XML": (b'<?xml version="1.0"?><Error><Code>AccessDenied</Code></Error>', "an XML document"),
    "JSON": (b'{"error": "Repository not found"}', r"JSON text \(33 bytes\)"),
    "text": (b"Entry not found", "text .* 'Entry not found'"),
    "empty": (b"", "found 0 bytes"),
    "zeros": (bytes(5000), "begin with zeros"),
    "gzip": (gzip.compress(ARRAYS), "a gzip file"),
    "HDF5": (b"\x89HDF\r\n\x1a\n" + bytes(100), "an HDF5 file"),
    "another zip": (zipped(**{"word/document.xml": "x"}), "a zip archive of 1 other files"),
    "half a safetensors": (TENSORS[: len(TENSORS) // 2], rf"of {len(TENSORS):,} bytes, found one cut off after"),
    "safetensors without its last byte": (TENSORS[:-1], rf"found one cut off after {len(TENSORS) - 1:,} bytes"),
    "half a safetensors header": (TENSORS[:40], "cut off after 40 bytes, within its header"),
    "safetensors with more": (TENSORS + b"x", rf"found one with more, {len(TENSORS) + 1:,} bytes"),
    "safetensors without tensors": (b"\x02" + bytes(7) + b"{}", "without tensors"),
    "half an npz": (ARRAYS[: len(ARRAYS) // 2], "a truncated or damaged one"),
    "an npz with one byte changed": (ARRAYS[:3000] + b"\xff" + ARRAYS[3001:], "found damage in kernel.npy"),
    "half a PyTorch file": (weights.pytorch()[:500], "a truncated or damaged one"),
    "an older PyTorch file without its last byte": (OLDER[:-1], rf"of {len(OLDER):,} bytes, found a truncated one"),
    "half an older PyTorch file": (OLDER[:60], "a truncated or damaged one"),
    "a lone pickle": (pickle.dumps({"kernel": [1.0, 2.0]}), "a lone pickle, which is never loaded"),
}


@pytest.mark.parametrize(("content", "told"), NOT_WEIGHTS.values(), ids=NOT_WEIGHTS)
def test_what_is_no_weights_is_named_and_the_good_file_that_comes_next_is_taken(
    server, network, tmp_path, content, told
):
    of = Material("vit", "weights", (Url(server.serve("/w", content)),), holds="weights")
    with pytest.raises(ClaimsError, match=told) as caught:
        fetch(of, tmp_path, network=network)
    assert "allow_pickle" not in str(caught.value)
    assert Pins(tmp_path).all() == {}
    server.serve("/w", TENSORS)
    path = fetch(of, tmp_path, network=network)
    assert path.read_bytes() == TENSORS
    assert Pins(tmp_path).get("vit/weights").sha256 == hashlib.sha256(TENSORS).hexdigest()


@pytest.mark.parametrize("place", ["by hand in the cache", "in place"])
def test_a_pointer_put_there_by_hand_is_replaced(tmp_path, place):
    cache = tmp_path / "cache"
    local = tmp_path / "mine.safetensors"
    of = Material("vit", "weights", (Local(str(local)),), holds="weights")
    file = local if place == "in place" else of.path(cache)
    file.parent.mkdir(parents=True, exist_ok=True)
    file.write_bytes(weights.LFS)
    with pytest.raises(ClaimsError, match="git-LFS pointer|expected a file, found none"):
        fetch(of, cache, offline=True)
    assert Pins(cache).all() == {}
    file.write_bytes(TENSORS)
    assert fetch(of, cache, offline=True) == file


def test_a_folder_in_place_of_a_file_is_one_line(tmp_path):
    folder = tmp_path / "weights.npz"
    folder.mkdir()
    with pytest.raises(ClaimsError, match="expected a file, found a folder"):
        fetch(Material("vit", "weights", (Local(str(folder)),), holds="weights"), tmp_path / "c")


@pytest.mark.parametrize("mode", ["w:gz", "w:bz2", "w:xz", "w"])
def test_a_whole_archive_passes_and_half_of_it_does_not(tmp_path, mode):
    content = tarred(mode)
    (tmp_path / "a").write_bytes(content)
    assert fault(tmp_path / "a", "data") is None
    (tmp_path / "a").write_bytes(content[: len(content) // 2])
    assert "a truncated or damaged one" in fault(tmp_path / "a", "data")


@pytest.mark.parametrize(
    ("content", "told"),
    [(weights.HTML, "an HTML page"), (weights.LFS, "a git-LFS pointer"), (zipped(a="x" * 500)[:300], "a truncated")],
)
def test_what_is_no_archive_is_named(tmp_path, content, told):
    (tmp_path / "a.tar.gz").write_bytes(content)
    assert told in fault(tmp_path / "a.tar.gz", "data")
