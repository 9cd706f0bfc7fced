"""Formula-driven images: fractals of iterated function systems, any number from a seed.

The corpora stand for the paper's pre-training sets, as FractalDB stands for natural images
(Kataoka et al., "Pre-training without Natural Images", arXiv:2101.08515): a class is an iterated
function system, an image one perturbed rendering of it.

Everything is integer arithmetic on 64-bit words from PCG64's raw stream, so a corpus is the same,
bit for bit, on every machine.
"""

from __future__ import annotations

from dataclasses import dataclass

import numpy as np
import numpy.typing as npt

from harness.data.rng import Words, raw_words

Images = npt.NDArray[np.uint8]
Integers = npt.NDArray[np.int64]

SIDE = 32
"""Pixels of an image's side."""
ONE = 1 << 16
"""1.0 in the fixed-point format: 16 fractional bits."""
MAPS = 4
"""Affine maps per system."""
POINTS = 320
"""Points drawn per image: CHAINS chains of STEPS steps each after BURN_IN."""
CHAINS = 8
STEPS = 40
BURN_IN = 12
SHADES = np.array([0, 120, 180, 220, 255], dtype=np.uint8)
"""Grey level of a pixel by how many points fell on it (the last: four or more)."""
BATCH = 512
"""Images rendered together: fits the level-2 cache; the outcome does not depend on it."""


@dataclass(frozen=True)
class Corpus:
    """A labelled set of fractal images: `classes` systems, `per_class` images of each."""

    id: str
    classes: int
    per_class: int
    seed: int

    @property
    def n(self) -> int:
        """Number of images."""
        return self.classes * self.per_class


# The sizes stand for ImageNet-1k < ImageNet-21k < JFT-300M (1.3, 14 and 303 million images): each ten
# times the one before. A larger corpus holds the classes and images of the smaller ones.
CORPORA = {
    "S": Corpus("S", classes=10, per_class=100, seed=20201022),
    "M": Corpus("M", classes=100, per_class=100, seed=20201022),
    "L": Corpus("L", classes=500, per_class=200, seed=20201022),
}


def fixed(words: Words) -> Integers:
    """Map raw words to fixed-point numbers uniform in [-1, 1)."""
    return (words >> np.uint64(47)).astype(np.int64) - ONE  # 17 bits: 0 ... 2 ONE - 1


def contracts(system: Integers) -> npt.NDArray[np.bool_]:
    """Return which maps of a system (..., 6) contract, but not to almost nothing.

    The largest singular value s of the 2x2 part obeys s^4 - |A|_F^2 s^2 + det^2 = 0, so "below 0.9"
    is a comparison of integers; the determinant is kept above 0.04 so that no map is a line.
    """
    a, b, c, d = (system[..., i] for i in range(4))
    limit = 9 * ONE // 10
    squared = (limit * limit) >> 16
    frobenius = (a * a + b * b + c * c + d * d) >> 16
    determinant = (a * d - b * c) >> 16
    at_limit = ((squared * squared) >> 16) - ((frobenius * squared) >> 16) + ((determinant * determinant) >> 16)
    contracting: npt.NDArray[np.bool_] = (at_limit > 0) & (frobenius < 2 * squared) & (np.abs(determinant) > ONE // 25)
    return contracting


def systems(corpus: Corpus) -> Integers:
    """Return the corpus' iterated function systems, shape (classes, MAPS, 6), fixed point.

    Candidates are drawn one stream each until enough fill between a tenth and six tenths of the
    image when rendered unperturbed, the filling-rate rule of FractalDB.
    """
    found: list[Integers] = []
    stream = 0
    while len(found) < corpus.classes:
        draws = fixed(raw_words(corpus.seed, stream, 64 * MAPS * 6)).reshape(-1, 6)
        maps = draws[contracts(draws)][:MAPS]
        stream += 1
        if len(maps) < MAPS:
            continue
        words = raw_words(corpus.seed, (1 << 32) + stream, words_per_image())
        filled = np.count_nonzero(render(maps[None], words[None]))
        if SIDE * SIDE // 10 <= filled <= SIDE * SIDE * 6 // 10:
            found.append(maps)
    return np.stack(found)


def words_per_image() -> int:
    """Return how many raw words choose the maps of one image: one word a step, one byte a chain."""
    return BURN_IN + STEPS


def render(maps: Integers, words: Words) -> Images:
    """Draw each system by the chaos game.

    Args:
        maps: (N, MAPS, 6) fixed point: x' = a x + b y + e, y' = c x + d y + f.
        words: (N, BURN_IN + STEPS) raw words; byte k of a word chooses chain k's map at that step.

    Returns:
        (N, SIDE, SIDE) grey images, each stretched to its own bounding box.
    """
    n = len(maps)
    choice = words[:, :, None] >> (np.arange(CHAINS, dtype=np.uint64) * np.uint64(8)) & np.uint64(MAPS - 1)
    row = (np.arange(n) * MAPS)[:, None]
    index = np.ascontiguousarray((choice.astype(np.int64) + row[:, None]).transpose(1, 0, 2))
    a, b, c, d, e, f = np.ascontiguousarray(maps.reshape(n * MAPS, 6).T)
    x = np.zeros((n, CHAINS), dtype=np.int64)
    y = np.zeros((n, CHAINS), dtype=np.int64)
    xs = np.empty((STEPS, n, CHAINS), dtype=np.int64)
    ys = np.empty((STEPS, n, CHAINS), dtype=np.int64)
    for step in range(BURN_IN + STEPS):
        i = index[step]
        x, y = ((a[i] * x + b[i] * y) >> 16) + e[i], ((c[i] * x + d[i] * y) >> 16) + f[i]
        if step >= BURN_IN:
            xs[step - BURN_IN], ys[step - BURN_IN] = x, y
    return rasterise(xs, ys)


def rasterise(xs: Integers, ys: Integers) -> Images:
    """Count points (STEPS, N, CHAINS) per pixel, each image stretched to its bounding box."""
    n = xs.shape[1]
    pixel = (np.arange(n) * SIDE * SIDE)[:, None] + to_pixels(ys) * SIDE + to_pixels(xs)
    counts = np.bincount(pixel.ravel(), minlength=n * SIDE * SIDE)
    return SHADES[np.minimum(counts, len(SHADES) - 1)].reshape(n, SIDE, SIDE)


def to_pixels(values: Integers) -> Integers:
    """Scale (STEPS, N, CHAINS) coordinates to pixel numbers 0 ... SIDE - 1, each image by its own range."""
    low = values.min(axis=(0, 2), keepdims=True)
    extent = np.maximum(values.max(axis=(0, 2), keepdims=True) - low, 1)
    pixels: Integers = (values - low) * (SIDE - 1) // extent
    return pixels


def perturb(maps: Integers, words: Words) -> Integers:
    """Scale every parameter of (N, MAPS, 6) maps by its own factor between 0.8 and 1.2.

    Args:
        maps: the class' system, once for each image.
        words: (N, MAPS, 6) raw words.
    """
    factor = ONE + fixed(words) // 5
    return (maps * factor) >> 16


def generate(corpus: Corpus) -> tuple[Images, npt.NDArray[np.int64]]:
    """Return the corpus: images (n, SIDE, SIDE) uint8 and labels (n,), class by class."""
    base = systems(corpus)
    labels = np.repeat(np.arange(corpus.classes), corpus.per_class)
    images = np.empty((corpus.n, SIDE, SIDE), dtype=np.uint8)
    per_image = MAPS * 6 + words_per_image()
    for klass in range(corpus.classes):
        # One stream a class: a larger corpus of the same seed begins with the smaller one's images.
        words = raw_words(corpus.seed, (1 << 40) + klass, corpus.per_class * per_image).reshape(-1, per_image)
        for start in range(0, corpus.per_class, BATCH):
            part = words[start : start + BATCH]
            maps = perturb(np.broadcast_to(base[klass], (len(part), MAPS, 6)), part[:, : MAPS * 6].reshape(-1, MAPS, 6))
            at = klass * corpus.per_class + start
            images[at : at + len(part)] = render(maps, part[:, MAPS * 6 :])
    return images, labels
