"""`python -m harness zoo`: the known checkpoints, where they come from, and which are here."""

from __future__ import annotations

import argparse
import dataclasses
import json
import sys
from collections import Counter
from collections.abc import Mapping, Sequence
from pathlib import Path
from typing import Any

from harness.core.specs import Checkpoint


def add_parser(commands: Any) -> None:
    """Add the command to the command line's subparsers."""
    epilog = (
        "Your own copy of a checkpoint is used first: put ID, ID.npz or ID.safetensors into the folder that"
        " $VIT_CLAIMS_WEIGHTS names."
    )
    parser = commands.add_parser(
        "zoo",
        help="list the checkpoints",
        description="List the checkpoints: where they come from, how large they are, and which are on this machine.",
        epilog=epilog,
    )
    parser.add_argument("--json", action="store_true", help="print a JSON list of all of them")
    parser.add_argument("--all", action="store_true", help="also list every member of a series")
    parser.add_argument("--cache", metavar="DIR", help="the folder of downloads (default: as configured)")


def run(options: argparse.Namespace) -> int:
    """Print the table, or the list."""
    from harness.catalog.checkpoints import checkpoints
    from harness.core.config import settings

    cache = settings(options.cache).cache
    entries = list(checkpoints().values())
    if options.json:
        print(json.dumps([record(entry, cache) for entry in entries], indent=1))
        return 0
    listed = [entry for entry in entries if options.all or not entry.tuned_on]
    rows = [row(entry, record(entry, cache)) for entry in listed]
    print_table(("id", "architecture", "pretrained on", "variant", "layout", "sources", "size", "state"), rows)
    series = Counter(entry.variant for entry in entries if entry.tuned_on)
    if not options.all:
        for name, count in series.items():
            print(f"and {count} of the series {name} (zoo --all lists them)", file=sys.stderr)
    doubtful = [f"  {entry.id}: {name}" for entry in listed for name in entry.unconfirmed]
    if doubtful:
        print("\n".join(["? unconfirmed names:", *doubtful]))
    return 0


def record(entry: Checkpoint, cache: Path) -> dict[str, Any]:
    """Return an entry with its state here: "shipped", "fetched", "to fetch", "by hand" or "never released"."""
    from harness.catalog.checkpoint_files import only_by_hand, size, state

    found = state(entry, cache)
    if found == "to fetch" and only_by_hand(entry):
        found = "by hand"
    return dataclasses.asdict(entry) | {"state": found, "bytes": size(entry, cache)}


def row(entry: Checkpoint, found: Mapping[str, Any]) -> tuple[str, ...]:
    """Return an entry's cells; an estimate of its size starts with ~."""
    why = f": {entry.never_released}" if entry.never_released else ""
    if found["state"] == "by hand":
        why = ": the bucket refuses anonymous users"
    return (
        entry.id,
        entry.architecture,
        entry.pretrained_on,
        entry.variant,
        entry.layout,
        shown_sources(entry),
        shown_size(entry, found["bytes"]),
        found["state"] + why,
    )


def shown_sources(entry: Checkpoint) -> str:
    """Return the first source's host, bucket or hub repo, how many more there are, and how many names are doubtful."""
    from harness.catalog.checkpoints import sources
    from harness.fetch.sources import Hub, Url

    found = sources(entry)
    if not found:
        return "-"
    first = found[0]
    if isinstance(first, Hub):
        place = f"hub:{first.repo}"
    else:
        place = "/".join(first.url.split("/")[:3]) if isinstance(first, Url) else str(first)
    more = f" +{len(found) - 1}" if len(found) > 1 else ""
    doubt = f" ({len(entry.unconfirmed)} ?)" if entry.unconfirmed else ""
    return place + more + doubt


def shown_size(entry: Checkpoint, known: int | None) -> str:
    """Return the size as text; if it is not known, that of the architecture's weights in float32."""
    from harness.catalog.checkpoint_files import estimate

    if known is not None:
        return megabytes(known)
    about = estimate(entry)
    return f"~ {megabytes(about)}" if about else "-"


def megabytes(count: int) -> str:
    """Return bytes in MB (a million bytes), or GB."""
    return f"{count / 1e9:.2f} GB" if count >= 1e9 else f"{count / 1e6:.1f} MB"


def print_table(header: Sequence[str], rows: Sequence[Sequence[str]]) -> None:
    """Print rows in aligned columns."""
    widths = [max(len(line[i]) for line in (header, *rows)) for i in range(len(header))]
    for line in (header, *rows):
        print("  ".join(cell.ljust(width) for cell, width in zip(line, widths, strict=True)).rstrip())
