"""`python -m harness fetch` and `cache`: the files of the zoo's checkpoints and of datasets, by id and by claim."""

from __future__ import annotations

import argparse
import sys
from collections.abc import Iterable, Mapping
from pathlib import Path
from typing import TYPE_CHECKING, Any

from harness.errors import ClaimsError
from harness.fetch import Material, Pins, Settings, command, settings

if TYPE_CHECKING:
    from harness.data.entries import Entry

CLAIMED = {"flowers102": "flowers", "imagenet_real": "imagenet"}
"""Names of datasets in the claims, and the entry that holds their images."""


def add_parser(commands: Any) -> None:
    """Add both commands to the command line's subparsers."""
    command.add_parsers(commands)


def run(options: argparse.Namespace) -> int:
    """Fetch, or look after the cache."""
    return run_cache(options) if options.command == "cache" else run_fetch(options)


def run_cache(options: argparse.Namespace) -> int:
    """Look after the cache; what checkpoints and datasets name is not pruned."""
    from harness.data.entries import entries
    from harness.data.obtain import owner
    from harness.zoo import checkpoints, materials

    keys = {material.key for entry in checkpoints().values() for material in materials(entry)}
    keys |= {f"{owner(entry, name, digest)}/{name}" for entry in entries().values() for name, digest in entry.files}
    keys |= {key for key in Pins(settings(options.cache).cache).all() if key.startswith("imagenet/validation-")}
    return command.run_cache(options, keys)


def run_fetch(options: argparse.Namespace) -> int:
    """Fetch files, then unpack the datasets among them where their readers look for them.

    Returns:
        0 if everything asked for is there (or, with --dry-run, could be planned), 1 if something can't be had.
    """
    from harness.zoo import checkpoints, materials

    released = {name: materials(entry)[:1] for name, entry in checkpoints().items() if entry.sources}
    never = {name: entry.never_released for name, entry in checkpoints().items() if entry.never_released}
    asked = chosen_ids(options, [*released, *never])
    wanted = chosen_datasets(asked)
    chosen = settings(options.cache, options.offline)
    found, failed = dataset_materials(wanted, options, chosen)
    rest = [name for name in asked if known(name) not in wanted]
    catalogue = command.Catalogue({**released, **found}, never, needs)
    narrowed = argparse.Namespace(**vars(options) | {"what": [*rest, *found], "claim": [], "all": False})
    if narrowed.what or not asked:
        failed |= bool(command.run_fetch(narrowed, catalogue))
    elif options.json:
        print("[]")
    if options.dry_run:
        return 0
    for entry in wanted.values():
        failed |= not lay_out(entry, found.get(entry.id, ()), chosen, options.json)
    return int(failed)


def known(name: str) -> str:
    """Return the id of a dataset that a claim calls otherwise."""
    return CLAIMED.get(name, name)


def chosen_ids(options: argparse.Namespace, checkpoints: Iterable[str]) -> list[str]:
    """Return the ids and addresses that the options name, claims and --all resolved."""
    from harness.data.entries import entries

    ids = [*options.what, *(name for claim in options.claim for name in needs(claim))]
    return [*ids, *checkpoints, *entries()] if options.all else ids


def chosen_datasets(ids: Iterable[str]) -> dict[str, Entry]:
    """Return the datasets among ids; vtab1k stands for all of its tasks."""
    from harness.data.entries import entries

    named: dict[str, Entry] = {}
    for name in ids:
        group = [entry for entry in entries().values() if entry.group] if name == "vtab1k" else []
        named |= {entry.id: entry for entry in group}
        if known(name) in entries():
            named[known(name)] = entries()[known(name)]
    return named


def dataset_materials(
    wanted: Mapping[str, Entry], options: argparse.Namespace, chosen: Settings
) -> tuple[dict[str, tuple[Material, ...]], bool]:
    """Return the files to fetch by dataset, and whether a dataset can't be had; one line each for the others."""
    from harness.data.locations import location
    from harness.data.obtain import HUB_READER, by_hand, complete, materials
    from harness.data.shards import shard_materials

    found: dict[str, tuple[Material, ...]] = {}
    failed = False
    for entry in wanted.values():
        root = location(entry.folder)
        try:
            if complete(entry, root) and not options.refresh:
                if options.dry_run:
                    print(f"{entry.id}: here, {root}", file=sys.stderr if options.json else sys.stdout)
            elif entry.reader == HUB_READER:
                if options.dry_run:
                    found[entry.id] = shard_materials(entry.folder, chosen.cache, chosen.offline)
            elif why := by_hand(entry, root):
                raise ClaimsError(f"{entry.id}: {why}")
            else:
                found[entry.id] = materials(entry, root)
        except ClaimsError as error:
            hint = by_hand(entry, root) if entry.reader == HUB_READER else ""
            print(f"{entry.id}: {hint} (found: {error})" if hint else error, file=sys.stderr)
            failed = True
    return found, failed


def lay_out(entry: Entry, files: Iterable[Material], chosen: Settings, quiet: bool) -> bool:
    """Unpack a dataset whose files are on this machine, read it, and say so; return whether it is there now."""
    from harness.data.entries import load_parts
    from harness.data.locations import location
    from harness.data.obtain import HUB_READER, by_hand, complete, obtain

    root = location(entry.folder)
    there = complete(entry, root)
    if not there and entry.reader != HUB_READER and (by_hand(entry, root) or not all_here(files, chosen.cache)):
        return False  # why was said before
    try:
        # Its files were fetched before, but for the hub's shards; no source is asked twice.
        obtain(entry, root, chosen.cache, offline=chosen.offline or entry.reader != HUB_READER)
        parts = load_parts(entry, root)
    except ClaimsError as error:
        print(error, file=sys.stderr)
        return False
    train = f"{len(parts.train):,} training and " if parts.train is not None else ""
    print(f"{entry.id}: {train}{len(parts.test):,} test images  {root}", file=sys.stderr if quiet else sys.stdout)
    return True


def all_here(files: Iterable[Material], cache: Path) -> bool:
    """Return whether files were fetched, into the cache or used where they lie."""
    pins = Pins(cache).all()
    return all(file.key in pins and pins[file.key].path(cache, file.key).is_file() for file in files)


def needs(claim: str) -> Iterable[str]:
    """Return the checkpoints and datasets that a claim ("1" or "claim1") needs on released material."""
    from harness.doctor import claims
    from harness.errors import unknown
    from harness.zoo import resolve

    stated = {each.id: hypotheses for each, hypotheses in claims()}
    name = f"claim{claim}" if claim.isdecimal() else claim
    if name not in stated:
        raise unknown("claim", claim, stated)
    checkpoints: dict[str, None] = {}
    datasets: dict[str, None] = {}
    for hypothesis in stated[name]:
        for contender in hypothesis.contenders:
            try:
                found = resolve(contender, hypothesis.on)
            except ClaimsError:
                continue  # nothing was released of it: `doctor` says which and why
            checkpoints.setdefault(found.id)
            if not found.never_released:
                datasets.setdefault(known(hypothesis.on))
    return [*checkpoints, *datasets]
