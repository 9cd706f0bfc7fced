import pytest

from harness.core.claim_ids import claim_ids

FILES = {
    "test_a.py": 'CLAIM = Claim(id="a", title="t")\nOTHER = harness.core.claim.Claim("b")\n',
    "test_c.py": 'class Tests:\n    CLAIM = Claim(title="t", id="c")\n',
    "tables.py": "X = 1\n",
}


def written(folder, **files):
    for name, text in files.items():
        (folder / name).write_text(text)
    return folder


def test_every_stated_claim_is_found_and_nothing_is_imported(tmp_path):
    assert claim_ids(written(tmp_path, **FILES)) == {"a", "b", "c"}


@pytest.mark.parametrize("name, text", [
    ("test_d.py", "from elsewhere import CLAIM\n"), ("test_d.py", 'CLAIM = Claim(id=f"d{1}")\n'),
    ("conftest.py", "CLAIM = Claim(**given)\n"), ("test_d.py", "def broken(:\n"),
])  # fmt: skip
def test_claims_that_can_not_all_be_told_are_none(tmp_path, name, text):
    written(tmp_path, **FILES)
    assert claim_ids(written(tmp_path, **{name: text})) is None


def test_a_folder_without_claims_tells_none(tmp_path):
    assert claim_ids(tmp_path) is None


def test_a_file_is_read_anew_once_it_changed(tmp_path):
    written(tmp_path, **FILES)
    claim_ids(tmp_path)
    written(tmp_path, **{"test_a.py": 'CLAIM = Claim(id="other one")\n'})
    assert claim_ids(tmp_path) == {"other one", "c"}
