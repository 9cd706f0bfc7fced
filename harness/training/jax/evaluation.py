"""What a network makes of every example of a split, in JAX: the predicted class, or the features before the head."""

from __future__ import annotations

import os
from collections import deque
from collections.abc import Callable, Iterator
from concurrent.futures import Future, ThreadPoolExecutor
from functools import lru_cache, partial
from typing import Any

import jax
import jax.numpy as jnp
import numpy as np
import numpy.typing as npt
from flax import linen as nn
from jax import Array

from harness.core.errors import TooLittleMemory
from harness.core.specs import Recipe
from harness.data.preprocess import check_inputs, crop_box, eval_rule, resized
from harness.data.rng import Indices
from harness.data.splits import Split
from harness.data.stored_pixels import limits, stored_image
from harness.models.architectures import Architecture
from harness.models.flax import build
from harness.models.flax.build import Params
from harness.training.api import EVALUATION_BATCH
from harness.training.jax.device import DeviceContext
from harness.training.jax.inputs import Pixels, scales, whole
from harness.training.jax.memory import attempted
from harness.training.outcome import NOT_YET, UNDECIDED


@lru_cache(maxsize=64)
def classifier(network: nn.Module) -> Any:
    """Return the compiled function of (params, inputs (N, side, side, C)) that gives the predicted classes (N,)."""

    def classes(params: Params, inputs: Array) -> Array:
        images = jnp.repeat(inputs, 3, axis=-1) if inputs.shape[-1] == 1 else inputs
        logits = build.apply(network, params, images)
        return jnp.where(jnp.isfinite(logits).all(axis=1), jnp.argmax(logits, axis=1), UNDECIDED)

    return jax.jit(classes)


@lru_cache(maxsize=64)
def featurizer(network: nn.Module) -> Any:
    """Return the compiled function of (params, inputs (N, side, side, C)) that gives float32 features (N, D)."""

    def before_head(params: Params, inputs: Array) -> Array:
        images = jnp.repeat(inputs, 3, axis=-1) if inputs.shape[-1] == 1 else inputs
        return build.apply(network, params, images).astype(jnp.float32)

    return jax.jit(before_head)


def evaluate(
    params: Params,
    architecture: Architecture,
    split: Split,
    recipe: Recipe,
    context: DeviceContext,
    where: str,
    on_images: Callable[[int, int], None] | None = None,
) -> npt.NDArray[np.int64]:
    """Return the predicted class of every example of a split, shape (N,), each predicted exactly once.

    UNDECIDED where logits are not finite.

    In batches of EVALUATION_BATCH, the last one filled up with its last example, whose predictions are dropped; on
    an accelerator they are computed in smaller parts if memory is short.

    Args:
        params: on the machine's devices.
        architecture: theirs.
        split: the scored examples.
        recipe: test size and precision.
        context: where to compute.
        where: the checkpoint, for messages.
        on_images: called with the number of examples predicted, and of all.

    Raises:
        ClaimsError: memory is too small for one image; images smaller than the crop.
    """
    predictions = np.full(len(split), NOT_YET, np.int64)
    classify = classifier(_network(architecture, recipe, context))
    folded = build.fold(params, architecture)
    for start, found in _computed(classify, folded, split, recipe, context, where, on_images):
        predictions[start : start + len(found)] = found
    if (predictions == NOT_YET).any():
        raise AssertionError("an example was not predicted")
    return predictions


def features(
    params: Params,
    architecture: Architecture,
    split: Split,
    recipe: Recipe,
    context: DeviceContext,
    where: str,
    on_images: Callable[[int, int], None] | None = None,
) -> npt.NDArray[np.float32]:
    """Return the input of the network's head for every example of a split, float32 (N, D), as it is in a prediction.

    Arguments and errors as of `evaluate`; the images are those of a test.
    """
    compute = featurizer(_network(architecture, recipe, context, features=True))
    folded = build.fold(params, architecture)
    computed = _computed(compute, folded, split, recipe, context, where, on_images)
    return np.concatenate([found for _, found in computed])


def dtype_of(recipe: Recipe) -> build.Dtype:
    """Return what a recipe's evaluation computes in."""
    return "bfloat16" if recipe.precision == "bfloat16" else "float32"


def _network(architecture: Architecture, recipe: Recipe, context: DeviceContext, features: bool = False) -> Any:
    dtype = dtype_of(recipe)
    attention = context.attention(architecture, dtype)
    return build.network(architecture, dtype=dtype, folded=True, features=features, attention=attention)


def _computed(
    compute: Any,
    params: Params,
    split: Split,
    recipe: Recipe,
    context: DeviceContext,
    where: str,
    on_images: Callable[[int, int], None] | None,
) -> Iterator[tuple[int, Any]]:
    """Yield (first example, what is computed of it and those after it, on the host) for batch after batch.

    Args:
        compute: a compiled function of (params, inputs).
        params: folded.
        split: as of `evaluate`, like the rest.
        recipe: likewise.
        context: likewise.
        where: likewise.
        on_images: likewise.
    """
    devices = len(context.devices)
    size = batch = -(-EVALUATION_BATCH // devices) * devices
    proven = not context.accelerated
    computing: deque[tuple[int, Any]] = deque()

    def take() -> tuple[int, Any]:
        start, parts = computing.popleft()
        found = np.concatenate([np.asarray(part) for part in parts])[: len(split) - start]
        if on_images is not None:
            on_images(start + len(found), len(split))
        return start, found

    for start, inputs in eval_inputs(split, recipe, context, batch):
        if start == 0:
            check_inputs(inputs, where, *limits(recipe))
        attempt = partial(_parts, compute, params, inputs, context=context)
        # What fitted once fits again, and need not be waited for.
        while (found := attempt(size) if proven else attempted(partial(attempt, size))) is None:
            if size == devices:
                raise TooLittleMemory(f"{where}: expected memory to evaluate one image, found too little")
            size = -(-size // (2 * devices)) * devices
        proven = True
        computing.append((start, found))
        if len(computing) > 1:  # the device computes one batch while the next one is prepared
            yield take()
    while computing:
        yield take()


def _parts(compute: Any, params: Params, inputs: Any, size: int, context: DeviceContext) -> list[Array]:
    """Return what is computed of a batch, computed `size` images at a time; the last part is filled up."""
    if size == len(inputs):
        return [compute(params, jax.device_put(inputs, context.shared_out))]
    parts = []
    for start in range(0, len(inputs), size):
        rows = np.minimum(np.arange(start, start + size), len(inputs) - 1)
        found = compute(params, jax.device_put(inputs[rows], context.shared_out))
        parts.append(found[: len(inputs) - start])
    return parts


def eval_inputs(split: Split, recipe: Recipe, context: DeviceContext, batch: int) -> Iterator[tuple[int, Any]]:
    """Yield (number of the first example, inputs (batch, side, side, C)) of batch after batch, prepared ahead.

    The last one is filled up with its last example. Images that are stretched to a square without antialiasing are
    sampled on the device; others are resized by threads, each as preprocess.resized does it.
    """
    rule = eval_rule(recipe)
    stretched = recipe.test_resize == "square" and rule.crop == "none"
    plain = stretched and recipe.test_interpolation == "bilinear" and not recipe.test_antialias
    pixels = Pixels(split, recipe, context) if plain else None
    here = None if context.accelerated else pixels  # no device to leave the stretching to

    def rows_of(start: int) -> Indices:
        return np.minimum(np.arange(start, start + batch), len(split) - 1)

    def prepare(start: int) -> Any:
        rows = rows_of(start)
        if here is not None:
            return here.stretched(rows, recipe.side)
        if pixels is not None:
            return pixels.prepare(rows, whole(pixels.heights[rows], pixels.widths[rows], recipe.side))
        kept = [one(int(example)) for example in rows[: len(split) - start]]
        return np.stack(kept + kept[-1:] * (batch - len(kept)))

    def one(example: int) -> npt.NDArray[np.float32]:
        levels = resized(stored_image(split, example), rule.resize)
        if rule.crop == "none":
            return levels
        box = crop_box(rule, levels.shape[0], levels.shape[1])
        return levels[box.top : box.top + box.height, box.left : box.left + box.width]

    def done(prepared: Any) -> Any:
        if here is not None:
            return prepared
        if pixels is not None:
            return pixels.read(prepared, np.arange(batch))
        shift, scale = scales(recipe.mean, recipe.std)
        return ((prepared - shift) / scale).astype(np.float32)

    workers = min(8, os.cpu_count() or 1) if context.accelerated else 1
    starts = list(range(0, len(split), batch))
    with ThreadPoolExecutor(workers, "test inputs") as pool:
        futures: deque[Future[Any]] = deque(pool.submit(prepare, start) for start in starts[: workers + 1])
        try:
            for number, start in enumerate(starts):
                prepared = futures.popleft().result()
                if number + workers + 1 < len(starts):
                    futures.append(pool.submit(prepare, starts[number + workers + 1]))
                yield start, done(prepared)
        finally:
            for future in futures:
                future.cancel()
