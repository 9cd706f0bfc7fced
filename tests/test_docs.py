"""The pages say what the code does: diagram, commands, options, settings, links."""

import argparse
import importlib
import re
from pathlib import Path

import pytest

from harness.__main__ import commands, make_parser
from harness.core.config import SETTINGS
from harness.suite.options import DEFAULTS, add_options
from tests.test_imports import FOLDERED, MODULES, ROOT, STAGES, imported

DOCS = ROOT / "docs"
PAGES = [ROOT / "README.md", ROOT / "CONTRIBUTING.md", ROOT / "CHANGELOG.md", *sorted(DOCS.rglob("*.md"))]


def cells(text):
    """Return the cells of every table row of a page, a pipe in a cell unescaped."""
    rows = [line for line in text.splitlines() if line.startswith("|")]
    return [[cell.strip().replace(r"\|", "|") for cell in re.split(r"(?<!\\)\|", row)[1:-1]] for row in rows]


def section(text, title):
    """Return what stands under a heading, up to the next one."""
    found = re.search(rf"^#+ {re.escape(title)}\n(.*?)(?=^#|\Z)", text, re.DOTALL | re.MULTILINE)
    assert found, f"no heading {title}"
    return found[1]


def options_in(text):
    """Return the options that the rows of a section document."""
    return {option for row in cells(text) for option in re.findall(r"--[a-z][\w-]*", row[0])}


def reachable(arrows, start):
    """Return the folders that a path of arrows leads to."""
    found, waiting = set(), [start]
    while waiting:
        here = waiting.pop()
        new = {to for begin, to in arrows if begin == here} - found
        found |= new
        waiting += new
    return found


def imports_between_folders():
    """Return (imported folder, importing folder) pairs."""
    found = {
        (of.split(".")[1], module.split(".")[1])
        for module in FOLDERED
        for of in imported(MODULES[module])
        if of != "harness"
    }
    return {(of, by) for of, by in found if of != by}


def test_the_diagram_has_the_folders_and_their_imports():
    diagram = re.search(r"```mermaid\n(.*?)```", (DOCS / "architecture.md").read_text(), re.DOTALL)[1]
    arrows = set(re.findall(r"(\w+) --> (\w+)", diagram))
    imports = imports_between_folders()
    assert {name for arrow in arrows for name in arrow} == set(STAGES)
    assert sorted(arrows - imports) == [], "arrows that no import stands behind"
    assert sorted((of, by) for of, by in imports if by not in reachable(arrows, of)) == [], "imports that no path shows"


def test_the_diagram_leaves_out_what_follows_from_other_arrows():
    diagram = re.search(r"```mermaid\n(.*?)```", (DOCS / "architecture.md").read_text(), re.DOTALL)[1]
    arrows = set(re.findall(r"(\w+) --> (\w+)", diagram))
    assert [arrow for arrow in sorted(arrows) if arrow[1] in reachable(arrows - {arrow}, arrow[0])] == []


def test_architecture_names_every_folder():
    rows = cells(section((DOCS / "architecture.md").read_text(), "The folders of the engine"))
    assert [row[0].strip("`") for row in rows[2:]] == STAGES


def test_settings_are_documented():
    rows = [row for row in cells((DOCS / "configuration.md").read_text()) if len(row) == 5][2:]
    for row, s in zip(rows, SETTINGS, strict=True):
        options = f"`{s.options}`" if s.options else ""
        assert row == [f"`{s.key}`", options, ", ".join(f"`{v}`" for v in s.variables), s.default, s.meaning]


def subcommands(parser):
    actions = [action for action in parser._actions if isinstance(action, argparse._SubParsersAction)]
    return actions[0].choices if actions else {}


def options_of(parser, without=()):
    return {option for action in parser._actions for option in action.option_strings if option.startswith("--")} - {
        "--help",
        *without,
    }


def test_every_command_and_option_is_documented():
    text = (DOCS / "cli.md").read_text()
    assert re.findall(r"^## `([\w-]+)`$", text, re.MULTILINE) == list(commands())
    for name, parser in subcommands(make_parser(commands())).items():
        assert options_in(section(text, f"`{name}`")) == options_of(parser, ("--home", "--paper")), name
        for action, each in subcommands(parser).items():
            assert options_in(section(text, f"`{name} {action}`")) == options_of(each), f"{name} {action}"


def test_the_suites_options_are_documented():
    parser = pytest.Parser(_ispytest=True)
    add_options(parser)
    added = {name for group in parser._groups for option in group.options for name in option.names()}
    assert added == set(DEFAULTS)
    assert options_in(section((DOCS / "cli.md").read_text(), "Options of `pytest`")) == added


def exists(name):
    """Return whether a dotted name is one of the project's modules or stands in one."""
    module, _, rest = name.rpartition(".")
    return name in MODULES or (module in MODULES and hasattr(importlib.import_module(module), rest))


@pytest.mark.parametrize("page", PAGES, ids=lambda page: str(page.relative_to(ROOT)))
def test_files_and_modules_named_in_a_page_exist(page):
    text = page.read_text()
    paths = {path.rstrip(".") for path in re.findall(r"\b(?:harness|examples|tests(?!/claims)|bench)/[\w./-]*", text)}
    assert sorted(path for path in paths if "NAME" not in path and not (ROOT / path).exists()) == []
    dotted = set(re.findall(r"\bharness(?:\.[A-Za-z_]\w*)+", text))
    assert sorted(name for name in dotted if not exists(name)) == []


@pytest.mark.parametrize("page", PAGES, ids=lambda page: str(page.relative_to(ROOT)))
def test_links_lead_somewhere(page):
    links = [link for link in re.findall(r"\]\(([^)\s]+)\)", page.read_text()) if "://" not in link]
    assert [link for link in links if not (page.parent / link.partition("#")[0]).exists()] == []


@pytest.mark.parametrize("page", PAGES, ids=lambda page: str(page.relative_to(ROOT)))
def test_commands_in_a_page_exist(page):
    text = page.read_text()
    named = set(re.findall(r"^\s*(?:python -m harness|vit-claims) ([a-z][\w-]*)", text, re.MULTILINE))
    assert named <= set(commands())
    targets = set(re.findall(r"^([a-z-]+):.*## ", (ROOT / "Makefile").read_text(), re.MULTILINE))
    assert set(re.findall(r"^make ([a-z-]+)", text, re.MULTILINE)) <= targets


def test_the_readme_is_short_and_has_a_commands_arguments_right():
    text = (ROOT / "README.md").read_text()
    assert len(text.splitlines()) <= 100
    shown = re.findall(r"^vit-claims ([^#\n]*)", text, re.MULTILINE)
    assert len(shown) == 5
    for command in shown:
        make_parser(commands()).parse_args(command.split())


def test_a_shown_paper_is_complete(tmp_path):
    """The example of a paper reads as a paper, and its claim file states what it says."""
    from harness.catalog.claim_files import claims
    from harness.core.hypotheses import contenders_of, datasets_of
    from harness.core.paper import read_paper, using
    from harness.evidence.published.figures import of_paper
    from harness.evidence.published.matching import single

    page = (DOCS / "another-paper.md").read_text().partition("## A paper about released checkpoints")[2]
    blocks = re.findall(r"```(?:toml|python|json)\n(.*?)```", page, re.DOTALL)
    (tmp_path / "published").mkdir()
    names = ("paper.toml", "test_claim.py", "published/sources.toml", "published/figures.json")
    for name, block in zip(names, blocks, strict=True):
        (tmp_path / name).write_text(block)
    assert (read_paper(tmp_path).title, read_paper(tmp_path).defaults.publication) == ("A Paper", "a-paper")
    (claim, hypotheses), *others = claims(tmp_path).values()
    assert not others
    assert claim.title == "Larger is better"
    assert [datasets_of(hypothesis) for hypothesis in hypotheses] == [
        ("cifar10", "cifar100"),
        ("cifar10",),
        ("cifar100",),
    ]
    with using(tmp_path):
        index = of_paper()
        readings = {on: single(contenders_of(hypotheses[0])[0], on) for on in datasets_of(hypotheses[0])}
    assert {name: source.origin for name, source in index.publications.items()} == {"a-paper": None}
    assert {on: len(found) for on, found in readings.items()} == {"cifar10": 1, "cifar100": 0}
    sides = contenders_of(hypotheses[0])
    assert {figure.architecture for figure in index.figures} == {side.architecture for side in sides}


def test_decisions_are_listed_and_short():
    pages = sorted(path for path in (DOCS / "decisions").glob("[0-9]*.md"))
    listed = re.findall(r"\]\((\d{4}-[\w-]+\.md)\)", (DOCS / "decisions" / "README.md").read_text())
    assert listed == [page.name for page in pages]
    for page in pages:
        headings = re.findall(r"^## (.*)", page.read_text(), re.MULTILINE)
        assert (headings, len(page.read_text().splitlines()) <= 30) == (["Context", "Decision", "Consequences"], True)


@pytest.mark.parametrize("page", [page for page in PAGES if page.is_relative_to(DOCS)], ids=lambda page: page.stem)
def test_every_page_can_be_reached_from_the_readme(page):
    seen, waiting = set(), [ROOT / "README.md"]
    while waiting:
        here = waiting.pop()
        seen.add(here)
        for link in re.findall(r"\]\(([^)\s:#]+\.md)", here.read_text()):
            target = Path(here.parent / link).resolve()
            if target not in seen:
                waiting.append(target)
    assert page.resolve() in {path.resolve() for path in seen}
