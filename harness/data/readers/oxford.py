"""Oxford-IIIT Pets and Oxford Flowers-102 through torchvision's classes, from the unpacked published archives.

torchvision says which files are in a split, what their labels are and what the classes are called. Left to this
module are the files' bytes, which the digest and the cache of decoded images need and torchvision's classes hide,
the digests of the lists, and errors that say which line of which file is wrong.
"""

from __future__ import annotations

from collections.abc import Mapping
from pathlib import Path
from typing import Any

import numpy as np

from harness.core.errors import ClaimsError
from harness.core.text import read_text
from harness.data.examples import Examples, from_files
from harness.data.published_splits import Digests, PublishedSplits, apart, check_digest

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


def torchvisions(kind: Any, base: Path, split: str, path: Path, changed: Mapping[str, Any], **options: Any) -> Any:
    """Return torchvision's dataset of one split.

    Args:
        kind: its class.
        base: the dataset's own folder, whatever its name; torchvision's classes insist on a name of theirs.
        split: torchvision's name of the split.
        path: the list that says what is in the split, for messages.
        changed: attributes of the class to have other values.
        options: arguments of the class.

    Raises:
        ClaimsError: torchvision can't read it.
    """
    # A property, because the class assigns root/NAME to this attribute, and that must not take effect.
    here = property(lambda self: base, lambda self, value: None)
    try:
        return type(kind.__name__, (kind,), {"_base_folder": here, **changed})(base.parent, split=split, **options)
    except Exception as error:  # torchvision raises whatever a malformed list makes it stumble over
        raise ClaimsError(
            f"{path}: expected a list that torchvision reads, found {type(error).__name__}: {error}; restore it"
        ) from None


def pets(root: Path, digests: Digests) -> PublishedSplits:
    """Read Oxford-IIIT Pets: 37 breeds, trainval 3,680, test 3,669."""
    del digests  # of the archives; the unpacked lists have none that is published
    base = inner(root, "oxford-iiit-pet", "images", "annotations/trainval.txt", "annotations/test.txt")
    return apart(PublishedSplits(train=pets_part(base, "trainval"), test=pets_part(base, "test")))


def pets_part(base: Path, part: str) -> Examples:
    """Return the examples of a list, "trainval" or "test"."""
    from torchvision.datasets import OxfordIIITPet

    path = base / "annotations" / f"{part}.txt"
    check_pets(path)
    data = torchvisions(OxfordIIITPet, base, part, path, {})
    return from_files(str(base), data._images, data._labels, data.classes)


def check_pets(path: Path) -> None:
    """Raise unless a list has what torchvision takes for granted: lines of image id, class 1 ... 37, species, breed."""
    breeds: dict[int, str] = {}
    for number, line in enumerate(text_of(path).splitlines(), start=1):
        words = line.split()
        if len(words) != 4 or not all(map(str.isdecimal, words[1:3])) or not 1 <= int(words[1]) <= BREEDS:
            raise ClaimsError(
                f"{path}: line {number}: expected an image id and a class 1 to {BREEDS}, species and breed, found"
                f" {line[:60]!r}; unpack annotations.tar.gz again"
            )
        breed = words[0].rpartition("_")[0]
        if breeds.setdefault(int(words[1]), breed) != breed:
            raise ClaimsError(
                f"{path}: line {number}: expected {breeds[int(words[1])]} for class {words[1]}, found {breed}"
            )


def lines_of(path: Path) -> list[str]:
    """Return a text file's lines that are not blank; errors as in `text_of`."""
    return [line for line in text_of(path).splitlines() if line.strip()]


def text_of(path: Path) -> str:
    """Return a text file's content.

    Raises:
        ClaimsError: it can't be read, or is no text.
    """
    try:
        return read_text(path)
    except (OSError, UnicodeDecodeError) as error:
        raise ClaimsError(f"{path}: expected a text file, found: {error}; unpack the archive again") from None


def flowers(root: Path, digests: Digests) -> PublishedSplits:
    """Read Oxford Flowers-102: train 1,020, validation 1,020, test 6,149.

    The authors fine-tune on `train` alone (vision_transformer and big_vision: TFDS split "train", 90 % of
    it when choosing hyper-parameters); VTAB-1k draws its 1,000 from train and validation together.
    """
    from torchvision.datasets import Flowers102

    lists = {"label": "imagelabels.mat", "setid": "setid.mat"}
    base = inner(root, "flowers-102", "jpg", *lists.values())
    for name in lists.values():
        check_digest(base / name, digests)
    images = len(column(base / lists["label"], "labels"))
    # torchvision checks both lists too, by fixed digests; here by the entry's, where it has any.
    md5 = {key: (name, digests.get(name, "").partition("md5:")[2] or None) for key, name in lists.items()}

    def part(split: str, variable: str) -> Examples:
        path = base / lists["setid"]
        for image in column(path, variable):
            if not 1 <= image <= images:
                raise ClaimsError(f"{path}: {variable}: expected images 1 to {images}, found {image}")
        data = torchvisions(Flowers102, base, split, path, {"_file_dict": md5}, loader=Path)
        files, labels = [file for file, _ in data], [label for _, label in data]
        if not all(0 <= label < FLOWERS for label in labels):
            raise ClaimsError(f"{base / lists['label']}: expected classes 1 to {FLOWERS}, found others; fetch it again")
        return from_files(str(base), files, labels, data.classes)

    return apart(
        PublishedSplits(train=part("train", "trnid"), validation=part("val", "valid"), test=part("test", "tstid"))
    )


def column(path: Path, name: str) -> list[int]:
    """Return one variable of a .mat file as integers.

    Raises:
        ClaimsError: damaged, without that variable, or it holds something else.
    """
    values = np.ravel(mat(path, name))
    if values.dtype.kind not in "iuf" or (values != np.floor(values)).any() or not np.isfinite(values).all():
        raise ClaimsError(f"{path}: {name}: expected whole numbers, found others ({values.dtype}); fetch it again")
    return [int(value) for value in values]


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
