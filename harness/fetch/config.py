"""Where downloads lie and whether the network may be used.

Each setting is taken from the first of these that gives it:

1. the command line: `--cache DIR`, `--offline` or `--no-offline`;
2. the environment: `VIT_CLAIMS_CACHE`, `VIT_CLAIMS_OFFLINE` (1 or 0); where the latter is not set,
   `HF_HUB_OFFLINE`, because the hub's library obeys it anyway;
3. the current project: `claims.toml`, or the table `[tool.vit-claims]` of `pyproject.toml`, in the current
   folder or the nearest above it that has one of them, with the keys `cache` (relative to that file's folder)
   and `offline` (true or false);
4. the default: `downloads` in the home folder (`VIT_CLAIMS_HOME`, else the user's cache folder), online.
"""

from __future__ import annotations

import os
from collections.abc import Mapping
from pathlib import Path
from typing import Any

from pydantic import StrictBool
from pydantic.dataclasses import dataclass

from harness.core.errors import ClaimsError
from harness.core.paths import home
from harness.core.specs import STRICT, build
from harness.core.toml import read_toml

TRUE, FALSE = ("1", "true", "yes", "on"), ("0", "false", "no", "off", "")


@dataclass(frozen=True, config=STRICT)
class Table:
    """The table of a project."""

    cache: str | None = None
    offline: StrictBool | None = None


@dataclass(frozen=True)
class Settings:
    """What holds here, and why."""

    cache: Path
    cache_from: str
    """What set it, in words."""
    offline: bool
    offline_from: str


def settings(
    cache: str | os.PathLike[str] | None = None,
    offline: bool | None = None,
    *,
    folder: Path | None = None,
) -> Settings:
    """Return the settings by the order of precedence above.

    Args:
        cache: the option --cache, if given.
        offline: the option --offline or --no-offline, if given.
        folder: where the search for a project starts; None: the current folder.

    Raises:
        ClaimsError: an environment variable or table that does not hold what it should.
    """
    where, table = project_table(folder or Path.cwd())
    chosen_cache, cache_from = first_cache(cache, where, table)
    chosen_offline, offline_from = first_offline(offline, where, table)
    return Settings(chosen_cache, cache_from, chosen_offline, offline_from)


def first_cache(option: str | os.PathLike[str] | None, where: Path, table: Table) -> tuple[Path, str]:
    """Return the cache folder and what set it."""
    if option:
        return Path(option).expanduser().absolute(), "the option --cache"
    variable = os.environ.get("VIT_CLAIMS_CACHE")
    if variable:
        return Path(variable).expanduser().absolute(), "VIT_CLAIMS_CACHE"
    if table.cache:
        return (where.parent / Path(table.cache).expanduser()).absolute(), str(where)
    return home() / "downloads", "the default"


def first_offline(option: bool | None, where: Path, table: Table) -> tuple[bool, str]:
    """Return whether to stay offline and what set it."""
    if option is not None:
        return option, "the option --offline" if option else "the option --no-offline"
    for name in ("VIT_CLAIMS_OFFLINE", "HF_HUB_OFFLINE"):
        if name in os.environ:
            return truth(name, os.environ[name]), name
    if table.offline is not None:
        return table.offline, str(where)
    return False, "the default"


def truth(name: str, value: str) -> bool:
    """Return the truth value of an environment variable."""
    lowered = value.strip().lower()
    if lowered not in TRUE + FALSE:
        raise ClaimsError(f"{name}: expected 1 or 0, found {value!r}; set it to one of them or unset it")
    return lowered in TRUE


def project_table(folder: Path) -> tuple[Path, Table]:
    """Return the file that configures the project a folder is in, and its table; an empty table if there is none."""
    for place in (folder, *folder.parents):
        own = place / "claims.toml"
        if own.is_file():
            return own, build(Table, read_toml(own), str(own))
        shared = place / "pyproject.toml"
        if shared.is_file():
            tools: Any = read_toml(shared).get("tool", {})
            values: Any = tools.get("vit-claims") if isinstance(tools, Mapping) else None
            if isinstance(values, Mapping):
                return shared, build(Table, values, f"{shared} [tool.vit-claims]")
    return folder, Table()
