"""Corpora are the same bytes everywhere, and their arithmetic is that of the formulas."""

import hashlib

import numpy as np
import pytest

from claims.micro.fractals import (
    BURN_IN,
    CHAINS,
    CORPORA,
    MAPS,
    ONE,
    SHADES,
    SIDE,
    STEPS,
    Corpus,
    contracts,
    fixed,
    generate,
    render,
    systems,
    words_per_image,
)
from harness.data.rng import raw_words

DIGESTS = {
    "S": "871425e5a3d744c0d40362f058d4347763a13ac35ca79a7ebdb09f0b6119fc02",
    "M": "31b57594b4c9398ae0e3fa83922d6984d97e3628b006ae474890efb04f5cbada",
    "L": "4eef8a4693401ceb23d3f5cc5684eccaeb2e7f516e4bc1e9a4fbb0aa611a4f1b",
}


@pytest.mark.parametrize("name", CORPORA)
def test_a_corpus_is_pinned_to_the_bit(name):
    corpus = CORPORA[name]
    images, labels = generate(corpus)
    assert images.shape == (corpus.n, SIDE, SIDE)
    assert np.bincount(labels).tolist() == [corpus.per_class] * corpus.classes
    assert hashlib.sha256(images.tobytes() + labels.astype("<i8").tobytes()).hexdigest() == DIGESTS[name]


def test_the_corpora_grow_and_the_larger_holds_the_smaller():
    small, medium, large = (CORPORA[name] for name in "SML")
    assert small.n < medium.n < large.n
    assert small.classes < medium.classes < large.classes
    in_small, in_medium = generate(small)[0], generate(medium)[0]
    assert np.array_equal(in_small, in_medium[: small.n])


def test_rendering_is_the_chaos_game_point_by_point():
    """The vectorised chaos game against Python integers, one point at a time."""
    maps = systems(Corpus("x", 1, 1, seed=5))
    words = raw_words(9, words_per_image())
    points = []
    for chain in range(CHAINS):
        x = y = 0
        for step in range(BURN_IN + STEPS):
            a, b, c, d, e, f = (int(v) for v in maps[0][(int(words[step]) >> (8 * chain)) % MAPS])
            x, y = ((a * x + b * y) >> 16) + e, ((c * x + d * y) >> 16) + f
            if step >= BURN_IN:
                points.append((x, y))
    left, top = min(x for x, _ in points), min(y for _, y in points)
    wide, high = max(x for x, _ in points) - left, max(y for _, y in points) - top
    expected = np.zeros((SIDE, SIDE), int)
    for x, y in points:
        expected[(y - top) * (SIDE - 1) // high, (x - left) * (SIDE - 1) // wide] += 1
    assert np.array_equal(render(maps, words[None])[0], SHADES[np.minimum(expected, 4)])


def test_maps_contract_by_their_singular_values():
    draws = fixed(raw_words(1, 6000)).reshape(-1, 6)
    kept = contracts(draws)
    largest = np.linalg.svd(draws[:, [[0, 1], [2, 3]]] / ONE, compute_uv=False)[:, 0]
    determinant = np.abs(np.linalg.det(draws[:, [[0, 1], [2, 3]]] / ONE))
    clear = (np.abs(largest - 0.9) > 1e-3) & (np.abs(determinant - 0.04) > 1e-3)
    assert np.array_equal(kept[clear], ((largest < 0.9) & (determinant > 0.04))[clear])
    assert 0.1 < kept.mean() < 0.9


def test_classes_differ_more_than_the_images_of_one():
    images, labels = generate(CORPORA["S"])
    means = np.stack([images[labels == klass].mean(axis=0) for klass in range(10)])
    nearest = ((images[:, None] - means[None]) ** 2).sum(axis=(2, 3)).argmin(axis=1)
    assert (nearest == labels).mean() > 0.8
