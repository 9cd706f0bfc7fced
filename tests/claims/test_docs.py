"""What the pages say of the ViT paper's folder: its files exist, and so do its figures."""

import json
import re

import pytest

from tests.test_docs import PAGES
from tests.test_imports import ROOT


def test_the_readmes_figures_are_those_of_the_paper():
    figures = json.loads((ROOT / "claims" / "published" / "figures.json").read_text())
    assert f"| {len(figures)} figures that others measured" in (ROOT / "README.md").read_text()


@pytest.mark.parametrize("page", PAGES, ids=lambda page: str(page.relative_to(ROOT)))
def test_files_of_the_paper_named_in_a_page_exist(page):
    paths = {path.rstrip(".") for path in re.findall(r"(?<!/)\bclaims/[\w./-]*", page.read_text())}
    assert sorted(path for path in paths if "NAME" not in path and not (ROOT / path).exists()) == []
