"""Any folder of class folders: ROOT/<class>/<image>; classes are numbered in sorted order."""

from __future__ import annotations

from collections.abc import Sequence
from pathlib import Path

from harness.data.examples import Examples, from_files
from harness.errors import ClaimsError

IMAGES = frozenset(".jpg .jpeg .png .bmp .gif .ppm .pgm .tif .tiff .webp".split())
"""Endings of image files, in lower case; other files (notes, thumbnails' databases) are passed over."""


def image_files(folder: Path) -> list[Path]:
    """Return the image files below a folder, sorted by their path; hidden ones are left out."""
    found = (path for path in folder.rglob("*") if path.suffix.lower() in IMAGES)
    return sorted(path for path in found if not any(part.startswith(".") for part in path.relative_to(folder).parts))


def class_folders(root: Path) -> list[Path]:
    """Return the folders that stand for classes, sorted by name.

    Raises:
        ClaimsError: the root is no folder.
    """
    try:
        return sorted(path for path in root.iterdir() if path.is_dir() and not path.name.startswith("."))
    except OSError as error:
        raise ClaimsError(
            f"{root}: expected a folder with one folder of images per class, found: {error.strerror}; name another"
        ) from None


def image_folder(root: Path, classes: Sequence[str] | None = None) -> Examples:
    """Read a folder of class folders.

    Args:
        root: the folder.
        classes: the names that must be there, numbered in this order; None: those that are there, sorted.

    Raises:
        ClaimsError: no class folders, one of them without an image, or not those that are expected.
    """
    folders = class_folders(root)
    found = [folder.name for folder in folders]
    if not found:
        raise ClaimsError(f"{root}: expected one folder of images per class, found no folder; name another folder")
    if classes is not None and sorted(classes) != found:
        odd = sorted(set(classes) ^ set(found))
        raise ClaimsError(
            f"{root}: expected the {len(classes)} class folders of the dataset, found {len(found)}; they differ in"
            f" {', '.join(odd[:5])}"
        )
    numbers = {name: number for number, name in enumerate(classes or found)}
    files: list[Path] = []
    labels: list[int] = []
    for folder in folders:
        images = image_files(folder)
        if not images:
            raise ClaimsError(f"{folder}: expected images of a class, found none; remove the folder or fill it")
        files += images
        labels += [numbers[folder.name]] * len(images)
    return from_files(str(root), files, labels, tuple(numbers), root=root)
