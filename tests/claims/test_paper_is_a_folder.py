"""The engine names no paper: what it knows of one, it reads from the paper's folder."""

import ast
import re
from pathlib import Path

import pytest

from harness.catalog.claim_files import claims
from harness.catalog.recipes import protocols
from harness.core.paper import read_paper, using
from harness.evidence.published import load, publications

ROOT = Path(__file__).parents[2]
ENGINE = [
    path
    for path in sorted((ROOT / "harness").rglob("*"))
    # Families of networks that the engine can build keep their reference numerics, and with it where these stand.
    if path.suffix in (".py", ".toml", ".j2", ".css") and path.parts[len(ROOT.parts) + 1] != "models"
]


@pytest.fixture(scope="module")
def words():
    """Words of the ViT paper's folder that would give the engine away."""
    folder = ROOT / "claims"
    paper = read_paper(folder)
    with using(folder):
        # Libraries and repositories whose files the engine reads, a family that it builds, and words of the language.
        generic = {"paper", "code", "micro", "orig", "timm", "convnext", "jeonsworld", "sensitivity", "unstated"}
        found = {paper.title, paper.identifier, *paper.pretraining, *claims(), *publications(), *protocols()}
        found |= {figure.variant for figure in load()} | {name for name, _ in paper.stands_for}
        return {word for word in found - generic if len(word) > 2}


@pytest.mark.parametrize("path", ENGINE, ids=lambda path: path.relative_to(ROOT).as_posix())
def test_the_engine_names_nothing_of_the_paper(path, words):
    text = path.read_text()
    named = {word for word in words if re.search(rf"(?<![\w-]){re.escape(word)}(?![\w-])", text)}
    assert named == set()


def test_the_engine_holds_no_published_figure():
    with using(ROOT / "claims"):
        published = {figure.value for figure in load() if figure.value != round(figure.value, 1)}
    numbers = {
        (path.name, node.value)
        for path in ENGINE
        if path.suffix == ".py"
        for node in ast.walk(ast.parse(path.read_text()))
        if isinstance(node, ast.Constant) and isinstance(node.value, float)
    }
    assert {found for found in numbers if found[1] in published} == set()
