"""Functions of two papers' folders with modules of one name, their digests, and what is said where they fail."""

import sys

import pytest

from harness.core.errors import ClaimsError
from harness.core.own_modules import function_of, on_path, source_digest, sources_of


def paper(folder, **modules):
    folder.mkdir()
    for name, text in modules.items():
        (folder / f"{name}.py").write_text(text)
    return folder


def test_modules_of_one_name_in_two_folders_do_not_collide(tmp_path):
    a, b = (
        paper(tmp_path / name, mine="from aside import NAME\ndef call(): return NAME", aside=f"NAME = {name!r}")
        for name in "ab"
    )
    path, modules = list(sys.path), {"mine", "aside"} & sys.modules.keys()
    assert [function_of("mine:call", folder, "t")() for folder in (a, b, a)] == ["a", "b", "a"]
    assert (list(sys.path), {"mine", "aside"} & sys.modules.keys()) == (path, modules)
    (b / "aside.py").write_text("NAME = 'changed'")
    assert function_of("mine:call", b, "t")() == "changed"


def test_a_module_that_was_imported_before_is_as_it_was(tmp_path):
    folder = paper(tmp_path / "a", json="X = 1")
    before = sys.modules["json"]
    with on_path(folder):
        import json

        assert json.X == 1
    assert sys.modules["json"] is before


def test_the_digest_is_of_the_module_and_of_what_it_imports_from_its_folder(tmp_path):
    folder = paper(
        tmp_path / "a",
        mine="import json\ndef f():\n    import aside\n",
        aside="from further import x",
        further="x = 1",
        unrelated="y = 1",
    )
    assert {path.stem for path in sources_of("mine", folder)} == {"mine", "aside", "further"}
    first = source_digest("mine", folder, "t")
    (folder / "unrelated.py").write_text("y = 2")
    assert source_digest("mine", folder, "t") == first
    (folder / "further.py").write_text("x = 2")
    assert source_digest("mine", folder, "t") != first


@pytest.mark.parametrize(
    ("text", "said"),
    [
        ("mien:call", r"expected the module mien.py in .*, or an installed one, found none \(did you mean 'mine'\?\)"),
        ("mine:cal", r"unknown function 'cal' \(did you mean 'call'\?\)"),
        ("broken:call", "ModuleNotFoundError: No module named 'nothing_of_that_name', at broken.py:2"),
        ("syntax:call", "SyntaxError: .*, at syntax.py:1"),
    ],
)
def test_what_cannot_be_imported_is_one_line(tmp_path, text, said):
    folder = paper(
        tmp_path / "a",
        mine="def call(): pass",
        broken="\nimport nothing_of_that_name\n",
        syntax="def call(:",
    )
    with pytest.raises(ClaimsError, match=said) as found:
        function_of(text, folder, "t")
    assert "\n" not in str(found.value)
