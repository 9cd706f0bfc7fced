"""Functions of two papers' folders with modules of one name, their digests, and what is said where they fail."""

import importlib
import sys

import pytest

from harness.core import own_modules
from harness.core.errors import ClaimsError
from harness.core.own_modules import function_of, on_path, source_digest, sources_of


def paper(folder, **modules):
    """Return a folder with modules, by name; "lib__core" is lib/core.py."""
    for name, text in modules.items():
        path = folder.joinpath(*name.split("__")).with_suffix(".py")
        path.parent.mkdir(parents=True, exist_ok=True)
        path.write_text(text)
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


def test_subfolders_of_one_name_without_an_init_do_not_collide(tmp_path):
    a, b = (
        paper(
            tmp_path / name,
            mine="from lib.core import V\nfrom deep.er.core import W\ndef call(): return V, W",
            lib__core=f"V = {name!r}",
            deep__er__core=f"W = {name!r}",
        )
        for name in "ab"
    )
    assert [function_of("mine:call", folder, "t")() for folder in (a, b)] == [("a", "a"), ("b", "b")]
    assert not {"lib", "lib.core", "deep", "deep.er"} & sys.modules.keys()


def test_a_subfolder_with_the_name_of_an_imported_package_leaves_it_imported(tmp_path):
    import email

    with on_path(paper(tmp_path / "a", email__notes="X = 1")):
        assert sys.modules["email"] is email


def test_libraries_installed_inside_the_folder_stay_imported(tmp_path, monkeypatch):
    folder = paper(tmp_path / "a", venv__lib__site__some_library="X = 1", loose__deep__er__x="")
    monkeypatch.syspath_prepend(str(folder / "venv" / "lib" / "site"))
    try:
        with on_path(folder):
            importlib.import_module("loose.deep.er.x")
            import some_library
        assert sys.modules.get("some_library") is some_library
        assert "loose" not in sys.modules
    finally:
        sys.modules.pop("some_library", None)


def test_the_digest_is_of_the_packages_that_a_module_is_in(tmp_path):
    folder = paper(tmp_path / "a", mine="import pkg2.sub", pkg2__sub="", aside="x = 1")
    (folder / "pkg2" / "__init__.py").write_text("import aside")
    found = {path.relative_to(folder).as_posix() for path in sources_of("mine", folder)}
    assert found == {"mine.py", "pkg2/__init__.py", "pkg2/sub.py", "aside.py"}


def test_the_digest_of_an_installed_module_changes_with_its_version(tmp_path, monkeypatch):
    first, plain = source_digest("numpy.linalg", tmp_path, "t"), source_digest("json", tmp_path, "t")
    monkeypatch.setattr(own_modules, "version", lambda name: "0.0.1")
    assert source_digest("numpy.linalg", tmp_path, "t") != first
    assert source_digest("json", tmp_path, "t") == plain


def test_an_installed_package_that_fails_is_one_line(tmp_path, monkeypatch):
    paper(tmp_path / "site", failing__sub="")
    (tmp_path / "site" / "failing" / "__init__.py").write_text("raise RuntimeError('on\\npurpose')")
    monkeypatch.syspath_prepend(str(tmp_path / "site"))
    with pytest.raises(ClaimsError, match="t: failing.sub: RuntimeError: on purpose"):
        function_of("failing.sub:call", paper(tmp_path / "a", mine=""), "t")


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
