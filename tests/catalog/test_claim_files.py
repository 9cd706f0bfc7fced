"""Claim files are read as a session reads them: with the other modules of their folder, and what classes state."""

import sys

import pytest

from harness.catalog.claim_files import stated_files
from harness.core.errors import ClaimsError

TEXT = """
from harness.core.claim import Better, Claim, Contender
from siblings import ON

CLAIM = Claim(id="c", title="t", quote="q", source="s", measure="m")


class TestAll:
    @CLAIM.hypotheses([Better(Contender("A"), than=Contender("B"), on=d) for d in ON])
    def test_each(self, hypothesis, judge):
        judge(hypothesis)
"""


def test_siblings_are_imported_and_classes_are_read(tmp_path):
    for name in ("a", "b"):
        (tmp_path / name).mkdir()
        (tmp_path / name / "test_it.py").write_text(TEXT)
        (tmp_path / name / "siblings.py").write_text(f"ON = ['on {name}']")
    for name in ("a", "b"):
        ((stem, claim, hypotheses),) = stated_files(tmp_path / name)
        assert (stem, claim.id, [each.on for each in hypotheses]) == ("test_it", "c", [f"on {name}"])
    assert "siblings" not in sys.modules


def test_a_file_that_cannot_be_imported_is_one_line(tmp_path):
    (tmp_path / "test_it.py").write_text("import nothing_of_that_name")
    with pytest.raises(ClaimsError, match=r"test_it.py: ModuleNotFoundError: No module named .*, at test_it.py:1"):
        stated_files(tmp_path)
