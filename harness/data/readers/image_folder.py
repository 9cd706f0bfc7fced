"""Any folder of class folders: ROOT/<class>/<image>.

Classes are numbered in the sorted order of their names. Examples lie class by class, and within a class sorted by
their path below the root. Links are followed, to folders and to files, at every level.
"""

from __future__ import annotations

import os
from collections import Counter
from collections.abc import Iterable, Iterator, Sequence
from pathlib import Path

from harness.core.errors import ClaimsError, say_once
from harness.data.examples import Examples, from_files

IMAGES = frozenset(
    (
        ".jpg .jpeg .jpe .jfif .png .apng .bmp .dib .gif .webp .avif .tif .tiff .jp2 .j2k .jpx .jpf"
        " .ppm .pgm .pbm .pnm .tga .ico .qoi .pcx .sgi .ras .xbm .xpm"
    ).split()
)
"""Endings of image files that Pillow reads, in lower case; other files are passed over, and that is said."""


def image_files(folder: Path) -> list[Path]:
    """Return the image files below a folder, sorted by their path; hidden ones are left out.

    Raises:
        ClaimsError: a folder can't be read, or a folder or a link to nothing has an image's name.
    """
    return sorted(path for path in files_below(folder) if path.suffix.lower() in IMAGES)


def files_below(folder: Path, above: frozenset[tuple[int, int]] = frozenset()) -> Iterator[Path]:
    """Yield all files below a folder but hidden ones, links followed; a link back to a folder above ends there.

    Args:
        folder: where to look.
        above: (device, inode) of the folders that it was reached through.

    Raises:
        ClaimsError: a folder can't be read, or a folder or a link to nothing has an image's name.
    """
    try:
        status = folder.stat()
        with os.scandir(folder) as listed:
            children = [each for each in listed if not each.name.startswith(".")]
    except OSError as error:
        raise ClaimsError(f"{folder}: expected a folder of images, found: {error.strerror}; restore it") from None
    here = (status.st_dev, status.st_ino)
    if here in above:
        return
    for child in children:
        path = folder / child.name
        if child.is_dir():
            if path.suffix.lower() in IMAGES:
                raise ClaimsError(f"{path}: expected an image file, found a folder; remove or rename it")
            yield from files_below(path, above | {here})
        elif child.is_symlink() and not path.exists():
            raise dangling(path)
        else:
            yield path


def dangling(path: Path) -> ClaimsError:
    """Return the error for a link that points to nothing."""
    return ClaimsError(
        f"{path}: expected a folder or file, found a link to {path.readlink()}, which is not there; remove it"
    )


def class_folders(root: Path) -> list[Path]:
    """Return the folders that stand for classes, sorted by name; links to folders count.

    Raises:
        ClaimsError: the root is no folder, or a link in it points to nothing.
    """
    try:
        children = sorted(path for path in root.iterdir() if not path.name.startswith("."))
    except OSError as error:
        raise ClaimsError(
            f"{root}: expected a folder with one folder of images per class, found: {error.strerror}; name another"
        ) from None
    broken = next((path for path in children if path.is_symlink() and not path.exists()), None)
    if broken is not None:
        raise dangling(broken)
    return [path for path in children if path.is_dir()]


def passed_over(files: Iterable[Path]) -> str:
    """Return how many files have no ending of an image, by ending, e.g. "12 .heic, 1 .txt"; "" for none."""
    counts = Counter(path.suffix.lower() or "without an ending" for path in files)
    return ", ".join(f"{n} {ending}" for ending, n in sorted(counts.items(), key=lambda each: (-each[1], each[0])))


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
    others: list[Path] = []
    for folder in folders:
        below = sorted(files_below(folder))
        images = [path for path in below if path.suffix.lower() in IMAGES]
        left = [path for path in below if path.suffix.lower() not in IMAGES]
        if not images:
            beside = f" (passed over: {passed_over(left)})" if left else ""
            raise ClaimsError(f"{folder}: expected images of a class, found none{beside}; remove the folder or fill it")
        files += images
        others += left
        labels += [numbers[folder.name]] * len(images)
    over = passed_over(others)
    if over:
        say_once(f"{root}: passed over files whose ending is not an image's: {over}")
    return from_files(str(root), files, labels, tuple(numbers), root=root, passed_over=over)
