"""The content of a cache: list, measure and verify it, and remove files that no table names."""

from __future__ import annotations

import contextlib
import shutil
from collections.abc import Collection, Iterable, Iterator
from dataclasses import dataclass
from pathlib import Path
from typing import Literal

from filelock import FileLock, Timeout

from harness.core.errors import ClaimsError
from harness.fetch.owned import look
from harness.fetch.pins import Pin, Pins
from harness.fetch.sources import is_url_key
from harness.fetch.verify import digest_of


@dataclass(frozen=True)
class CachedFile:
    """One file of a cache, or one pin whose file is not there."""

    key: str
    """ "id/file_name"."""
    path: Path
    size: int | None
    """Bytes on disk; None: not there."""
    pin: Pin | None
    """None: nobody fetched it through the project, or its pin was removed."""


@dataclass(frozen=True)
class Verified:
    """What hashing a file again showed, or that there is nothing to compare it with."""

    key: str
    state: Literal["good", "changed", "missing", "not pinned", "own"]
    message: str
    """One line that names both digests where they differ."""


def entries(cache: Path) -> list[CachedFile]:
    """Return every file in the cache and every pin, by key."""
    pins = Pins(cache).all()
    files = {path.relative_to(cache / "files").as_posix(): path for path in below(cache / "files")}
    found = []
    for key in sorted({*pins, *files}):
        pin = pins.get(key)
        path = files.get(key) or (pin.path(cache, key) if pin else cache / "files" / key)
        found.append(CachedFile(key, path, path.stat().st_size if path.is_file() else None, pin))
    return found


def cache_size(cache: Path) -> dict[str, int]:
    """Return the bytes that a cache takes: "files", "partial" (unfinished downloads) and "damaged" (moved aside)."""
    return {part: sum(p.stat().st_size for p in below(cache / part)) for part in ("files", "partial", "damaged")}


def below(folder: Path) -> list[Path]:
    """Return the files below a folder, in order."""
    return sorted(path for path in folder.rglob("*") if path.is_file()) if folder.is_dir() else []


def verify(cache: Path) -> Iterator[Verified]:
    """Hash every pinned file again and give, one by one, whether it is what was pinned; name those not pinned."""
    for entry in entries(cache):
        if entry.pin is None:
            size = f"{entry.size:,} bytes" if entry.size is not None else "gone"
            yield Verified(entry.key, "not pinned", f"{size}; the first fetch or run that uses it pins its sha256")
            continue
        if entry.size is None:
            what = "it was your own; restore it" if entry.pin.own else "fetched again when needed"
            yield Verified(entry.key, "missing", f"not at {entry.path}; {what}")
            continue
        if entry.pin.own:
            yield Verified(entry.key, "own", own_state(entry.path, entry.pin, cache))
            continue
        found = digest_of(entry.path)
        if found.sha256 == entry.pin.sha256:
            yield Verified(entry.key, "good", f"sha256 {found.sha256}, {found.size:,} bytes")
        else:
            yield Verified(
                entry.key,
                "changed",
                f"{entry.path}: expected sha256 {entry.pin.sha256} ({entry.pin.size:,} bytes, pinned"
                f" {entry.pin.pinned}), found {found.sha256} ({found.size:,} bytes); fetch it again, or accept it:"
                f" python -m harness cache unpin {entry.key}",
            )


def own_state(path: Path, pin: Pin, cache: Path) -> str:
    """Return in one line what a user's own file is now."""
    try:
        found = look(path, cache).sha256
    except ClaimsError as error:
        return str(error)
    return f"{path}: sha256 {found}, {'as' if found == pin.sha256 else 'changed since'} it was last used"


def unneeded(cache: Path, named: Collection[str] | None = None) -> list[Path]:
    """Return the files that pruning would remove, in order.

    These are files moved aside as damaged, unfinished downloads that no process is at, and files that nothing
    names. Where `named` is given, a file is kept if its key is among them, pinned or not (an offline user puts
    files there by hand), or if it was fetched by its address. Where it is not, a file is kept if it is pinned.

    Args:
        cache: the cache folder.
        named: the keys that the tables name; None: the pins alone decide.
    """
    kept = set(Pins(cache).all() if named is None else named)
    keys = {path: path.relative_to(cache / "files").as_posix() for path in below(cache / "files")}
    files = [path for path, key in keys.items() if key not in kept and not (named is not None and is_url_key(key))]
    partial = [p for p in below(cache / "partial") if not being_fetched(cache, p)]
    return [*files, *below(cache / "damaged"), *partial]


def being_fetched(cache: Path, partial: Path) -> bool:
    """Return whether a process is fetching the file of an unfinished download."""
    # The note beside the bytes of x is x.json, and x may itself end so.
    names = {partial.name, partial.name.removesuffix(".json")}
    for lock in (cache / "locks" / f"{name}.lock" for name in names):
        if lock.exists():
            try:
                with FileLock(lock, timeout=0):
                    pass
            except Timeout:
                return True
    return False


def remove(cache: Path, paths: Iterable[Path]) -> int:
    """Remove files of a cache and folders left empty; return the bytes freed. Pins stay.

    Raises:
        ClaimsError: a path outside the cache, or one that can't be removed.
    """
    freed = 0
    for path in paths:
        if not path.is_relative_to(cache):
            raise ClaimsError(f"{path}: expected a file below {cache}, found another; nothing of it was removed")
        try:
            size = path.stat().st_size
            path.unlink()
        except OSError as error:
            raise ClaimsError(f"{path}: expected a file to remove, found: {error.strerror}") from None
        freed += size
        if path.parent.parent == cache / "files":
            with contextlib.suppress(OSError):
                path.parent.rmdir()
    return freed


def free_disk(cache: Path) -> int:
    """Return the bytes free on the disk of a cache, which need not exist yet."""
    return shutil.disk_usage(next(p for p in (cache, *cache.parents) if p.exists())).free
