"""One file, verified: from the cache, from this machine, or from the first source that gives the right bytes."""

from __future__ import annotations

import contextlib
import os
import sys
from collections.abc import Iterator
from pathlib import Path
from urllib.parse import urlsplit

from filelock import FileLock, Timeout

from harness.core.errors import Changed, ClaimsError
from harness.core.paths import make_folder
from harness.fetch.http import Request, download
from harness.fetch.hub import describe, in_hub_cache
from harness.fetch.owned import main_file, own_file, use
from harness.fetch.partial import Partial
from harness.fetch.pins import Pins
from harness.fetch.retry import Network, SourceFailure, WrongBytes
from harness.fetch.server_metadata import Stated, checked_by
from harness.fetch.sources import Hub, Local, Material, Source
from harness.fetch.verify import FileDigest, Job, digest_of, known, settle, wrong, wrong_download

LOOPBACK = ("localhost", "127.0.0.1", "::1")


def fetch(
    material: Material,
    cache: Path,
    *,
    offline: bool = False,
    progress: bool | None = None,
    refresh: bool = False,
    network: Network | None = None,
) -> Path:
    """Return the path of a material's file after checking its sha256; download it if it is not there.

    A user's own file that comes first is used as it is now, whatever it was before. Else sources are tried in order.
    The file lies in the cache, or, for a `Local` source and for what
    huggingface_hub's own cache holds, where it lay. The digest is the table's; where that has none, the one
    pinned at the first fetch; at the first fetch, the digest that the server states is checked and the
    sha256 pinned. Processes that ask for the same file wait for one of them.

    Args:
        material: what to fetch.
        cache: the cache folder.
        offline: use only what is on this machine.
        progress: whether to show a progress bar; None: if stderr is a terminal.
        refresh: download also what is in the cache, to compare it with the source.
        network: limits of patience.

    Raises:
        Gone: it is only a user's own file, which is not there.
        Changed: no source gave it, and what the cache or a source has is not the bytes that are known.
        ClaimsError: no source gave it, with the reason of each; or it can't be stored here.
    """
    own = own_file(material)
    if own is not None:
        use(material, own, cache)
        return own
    patience = network or Network()
    job = Job(material, cache, patience, progress, Pins(cache).get(material.key))
    # Without the lock, so that a cache that can only be read will do.
    if not refresh and job.pin and job.path.exists() and digest_of(job.path).sha256 == job.sha256 == job.pin.sha256:
        return job.path
    with waiting(material, cache):
        job = Job(material, cache, patience, progress, Pins(cache).get(material.key))
        damage = None
        if job.path.exists():
            found = digest_of(job.path)
            damage = wrong(job, job.path, found)
            if damage is None:
                settle(job, found, str(job.path), known(job), "it was put into the cache by hand")
                if not refresh:
                    return job.path
        return from_sources(job, offline, damage)


@contextlib.contextmanager
def waiting(material: Material, cache: Path) -> Iterator[None]:
    """Hold the file's lock; say so where another process holds it, and wait."""
    lock = FileLock(lock_path(material, cache))
    try:
        try:
            lock.acquire(timeout=0)
        except Timeout:
            print(f"{material.key}: another process is fetching it; waiting", file=sys.stderr)
            lock.acquire()
    except OSError as error:
        raise ClaimsError(
            f"{cache}: expected a cache that can be written, found: {error.strerror}; choose another --cache"
        ) from None
    try:
        yield
    finally:
        lock.release()


def lock_path(material: Material, cache: Path) -> Path:
    """Return the lock file for fetching a material."""
    return make_folder(cache / "locks") / f"{material.id}--{material.file_name}.lock"


def from_sources(job: Job, offline: bool, damage: str | None) -> Path:
    """Return the file from the first source that gives it."""
    if damage:
        print(f"{job.path}: {damage}{'' if offline else '; fetching it again'}", file=sys.stderr)
    told = []
    changed = damage is not None
    for source in job.material.sources:
        try:
            return from_source(job, source, offline)
        except SourceFailure as failure:
            changed |= isinstance(failure, WrongBytes)
            told.append(f"{source}{'' if source.confirmed else ' (unconfirmed name)'}: {failure}")
    raise (Changed if changed else ClaimsError)(summary(job, offline, damage, told))


def summary(job: Job, offline: bool, damage: str | None, told: list[str]) -> str:
    """Return the message of a fetch that failed, in one line: what to do, and why each source did not give it."""
    name = job.material.key
    by_hand = f"put the file at {job.path}" + (f" (sha256 {job.sha256})" if job.sha256 else "")
    if job.pin and job.sha256 == job.pin.sha256 != job.material.sha256:
        by_hand += f", or accept another one: python -m harness cache unpin {name}"
    remote = [str(source) for source in job.material.sources if not isinstance(source, Local)]
    if offline and remote:
        found = f"damage in the cache ({damage})" if damage else "none on this machine"
        elsewhere = f"fetch it elsewhere from {' or '.join(remote)} and {by_hand}"
        return f"{name}: offline: expected the file in the cache, found {found}; {elsewhere}"
    kept = "; the file in the cache was kept" if job.path.exists() else ""
    if len(told) == 1:
        return f"{name}: {told[0]}{kept}; or {by_hand}"
    head = f"{name}: none of {len(told)} sources gave it{kept}; {by_hand}, or put right what a source lacks:"
    return f"{head} {'; '.join(told)}"


def from_source(job: Job, source: Source, offline: bool) -> Path:
    """Return the file from one source.

    Raises:
        SourceFailure: it can't give it.
    """
    if isinstance(source, Local):
        return owned(job, source) if source.owned else in_place(job, source.file, str(source))
    if isinstance(source, Hub) and (offline or job.sha256):
        # The hub's cache may hold an older version, so online it only counts where a digest decides.
        found = in_hub_cache(source)
        if found is not None:
            with contextlib.suppress(SourceFailure):
                return in_place(job, found.absolute(), f"{source} in the hub's cache")
    if offline:
        raise SourceFailure("offline")
    if isinstance(source, Hub):
        file = describe(source, job.network)
        commit = Hub(source.repo, source.file, file.commit, source.kind)
        request = Request(file.address, job.material.key, file.headers, file.stated, job.material.size, job.sha256)
        return from_server(job, request, str(commit))
    request = Request(source.address, job.material.key, {}, Stated(), job.material.size, job.sha256)
    return from_server(job, request, str(source))


def owned(job: Job, source: Local) -> Path:
    """Return a user's own file, which may have changed since it was last used."""
    try:
        path = main_file(source.file)
        use(job.material, path, job.cache)
    except Changed as error:
        raise WrongBytes(str(error)) from None
    except ClaimsError as error:
        raise SourceFailure(str(error)) from None
    return path


def in_place(job: Job, path: Path, source: str) -> Path:
    """Return a file of this machine after checking it, without copying it."""
    if not path.is_file():
        raise SourceFailure(f"expected a file, found {'a folder' if path.is_dir() else 'none'}")
    try:
        found = digest_of(path)
    except ClaimsError as error:
        raise SourceFailure(str(error)) from None
    reason = wrong(job, path, found)
    if reason:
        raise failed(job, found, f"{reason}; it is not used")
    settle(job, found, source, known(job), f"it lies on this machine, {path}", str(path))
    return path


def failed(job: Job, found: FileDigest, reason: str) -> SourceFailure:
    """Return the failure of a source that gave a wrong file."""
    return (WrongBytes if job.sha256 not in (None, found.sha256) else SourceFailure)(reason)


def from_server(job: Job, request: Request, source: str) -> Path:
    """Download into a partial file, check it, pin it and move it into the cache.

    What was continued from an earlier time and turns out wrong is downloaded once more from the start.
    """
    parts = urlsplit(request.address)
    if parts.scheme == "http" and job.sha256 is None and parts.hostname not in LOOPBACK:
        # Anyone on the way could change both the file and the digest that the server states.
        raise SourceFailure("expected https or a known digest, found plain http; use https or give --sha256")
    partial = Partial(make_folder(job.cache / "partial") / f"{job.material.id}--{job.material.file_name}")
    arrived = download(request, partial, job.network, job.bar)
    found = digest_of(partial.path)
    reason = wrong_download(job, partial.path, found, arrived.stated)
    if reason and arrived.resumed:
        partial.discard()
        arrived = download(request, partial, job.network, job.bar)
        found = digest_of(partial.path)
        reason = wrong_download(job, partial.path, found, arrived.stated)
    if reason:
        partial.discard()
        raise failed(job, found, f"{reason}; the download was deleted")
    checked = known(job) or tuple(f"{name} stated" for name in checked_by(arrived.stated))
    # The pin goes first: a crash between the two leaves a pin without a file, never a file nobody checked.
    transport = "TLS" if parts.scheme == "https" else "plain HTTP on this machine"
    settle(job, found, source, checked, f"the server states none; it came over {transport}")
    install(job, partial, found)
    return job.path


def install(job: Job, partial: Partial, found: FileDigest) -> None:
    """Move a checked download into the cache; a damaged file there is moved aside."""
    make_folder(job.path.parent)
    try:
        with partial.path.open("rb+") as file:
            os.fsync(file.fileno())
        if job.path.exists():
            old = digest_of(job.path).sha256
            if old != found.sha256:
                aside = make_folder(job.cache / "damaged") / f"{job.material.id}--{old[:8]}--{job.material.file_name}"
                job.path.replace(aside)
                print(f"{job.path}: what was there was moved aside to {aside}", file=sys.stderr)
        partial.path.replace(job.path)
    except OSError as error:
        raise ClaimsError(f"{job.path}: expected to store the download there, found: {error.strerror}") from None
    partial.discard()
