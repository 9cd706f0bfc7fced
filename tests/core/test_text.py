"""A byte-order mark, as Windows editors write it, changes nothing in any file that is read."""

import codecs
import json

import pytest

from harness.core.config import read_config
from harness.core.text import read_text, text_of
from harness.core.toml import read_toml
from harness.data import imagenet_real, pinned
from harness.data.readers import imagenet_devkit, oxford, vtab
from harness.fetch.pins import Pins
from harness.report import verdict_store
from tests.data import making

MARK = codecs.BOM_UTF8


@pytest.mark.parametrize(
    "content",
    [
        "é = 1".encode(),
        MARK + "é = 1".encode(),
        "é = 1".encode("utf-16"),
        codecs.BOM_UTF16_BE + "é = 1".encode("utf-16-be"),
    ],
)
def test_text_with_and_without_a_mark(content, tmp_path):
    assert text_of(content) == "é = 1"
    (tmp_path / "t.toml").write_bytes(content)
    assert read_text(tmp_path / "t.toml") == "é = 1"


def test_a_table(tmp_path):
    path = making.put(tmp_path / "t.toml", MARK + b"[a]\nb = 1\n")
    assert read_toml(path) == {"a": {"b": 1}}


@pytest.mark.parametrize(
    ("name", "content"),
    [("claims.toml", b"offline = true\n"), ("pyproject.toml", b"[tool.vit-claims]\noffline = true\n")],
)
def test_a_projects_settings(name, content, tmp_path, monkeypatch):
    for variable in ("VIT_CLAIMS_OFFLINE", "HF_HUB_OFFLINE"):
        monkeypatch.delenv(variable, raising=False)
    making.put(tmp_path / name, MARK + content)
    assert read_config(folder=tmp_path).offline


def test_lists(tmp_path):
    assert oxford.lines_of(making.put(tmp_path / "list.txt", MARK + b"a 1\n\nb 2\n")) == ["a 1", "b 2"]
    for name in ("train800val200.txt", "test.txt"):
        making.put(tmp_path / name, MARK + b"images/a.png 1\n")
    making.put(tmp_path / "images/a.png", making.png(1))
    assert vtab.lists(tmp_path, 2).train.labels.tolist() == [1]


def test_the_devkits_truth(tmp_path):
    making.devkit_folder(tmp_path)
    path = tmp_path / "ILSVRC2012_devkit_t12/data/ILSVRC2012_validation_ground_truth.txt"
    path.write_bytes(MARK + path.read_bytes())
    assert imagenet_devkit.ground_truth(tmp_path / "ILSVRC2012_devkit_t12", 3).labels.tolist() == making.LABELS


def test_json_files(tmp_path):
    path = making.put(tmp_path / "real.json", MARK + b"[[1], [0, 1], []]")
    assert imagenet_real.read_real(path, images=3, labelled=2, classes=2) == ((1,), (0, 1), ())
    making.put(tmp_path / "pins" / "mine.json", MARK + b'{"test": "00"}')
    assert pinned.pinned("mine", tmp_path) == {"test": "00"}
    making.put(tmp_path / "pins.json", MARK + json.dumps({"format": 1, "pins": {}}).encode())
    assert Pins(tmp_path).all() == {}
    making.put(tmp_path / "verdicts.json", MARK + b'{"format": 1, "history_bytes": 0, "claims": [], "verdicts": []}')
    assert verdict_store.load(tmp_path).verdicts == {}


def test_other_bytes_are_no_text(tmp_path):
    with pytest.raises(UnicodeDecodeError):
        text_of(b"\xe9")
