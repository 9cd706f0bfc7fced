"""A user's own weights, read every time, so that a run is identified by their current content.

A cheap look (path, device, inode, size, times of change) is compared with that of the last time; only where it
differs are the bytes hashed again. What changed within the last seconds is always hashed: a clock that ticks slowly
can hide a second change. Nothing here is pinned: one's own file may be trained anew at any time.
"""

from __future__ import annotations

import contextlib
import hashlib
import json
import os
import time
from datetime import UTC, datetime
from itertools import takewhile
from pathlib import Path

from harness.core.errors import Changed, ClaimsError, Gone
from harness.core.paths import write_atomic
from harness.fetch.content import fault
from harness.fetch.pins import Pin, Pins
from harness.fetch.sources import Local, Material
from harness.fetch.verify import FileDigest, digest_of

FRESH = 2.0
"""Seconds after a change in which a second one may leave the same time (FAT counts in twos)."""
FOLDER_FILES = (
    "model.safetensors",
    "model.safetensors.index.json",
    "pytorch_model.bin",
    "pytorch_model.bin.index.json",
)
"""What transformers' save_pretrained writes, the first that is there counts; then what timm does."""
ENDINGS = (".safetensors", ".npz", ".pth", ".pt", ".bin")
INDEX = ".index.json"


def main_file(path: Path) -> Path:
    """Return the file to read of a weights file or a folder that holds one: the file itself, or the shards' index.

    Raises:
        Gone: there is nothing at the path.
        ClaimsError: a folder without weights, or with several files of which none is known to count.
    """
    if path.is_file():
        return path
    if not path.is_dir():
        kind = "found no such file" if not path.exists() else "found another kind of file"
        raise Gone(f"expected weights in {path}, {kind}")
    for name in FOLDER_FILES:
        if (path / name).is_file():
            return path / name
    found = sorted(each.name for each in path.iterdir() if each.suffix in ENDINGS and each.is_file())
    if len(found) == 1:
        return path / found[0]
    what = f"{len(found)} ({', '.join(found[:3])}, ...); give one of them" if found else "a folder without any"
    raise ClaimsError(f"{path}: expected one file of weights (model.safetensors, ...), found {what}")


def shards(index: Path) -> tuple[Path, ...]:
    """Return the files that an index of sharded weights names, sorted.

    Raises:
        ClaimsError: it can't be read, or names files elsewhere.
    """
    try:
        names = sorted(set(json.loads(index.read_text(encoding="utf-8-sig"))["weight_map"].values()))
        plain = all(isinstance(name, str) and Path(name).name == name for name in names)
    except (OSError, ValueError, KeyError, TypeError, AttributeError):
        names, plain = [], False
    if not names or not plain:
        raise ClaimsError(
            f"{index}: expected an index of shards (weight_map: tensor to file beside it), found another file;"
            " save the weights again"
        )
    return tuple(index.parent / name for name in names)


def own_file(material: Material) -> Path | None:
    """Return the user's own file that stands for a material, which comes before the cache; None if there is none.

    Raises:
        Gone: the material has no other sources, and none of them is there.
        ClaimsError: as `main_file`.
    """
    places = list(takewhile(lambda place: isinstance(place, Local) and place.owned, material.sources))
    for place in places:
        assert isinstance(place, Local)
        if place.file.exists():
            return main_file(place.file)
    if len(places) == len(material.sources):
        raise Gone(f"{material.id}: expected its weights in {places[0]}, found no such file; restore them")
    return None


def use(material: Material, path: Path, cache: Path) -> FileDigest:
    """Return the sha256 and length of a user's own file, noted among the pins unless others' bytes are pinned there.

    Raises:
        Changed: the table gives another digest.
        ClaimsError: as `look`.
    """
    found = look(path, cache)
    if material.sha256 not in (None, found.sha256):
        raise Changed(
            f"{material.id}: {path}: expected sha256 {material.sha256} (given for it), found {found.sha256}"
            f" ({found.size:,} bytes)"
        )
    pin = Pins(cache).get(material.key)
    own = pin is not None and (pin.own or pin.elsewhere == str(path))  # earlier versions did not mark them
    if pin is None or (own and (pin.sha256, pin.elsewhere, pin.own) != (found.sha256, str(path), True)):
        now = datetime.now(UTC).isoformat(timespec="seconds")
        with contextlib.suppress(ClaimsError, OSError):  # a cache that can't be written is no obstacle
            Pins(cache).put(material.key, Pin(found.sha256, found.size, str(path), (), now, str(path), own=True))
    return found


def look(path: Path, cache: Path) -> FileDigest:
    """Return the sha256 and length of a user's own weights as they are now.

    Of shards, the sha256 is of the lines "name sha256"; the length is that of all.

    Args:
        path: what `main_file` returned.
        cache: where looks are remembered, in `looks/`.

    Raises:
        Gone: the file, or a shard, is not there.
        ClaimsError: it can't be read, is no weights, or not all of them.
    """
    if not path.name.endswith(INDEX):
        return look_at(path, cache)
    files = shards(path)
    found = [look_at(file, cache) for file in files]
    lines = "".join(f"{file.name} {each.sha256}\n" for file, each in zip(files, found, strict=True))
    return FileDigest(hashlib.sha256(lines.encode()).hexdigest(), sum(each.size for each in found))


def look_at(path: Path, cache: Path) -> FileDigest:
    """Return the sha256 and length of one file, hashed only if it may have changed since it was last looked at."""
    note = cache / "looks" / f"{hashlib.sha256(os.fsencode(path)).hexdigest()[:32]}.json"
    for _ in range(3):
        before = stamp(path)
        with contextlib.suppress(OSError, ValueError, KeyError, TypeError):
            known = json.loads(note.read_bytes())
            if known["stamp"] == before:
                return FileDigest(str(known["sha256"]), int(known["size"]))
        began = time.time()
        reason = weights_fault(path)
        found = digest_of(path)
        if stamp(path) != before:
            continue  # somebody writes it: neither the check nor the digest need be of one file
        if reason:
            raise ClaimsError(f"{path}: {reason}; put the whole file there")
        if began - changed(path) > FRESH:  # never for a time to come, which says nothing
            content = {"path": str(path), "stamp": before, "sha256": found.sha256, "size": found.size}
            with contextlib.suppress(ClaimsError):  # what can't be remembered is hashed again
                write_atomic(note, json.dumps(content).encode())
        return found
    raise ClaimsError(f"{path}: expected a file that is finished, found one that changes while it is read; try again")


def weights_fault(path: Path) -> str | None:
    """Return why a file is no whole weights, or None."""
    try:
        return fault(path, "weights")
    except OSError as error:
        return f"expected a file that can be read, found: {error.strerror or error}"


def stamp(path: Path) -> list[int]:
    """Return values that differ if a file may have changed: device, inode, size, times of change in nanoseconds.

    Raises:
        Gone: it is not there.
    """
    try:
        found = path.stat()
    except OSError as error:
        raise Gone(f"expected weights in {path}, found: {error.strerror}") from None
    return [found.st_dev, found.st_ino, found.st_size, found.st_mtime_ns, found.st_ctime_ns]


def changed(path: Path) -> float:
    """Return when a file last changed, in seconds."""
    try:
        found = path.stat()
    except OSError:
        return time.time()
    return max(found.st_mtime, found.st_ctime)
