"""Making the micro study's pre-training images."""

from __future__ import annotations

import time
from collections.abc import Iterator

from bench.rows import Row


def rows(n: int) -> Iterator[Row]:
    """Yield images per processor second of each fractal corpus, made once whatever n is."""
    from claims.micro.fractals import CORPORA, generate

    for corpus in CORPORA.values():
        start = time.process_time()
        generate(corpus)
        yield Row(f"fractals {corpus.id}", "images/cpu-s", corpus.n / (time.process_time() - start))
