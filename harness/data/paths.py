"""Where a user's copy of a real dataset is, and where decoded images are kept."""

from __future__ import annotations

import os
from pathlib import Path

from harness.core.config import config


def location(name: str, option: str | os.PathLike[str] | None = None) -> Path:
    """Return the folder of a dataset: the option, else its own folder in the configured one (`data`).

    The option may also be an archive.
    """
    return Path(option).expanduser().absolute() if option else config().data / name


def decoded_folder() -> Path:
    """Return the folder of decoded images and of the digests that datasets had at their first read."""
    return config().home / "decoded"
