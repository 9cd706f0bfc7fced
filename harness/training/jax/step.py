"""One training step as one compiled program: the whole batch's gradient in parts, the update in place."""

from __future__ import annotations

from dataclasses import dataclass
from functools import lru_cache, partial
from typing import Any, NamedTuple

import jax
import jax.numpy as jnp
import numpy as np
import numpy.typing as npt
import optax
from flax import linen as nn
from jax import Array
from jax.sharding import Mesh, NamedSharding, PartitionSpec

from harness.data.augment import dropout_seed
from harness.models.flax import build
from harness.models.flax.build import Params
from harness.training.jax.device import AXIS, DeviceContext
from harness.training.jax.optimiser import Rule

NO_KEY = np.zeros(2, np.uint32)
"""A step's random key where nothing is dropped."""


class State(NamedTuple):
    """What a step changes."""

    params: Params
    optimiser: Any
    """Of optax."""
    average: Params | None = None
    """Polyak's, of the weights."""


class Examples(NamedTuple):
    """A step's batch of B examples as the program takes it, in N >= B rows: those after the first B do not count."""

    images: Any
    """(N, side, side, C), normalised float32; C is 1 or 3."""
    labels: Any
    """(N,) int32."""
    partners: Any
    """(N,) int32: the row that each is mixed with; of no account without mixup."""
    share: Any
    """Of an image in its mixture."""


@dataclass(frozen=True)
class Layout:
    """How a batch is laid out: in parts that are in memory one after the other, each shared out over the devices."""

    batch: int
    """Examples that count."""
    parts: int
    rows: int
    """Of one part, a multiple of the number of devices."""

    @classmethod
    def of(cls, batch: int, size: int, devices: int) -> Layout:
        """Return the layout of a batch in parts as equal as can be, of at most `size` examples before padding."""
        parts = -(-batch // size)
        rows = -(-batch // (parts * devices)) * devices
        return cls(batch, parts, rows)

    def positions(self) -> npt.NDArray[np.int64]:
        """Return which of the batch's examples each row holds; rows that do not count hold the first."""
        rows = np.arange(self.parts * self.rows)
        return np.where(rows < self.batch, rows, 0)


@dataclass(frozen=True)
class Program:
    """What decides the compiled step, apart from shapes."""

    network: nn.Module
    rule: Rule
    layout: Layout
    mixes: bool
    drops: bool
    """Whether training drops out."""


def begin(params: Params, rule: Rule) -> State:
    """Return the state before the first step; the average starts from the weights."""
    average = None if rule.polyak is None else jax.tree.map(jnp.copy, params)
    return State(params, rule.transform().init(params), average)


@lru_cache(maxsize=64)
def compiled(program: Program, mesh: Mesh) -> Any:
    """Return the step, compiled when first called: (state, examples, rate, key) -> (state, loss).

    The state's memory is used again: the state given can't be used after.
    """
    everywhere = NamedSharding(mesh, PartitionSpec())
    return jax.jit(partial(step, program, mesh), donate_argnums=0, out_shardings=(everywhere, everywhere))


def step(
    program: Program, mesh: Mesh, state: State, examples: Examples, rate: Array, key: Array
) -> tuple[State, Array]:
    """Return the state after one update, and the mean loss before it.

    Args:
        program: what is computed.
        mesh: the devices.
        state: before.
        examples: the batch.
        rate: learning rate.
        key: (2,) uint32, for dropout.
    """
    loss, gradient = _gradient(program, mesh, state.params, examples, key)
    updates, optimiser = program.rule.transform().update(gradient, state.optimiser, state.params)
    params = optax.apply_updates(state.params, jax.tree.map(lambda one: -rate * one, updates))
    return State(params, optimiser, program.rule.averaged(state.average, params)), loss


def _gradient(program: Program, mesh: Mesh, params: Params, examples: Examples, key: Array) -> tuple[Array, Params]:
    """Return the mean loss of the batch and its gradient, however many parts it is computed in."""
    layout = program.layout
    images = examples.images
    second = examples.labels
    if program.mixes:
        images = examples.share * images + (1 - examples.share) * images[examples.partners]
        second = examples.labels[examples.partners]
    counts = (jnp.arange(layout.parts * layout.rows) < layout.batch).astype(jnp.float32)
    random = jax.random.wrap_key_data(key)

    def loss(params: Params, number: Array, images: Array, first: Array, second: Array, counts: Array) -> Array:
        images = jnp.repeat(images, 3, axis=-1) if images.shape[-1] == 1 else images
        drops = jax.random.fold_in(random, number) if program.drops else None
        logits = build.apply(program.network, params, images, train=True, dropout_rng=drops)
        logs = jax.nn.log_softmax(logits)
        taken = _of_labels(logs, first)
        if program.mixes:
            taken = examples.share * taken + (1 - examples.share) * _of_labels(logs, second)
        return -jnp.sum(counts * taken) / layout.batch

    shared_out = NamedSharding(mesh, PartitionSpec(None, AXIS))

    def split(rows: Array) -> Array:
        parted: Array = jax.lax.with_sharding_constraint(
            rows.reshape(layout.parts, layout.rows, *rows.shape[1:]), shared_out
        )
        return parted

    def add(total: tuple[Array, Params], part: tuple[Array, ...]) -> tuple[tuple[Array, Params], None]:
        return jax.tree.map(jnp.add, total, differentiate(params, *part)), None

    numbers = jnp.arange(layout.parts, dtype=jnp.uint32)
    parted = (numbers, *map(split, (images, examples.labels, second, counts)))
    differentiate = jax.value_and_grad(loss)
    if layout.parts == 1:
        return differentiate(params, *(part[0] for part in parted))
    zero = (jnp.float32(0), jax.tree.map(jnp.zeros_like, params))
    total, _ = jax.lax.scan(add, zero, parted)
    return total


def _of_labels(logs: Array, labels: Array) -> Array:
    return jnp.take_along_axis(logs, labels[:, None], axis=1)[:, 0]


def dropout_key(seed: int, number: int) -> npt.NDArray[np.uint32]:
    """Return the random key of a step, (2,): nothing of it need be saved."""
    word = dropout_seed(seed, number)
    return np.array([word >> 32, word & 0xFFFFFFFF], np.uint32)


def needed(program: Program, context: DeviceContext, *arguments: Any) -> int:
    """Return the memory in bytes that a step takes beside its state and its batch, as the compiler estimates it.

    The program is compiled for that, once: the step that is then made with such arguments is this one.

    Args:
        program: what is computed.
        context: the devices.
        arguments: of the step: state, examples, rate, key. They are not used up.
    """
    found = compiled(program, context.mesh).lower(*arguments).compile().memory_analysis()
    new = found.output_size_in_bytes - found.alias_size_in_bytes
    return int(found.temp_size_in_bytes + new)


def expected(program: Program, params: Params, side: int, channels: int) -> int:
    """Return about how many bytes a step with one part takes beside its state; nothing is compiled or computed.

    What is kept for the backward pass, the batch, and the gradient twice: summed, and that of a part.

    Args:
        program: with the layout of the examples that are in memory at once.
        params: the weights, or their shapes.
        side: of the input, pixels.
        channels: of the input.
    """
    key = jax.ShapeDtypeStruct((2,), jnp.uint32)
    images = jax.ShapeDtypeStruct((program.layout.rows, side, side, channels), jnp.float32)

    def backward(params: Params, images: Array, key: Array) -> Any:
        images = jnp.repeat(images, 3, axis=-1) if images.shape[-1] == 1 else images
        drops = jax.random.wrap_key_data(key) if program.drops else None
        # What jax.vjp returns is a tree of the arrays that it keeps.
        return jax.vjp(
            lambda these: build.apply(program.network, these, images, train=True, dropout_rng=drops), params
        )[1]

    kept = _bytes(jax.eval_shape(backward, params, images, key))
    return kept + 4 * int(images.size) + _bytes(params)


def _bytes(tree: Any) -> int:
    return sum(int(leaf.size) * int(leaf.dtype.itemsize) for leaf in jax.tree.leaves(tree))
