"""The configuration: where state, downloads and tables are, and whether the network may be used.

Each setting is taken from the first of these that gives it:

1. the command line;
2. the environment;
3. the current project: `claims.toml`, or the table `[tool.vit-claims]` of `pyproject.toml`, in the current folder or
   the nearest above it that has one of them; paths in it are relative to that file's folder;
4. the default.

SETTINGS lists them all. An entry point (the command line, a pytest session, a worker process) reads the configuration
once and calls `use`; code that runs without an entry point reads it when it asks. The environment is never changed to
pass a setting on: worker processes are given the `Config` itself.
"""

from __future__ import annotations

import os
from collections.abc import Mapping
from dataclasses import replace
from functools import lru_cache
from pathlib import Path
from typing import Any

from pydantic import StrictBool
from pydantic.dataclasses import dataclass

from harness.core.errors import ClaimsError
from harness.core.specs import STRICT, build
from harness.core.toml import read_toml

TRUE, FALSE = ("1", "true", "yes", "on"), ("0", "false", "no", "off", "")
OPTION = os.PathLike[str] | str | None


@dataclass(frozen=True)
class Setting:
    """One setting, and where it can be given."""

    key: str
    """In `Config`, claims.toml and [tool.vit-claims]."""
    options: str
    """On the command line; "": nowhere there."""
    variables: tuple[str, ...]
    """In the environment, the first that is set."""
    default: str
    """In words."""
    meaning: str


SETTINGS = (
    Setting(
        "home",
        "--home DIR",
        ("VIT_CLAIMS_HOME",),
        "the user's cache folder",
        "runs, states, locks, decoded images",
    ),
    Setting("cache", "--cache DIR", ("VIT_CLAIMS_CACHE",), "`downloads` in the home folder", "what was fetched"),
    Setting(
        "offline",
        "--offline, --no-offline",
        ("VIT_CLAIMS_OFFLINE", "HF_HUB_OFFLINE"),
        "false",
        "use only what is on this machine",
    ),
    Setting("data", "", ("VIT_CLAIMS_DATA",), "`data` in the home folder", "your own copies of datasets"),
    Setting("weights", "", ("VIT_CLAIMS_WEIGHTS",), "none", "your own files of checkpoints, tried first"),
    Setting("tables", "", ("VIT_CLAIMS_TABLES",), "none", "your own checkpoints.toml, datasets.toml and recipes.toml"),
    Setting(
        "store",
        "--store PLACE",
        ("VIT_CLAIMS_STORE",),
        "none",
        "a folder or an address of fsspec (s3://...) where several machines share results and states",
    ),
    Setting(
        "paper",
        "--paper DIR",
        ("VIT_CLAIMS_PAPER",),
        "the folder of the claim files, else the nearest with a paper.toml, else the checkout's `claims`",
        "the paper whose tables are used",
    ),
)
"""Every setting; docs/configuration.md is held against it."""
VARIABLES = tuple(name for setting in SETTINGS for name in setting.variables)


@dataclass(frozen=True, config=STRICT)
class Table:
    """What a project's file may set."""

    home: str | None = None
    cache: str | None = None
    offline: StrictBool | None = None
    data: str | None = None
    weights: str | None = None
    tables: str | None = None
    store: str | None = None
    paper: str | None = None


@dataclass(frozen=True)
class Config:
    """What holds in this process."""

    home: Path
    cache: Path
    offline: bool
    data: Path
    weights: Path | None = None
    tables: Path | None = None
    store: str | None = None
    paper: Path | None = None
    origins: tuple[tuple[str, str], ...] = ()
    """(setting, what set it, in words) pairs."""

    def origin(self, key: str) -> str:
        """Return what set a setting, e.g. "the option --cache", "VIT_CLAIMS_CACHE", a file, or "the default"."""
        return dict(self.origins)[key]


def read_config(options: Mapping[str, Any] | None = None, folder: Path | None = None) -> Config:
    """Return the configuration by the order of precedence above.

    Args:
        options: values of the command line by setting; None where an option was not given.
        folder: where the search for a project starts; None: the current folder.

    Raises:
        ClaimsError: a variable or a table that does not hold what it should.
    """
    where, table = project_table(folder or Path.cwd())
    found: dict[str, Any] = {}
    origins: list[tuple[str, str]] = []
    for setting in SETTINGS:
        value, origin = first(setting, options or {}, where, table)
        found[setting.key] = value
        origins.append((setting.key, origin))
    home = found["home"] or default_home()
    return Config(
        home=home,
        cache=found["cache"] or home / "downloads",
        offline=bool(found["offline"]),
        data=found["data"] or home / "data",
        weights=found["weights"],
        tables=found["tables"],
        store=found["store"] and str(found["store"]),
        paper=found["paper"],
        origins=tuple(origins),
    )


def first(setting: Setting, options: Mapping[str, Any], where: Path, table: Table) -> tuple[Any, str]:
    """Return a setting's value from the first place that gives it, and that place as text; None: the default."""
    flag = setting.key == "offline"
    option = options.get(setting.key)
    if option is not None and option != "":
        if flag:
            return option, f"the option --{'' if option else 'no-'}offline"
        return placed(option, Path.cwd()), f"the option --{setting.key}"
    for name in setting.variables:
        if flag and name in os.environ:
            return truth(name, os.environ[name]), name
        if not flag and os.environ.get(name):
            return placed(os.environ[name], Path.cwd()), name
    value = getattr(table, setting.key)
    if value is None or value == "":
        return None, "the default"
    return (value if flag else placed(value, where.parent)), str(where)


def placed(value: os.PathLike[str] | str, folder: Path) -> Path | str:
    """Return a folder as an absolute path; an address of fsspec, e.g. "s3://bucket", as it is.

    Args:
        value: as it was given.
        folder: what a relative path is relative to.
    """
    return str(value) if "://" in str(value) else (folder / Path(value).expanduser()).absolute()


def default_home() -> Path:
    """Return the platform's cache folder of the user, e.g. ~/.cache/vit-claims."""
    import platformdirs

    return Path(platformdirs.user_cache_dir("vit-claims", appauthor=False))


def truth(name: str, value: str) -> bool:
    """Return the truth value of an environment variable."""
    lowered = value.strip().lower()
    if lowered not in TRUE + FALSE:
        raise ClaimsError(f"{name}: expected 1 or 0, found {value!r}; set it to one of them or unset it")
    return lowered in TRUE


def project_table(folder: Path) -> tuple[Path, Table]:
    """Return the file that configures the project a folder is in, and its table; an empty table if there is none."""
    for place in (folder, *folder.parents):
        for name in ("claims.toml", "pyproject.toml"):
            try:
                changed = (place / name).stat().st_mtime_ns
            except OSError:
                continue
            table = table_in(place / name, changed)
            if table is not None:
                return place / name, table
    return folder, Table()


@lru_cache(maxsize=64)
def table_in(path: Path, changed: int) -> Table | None:
    """Return the table of a project's file; None for a pyproject.toml that has none."""
    del changed  # a file that was changed is read again
    values: Any = read_toml(path)
    if path.name == "claims.toml":
        return build(Table, values, str(path))
    tools = values.get("tool", {})
    own = tools.get("vit-claims") if isinstance(tools, Mapping) else None
    return build(Table, own, f"{path} [tool.vit-claims]") if isinstance(own, Mapping) else None


_used: list[Config] = []
"""What an entry point chose, if one did."""


def use(chosen: Config | None) -> None:
    """Make a configuration this process' own; None: read it again whenever it is asked for."""
    _used[:] = [] if chosen is None else [chosen]


def config() -> Config:
    """Return the configuration that an entry point chose, else what the environment and the project say."""
    if _used:
        return _used[0]
    return _read_here(os.getcwd(), tuple(os.environ.get(name) for name in VARIABLES))


@lru_cache(maxsize=8)
def _read_here(folder: str, variables: tuple[str | None, ...]) -> Config:
    del variables  # another value is another configuration
    return read_config(folder=Path(folder))


def settings(cache: OPTION = None, offline: bool | None = None) -> Config:
    """Return the configuration with another cache folder, or with the network allowed or not.

    Args:
        cache: where downloads lie; None: as configured.
        offline: use only what is on this machine; None: as configured.
    """
    found = config()
    if cache:
        found = replace(found, cache=Path(cache).expanduser().absolute())
    return found if offline is None else replace(found, offline=offline)


def home(option: OPTION = None) -> Path:
    """Return the home folder: `option` if given, else the configured one."""
    return Path(option).expanduser().absolute() if option else config().home
