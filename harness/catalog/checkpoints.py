"""The checkpoints that exist: the paper's (checkpoints.toml), its micro study's, and the user's own."""

from __future__ import annotations

import hashlib
import re
from collections.abc import Mapping
from dataclasses import replace
from functools import cache
from pathlib import Path
from types import MappingProxyType
from typing import Any

from harness.core.config import config
from harness.core.errors import ClaimsError, unknown
from harness.core.hypotheses import Contender
from harness.core.paper import own_table, paper
from harness.core.specs import Checkpoint, build
from harness.core.toml import read_specs, read_tables, table_stamp
from harness.fetch.sources import Hub, Local, Material, Source, Url

HUB = re.compile(r"hub:(?P<repo>[\w.-]+/[\w.-]+?)(?:@(?P<revision>[^/\s]+))?/(?P<file>\S+)")

LOCAL = re.compile(r"file:(?P<path>(?:~|/(?!/)).+)")
"""A file of this machine: absolute or from the user's folder, for a table is read in any current folder."""

SUFFIXES = ("", ".npz", ".safetensors")
"""The file of a checkpoint there is its id with one of these."""
FILE_NAME = "weights"
"""A fetched checkpoint's file in the cache: files/<id>/weights."""
TABLE = "checkpoints.toml"


def checkpoints() -> Mapping[str, Checkpoint]:
    """Return every checkpoint by id: the paper's, its micro study's and the user's own (`tables`/checkpoints.toml).

    Raises:
        ClaimsError: a malformed table, an id that is given twice, a source that is none.
    """
    own = own_table(TABLE)
    return all_of(paper().tables(TABLE), own, table_stamp(own))


@cache
def all_of(paths: tuple[Path, ...], own: Path | None, stamp: object = None) -> Mapping[str, Checkpoint]:
    """Return the checkpoints of some tables and of the user's own, which is read again where its stamp is another."""
    del stamp
    found = read_tables((*paths, own), Checkpoint)
    for name, entry in found.items():
        if not (entry.file or entry.sources or entry.never_released):
            raise ClaimsError(f"checkpoint {name}: expected a file, sources or never_released, found none")
        sources(entry)
    mine = read_specs(own, Checkpoint) if own is not None else {}
    return MappingProxyType(found | {name: with_names(with_place(found[name], own), own) for name in mine})


def with_place(found: Checkpoint, table: Path | None) -> Checkpoint:
    """Return an entry of the user's own table; its `file`, from the table's folder, becomes its first source.

    So it is looked at like any other file of the user's, and only what comes with the project has a `file`.
    """
    if not found.file or table is None:
        return found
    path = table.parent / Path(found.file).expanduser()
    return replace(found, file="", sources=(f"file:{path}", *found.sources))


def with_names(found: Checkpoint, table: Path | None) -> Checkpoint:
    """Return an entry of the user's own table with its `classes_file` from the table's folder.

    Raises:
        ClaimsError: it sets what only the program sets.
    """
    if found.stated:
        raise ClaimsError(f"{table} [{found.id}]: stated: expected no such key, for the program sets it; remove it")
    if not found.classes_file or table is None:
        return found
    return replace(found, classes_file=str(table.parent / Path(found.classes_file).expanduser()))


def is_released(found: Checkpoint) -> bool:
    """Return whether a checkpoint is one of the project's tables, and not the user's own."""
    known = all_of(paper().tables(TABLE), None).get(found.id)
    return known is not None and (known.file, known.sources) == (found.file, found.sources)


def shipped() -> Mapping[str, Checkpoint]:
    """Return the checkpoints whose files come with the project (the micro study's) by id."""
    return MappingProxyType({name: entry for name, entry in checkpoints().items() if entry.file})


def checkpoint(name: str) -> Checkpoint:
    """Return one checkpoint; an unknown name is an error that names the nearest."""
    known = checkpoints()
    if name not in known:
        raise unknown("checkpoint", name, known)
    return known[name]


def fine_tuned(found: Checkpoint) -> bool:
    """Return whether a checkpoint was fine-tuned on the dataset of its head after pre-training on another."""
    head = paper().head_of(found.classes)
    return head is not None and found.pretrained_on != head.pretraining


def find(
    architecture: str,
    pretrained_on: str,
    variant: str = "orig",
    *,
    tuned: bool = False,
    resolution: int | None = None,
) -> Checkpoint:
    """Return the one checkpoint of an architecture and a pre-training set, as the paper names them.

    Args:
        architecture: e.g. "ViT-L/16", "BiT-R152x4", "R50+ViT-B/16".
        pretrained_on: the pre-training set, as the paper names it.
        variant: which release of the weights; "orig" is the paper's own.
        tuned: the weights that were fine-tuned by their authors (`fine_tuned`) rather than those to fine-tune.
        resolution: the input it was trained on last, pixels; None: for weights to fine-tune the smallest,
            for tuned ones the largest there is.

    Raises:
        ClaimsError: there is none. One that was never released is returned, for it says why.
    """
    entries = [e for e in checkpoints().values() if (e.pretrained_on, e.variant) == (pretrained_on, variant)]
    named = [e for e in entries if e.architecture == architecture]
    never = [e for e in named if e.never_released]
    if never:
        return never[0]
    fitting = [e for e in named if fine_tuned(e) == tuned and resolution in (None, e.resolution)]
    other = dict(paper().stands_for).get(variant)
    if not fitting and other is not None:
        return find(architecture, pretrained_on, other, tuned=tuned, resolution=resolution)
    if not fitting:
        wanted = f"{architecture} ({pretrained_on}, {variant}" + (f", {resolution} px)" if resolution else ")")
        what = "fine-tuned by its authors " if tuned else ""
        there = (
            ", ".join(e.id for e in named) or f"architectures {', '.join(sorted({e.architecture for e in entries}))}"
        )
        raise ClaimsError(
            f"expected a checkpoint {what}of {wanted}, found none in the tables; there are: {there or 'none'}"
        )
    return sorted(fitting, key=lambda e: e.resolution or 0)[-1 if tuned else 0]


def resolve(contender: Contender, dataset: str) -> Checkpoint:
    """Return the checkpoint that stands for a contender on a dataset.

    On the dataset of a released head that is the one the authors fine-tuned, if they released it: its evaluation is
    the claim's figure. On any other dataset, and where there is none, it is the one to fine-tune.

    Raises:
        ClaimsError: the zoo has none.
    """
    asked = (contender.architecture, contender.pretrained_on, contender.variant)
    head = paper().scored_by(dataset)
    if head is not None:
        try:
            return find(*asked, tuned=contender.pretrained_on != head.pretraining, resolution=contender.resolution)
        except ClaimsError:
            if contender.variant != "orig":
                raise
    return find(*asked)


def source(text: str, confirmed: bool = True, where: str = "source") -> Source:
    """Return a source of a checkpoint's file from its one-line form.

    Args:
        text: hub:OWNER/NAME[@REVISION]/FILE, gs://BUCKET/OBJECT, https://... or file:PATH (absolute, or from ~)
        confirmed: whether the name is known to exist.
        where: the place it comes from, for error messages.

    Raises:
        ClaimsError: it is none of these.
    """
    values: dict[str, Any] = {"confirmed": confirmed}
    match = HUB.fullmatch(text)
    if match:
        return build(Hub, values | match.groupdict(), where)
    match = LOCAL.fullmatch(text)
    if match:
        return build(Local, values | match.groupdict() | {"owned": True}, where)
    if not text.startswith(("gs://", "https://")):
        raise ClaimsError(
            f"{where}: expected hub:OWNER/NAME[@REVISION]/FILE, gs://..., https://... or file:PATH (absolute, or from"
            f" ~), found {text!r}"
        )
    return build(Url, values | {"url": text}, where)


def sources(found: Checkpoint) -> tuple[Source, ...]:
    """Return the table's sources of a checkpoint in order.

    Raises:
        ClaimsError: one that is none, or an unconfirmed name that is not among them.
    """
    where = f"checkpoint {found.id}"
    stray = set(found.unconfirmed) - set(found.sources)
    if stray:
        raise ClaimsError(f"{where}: unconfirmed: expected some of its sources, found {min(stray)}")
    return tuple(source(text, text not in found.unconfirmed, where) for text in found.sources)


def materials(found: Checkpoint) -> tuple[Material, ...]:
    """Return the file to fetch for a checkpoint with its sources in order; nothing for one that has none.

    The sources hold the same weights in other bytes (the authors' npz, a hub's safetensors), so the file has
    no suffix: what it is, its content says. The bytes that came first are pinned. A file in the folder
    `weights` comes before the table's sources; it and `file:` sources are the user's own and not pinned.
    """
    if not found.sources:
        return ()
    values = {
        "id": cache_id(found),
        "file_name": FILE_NAME,
        "sources": (*own_files(found), *sources(found)),
        "sha256": found.sha256,
        "size": found.size,
        "estimate": estimate(found),
        "holds": "weights",
    }
    return (build(Material, values, f"checkpoint {found.id}"),)


def cache_id(found: Checkpoint) -> str:
    """Return the name under which a checkpoint's file is fetched and pinned: its id.

    A user can change an entry's addresses, and what came from the old ones must not stand for it any more; so the
    addresses are in the name, too.
    """
    remote = [text for text in found.sources if not LOCAL.fullmatch(text)]
    if not remote or found.id not in own_ids():
        return found.id
    return f"{found.id}-{hashlib.sha256(' '.join(remote).encode()).hexdigest()[:12]}"


def own_ids() -> frozenset[str]:
    """Return the ids of the user's own table."""
    own = own_table(TABLE)
    return _ids_of(own, table_stamp(own)) if own is not None else frozenset()


@cache
def _ids_of(own: Path, stamp: object) -> frozenset[str]:
    del stamp
    return frozenset(read_specs(own, Checkpoint))


def own_files(found: Checkpoint) -> tuple[Local, ...]:
    """Return the user's own files of a checkpoint in the configured folder (`weights`).

    Raises:
        ClaimsError: there is no such folder.
    """
    chosen = config()
    folder = chosen.weights
    if folder is None:
        return ()
    if not folder.is_dir():
        raise ClaimsError(
            f"{chosen.origin('weights')}: expected a folder of checkpoints, found none at {folder}; correct or unset it"
        )
    paths = (folder / f"{found.id}{suffix}" for suffix in SUFFIXES)
    return tuple(Local(str(path.absolute()), owned=True) for path in paths if path.exists())


def estimate(found: Checkpoint) -> int | None:
    """Return the bytes that a checkpoint's float32 weights take; None where the architecture's name does not say."""
    from harness.models.released import expected, parameters

    architecture = None if found.never_released else expected(found)
    return 4 * parameters(architecture) if architecture else None


def only_by_hand(found: Checkpoint) -> bool:
    """Return whether all of a checkpoint's sources refuse anonymous users."""
    refusing = tuple(beginning for beginning, _ in paper().refusing)
    return bool(found.sources) and bool(refusing) and all(text.startswith(refusing) for text in found.sources)


def state(found: Checkpoint, cache_folder: Path) -> str:
    """Return where a checkpoint's weights are. Nothing is hashed: `cache verify` does."""
    if found.never_released:
        return "never released"
    if found.file:
        return "shipped"
    return "fetched" if here(found, cache_folder) else "to fetch"


def here(found: Checkpoint, cache_folder: Path) -> Path | None:
    """Return a checkpoint's file if it is the user's own, lies in the cache or where its pin says, else None."""
    from harness.fetch.owned import own_file
    from harness.fetch.pins import Pins

    pins = Pins(cache_folder)
    for material in materials(found):
        try:
            own = own_file(material)
        except ClaimsError:
            return None
        if own is not None:
            return own
        if material.path(cache_folder).is_file():
            return material.path(cache_folder)
        for place in material.sources:
            if isinstance(place, Local) and place.file.is_file():
                return place.file
        pin = pins.get(material.key) if pins.path.exists() else None
        if pin and pin.elsewhere and Path(pin.elsewhere).is_file():
            return Path(pin.elsewhere)
    return None


def size(found: Checkpoint, cache_folder: Path) -> int | None:
    """Return the bytes of a checkpoint's file: the table's, or those of the file that is here."""
    if found.size or found.never_released or found.file:
        return found.size
    path = here(found, cache_folder)
    return path.stat().st_size if path else None


def file_of(found: Checkpoint, cache_folder: Path | None = None, *, offline: bool | None = None) -> Path:
    """Return where a checkpoint's file lies, after checking its digest; fetch it if it is not here.

    Args:
        found: the checkpoint.
        cache_folder: where downloads lie; None: as the settings say (harness.core.config).
        offline: use only what is on this machine; None: as the settings say.

    Raises:
        ClaimsError: missing, not the pinned bytes, refused by every source, or never released.
    """
    if found.never_released:
        raise ClaimsError(f"{found.id}: expected released weights, found none: {found.never_released}")
    if found.file:
        return shipped_file(found)
    from harness.core.config import settings
    from harness.fetch.fetcher import fetch

    chosen = settings(cache_folder, offline)
    (material,) = materials(found)
    return fetch(material, chosen.cache, offline=chosen.offline)


def pinned(found: Checkpoint, cache_folder: Path | None = None, *, offline: bool | None = None) -> Checkpoint:
    """Return a checkpoint with the sha256 of the file that stands for it here, for a run's identity.

    Without it, two released checkpoints that were never fetched would look the same to a run's hash. What was fetched
    and pinned before is not hashed again here, so that a stored run is looked up at once: `file_of` checks what is
    read. A user's own file is looked at, for it may have been trained anew.

    Raises:
        harness.core.errors.Gone: it is a user's own file, and not there.
        ClaimsError: as `file_of`.
    """
    if found.file:
        return found
    from harness.core.config import settings
    from harness.fetch.owned import own_file, use
    from harness.fetch.pins import Pins

    cache = settings(cache_folder, offline).cache
    if found.never_released:
        file_of(found, cache_folder, offline=offline)  # raises
    (material,) = materials(found)
    own = own_file(material)
    if own is not None:
        seen = use(material, own, cache)
        return replace(found, sha256=seen.sha256, size=seen.size)
    pin = Pins(cache).get(material.key)
    others = {str(place.file) for place in material.sources if isinstance(place, Local)}
    if pin is None or pin.elsewhere in others or found.sha256 not in (None, pin.sha256):
        file_of(found, cache_folder, offline=offline)
        pin = Pins(cache).get(material.key)
    if pin is None:
        raise ClaimsError(f"{found.id}: expected the sha256 of its file among the pins, found none; fetch it again")
    return replace(found, sha256=pin.sha256, size=pin.size)


def shipped_file(found: Checkpoint) -> Path:
    """Return where a shipped checkpoint's file lies, after checking its digest.

    Raises:
        ClaimsError: missing, or not the pinned bytes.
    """
    path = paper().folder / found.file
    try:
        content = path.read_bytes()
    except OSError as error:
        raise ClaimsError(
            f"{found.id}: expected its weights in {path}, found: {error.strerror}; reinstall the project"
        ) from None
    digest = hashlib.sha256(content).hexdigest()
    if digest != found.sha256:
        raise ClaimsError(
            f"{found.id}: expected {path} with sha256 {(found.sha256 or 'none')[:16]}..., found {digest[:16]}..."
            f" ({len(content):,} of {found.size or 0:,} bytes); restore the file"
        )
    return path
