"""Where state lies: one home folder for runs, locks and downloads, and how a file gets there whole."""

from __future__ import annotations

import os
import tempfile
from pathlib import Path

from harness.errors import ClaimsError

VARIABLE = "VIT_CLAIMS_HOME"


def home(option: str | os.PathLike[str] | None = None) -> Path:
    """Return the home folder: the option if given, else $VIT_CLAIMS_HOME, else the platform's user cache folder."""
    chosen = option or os.environ.get(VARIABLE)
    if chosen:
        return Path(chosen).expanduser().absolute()
    import platformdirs

    return Path(platformdirs.user_cache_dir("vit-claims", appauthor=False))


def make_folder(path: Path) -> Path:
    """Create a folder with its parents and return it.

    Raises:
        ClaimsError: it can't be made.
    """
    try:
        path.mkdir(parents=True, exist_ok=True)
    except OSError as error:
        raise ClaimsError(
            f"{path}: expected a folder that can be written, found: {error.strerror}; choose another place"
        ) from None
    return path


def write_atomic(path: Path, content: bytes) -> None:
    """Write a file so that other processes, and a crash at any moment, see the whole of it or nothing.

    Raises:
        ClaimsError: it can't be written (disk full, read-only); nothing is left behind.
    """
    make_folder(path.parent)
    temporary = None
    try:
        with tempfile.NamedTemporaryFile(dir=path.parent, prefix=f".{path.name}.", delete=False) as file:
            temporary = Path(file.name)
            file.write(content)
            file.flush()
            os.fsync(file.fileno())
        temporary.chmod(0o666 & ~umask())
        temporary.replace(path)
    except OSError as error:
        raise ClaimsError(
            f"{path}: expected to write {len(content):,} bytes, found: {error.strerror}; nothing was stored,"
            " free some space or choose another place"
        ) from None
    finally:
        if temporary is not None:
            temporary.unlink(missing_ok=True)


def umask() -> int:
    """Return the process' file mode creation mask (it can only be read by setting it)."""
    mask = os.umask(0o077)
    os.umask(mask)
    return mask
