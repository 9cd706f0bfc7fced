import json

import pytest

from harness.core.config import settings
from harness.data.paths import decoded_folder
from harness.data.pinned import pin, pinned
from harness.fetch.pins import Pin, Pins
from harness.report.bundle_pins import pins_of, take_pins
from tests.report.run_making import record, sha

NET = Pin(sha("net"), 10, "hub:someone/net/w.npz@abc", ("sha256 stated",), "2026-03-01T00:00:00+00:00")
PICS = {"train": "t" * 64, "test": "u" * 64, "numbered": "false"}


@pytest.fixture
def home(tmp_path, monkeypatch):
    """Return a function that moves to a machine of its own."""

    def move(name):
        monkeypatch.setenv("VIT_CLAIMS_HOME", str(tmp_path / name))
        monkeypatch.delenv("VIT_CLAIMS_CACHE", raising=False)

    move("first")
    return move


def pin_all():
    Pins(settings().cache).put("net/w", NET)
    Pins(settings().cache).put("unused/w", Pin(sha("unused"), 1, "s", (), ""))
    Pins(settings().cache).put("mine/w", Pin(sha("mine"), 1, "s", (), "", "/home/me/w", own=True))
    pin("pics", PICS, decoded_folder())
    pin("unused", PICS, decoded_folder())


def test_what_runs_used_is_pinned_on_another_machine(home):
    pin_all()
    content = pins_of([record(0), record(0, checkpoint="mine", dataset="micro")])
    assert set(json.loads(content)["checkpoints"]) == {"net/w"}
    home("second")
    assert take_pins(content, "b.zip") == []
    assert Pins(settings().cache).all() == {"net/w": NET}
    assert pinned("pics", decoded_folder()) == PICS
    assert pinned("unused", decoded_folder()) == {}


def test_what_is_pinned_otherwise_stays_and_is_told(home):
    pin_all()
    content = pins_of([record(0)])
    home("second")
    mine = Pin("c" * 64, 3, "elsewhere", (), "")
    Pins(settings().cache).put("net/w", mine)
    pin("pics", {"test": "d" * 64}, decoded_folder())
    first, second = take_pins(content, "b.zip")
    assert first.startswith("net/w: other weights are pinned here")
    assert second.startswith("pics: expected the test images with digest dddd")
    assert Pins(settings().cache).all() == {"net/w": mine}
    assert pinned("pics", decoded_folder()) == {"test": "d" * 64}


def test_where_nothing_is_pinned_the_file_is_empty(home):
    assert json.loads(pins_of([record(0)])) == {"checkpoints": {}, "datasets": {}}
