"""Oxford-IIIT Pets and Oxford Flowers-102, in the folders that torchvision makes of the published archives.

Read here and not through torchvision's classes, because those hide the files' bytes, which the digest
and the cache of decoded images need; the tests compare the two readings.
"""

from __future__ import annotations

from pathlib import Path
from typing import Any

import numpy as np

from harness.data.examples import Examples, from_files
from harness.data.parts import Digests, Parts, check_digest
from harness.errors import ClaimsError

BREEDS = 37
FLOWERS = 102


def inner(root: Path, folder: str, *needed: str) -> Path:
    """Return the folder, at `root` or below it, that holds all that is needed.

    Raises:
        ClaimsError: neither does.
    """
    for place in (root / folder, root):
        if all((place / name).exists() for name in needed):
            return place
    raise ClaimsError(
        f"{root}: expected {', '.join(needed)} there or in {folder}/, found not all of them; unpack the published"
        " archives there"
    )


def pets(root: Path, digests: Digests) -> Parts:
    """Read Oxford-IIIT Pets: 37 breeds, trainval 3,680, test 3,669."""
    del digests  # of the archives; the unpacked lists have none that is published
    base = inner(root, "oxford-iiit-pet", "images", "annotations/trainval.txt", "annotations/test.txt")
    return Parts(train=pets_part(base, "trainval"), test=pets_part(base, "test"))


def pets_part(base: Path, part: str) -> Examples:
    """Read a list: lines of image id, class 1 ... 37, species, breed of the species."""
    path = base / "annotations" / f"{part}.txt"
    files, labels = [], []
    breeds: dict[int, str] = {}
    for number, line in enumerate(lines_of(path), start=1):
        words = line.split()
        if len(words) != 4 or not words[1].isdecimal() or not 1 <= int(words[1]) <= BREEDS:
            raise ClaimsError(
                f"{path}: line {number}: expected an image id and a class 1 to {BREEDS}, species and breed, found"
                f" {line[:60]!r}; unpack annotations.tar.gz again"
            )
        breed = words[0].rpartition("_")[0]
        if breeds.setdefault(int(words[1]), breed) != breed:
            raise ClaimsError(
                f"{path}: line {number}: expected {breeds[int(words[1])]} for class {words[1]}, found {breed}"
            )
        files.append(base / "images" / f"{words[0]}.jpg")
        labels.append(int(words[1]) - 1)
    classes = tuple(breeds.get(number, str(number)) for number in range(1, BREEDS + 1))
    return from_files(str(base), files, labels, classes)


def lines_of(path: Path) -> list[str]:
    """Return a text file's lines that are not blank.

    Raises:
        ClaimsError: it can't be read, or is no text.
    """
    try:
        return [line for line in path.read_text(encoding="utf-8").splitlines() if line.strip()]
    except (OSError, UnicodeDecodeError) as error:
        raise ClaimsError(f"{path}: expected a text file, found: {error}; unpack the archive again") from None


def flowers(root: Path, digests: Digests) -> Parts:
    """Read Oxford Flowers-102: train 1,020, validation 1,020, test 6,149.

    The authors fine-tune on `train` alone (vision_transformer and big_vision: TFDS split "train", 90 % of
    it when choosing hyper-parameters); VTAB-1k draws its 1,000 from train and validation together.
    """
    base = inner(root, "flowers-102", "jpg", "imagelabels.mat", "setid.mat")
    for name in ("imagelabels.mat", "setid.mat"):
        check_digest(base / name, digests)
    labels = column(base / "imagelabels.mat", "labels")
    parts = {name: column(base / "setid.mat", name) for name in ("trnid", "valid", "tstid")}
    if not labels or not all(1 <= label <= FLOWERS for label in labels):
        raise ClaimsError(f"{base}/imagelabels.mat: expected classes 1 to {FLOWERS}, found others; fetch it again")

    def part(name: str) -> Examples:
        for image in parts[name]:
            if not 1 <= image <= len(labels):
                raise ClaimsError(f"{base}/setid.mat: {name}: expected images 1 to {len(labels)}, found {image}")
        files = [base / "jpg" / f"image_{image:05d}.jpg" for image in parts[name]]
        classes = [str(number) for number in range(1, FLOWERS + 1)]
        return from_files(str(base), files, [labels[image - 1] - 1 for image in parts[name]], classes)

    return Parts(train=part("trnid"), validation=part("valid"), test=part("tstid"))


def column(path: Path, name: str) -> list[int]:
    """Return one variable of a .mat file as integers.

    Raises:
        ClaimsError: damaged, or without that variable.
    """
    values = mat(path, name)
    return [int(value) for value in np.ravel(values)]


def mat(path: Path, name: str) -> Any:
    """Return one variable of a .mat file (no pickle is involved)."""
    from scipy.io import loadmat

    try:
        return loadmat(path, variable_names=[name])[name]
    except KeyError:
        raise ClaimsError(f"{path}: expected the variable {name!r}, found none; fetch it again") from None
    except Exception as error:  # loadmat raises whatever a malformed file makes it stumble over
        raise ClaimsError(
            f"{path}: expected a .mat file, found {type(error).__name__}: {error}; fetch it again"
        ) from None
