"""`python -m harness figures`: where published figures come from, and which of them are impossible."""

from __future__ import annotations

import argparse
import dataclasses
import json
from typing import Any


def add_parser(commands: Any) -> None:
    """Add the command to the command line's subparsers."""
    parser = commands.add_parser("figures", help="list where published figures come from, or check them")
    parser.add_argument(
        "--check", action="store_true", help="list figures that scoring every example, once a run, can't give"
    )
    parser.add_argument("--json", action="store_true", help="print a JSON list")


def run(options: argparse.Namespace) -> int:
    """Print the sources, or the impossible figures."""
    return print_impossible(options.json) if options.check else print_sources(options.json)


def print_sources(as_json: bool) -> int:
    """Print every source with its figures and what it is evidence of."""
    from harness.cli.zoo import print_table
    from harness.evidence.published.figures import publications

    records = [record(source.id) for source in publications().values()]
    if as_json:
        print(json.dumps([dataclasses.asdict(each) for each in records], indent=1))
        return 0
    rows = [(r.id, str(r.figures), ", ".join(r.origins), ", ".join(r.clusters), r.title) for r in records]
    print_table(("id", "figures", "weights by", "independent runs", "title"), rows)
    return 0


@dataclasses.dataclass(frozen=True)
class SourceRecord:
    """A source of published figures, as the command prints it."""

    id: str
    figures: int
    origins: tuple[str, ...]
    """Whose weights its figures are about."""
    clusters: tuple[str, ...]
    """The independent runs among them."""
    title: str
    url: str


def record(source_id: str) -> SourceRecord:
    """Return a source with what its figures are evidence of."""
    from harness.evidence.published.figures import load, publications

    source = publications()[source_id]
    figures = [figure for figure in load() if figure.source == source_id]
    origins = sorted({source.origin_of(figure) for figure in figures})
    clusters = sorted({source.cluster_of(figure) for figure in figures})
    return SourceRecord(source_id, len(figures), tuple(origins), tuple(clusters), source.title, source.url)


def print_impossible(as_json: bool) -> int:
    """Print the figures that are impossible at the digits that they show, with what they suggest."""
    from harness.cli.zoo import print_table
    from harness.evidence.published.check import HEADER, cells, check

    found = check()
    if as_json:
        listed = [dataclasses.asdict(each) | {"suggests": each.suggests} for each in found.impossible]
        print(json.dumps(listed, indent=1))
        return 0
    print_table(HEADER, [cells(each) for each in found.impossible])
    print(
        f"{len(found.impossible)} impossible, {found.possible} possible; of {found.too_few_digits} every figure is"
        f" possible at so few digits, of {found.without_n} the number of test examples is none."
    )
    return 0
