"""The home folder's order of precedence, and files that can't be written."""

from pathlib import Path

import platformdirs
import pytest

from harness.core.errors import ClaimsError
from harness.core.paths import home, make_folder, write_atomic


def test_the_option_beats_the_variable_beats_the_cache_folder(monkeypatch, tmp_path):
    monkeypatch.setenv("VIT_CLAIMS_HOME", str(tmp_path / "variable"))
    assert home(tmp_path / "option") == tmp_path / "option"
    assert home(None) == tmp_path / "variable"
    monkeypatch.delenv("VIT_CLAIMS_HOME")
    assert home(None) == Path(platformdirs.user_cache_dir("vit-claims", appauthor=False))


def test_a_folder_that_cannot_be_made_is_one_line(tmp_path):
    (tmp_path / "file").write_text("")
    with pytest.raises(ClaimsError, match="expected a folder that can be written, found: Not a directory"):
        make_folder(tmp_path / "file" / "below")


def test_a_file_is_replaced_as_a_whole(tmp_path):
    path = tmp_path / "a" / "b"
    write_atomic(path, b"one")
    write_atomic(path, b"two")
    assert path.read_bytes() == b"two"
    assert [p.name for p in path.parent.iterdir()] == ["b"]
