"""Files that are replaced as a whole, and folders that can't be made."""

import pytest

from harness.core.errors import ClaimsError
from harness.core.paths import make_folder, write_atomic


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
