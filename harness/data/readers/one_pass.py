"""Grey images of one size that lie in one compressed file: all that are wanted are read in one pass, when first asked.

Nothing can be found in such a file without unpacking what comes before it, and the whole is too large to keep.
"""

from __future__ import annotations

import threading
from collections.abc import Callable, Iterator
from typing import IO

import numpy as np
import numpy.typing as npt

from harness.core.errors import ClaimsError
from harness.data.decoding import Pixels
from harness.data.examples import Examples
from harness.data.rng import Indices

CHUNK = 1 << 24
"""Bytes unpacked at once."""


class OnePass:
    """Some images of a file.

    Args:
        where: the file, for messages.
        read: returns the images of sorted numbers, uint8 (n, H, W).
        wanted: numbers of all images that will be asked for.
        shape: (H, W), pixels.
        white: the stored value of white: levels are stored values times 255 / white.
        stamp: of the file.
    """

    def __init__(
        self,
        where: str,
        read: Callable[[Indices], npt.NDArray[np.uint8]],
        wanted: Indices,
        shape: tuple[int, int],
        white: int,
        stamp: str,
    ):
        self.where, self.shape, self.white, self.stamp = where, shape, white, stamp
        self._read, self._rows = read, np.unique(wanted)
        self._images: npt.NDArray[np.uint8] | None = None
        self._lock = threading.Lock()  # images are decoded by several threads

    def image(self, number: int) -> npt.NDArray[np.uint8]:
        """Return one image as stored, (H, W); the first call reads all."""
        with self._lock:
            if self._images is None:
                self._images = self._read(self._rows)
            found: npt.NDArray[np.uint8] = self._images[np.searchsorted(self._rows, number)]
            return found

    def examples(self, numbers: Indices, labels: Indices, classes: int) -> Examples:
        """Return some of the images as examples, the grey level in all three channels.

        Args:
            numbers: (N,), among the wanted ones.
            labels: (N,) their classes.
            classes: number of classes.
        """
        factor, shape = 255 // self.white, self.shape

        def decode(content: bytes) -> Pixels:
            grey = np.frombuffer(content, dtype=np.uint8).reshape(shape) * np.uint8(factor)
            return np.repeat(grey[:, :, None], 3, axis=2)

        whole = Examples(
            where=self.where,
            names=tuple(f"{number:06d}" for number in numbers),
            labels=labels.astype(np.int64),
            classes=tuple(map(str, range(classes))),
            encoded=lambda index: self.image(int(numbers[index])).tobytes(),
            stamp=self.stamp,
            decode=decode,
        )
        return whole.take(np.arange(len(numbers)))  # whose stamp names what was chosen


def chosen_rows(file: IO[bytes], rows: Indices, row_bytes: int, where: str) -> Iterator[bytes]:
    """Yield the rows of sorted numbers of a file that holds rows of one size, read from where it stands.

    Raises:
        ClaimsError: it ends before the last of them.
    """
    at_once = max(1, CHUNK // row_bytes)
    done, position = 0, 0
    while done < len(rows):
        content = file.read(at_once * row_bytes)
        last = position + len(content) // row_bytes
        while done < len(rows) and rows[done] < last:
            start = (int(rows[done]) - position) * row_bytes
            yield content[start : start + row_bytes]
            done += 1
        if len(content) < at_once * row_bytes and done < len(rows):
            raise ClaimsError(f"{where}: expected image {int(rows[done]):,}, found the end of the file; fetch it again")
        position = last
