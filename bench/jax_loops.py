"""Fine-tuning and evaluation in JAX: our own engine and bare jitted loops."""

from __future__ import annotations

import tempfile
from collections.abc import Sequence
from dataclasses import replace
from functools import cache, partial
from pathlib import Path
from typing import Any

import jax
import jax.numpy as jnp
import numpy as np
import optax

from bench.cases import Case
from bench.evaluation import Classes
from bench.loops import SKIPPED
from bench.rows import Clock, Lap
from bench.step_clock import StepClock
from harness.models.flax import build
from harness.training.api import EVALUATION_BATCH, Execution, Progress
from harness.training.jax import engine
from harness.training.jax.device import device_context
from harness.training.jax.evaluation import evaluate
from harness.training.jax.loop import LAG, Loop, TrainedParams
from harness.training.lr_schedule import learning_rate


def ours(case: Case, skip: int = SKIPPED, **execution: Any) -> tuple[Lap, TrainedParams, int]:
    """Fine-tune as users do; return the lap, what the loop says, and the largest memory allocated on the device.

    Args:
        case: what to train.
        skip: first steps that do not count, at least one: the program is compiled in it.
        execution: fields of an Execution.
    """
    here = device_context(case.device, case.run.recipe)

    def on_step(progress: Progress) -> None:
        clock.report(progress.step)

    with tempfile.TemporaryDirectory() as folder, jax.default_device(here.devices[0]):
        run = replace(case.run, backend="jax")
        params, architecture = engine.network(run, case.weights)
        asked = Execution(case.device, folder=Path(folder), on_step=on_step, **execution)
        loop = Loop(params, architecture, case.data.train, run, asked, here)
        # On a CPU all steps are done with the last one, which is reported at its end.
        lag = LAG if here.accelerated else 0
        clock = StepClock(case, skip, lag, lambda: jax.block_until_ready(loop.training.state))
        trained = loop.train()
    if trained.diverged is not None:
        raise RuntimeError(f"{case.name}: expected finite losses, found: {trained.diverged}")
    return replace(clock.lap, losses=trained.losses), trained, here.memory()


def bare(case: Case, batches: Sequence[tuple[Any, Any]], skip: int = SKIPPED) -> Lap:
    """Fine-tune with one jitted step on batches that lie ready; losses are looked at after the last step."""
    device_context(case.device, case.run.recipe)
    params, architecture = engine.network(replace(case.run, backend="jax"), case.weights)
    update, rule = _update(case, architecture)
    params = jax.tree.map(jnp.copy, params)  # given away in the first step
    state = rule.init(params)
    losses = []
    clock = Clock()
    for step, (images, labels) in enumerate(batches):
        if step == skip:
            jax.block_until_ready(params)
            clock.start()
        params, state, loss = update(params, state, images, labels)
        losses.append(loss)
    jax.block_until_ready((params, losses))
    lap = clock.lap((len(batches) - skip) * case.run.recipe.batch_size)
    return Lap(lap.wall, lap.cpu, lap.images, tuple(map(float, losses)))


def batches(case: Case) -> list[tuple[Any, Any]]:
    """Return all steps' normalised inputs (n, side, side, 3) and labels (n,)."""
    loaded = case.preloaded
    images = three_channels(np.moveaxis(loaded.inputs.cpu().numpy(), 1, 3))
    labels = loaded.labels.cpu().numpy().astype(np.int32)
    order = loaded.order.cpu().numpy().reshape(-1, case.run.recipe.batch_size)
    return [(jnp.asarray(images[index]), jnp.asarray(labels[index])) for index in order]


@cache
def _update(case: Case, architecture: Any) -> tuple[Any, optax.GradientTransformation]:
    """Return the compiled step and its rule."""
    recipe = case.run.recipe
    rates = jnp.asarray([learning_rate(recipe, step) for step in range(recipe.steps or 0)], jnp.float32)
    network = build.network(architecture, dtype=_dtype(case))
    rule = optax.chain(
        optax.identity() if recipe.clip_norm is None else optax.clip_by_global_norm(recipe.clip_norm),
        optax.sgd(lambda count: rates[count], recipe.momentum),
    )

    def loss(params: Any, images: Any, labels: Any) -> Any:
        logits = build.apply(network, params, images, train=True)
        return optax.softmax_cross_entropy_with_integer_labels(logits, labels).mean()

    @partial(jax.jit, donate_argnums=(0, 1))
    def update(params: Any, state: Any, images: Any, labels: Any) -> Any:
        found, gradient = jax.value_and_grad(loss)(params, images, labels)
        updates, state = rule.update(gradient, state, params)
        return optax.apply_updates(params, updates), state, found

    return update, rule


class Evaluation:
    """One network that is evaluated our way and in a bare loop."""

    def __init__(self, case: Case):
        self.case, self.here = case, device_context(case.device, case.run.recipe)
        self.params, self.architecture = engine.network(replace(case.run, backend="jax"), case.weights)
        self.images = case.data.test.array()
        recipe, network = case.run.recipe, build.network(self.architecture, dtype=_dtype(case))

        @jax.jit
        def classify(params: Any, images: Any) -> Any:
            levels = three_channels(images.astype(jnp.float32))
            square = (len(images), recipe.side, recipe.side, 3)
            if levels.shape != square:
                levels = jax.image.resize(levels, square, "bilinear", antialias=False)
            inputs = (levels - 255 * recipe.mean) / (255 * recipe.std)
            return jnp.argmax(build.apply(network, params, inputs), axis=1)

        self.classify = classify

    def ours(self) -> tuple[Lap, Classes]:
        """Evaluate as a run does: from stored uint8 images, kernels folded."""
        clock, case = Clock(), self.case
        found = evaluate(self.params, self.architecture, case.data.test, case.run.recipe, self.here, case.name)
        return clock.lap(len(found)), found

    def bare(self) -> tuple[Lap, Classes]:
        """Evaluate with one jitted function of stored uint8 images, kernels as they are."""
        clock = Clock()
        starts = range(0, len(self.images), EVALUATION_BATCH)
        parts = [self.classify(self.params, self.images[start : start + EVALUATION_BATCH]) for start in starts]
        found = np.concatenate([np.asarray(part) for part in parts]).astype(np.int64)
        return clock.lap(len(found)), found


def three_channels(images: Any) -> Any:
    """Return images (N, H, W) or (N, H, W, 1) or (N, H, W, 3) as (N, H, W, 3)."""
    images = images[..., None] if images.ndim == 3 else images
    return images.repeat(3, axis=3) if images.shape[3] == 1 else images


def _dtype(case: Case) -> build.Dtype:
    return "bfloat16" if case.run.recipe.precision == "bfloat16" else "float32"
