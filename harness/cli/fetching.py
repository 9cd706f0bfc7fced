"""`python -m harness fetch` and `cache`: the files of the zoo's checkpoints and of datasets, by id and by claim."""

from __future__ import annotations

import argparse
import sys
from collections.abc import Collection, Iterable, Mapping
from pathlib import Path
from typing import TYPE_CHECKING, Any, TextIO

from harness.cli import fetch_command
from harness.core.config import Config
from harness.core.errors import ClaimsError, unknown
from harness.core.paper import paper
from harness.fetch import Material, Pins, settings

if TYPE_CHECKING:
    from harness.data.registry import Entry


def add_parser(commands: Any) -> None:
    """Add both commands to the command line's subparsers."""
    fetch_command.add_parsers(commands)


def run(options: argparse.Namespace) -> int:
    """Fetch, or look after the cache."""
    return run_cache(options) if options.command == "cache" else run_fetch(options)


def run_cache(options: argparse.Namespace) -> int:
    """List, measure, verify or prune the cache; files that checkpoints and datasets need are not pruned."""
    from harness.catalog.checkpoint_files import materials
    from harness.catalog.checkpoints import checkpoints
    from harness.data.download.dataset import owner
    from harness.data.registry import entries

    keys = {material.key for entry in checkpoints().values() for material in materials(entry)}
    keys |= {f"{owner(entry, name, digest)}/{name}" for entry in entries().values() for name, digest in entry.files}
    keys.add(real_labels().key)
    keys |= {key for key in Pins(settings(options.cache).cache).all() if key.startswith("imagenet/validation-")}
    return fetch_command.run_cache(options, keys)


def run_fetch(options: argparse.Namespace) -> int:
    """Fetch files, then unpack the datasets among them where their readers look for them.

    Returns:
        0 if everything asked for is there, or with --dry-run a source answers for what is not; else 1.
    """
    from harness.catalog.checkpoint_files import materials
    from harness.catalog.checkpoints import checkpoints
    from harness.data.download.dataset import complete
    from harness.data.paths import location
    from harness.data.registry import entries

    released = {name: materials(entry)[:1] for name, entry in checkpoints().items() if entry.sources}
    released[real_labels().id] = (real_labels(),)
    never = {name: entry.never_released for name, entry in checkpoints().items() if entry.never_released}
    asked = chosen_ids(options, [*released, *never])
    wanted = {name: entries()[name] for name in asked if name in entries()}
    chosen = settings(options.cache, options.offline)
    lacking = {name: entry for name, entry in wanted.items() if not complete(entry, location(entry.folder))}
    found, failed = dataset_materials(wanted if options.refresh else lacking, options.dry_run, chosen)
    rest = [name for name in asked if name not in wanted]
    catalogue = fetch_command.Catalogue({**released, **found}, never)
    narrowed = argparse.Namespace(**vars(options) | {"what": [*rest, *found]})
    if narrowed.what or not asked or options.sha256:
        failed |= bool(fetch_command.run_fetch(narrowed, catalogue))
    elif options.json:
        print("[]")
    out = sys.stderr if options.json else sys.stdout
    for entry in wanted.values():
        if options.dry_run:
            if entry.id not in lacking:
                print(f"{entry.id}: here, {location(entry.folder)}", file=out)
        elif entry.id in lacking and not lay_out(entry, found.get(entry.id), chosen):
            failed = True
        else:
            failed |= not counted(entry, out)
    return int(failed)


def real_labels() -> Material:
    """Return the file of ImageNet's ReaL labels."""
    from harness.data.imagenet_real import material

    return material()


def chosen_ids(options: argparse.Namespace, checkpoints: Collection[str]) -> list[str]:
    """Return the ids and addresses that the options name; claims, groups and --all are resolved.

    Raises:
        ClaimsError: an id that is neither a checkpoint's nor a dataset's, or a claim that does not exist.
    """
    from harness.data.registry import claimed, entries

    found: dict[str, None] = {}
    for name in [*options.what, *(name for claim in options.claim for name in required_by(claim))]:
        found |= dict.fromkeys(each for member in paper().members_of(name) for each in claimed(member))
    if options.all:
        found |= dict.fromkeys([*checkpoints, *entries()])
    names = {*checkpoints, *entries(), *dict(paper().groups)}
    for name in found:
        if "://" not in name and name not in names:
            raise unknown("checkpoint or dataset", name, names)
    return list(found)


def dataset_materials(
    wanted: Mapping[str, Entry], dry_run: bool, chosen: Config
) -> tuple[dict[str, tuple[Material, ...]], bool]:
    """Return the files to fetch by dataset, and whether a dataset can't be obtained; one line each for those."""
    from harness.data.download.dataset import HUB_READER, by_hand, materials
    from harness.data.download.hub_shards import shard_materials
    from harness.data.paths import location

    found: dict[str, tuple[Material, ...]] = {}
    failed = False
    for entry in wanted.values():
        why = by_hand(entry, location(entry.folder))
        try:
            if entry.reader != HUB_READER and why:
                raise ClaimsError(f"{entry.id}: {why}")
            if entry.reader != HUB_READER:
                found[entry.id] = materials(entry, location(entry.folder))
            elif dry_run:  # otherwise its shards are listed when they are fetched
                found[entry.id] = shard_materials(entry.folder, chosen.cache, chosen.offline)
        except ClaimsError as error:
            reason = f"{entry.id}: {why or 'its shards could not be listed'} (found: {error})"
            print(reason if entry.reader == HUB_READER else error, file=sys.stderr)
            # A plan is no failure for what nobody can fetch; for a hub that does not answer it is.
            failed |= not dry_run or (entry.reader == HUB_READER and not why and not chosen.offline)
    return found, failed


def lay_out(entry: Entry, files: Collection[Material] | None, chosen: Config) -> bool:
    """Unpack a dataset whose files are on this machine and return whether that worked.

    Args:
        entry: the dataset.
        files: what it is made of; None: what of it could be fetched is not known beforehand.
        chosen: where downloads lie, and whether the network may be used.
    """
    from harness.data.download.dataset import HUB_READER, obtain
    from harness.data.paths import location

    hub = entry.reader == HUB_READER
    if not hub and (files is None or not all_here(files, chosen.cache)):
        return False  # why was said when they were looked for
    try:
        # Other files than the hub's shards were fetched before: no source is asked twice.
        obtain(entry, location(entry.folder), chosen.cache, offline=chosen.offline or not hub)
    except ClaimsError as error:
        print(error, file=sys.stderr)
        return False
    return True


def counted(entry: Entry, out: TextIO) -> bool:
    """Read a dataset that is here, print how many images it has, and return whether it is as expected."""
    from harness.data.paths import location
    from harness.data.registry import load_parts

    root = location(entry.folder)
    try:
        parts = load_parts(entry, root)
    except ClaimsError as error:
        print(error, file=sys.stderr)
        return False
    train = f"{len(parts.train):,} training and " if parts.train is not None else ""
    print(f"{entry.id}: {train}{len(parts.test):,} test images  {root}", file=out)
    return True


def all_here(files: Iterable[Material], cache: Path) -> bool:
    """Return whether files are here, in the cache or elsewhere on this machine."""
    pins = Pins(cache).all()
    return all(file.key in pins and pins[file.key].path(cache, file.key).is_file() for file in files)


def required_by(claim: str) -> Iterable[str]:
    """Return the checkpoints and datasets that a claim, by its id or number, needs on released material."""
    from harness.catalog.checkpoints import resolve_all
    from harness.catalog.claim_files import stated_by
    from harness.core.hypotheses import terms_of
    from harness.data.registry import claimed

    checkpoints: dict[str, None] = {}
    datasets: dict[str, None] = {}
    for hypothesis in stated_by(claim):
        for contender, on in terms_of(hypothesis):
            try:
                found = resolve_all(contender, on)
            except ClaimsError:
                continue  # nothing was released of it: `doctor` says which and why
            checkpoints |= dict.fromkeys(each.id for each in found)
            if not any(each.never_released for each in found):
                datasets |= dict.fromkeys(claimed(on))
    return [*checkpoints, *datasets]
