"""Notes on a machine: kept between runs, lost without harm."""

import pytest

from harness.training.notes import Notes


def test_what_is_noted_is_there_for_the_next_run(tmp_path):
    path = tmp_path / "work" / "notes.json"
    assert Notes(path).get("a") is None
    Notes(path).put("a", "x")
    Notes(path).put("b", [1])
    Notes(path).put("a", "y")
    assert (Notes(path).get("a"), Notes(path).get("b")) == ("y", [1])
    nowhere = Notes(None)
    nowhere.put("a", 1)
    assert nowhere.get("a") is None


@pytest.mark.parametrize("content", [b"", b"{", b"[]", b"\xff\xfe"])
def test_a_damaged_file_is_no_notes_and_is_written_anew(content, tmp_path):
    path = tmp_path / "notes.json"
    path.write_bytes(content)
    assert Notes(path).get("a") is None
    Notes(path).put("a", 1)
    assert Notes(path).get("a") == 1


def test_notes_that_can_t_be_written_stop_nothing(tmp_path):
    (tmp_path / "file").write_text("not a folder")
    notes = Notes(tmp_path / "file" / "notes.json")
    notes.put("a", 1)
    assert notes.get("a") is None
    assert (tmp_path / "file").read_text() == "not a folder"
