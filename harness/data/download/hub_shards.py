"""The validation shards of the gated hub dataset ILSVRC/imagenet-1k, as files to fetch with the user's token."""

from __future__ import annotations

import fnmatch
import re
from pathlib import Path

from harness.core.errors import ClaimsError
from harness.fetch import Hub, Material, Pins
from harness.fetch.hub import endpoint

REPO = "ILSVRC/imagenet-1k"
PATTERN = "data/validation-*.parquet"


def shard_materials(folder: str, cache: Path, offline: bool = False) -> tuple[Material, ...]:
    """Return the validation shards at the newest commit; offline, those that were fetched before.

    Args:
        folder: the dataset's name in the cache.
        cache: where downloads lie.
        offline: ask no server.

    Raises:
        ClaimsError: the hub refuses or does not answer, or shards are missing.
    """
    commit, names = fetched(folder, cache) if offline else listed()
    shards = sorted(name for name in names if fnmatch.fnmatchcase(name, PATTERN))
    counts = {int(match[1]) for name in shards if (match := re.search(r"-of-(\d+)\.parquet$", name))}
    if counts != {len(shards)}:
        where = f"in {cache}" if offline else f"in {REPO}"
        said = f" of {max(counts)}" if counts else ""
        raise ClaimsError(f"hub:datasets/{REPO}: expected all of {PATTERN}, found {len(shards)}{said} {where}")
    return tuple(Material(folder, name.rpartition("/")[2], (Hub(REPO, name, commit, "dataset"),)) for name in shards)


def fetched(folder: str, cache: Path) -> tuple[None, list[str]]:
    """Return the shards that a cache has pins of."""
    keys = (key.partition("/") for key in Pins(cache).all())
    return None, [f"data/{name}" for owner, _, name in keys if owner == folder]


def listed() -> tuple[str, list[str]]:
    """Return the newest commit and its files."""
    from huggingface_hub import HfApi

    try:
        info = HfApi(endpoint=endpoint()).dataset_info(REPO, timeout=20)
    except Exception as error:  # the hub's own errors and those of its transport, by version
        reason = " ".join(str(error).split())[:200] or type(error).__name__
        raise ClaimsError(f"hub:datasets/{REPO}: expected its list of files, found: {reason}") from None
    if info.sha is None:
        raise ClaimsError(f"hub:datasets/{REPO}: expected a commit in the hub's answer, found none")
    return info.sha, [file.rfilename for file in info.siblings or ()]
