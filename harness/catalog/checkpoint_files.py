"""The file of a checkpoint: where it comes from, whether it is here, and the digest that stands for it in a run."""

from __future__ import annotations

import hashlib
from dataclasses import replace
from pathlib import Path

from harness.catalog.checkpoints import LOCAL, own_ids, sources
from harness.core.config import config
from harness.core.errors import ClaimsError
from harness.core.own_modules import CONFIG, source_digest
from harness.core.paper import paper
from harness.core.specs import Checkpoint, build
from harness.fetch.sources import Local, Material

SUFFIXES = ("", ".npz", ".safetensors")
"""The user's own file of a checkpoint, in the configured folder, is its id with one of these."""
FILE_NAME = "weights"
"""A fetched checkpoint's file in the cache: files/<id>/weights."""


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
    if found.model:
        found = replace(found, model_sha256=model_digest(found))
    if found.file:
        return found if found.sha256 is not None else with_digest(found)
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


def model_digest(found: Checkpoint) -> str:
    """Return the digest of what makes an own model: of a class of transformers its config.json, too."""
    module = found.model.partition(":")[0]
    of_source = source_digest(module, *own_place(found))
    config = (paper().folder / found.file).with_name(CONFIG)
    if module.partition(".")[0] != "transformers" or not config.is_file():
        return of_source
    return hashlib.sha256(f"{of_source} {hashlib.sha256(config.read_bytes()).hexdigest()}".encode()).hexdigest()


def own_place(found: Checkpoint) -> tuple[Path, str]:
    """Return the folder of a checkpoint's own model, and what names it in messages."""
    return paper().folder, f"checkpoint {found.id}: model"


def with_digest(found: Checkpoint) -> Checkpoint:
    """Return a checkpoint of an own model with the digest and size of its file as it is now.

    Raises:
        ClaimsError: it is missing.
    """
    path = paper().folder / found.file
    try:
        content = path.read_bytes()
    except OSError as error:
        raise ClaimsError(f"{found.id}: expected its weights in {path}, found: {error.strerror}; add them") from None
    return replace(found, sha256=hashlib.sha256(content).hexdigest(), size=len(content))


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
