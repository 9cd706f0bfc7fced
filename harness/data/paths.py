"""Where a user's copy of a real dataset lies, and where decoded images are kept."""

from __future__ import annotations

import os
from pathlib import Path

from harness.core.paths import home

VARIABLE = "VIT_CLAIMS_DATA"


def location(name: str, option: str | os.PathLike[str] | None = None) -> Path:
    """Return the folder of a dataset: the option, else $VIT_CLAIMS_DATA/<id>, else <home>/data/<id>.

    The option may also be an archive.
    """
    if option:
        return Path(option).expanduser().absolute()
    base = os.environ.get(VARIABLE)
    return (Path(base).expanduser().absolute() if base else home() / "data") / name


def decoded() -> Path:
    """Return the folder of decoded images and of the digests that datasets had at their first read."""
    return home() / "decoded"
