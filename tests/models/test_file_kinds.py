"""What stands in place of weights is refused by name of what it is, in one line and without a library's advice."""

import gzip
import io
import pickle
import zipfile

import numpy as np
import pytest
import torch
from safetensors.torch import save_file

from harness.core.errors import ClaimsError
from harness.models import load

LFS = b"version https://git-lfs.github.com/spec/v1\noid sha256:" + b"0" * 64 + b"\nsize 346293852\n"


def npz(**arrays):
    buffer = io.BytesIO()
    np.savez(buffer, **arrays)
    return buffer.getvalue()


def pytorch(content, **options):
    buffer = io.BytesIO()
    torch.save(content, buffer, **options)
    return buffer.getvalue()


def safetensors(tmp_path):
    save_file({"w": torch.zeros(1000)}, tmp_path / "whole")
    return (tmp_path / "whole").read_bytes()


def zipped():
    buffer = io.BytesIO()
    with zipfile.ZipFile(buffer, "w") as archive:
        archive.writestr("readme.txt", "x")
    return buffer.getvalue()


CONTENTS = {
    "LFS pointer": (
        LFS,
        "found a git-LFS pointer .*bytes of text.*; run git lfs pull, or download the file itself",
    ),
    "HTML": (b"\n<!DOCTYPE html><html><body>404</body></html>", "found an HTML page"),
    "HTML with a mark": (b"\xef\xbb\xbf<html>log in</html>", "found an HTML page"),
    "XML": (b"<?xml version='1.0'?><Error><Code>AccessDenied</Code></Error>", "found an XML document"),
    "JSON": (b'{"error": "not found"}', "found JSON text"),
    "text": (b"see the other folder\n", "found another kind of file, text"),
    "empty": (b"", "found an empty file"),
    "zeros": (bytes(2000), "found 2,000 bytes that begin with zeros: an unfinished download"),
    "gzip": (gzip.compress(b"x"), "found a gzip file"),
    "zip": (zipped(), r"found a zip archive of readme\.txt"),
    "npy": (b"\x93NUMPY\x01\x00", "found a single array"),
    "pickled npz": (npz(w=np.array([{}], dtype=object)), "pickled objects, which are never loaded"),
    "pickle": (pickle.dumps({"w": object()}), "pickled objects, which are never loaded"),
    "objects": (pytorch({"w": object()}), "pickled objects, which are never loaded"),
    "truncated npz": (npz(w=np.zeros(9000))[:5000], "found a truncated or damaged one"),
    "truncated zip of PyTorch": (pytorch({"w": torch.zeros(9000)})[:5000], "found a truncated or damaged one"),
    "truncated pickle of PyTorch": (
        pytorch({"w": torch.zeros(9000)}, _use_new_zipfile_serialization=False)[:5000],
        "expected a PyTorch file with tensors only",
    ),
}
ADVICE = ("allow_pickle", "weights_only", "arbitrary code", "torch.load", "np.load", "safe_globals")


def refused(path, words):
    with pytest.raises(ClaimsError, match=words) as caught:
        load.read_file(path)
    message = str(caught.value)
    assert "\n" not in message
    assert message.startswith(f"{path}: ")
    assert not any(advice in message for advice in ADVICE)


@pytest.mark.parametrize("suffix", ["", ".npz", ".safetensors", ".bin"])
@pytest.mark.parametrize("name", CONTENTS)
def test_what_is_no_weights_file_is_refused_by_what_it_is(name, suffix, tmp_path):
    content, words = CONTENTS[name]
    path = tmp_path / f"weights{suffix}"
    path.write_bytes(content)
    refused(path, words)


def test_the_content_decides_and_not_the_suffix(tmp_path):
    for number, content in enumerate((npz(w=np.ones(2, "f4")), pytorch({"w": torch.ones(2)}), safetensors(tmp_path))):
        for suffix in ("", ".npz", ".safetensors", ".pth"):
            path = tmp_path / f"{number}{suffix}"
            path.write_bytes(content)
            assert list(load.read_file(path).arrays) == ["w"]


@pytest.mark.parametrize("share", [0.005, 0.01, 0.5, 0.999])
def test_a_truncated_safetensors_file_is_refused(share, tmp_path):
    content = safetensors(tmp_path)
    path = tmp_path / "model.safetensors"
    path.write_bytes(content[: max(12, int(share * len(content)))])
    refused(path, "expected a whole safetensors file")


@pytest.mark.filterwarnings("ignore:.*torch.jit:FutureWarning")
def test_a_script_of_torch_is_refused_without_running_it(tmp_path):
    path = tmp_path / "script.pt"
    torch.jit.save(torch.jit.script(torch.nn.Linear(2, 2)), path)
    refused(path, "found a TorchScript archive, whose code is never run")


def test_what_is_no_file_is_refused(tmp_path):
    refused(tmp_path / "absent.npz", "No such file")
    (tmp_path / "model.safetensors").mkdir()
    refused(tmp_path / "model.safetensors", "expected a folder with a weights file")
