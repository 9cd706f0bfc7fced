"""Random weights of full size in a few seconds: drawn by all cores, where `initial_arrays` takes a minute with one."""

from __future__ import annotations

import math
import os
from concurrent.futures import ThreadPoolExecutor
from functools import cache

import numpy as np

from harness.models.architectures import Architecture, Shape, expected_shapes
from harness.models.npz import Array
from harness.training.api import Weights


@cache
def random_weights(architecture: Architecture, seed: int = 0) -> Weights:
    """Return float32 weights in the official layout that keep activations finite and let gradients flow.

    Kernels are normal with variance 1 / fan-in, positional embeddings normal(0.02), factors of norms 1, the rest 0.
    The same for the same seed, however many cores draw them.
    """
    shapes = sorted(expected_shapes(architecture).items())

    def drawn(place: int) -> tuple[str, Array]:
        key, shape = shapes[place]
        return key, _array(key, shape, np.random.default_rng((seed, place)))

    with ThreadPoolExecutor(os.cpu_count()) as pool:
        return dict(pool.map(drawn, range(len(shapes))))


def _array(key: str, shape: Shape, generator: np.random.Generator) -> Array:
    if key.endswith(("/scale", "/gamma")):
        return np.ones(shape, np.float32)
    if key.endswith("pos_embedding"):
        return np.float32(0.02) * generator.standard_normal(shape, np.float32)
    if key.endswith("/kernel"):
        # A kernel (in, heads, size) of a query has the inputs first, one (heads, size, out) after attention last.
        inputs = shape[0] if key.endswith(("query/kernel", "key/kernel", "value/kernel")) else math.prod(shape[:-1])
        return np.float32(1 / math.sqrt(inputs)) * generator.standard_normal(shape, np.float32)
    return np.zeros(shape, np.float32)
