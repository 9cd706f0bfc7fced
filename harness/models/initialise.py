"""Random initial weights as the reference implementations draw them, in the official layout."""

from __future__ import annotations

import math

import numpy as np

from harness.models.architectures import Architecture, Shape, expected_shapes
from harness.models.npz import Array

TRUNCATED_STD = 0.87962566103423978
"""Standard deviation of a unit normal cut off at two standard deviations (as in jax.nn.initializers)."""


HEAD_STREAM = 0x4EAD


def library_head(shape: tuple[int, int], seed: int) -> Array:
    """Return a new head's kernel, float32 (width, classes), as transformers draws it: normal(0.02); its bias is 0.

    (Its truncation is at 2, a hundred standard deviations.) The same for both frameworks and the same seed.
    """
    generator = np.random.Generator(np.random.PCG64((HEAD_STREAM, seed)))
    return np.asarray(0.02 * generator.standard_normal(shape), np.float32)


def initial_arrays(architecture: Architecture, seed: int) -> dict[str, Array]:
    """Return freshly initialised weights (float32) of an architecture.

    Transformer kernels are Xavier-uniform over (inputs, outputs), MLP biases normal(1e-6), positional
    embeddings normal(0.02); class token and head are zero; the last group norm of a hybrid's unit starts
    at zero; all other kernels are normal, truncated at two standard deviations, of variance 1 / fan-in.

    Source: vit_jax/models_vit.py, models_resnet.py; bit_jax/models.py (initialisers of each layer).
    """
    generator = np.random.Generator(np.random.PCG64(seed))
    # In the order of the keys, so that the numbers drawn do not depend on how the table is written.
    shapes = sorted(expected_shapes(architecture).items())
    return {key: np.asarray(_initial(key, shape, generator), np.float32) for key, shape in shapes}


def _initial(key: str, shape: Shape, generator: np.random.Generator) -> Array:
    if key.endswith("pos_embedding"):
        return 0.02 * generator.standard_normal(shape)
    if "/MlpBlock_3/" in key and key.endswith("/bias"):
        return 1e-6 * generator.standard_normal(shape)
    if key.endswith(("/scale", "/gamma")):
        return np.zeros(shape) if "/gn3/" in key else np.ones(shape)
    if key == "cls" or key.endswith(("/bias", "/beta")) or "head/" in key:
        return np.zeros(shape)
    if "/encoderblock_" in key:
        inputs = math.prod(shape[:-1]) if "/out/" in key else shape[0]
        bound = math.sqrt(6 / (inputs + math.prod(shape) // inputs))
        return generator.uniform(-bound, bound, shape)
    fan_in = math.prod(shape[:-1])
    return _truncated_normal(shape, generator) / (TRUNCATED_STD * math.sqrt(fan_in))


def _truncated_normal(shape: Shape, generator: np.random.Generator) -> Array:
    drawn = generator.standard_normal(shape)
    while (outside := np.abs(drawn) > 2).any():
        drawn[outside] = generator.standard_normal(int(outside.sum()))
    return drawn
