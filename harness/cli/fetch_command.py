"""The commands `fetch` and `cache` of `python -m harness`.

`python -m harness fetch ID... | URL [--sha256 HEX] | --claim CLAIM | --all [--dry-run] [--offline] [--cache DIR]`
`python -m harness cache list | size | verify | prune [--yes] | unpin KEY... [--cache DIR]`
"""

from __future__ import annotations

import argparse
import json
import sys
from collections.abc import Collection, Mapping, Sequence
from dataclasses import dataclass, field
from pathlib import Path
from typing import Any

from harness.core.config import settings
from harness.core.errors import ClaimsError, unknown
from harness.fetch.cache import cache_size, entries, free_disk, remove, unneeded, verify
from harness.fetch.dry_run import Planned, plan_all
from harness.fetch.fetcher import fetch
from harness.fetch.pins import Pins, fields
from harness.fetch.sources import Material, material_of_url


@dataclass(frozen=True)
class Catalogue:
    """What ids mean."""

    materials: Mapping[str, Sequence[Material]] = field(default_factory=dict)
    """The files of each checkpoint and dataset, by its id."""
    never_released: Mapping[str, str] = field(default_factory=dict)
    """Why there is nothing to fetch, by id."""


def add_parsers(subparsers: Any) -> None:
    """Add the parsers of `fetch` and `cache` to those of the command line."""
    fetching = subparsers.add_parser(
        "fetch",
        help="download and verify checkpoints and datasets",
        description="Download checkpoints and datasets into the cache, verify them and record their digests.",
    )
    fetching.add_argument("what", nargs="*", metavar="ID|URL", help="what to fetch: ids (see: zoo, datasets) or URLs")
    fetching.add_argument("--sha256", metavar="HEX", help="the digest that the file must have (with a single URL)")
    fetching.add_argument(
        "--claim", action="append", default=[], metavar="N", help="fetch everything that a claim needs; may be repeated"
    )
    fetching.add_argument("--all", action="store_true", help="fetch everything in the tables")
    fetching.add_argument(
        "--dry-run",
        action="store_true",
        help="print what would be downloaded, from where and how many bytes, and download nothing",
    )
    fetching.add_argument(
        "--refresh", action="store_true", help="compare files that are already here with their source again"
    )
    fetching.add_argument(
        "--offline",
        action=argparse.BooleanOptionalAction,
        default=None,
        help="use only what is on this machine (default: as configured, else --no-offline)",
    )
    fetching.add_argument("--json", action="store_true", help="print a JSON list")
    keeping = subparsers.add_parser(
        "cache",
        help="list, measure, verify or clear the cache of downloads",
        description="Look after the cache of downloads.",
    )
    keeping.add_argument(
        "action",
        choices=("list", "size", "verify", "prune", "unpin"),
        help="list files; sum up their sizes; hash them again and compare; remove those that no table names; forget the"
        " recorded digest of one",
    )
    keeping.add_argument("key", nargs="*", metavar="KEY", help="for unpin: ID/FILE as `cache list` shows it")
    keeping.add_argument("--yes", action="store_true", help="prune without asking")
    for parser in (fetching, keeping):
        parser.add_argument("--cache", metavar="DIR", help="the folder of downloads (default: as configured)")


def run_fetch(options: argparse.Namespace, catalogue: Catalogue | None = None) -> int:
    """Fetch, or say what fetching would do; one line per file.

    Args:
        options: of the command; `what` names everything to fetch (claims and --all are resolved before).
        catalogue: what its ids mean.

    Returns:
        0 if everything asked for is there, or with --dry-run a source answers for what is not; else 1.
    """
    chosen = settings(options.cache, options.offline)
    materials, never = chosen_materials(options, catalogue or Catalogue())
    for identifier, why in never.items():
        print(f"{identifier}: never released ({why})", file=sys.stderr)
    if options.dry_run:
        planned = plan_all(materials, chosen.cache, offline=chosen.offline)
        print_plan(planned, chosen.cache, options.json)
        return int(any(each.answered is False for each in planned))
    rows, failed = [], bool(never)
    for material in materials:
        try:
            path = fetch(material, chosen.cache, offline=chosen.offline, refresh=options.refresh)
        except ClaimsError as error:
            print(error, file=sys.stderr)
            failed = True
            continue
        pin = Pins(chosen.cache).get(material.key)
        if pin is None:  # a user's own file, in a cache that can't be written
            print(f"{material.key}  {path.stat().st_size:,} bytes  {path}", file=sys.stderr)
            continue
        rows.append({"key": material.key, "path": str(path), **fields(pin)})
        if not options.json:
            checked = ", ".join(pin.checked) or ("nothing: it is your own" if pin.own else "its pin alone")
            print(f"{material.key}  {pin.size:,} bytes  sha256 {pin.sha256}  checked by {checked}\n  {path}")
    if options.json:
        print(json.dumps(rows, indent=1))
    return int(failed)


def chosen_materials(options: argparse.Namespace, catalogue: Catalogue) -> tuple[list[Material], dict[str, str]]:
    """Return the files of the ids and addresses in `what`, each once, and what of it was never released."""
    urls = [name for name in options.what if "://" in name]
    if options.sha256 and (len(urls) != 1 or len(options.what) != 1):
        raise ClaimsError(f"--sha256: expected one URL, found {len(urls)} URLs and {len(options.what) - len(urls)} ids")
    ids = [name for name in options.what if "://" not in name]
    if not ids and not urls:
        raise ClaimsError("expected something to fetch, found nothing; give an ID, a URL, --claim N or --all")
    found = {material.key: material for material in (material_of_url(url, options.sha256) for url in urls)}
    never = {}
    for name in ids:
        if name in catalogue.never_released:
            never[name] = catalogue.never_released[name]
        elif name in catalogue.materials:
            found |= {material.key: material for material in catalogue.materials[name]}
        else:
            raise unknown("checkpoint or dataset", name, {*catalogue.materials, *catalogue.never_released})
    return list(found.values()), never


def print_plan(planned: Sequence[Planned], cache: Path, as_json: bool) -> None:
    """Print what would be fetched and the sum."""
    if as_json:
        fields = ("source", "size", "size_from", "present", "answered", "to_download", "note")
        rows = [{"key": p.material.key} | {name: getattr(p, name) for name in fields} for p in planned]
        print(json.dumps(rows, indent=1))
        return
    for p in planned:
        about = "~ " if p.size_from == "estimate" else ""
        size = "unknown size" if p.size is None else f"{about}{p.size:,} bytes ({p.size_from})"
        state = (
            "already there"
            if p.present
            else {True: "answers", False: "NO SOURCE ANSWERS", None: "not asked"}[p.answered]
        )
        print(f"{p.material.key}  {size}  {state}  {p.source}" + (f"\n  {p.note}" if p.note else ""))
    total = sum(p.to_download or 0 for p in planned if p.size_from != "estimate")
    estimated = [p.to_download or 0 for p in planned if p.size_from == "estimate"]
    unknown_sizes = sum(p.to_download is None for p in planned)
    more = f", about {sum(estimated) / 1e9:.2f} GB estimated for {len(estimated)} files" if estimated else ""
    more += f" and {unknown_sizes} files of unknown size" if unknown_sizes else ""
    there = sum(p.present for p in planned)
    print(
        f"{len(planned)} files, {there} already there; to download {total:,} bytes{more} into {cache}"
        f" ({free_disk(cache):,} bytes free)"
    )


def run_cache(options: argparse.Namespace, named: Collection[str] | None = None) -> int:
    """List, measure, verify or clear the cache.

    Args:
        options: of the command line.
        named: the keys that the tables name, for `prune`; see `unneeded`.

    Returns:
        0; 1 if `verify` found a changed file.
    """
    cache = settings(options.cache).cache
    if options.key and options.action != "unpin":
        raise ClaimsError(f"{options.action}: expected no KEY, found {options.key[0]!r}; leave it out")
    if options.action == "list":
        list_cache(cache)
    elif options.action == "size":
        sizes = cache_size(cache)
        for part, size in sizes.items():
            print(f"{part}  {size:,} bytes")
        print(f"{sum(sizes.values()):,} bytes in {cache}, {free_disk(cache):,} bytes free")
    elif options.action == "verify":
        return verify_cache(cache)
    elif options.action == "unpin":
        if not options.key:
            raise ClaimsError("unpin: expected a KEY, found none; give ID/FILE as `cache list` shows it")
        for key in options.key:
            print(f"{key}: forgot sha256 {Pins(cache).remove(key).sha256}; the next fetch pins what it finds")
    else:
        prune(cache, named, options.yes)
    return 0


def list_cache(cache: Path) -> None:
    """Print one line per file or pin."""
    found = entries(cache)
    for entry in found:
        size = "not there" if entry.size is None else f"{entry.size:,} bytes"
        pin = f"sha256 {entry.pin.sha256}  from {entry.pin.source}" if entry.pin else "no pin"
        print(f"{entry.key}  {size}  {pin}" + (f"  at {entry.path}" if entry.pin and entry.pin.elsewhere else ""))
    print(f"{len(found)} entries in {cache}")


def verify_cache(cache: Path) -> int:
    """Hash every pinned file again, print one line per file, and return 1 if one has changed."""
    counts = {"good": 0, "changed": 0, "missing": 0, "not pinned": 0}
    for found in verify(cache):
        counts[found.state] = counts.get(found.state, 0) + 1
        print(f"{found.state:10}  {found.key}  {found.message}")
    print(", ".join(f"{count} {state}" for state, count in counts.items()) + f" in {cache}")
    return int(counts["changed"] > 0)


def prune(cache: Path, named: Collection[str] | None, yes: bool) -> None:
    """Remove what nothing names, after asking."""
    paths = unneeded(cache, named)
    if not paths:
        print(f"nothing to remove in {cache}")
        return
    for path in paths:
        print(f"{path.stat().st_size:,} bytes  {path}")
    if not yes:
        if not sys.stdin.isatty():
            raise ClaimsError(
                f"prune: expected a yes to removing {len(paths)} files, found no terminal to ask on; give --yes"
            )
        if input(f"remove these {len(paths)} files? [y/N] ").strip().lower() not in ("y", "yes"):
            print("nothing was removed")
            return
    print(f"{remove(cache, paths):,} bytes freed")
