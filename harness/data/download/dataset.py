"""Download a real dataset, check it, and put it where its reader expects it."""

from __future__ import annotations

import contextlib
import re
from collections.abc import Iterator
from pathlib import Path
from typing import Literal
from urllib.parse import urlsplit

from filelock import FileLock

from harness.core.errors import ClaimsError, Gone
from harness.core.paths import make_folder
from harness.core.specs import build
from harness.data.download.google_drive import BEGINNING, from_drive
from harness.data.download.hub_shards import shard_materials
from harness.data.download.install import UNPACKED, Mark, cannot_install, install, read_mark
from harness.data.paths import location
from harness.data.registry import Entry, entries, load_parts
from harness.fetch import Local, Material, Network, Pins, Source, Url, fetch, settings
from harness.fetch.content import holds_of
from harness.fetch.fetcher import LOOPBACK
from harness.fetch.server_metadata import file_digest

LOCK = ".obtaining.lock"
HUB_READER = "imagenet"
"""The reader of the one dataset that comes from a gated hub repo."""

State = Literal["here", "to fetch", "by hand"]


def state(entry: Entry, root: Path) -> tuple[State, str]:
    """Return where a dataset is, and why it must be laid there by hand. Nothing is read or hashed.

    A folder that a user filled counts as here; reading it checks it.
    """
    mark = read_mark(root)
    if root.is_file() or marked(entry, root, mark):
        return "here", ""
    names, published = set(visible(root)), {name for name, _ in entry.files}
    as_published = bool(published) and published <= names and entry.reader not in UNPACKED
    if mark is None and (names - published or as_published):
        return "here", ""
    why = by_hand(entry, root)
    return ("by hand", why) if why else ("to fetch", "")


def visible(root: Path) -> list[str]:
    """Return the names in a folder that are neither hidden nor unfinished downloads; none if there is no folder."""
    if not root.is_dir():
        return []
    return sorted(path.name for path in root.iterdir() if not (path.name.startswith(".") or path.suffix == ".partial"))


def by_hand(entry: Entry, root: Path) -> str:
    """Return why a dataset can't be fetched and what to put where, in one clause; "" if it can."""
    if entry.missing:
        return f"{entry.missing} {root}"
    if not entry.files and entry.reader != HUB_READER:
        return f"no address is known of it; expected its images in {root}, found none; lay them there"
    if entry.reader == HUB_READER:
        from huggingface_hub import get_token

        return "" if get_token() else account(root)
    if entry.reader == "imagenet-with-train":
        return f"an account of image-net.org is needed; lay train/<synset>/*.JPEG and the validation images into {root}"
    lacking = [name for name, _ in entry.files if name not in addresses(entry) and not (root / name).is_file()]
    if not lacking:
        return ""
    verb = "unpack" if any(name.endswith(".rar") for name in lacking) else "put"
    return f"no direct address is known of {', '.join(lacking)}; {verb} {'them' if lacking[1:] else 'it'} into {root}"


def account(root: Path) -> str:
    """Return what to do to have ImageNet validation."""
    return (
        "accept the terms of ILSVRC/imagenet-1k on the hub and set HF_TOKEN, or put ILSVRC2012_img_val.tar and"
        f" ILSVRC2012_devkit_t12.tar.gz (image-net.org, account needed) into {root}"
    )


def addresses(entry: Entry) -> dict[str, str]:
    """Return the direct address of each published file that has one."""
    return {name: address for name, address in entry.sources if re.fullmatch(r"(https?|gs)://\S+", address)}


def materials(entry: Entry, root: Path) -> tuple[Material, ...]:
    """Return the files to fetch for a dataset; none if it can only be installed by hand.

    A file with its published digest that lies in the dataset's folder is used where it lies. Tasks that share a
    published file share the download.

    Raises:
        ClaimsError: a file in the folder has another digest than the published one.
    """
    if by_hand(entry, root) or entry.reader == HUB_READER:
        return ()
    found = []
    for name, digest in entry.files:
        sources: list[Source] = []
        if (root / name).is_file():
            check(entry, root / name, digest, "remove it, or put the right one there")
            sources.append(Local(str(root / name)))
        address = addresses(entry).get(name, "")
        if address.startswith("http://") and urlsplit(address).hostname not in LOOPBACK:
            # A plain address is refused where no sha256 is known, and the published digests are MD5.
            sources.append(Url(address.replace("http://", "https://", 1), confirmed=False))
        if address:
            sources.append(Url(address))
        sha256 = digest.removeprefix("sha256:") if digest.startswith("sha256:") else None
        values = {"id": owner(entry, name, digest), "file_name": name, "sources": tuple(sources), "sha256": sha256}
        values["holds"] = holds_of(name)
        found.append(build(Material, values, f"dataset {entry.id}"))
    return tuple(found)


def owner(entry: Entry, name: str, digest: str) -> str:
    """Return the folder name of the first dataset that publishes this exact file."""
    sharing = (e.folder for e in entries().values() if digest and (name, digest) in e.files)
    return next(sharing, entry.folder)


def check(entry: Entry, path: Path, digest: str, advice: str) -> None:
    """Raise unless a file has its published digest; one without passes."""
    algorithm, _, expected = digest.partition(":")
    found = file_digest(path, algorithm) if digest else None
    if found is not None and found != expected:
        raise ClaimsError(
            f"{entry.id}: {path}: expected {algorithm} {expected} as published, found {found}"
            f" ({path.stat().st_size:,} bytes); {advice}"
        )


def obtain(entry: Entry, root: Path, cache: Path, *, offline: bool = False, network: Network | None = None) -> Path:
    """Return a dataset's folder with all that its reader needs; fetch, check and unpack it if it is not there.

    Args:
        entry: the dataset.
        root: where it lies or shall lie, `location(entry.folder)`.
        cache: where downloads lie.
        offline: use only what is on this machine.
        network: limits of patience.

    Raises:
        ClaimsError: it can't be obtained (with what to put where), a file is not the published one, an archive is
            damaged or unsafe, or something in the folder is in the way. No part of it is half there.
    """
    if complete(entry, root):
        return root
    if entry.reader != HUB_READER and (why := by_hand(entry, root)):
        raise ClaimsError(f"{entry.id}: {why}")
    with locked(root):
        if not complete(entry, root):
            if entry.reader == HUB_READER:
                validation(entry, root, cache, offline, network)
            else:
                install(entry, root, published(entry, root, cache, offline, network))
    return root


def at_hand(entry: Entry, fetch: bool = True) -> Path:
    """Return a dataset's usual folder; fetch the dataset if it is not there.

    Args:
        entry: the dataset.
        fetch: use the network, as the settings allow; False: only what is on this machine.

    Raises:
        Gone: it is the user's own, and there is nothing to fetch it from.
        ClaimsError: as `obtain`.
    """
    root = location(entry.folder)
    if entry.own and not addresses(entry) and not root.is_file() and not visible(root):
        what = "an empty folder" if root.is_dir() else "no such folder"
        raise Gone(f"{entry.id}: expected its images in {root}, found {what}; restore them")
    if state(entry, root)[0] != "here":
        chosen = settings()
        obtain(entry, root, chosen.cache, offline=chosen.offline or not fetch)
    return root


def complete(entry: Entry, root: Path) -> bool:
    """Return whether a folder holds a dataset, by its mark or by what its reader says."""
    mark = read_mark(root)
    if mark is not None or not visible(root):
        return marked(entry, root, mark)
    with contextlib.suppress(ClaimsError):
        load_parts(entry, root)
        return True
    return False


def marked(entry: Entry, root: Path, mark: Mark | None) -> bool:
    """Return whether the mark says that all of a dataset is there, and nothing of it was taken away since."""
    if mark is None or not mark.whole:
        return False
    # The hub's shards are those that the hub listed, not those of the table.
    agree = entry.reader == HUB_READER or mark.files == dict(entry.files)
    return agree and all((root / name).exists() for name in mark.placed)


@contextlib.contextmanager
def locked(root: Path) -> Iterator[None]:
    """Let one process at a time fill a dataset's folder."""
    lock = FileLock(make_folder(root) / LOCK)
    try:
        lock.acquire()
    except OSError as error:
        raise cannot_install(root, error) from None
    try:
        yield
    finally:
        lock.release()


def published(entry: Entry, root: Path, cache: Path, offline: bool, network: Network | None) -> dict[str, Path]:
    """Return the published files by name, each with its published digest; a download without it is removed."""
    files = {}
    digests = dict(entry.files)
    for material in materials(entry, root):
        path = fetch(material, cache, offline=offline, network=network)
        mine = path == material.path(cache)
        try:
            check(entry, path, digests[material.file_name], "it was removed, fetch it again" if mine else "remove it")
        except ClaimsError:
            with contextlib.suppress(ClaimsError):  # another process removed it
                Pins(cache).remove(material.key)
            if mine:
                path.unlink(missing_ok=True)
            raise
        files[material.file_name] = path
    return files


def validation(entry: Entry, root: Path, cache: Path, offline: bool, network: Network | None) -> None:
    """Install ImageNet validation: the hub's parquet shards, or, last, an archive on Google Drive."""
    try:
        shards = shard_materials(entry.folder, cache, offline)
        files = {shard.file_name: fetch(shard, cache, offline=offline, network=network) for shard in shards}
    except ClaimsError as refused:
        reasons = [str(refused)]
        if not offline:
            try:
                for name, address in entry.sources:
                    if address.startswith(BEGINNING):
                        from_drive(root, name, address)
                        return
            except ClaimsError as error:
                reasons.append(str(error))
        raise ClaimsError(f"{entry.id}: {account(root)} (found: {'; '.join(reasons)})") from None
    install(entry, root, files)
