"""Published figures as a table of one's own: published/figures.csv, a figure a row."""

from __future__ import annotations

import csv
import io
import math
import re
from collections.abc import Mapping
from pathlib import Path
from typing import Any

from harness.core.errors import ClaimsError, unknown
from harness.core.paper import paper
from harness.core.specs import build
from harness.core.text import read_text
from harness.evidence.published.records import Figure, Publication

FILE = "figures.csv"
COLUMNS = ("contender", "dataset", "metric", "value", "n", "runs", "spread", "citation")
"""contender: as claims write it, "NAME (PRE-TRAINING SET, RELEASE)" or "NAME"; metric: "" is top1; value: percent;
n: the test examples that were scored, "" for the whole test set; runs and spread (their standard deviation, percentage
points): "" where nothing is said; citation: words with an https address, or the id of a source in sources.toml."""
NEEDED = ("contender", "dataset", "value", "citation")
CONTENDER = re.compile(r"(?P<architecture>[^()]+?)\s*(?:\((?P<pretrain>[^,()]*)(?:,\s*(?P<variant>[^()]+))?\))?")
ADDRESS = re.compile(r"https://[^\s,;)]+")
OF_CSV = ((FILE, ""),)
"""The tables of a source that the file alone describes."""


def read_csv(path: Path, known: Mapping[str, Publication]) -> tuple[tuple[Figure, ...], dict[str, Publication]]:
    """Return the figures of a table, and its sources beside those that are known.

    Raises:
        ClaimsError: a column is unknown or missing, or a row holds no figure; with the line.
    """
    try:
        lines = csv.reader(io.StringIO(read_text(path).removeprefix("\ufeff"), newline=""), strict=True)
        header = [name.strip().lower() for name in next(lines, [])]
        for name in header:
            if name not in COLUMNS:
                raise unknown("column", name, COLUMNS, path.name)
        for name in NEEDED:
            if header.count(name) != 1:
                raise ClaimsError(f"{path.name}: expected one column {name!r}, found {header.count(name)}; add it")
        figures, sources = [], dict(known)
        for row in lines:
            if any(cell.strip() for cell in row):
                where = f"{path.name}, line {lines.line_num}"
                if len(row) != len(header):
                    raise ClaimsError(
                        f"{where}: expected {len(header)} cells, found {len(row)}; quote cells with commas"
                    )
                cells = dict(zip(header, (cell.strip() for cell in row), strict=True))
                figures.append(figure(cells, sources, where))
    except csv.Error as error:
        raise ClaimsError(f"{path.name}: expected CSV, found: {error}") from None
    return tuple(figures), sources


def figure(cells: Mapping[str, str], sources: dict[str, Publication], where: str) -> Figure:
    """Return the figure of a row; its source is added to the others if it is new.

    Raises:
        ClaimsError: a cell that is empty, no number or an impossible one, or a contender that can't be read.
    """
    for name in NEEDED:
        if not cells[name]:
            raise ClaimsError(f"{where}: {name}: expected a value, found an empty cell")
    named = CONTENDER.fullmatch(cells["contender"])
    if named is None:
        raise ClaimsError(
            f"{where}: contender: expected NAME or NAME (PRE-TRAINING SET, RELEASE), found {cells['contender']!r}"
        )
    source = source_of(cells["citation"], sources, where)
    values: dict[str, Any] = {
        "source": source.id,
        "table": source.tables[0][0],
        "model": named["architecture"],
        "architecture": named["architecture"],
        "family": "other",
        "pretrain": (named["pretrain"] or "").strip(),
        "variant": (named["variant"] or "orig").strip(),
        "dataset": cells["dataset"],
        "metric": cells.get("metric") or "top1",
        "value": number(cells["value"], f"{where}: value"),
    }
    for column, field, whole in (("n", "scored", True), ("runs", "seeds", True), ("spread", "std", False)):
        if cells.get(column):
            found = number(cells[column], f"{where}: {column}")
            if whole and found != int(found):
                raise ClaimsError(f"{where}: {column}: expected a whole number, found {cells[column]!r}")
            values[field] = int(found) if whole else found
    return build(Figure, values, where)


def number(text: str, where: str) -> float:
    """Return a cell's number.

    Raises:
        ClaimsError: it is none, or not finite.
    """
    try:
        found = float(text.removesuffix("%"))
    except ValueError:
        found = math.nan
    if not math.isfinite(found):
        raise ClaimsError(f"{where}: expected a number, found {text!r}")
    return found


def source_of(citation: str, sources: dict[str, Publication], where: str) -> Publication:
    """Return the source that a citation names or describes.

    An address that a source of sources.toml has names that source. Tables of one address are no independent evidence.

    Raises:
        ClaimsError: it is no id of a source, and has no address.
    """
    if citation in sources:
        return sources[citation]
    address = ADDRESS.search(citation)
    if address is None:
        raise ClaimsError(
            f"{where}: citation: expected words with an https address, or an id of sources.toml, found {citation!r}"
        )
    place = address[0].rstrip("/.")
    for source in sources.values():
        if source.url.rstrip("/.") == place and source.tables != OF_CSV:
            return source
    words = ADDRESS.sub("", citation).strip(" ,;()") or address[0]
    name = slug(words)[:60] or "csv"
    here = paper()
    publication = here.defaults.publication
    of_paper = place == here.address.rstrip("/.") or (publication and f"{name}-".startswith(f"{publication}-"))
    values = {
        "id": name,
        "title": words,
        "url": address[0],
        "kind": "paper",
        "recipe": "as published",
        "tables": [list(table) for table in OF_CSV],
        "origin": "paper" if of_paper else None,
        "cluster": slug(place.removeprefix("https://")) or None,
    }
    made = build(Publication, values, where)
    if sources.setdefault(name, made) != made:
        raise ClaimsError(f"{where}: citation: expected one address for {words!r}, found {address[0]} and another one")
    return made


def slug(text: str) -> str:
    """Return a text as an id: small letters, figures, dots and hyphens."""
    return re.sub(r"[^\w.-]+", "-", text, flags=re.ASCII).strip("-.").lower()
