"""Download a file from Google Drive with gdown, the last resort for a dataset."""

from __future__ import annotations

from pathlib import Path

from harness.core.errors import ClaimsError
from harness.core.paths import make_folder

BEGINNING = "gdown:"
"""How the address of such a file begins among a dataset's sources; its id follows, then perhaps a note."""


def from_drive(folder: Path, name: str, address: str) -> Path:
    """Download a file from Google Drive into a folder, unless it is there, and return its path.

    Google Drive states no digest, so the content is checked by what is in it when it is read.

    Args:
        folder: where it goes.
        name: its name there.
        address: gdown:ID.

    Raises:
        ClaimsError: gdown is not installed, or the download failed; nothing is left under that name.
    """
    path = folder / name
    if path.exists():
        return path
    try:
        import gdown  # type: ignore[import-not-found, unused-ignore]
    except ImportError:
        raise ClaimsError(
            f"{path}: expected gdown to download from Google Drive, found it not installed; pip install"
            " 'vit-claims[data]', or put the file there yourself"
        ) from None
    partial = make_folder(folder) / f"{name}.partial"
    try:
        found = gdown.download(id=address.removeprefix(BEGINNING).split()[0], output=str(partial), resume=True)
    except Exception as error:  # gdown raises errors of requests and of its own, by version
        raise failed(path, str(error).splitlines()[0] if str(error) else type(error).__name__) from None
    if found is None or not partial.exists():
        raise failed(path, "no file (a quota or a permission)")
    partial.replace(path)
    return path


def failed(path: Path, reason: str) -> ClaimsError:
    """Return the error for a download that gave nothing."""
    return ClaimsError(f"{path}: expected it from Google Drive, found: {reason}; use another source")
