"""`python -m harness new FOLDER`: a paper's folder to begin with, whose tests pass at once."""

from __future__ import annotations

import argparse
import json
import re
from importlib import resources
from pathlib import Path
from typing import Any

from harness.core.errors import ClaimsError

ARXIV = re.compile(r"(?:arxiv:)?(?P<id>\d{4}\.\d{4,5}(?:v\d+)?|[a-z-]+(?:\.[A-Z]{2})?/\d{7}(?:v\d+)?)", re.IGNORECASE)
FILES = {"paper.toml": "paper.toml", "my_measure.py": "my_measure.py", "test_claims.py": "test_{name}.py"}
"""Templates, and what their files are called: no two papers of a session should have a claim file of one name."""


def add_parser(commands: Any) -> None:
    """Add the command to the command line's subparsers."""
    parser = commands.add_parser(
        "new",
        help="write a paper's folder to begin with",
        description="Write a folder for another paper, with one claim about a number that a function of it measures."
        " Its tests pass at once; replace the claim and the function by the paper's.",
    )
    parser.add_argument("folder", metavar="FOLDER", help="a new folder, or an empty one")
    parser.add_argument("--title", metavar="TEXT", help="the paper's title (default: the folder's name)")
    parser.add_argument(
        "--from", dest="arxiv", metavar="ID", help="its arXiv number, e.g. 2010.11929; nothing is fetched"
    )


def run(options: argparse.Namespace) -> int:
    """Write the folder and say what to do next."""
    folder = Path(options.folder)
    for path in written(folder, options.title or folder.resolve().name, options.arxiv or ""):
        print(path)
    print(f"next: pytest -p harness.suite.plugin {folder}; then python -m harness check {folder} after each change")
    return 0


def written(folder: Path, title: str, arxiv: str) -> list[Path]:
    """Write a skeleton; return its files.

    Raises:
        ClaimsError: the folder is not empty or can't be written, or the arXiv number is none.
    """
    from jinja2 import Template

    from harness.core.paths import make_folder, write_atomic

    number = ARXIV.fullmatch(arxiv)
    if arxiv and number is None:
        raise ClaimsError(f"--from: expected an arXiv number, e.g. 2010.11929, found {arxiv!r}")
    if folder.exists() and (not folder.is_dir() or any(folder.iterdir())):
        what = "a file" if not folder.is_dir() else "files in it"
        raise ClaimsError(f"{folder}: expected a new folder, or an empty one, found {what}; name another")
    make_folder(folder)
    name = re.sub(r"[^a-z0-9]+", "_", folder.resolve().name.lower()).strip("_") or "paper"
    values = {
        "title": json.dumps(title, ensure_ascii=False).replace("\x7f", "\\u007f"),
        "identifier": json.dumps(f"arXiv:{number['id']}") if number else "",
        "address": json.dumps(f"https://arxiv.org/abs/{number['id']}") if number else "",
        "id": f"{name}_claim1",
    }
    paths = []
    for template, file in FILES.items():
        text = resources.files("harness.cli").joinpath("skeleton", f"{template}.j2").read_text(encoding="utf-8")
        content = Template(text, keep_trailing_newline=True).render(values)
        paths.append(folder / file.format(name=name))
        write_atomic(paths[-1], content.encode())
    return paths
