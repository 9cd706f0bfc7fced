"""The order in which TensorFlow Datasets keeps the examples of a split, derived without it.

It sorts examples by the MD5 of the split's name followed by the example's key (tensorflow/datasets, core/hashing.py
and core/shuffle.py, since its "new split API", version 2 of each dataset), and slices such as train[:800] count in
that order. Where the key is the example's number in the published file, as for dSprites and SmallNORB, the order
follows from the number of examples alone.
"""

from __future__ import annotations

import hashlib

import numpy as np

from harness.data.rng import Indices


def tfds_order(n: int, split: str) -> Indices:
    """Return the numbers 0 to n - 1 of a split's examples in the order of TensorFlow Datasets, (n,).

    Args:
        n: number of examples, whose keys are their numbers.
        split: its name there, "train" or "test".
    """
    salt = hashlib.md5(split.encode(), usedforsecurity=False)

    def key(number: int) -> bytes:
        hashed = salt.copy()
        hashed.update(str(number).encode())
        return hashed.digest()

    return np.array(sorted(range(n), key=key), dtype=np.int64)
