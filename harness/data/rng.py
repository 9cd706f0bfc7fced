"""Random choices that are the same on every machine: raw words of PCG64, addressed by a key.

NumPy promises the raw stream of a bit generator, not the distributions built on it; so everything
whose bytes must not change (corpora, splits, the order of examples) is derived from raw words here.
A key is any tuple of non-negative integers, so the state at step k is found without playing the
steps before it.
"""

from __future__ import annotations

import numpy as np
import numpy.typing as npt

Words = npt.NDArray[np.uint64]
Indices = npt.NDArray[np.int64]


def raw_words(*key_and_count: int) -> Words:
    """Return raw 64-bit words of the stream named by all arguments but the last, which is their number."""
    *key, count = key_and_count
    return np.random.PCG64(key).random_raw(count)


def permutation(n: int, *key: int) -> Indices:
    """Return a permutation of 0 ... n-1, shape (n,), for a key."""
    return np.argsort(raw_words(*key, n), kind="stable").astype(np.int64)


def below(limit: int, words: Words) -> Indices:
    """Map raw words to integers 0 ... limit-1 (by remainder: the bias is under limit / 2**64)."""
    return (words % np.uint64(limit)).astype(np.int64)
