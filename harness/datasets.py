"""The datasets that exist (datasets.toml)."""

from __future__ import annotations

from collections.abc import Mapping
from functools import cache
from pathlib import Path
from types import MappingProxyType

from harness.errors import unknown
from harness.spec import Dataset
from harness.tables import PACKAGE, read_specs


@cache
def datasets(path: Path = PACKAGE / "datasets.toml") -> Mapping[str, Dataset]:
    """Return every dataset by id."""
    return MappingProxyType(read_specs(path, Dataset))


def dataset(name: str) -> Dataset:
    """Return one dataset; an unknown name is an error that names the nearest."""
    known = datasets()
    if name not in known:
        raise unknown("dataset", name, known)
    return known[name]
