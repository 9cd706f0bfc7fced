"""The training loop in JAX: the recipe's steps, independent of memory, devices and interruptions."""

from __future__ import annotations

import math
import time
from collections import deque
from dataclasses import dataclass
from typing import Any

import jax
import numpy as np

from harness.core.errors import TooLittleMemory
from harness.core.result import Divergence
from harness.core.run import Run
from harness.data.splits import Split
from harness.models.architectures import Architecture
from harness.models.flax import build
from harness.models.flax.build import Params
from harness.training.api import Execution, Progress
from harness.training.jax.device import DeviceContext
from harness.training.jax.inputs import Batch, Feed
from harness.training.jax.memory import MicroBatch, estimate, out_of_memory
from harness.training.jax.optimiser import Rule
from harness.training.jax.state import Training, restore, save
from harness.training.jax.step import (
    NO_KEY,
    Layout,
    Program,
    State,
    begin,
    compiled,
    dropout_key,
    expected,
    needed,
)
from harness.training.lr_schedule import learning_rate
from harness.training.metric_log import History, Meter
from harness.training.micro_batches import Remembered
from harness.training.outcome import Trained, divergence
from harness.training.resume import Interruption, folder_of, interruption, stopped

LAG = 4
"""Steps after which an accelerator's loss is looked at: it computes on while the loss comes over."""
LAG_ON_CPU = 1
"""The same on a CPU: the next step is prepared while one is computed."""
WORTH = 30.0
"""Seconds of training after which the last step's state is saved, too, for an interrupted evaluation."""


@dataclass(frozen=True, kw_only=True)
class TrainedParams(Trained):
    """What the loop gives."""

    params: Params
    """The weights to evaluate: the last ones, or their average."""


class Loop:
    """One run's training.

    Steps are not fused (lax.scan): XLA computes convolutions inside a loop on a CPU without its fast library (the
    micro BiT 9 times slower), and an accelerator computes on while the next step is handed to it.

    Args:
        params: the weights to begin with.
        architecture: theirs.
        split: the training examples.
        run: recipe and seed.
        execution: split of the batch, folder, progress callback.
        context: where to compute.
    """

    def __init__(
        self,
        params: Params,
        architecture: Architecture,
        split: Split,
        run: Run,
        execution: Execution,
        context: DeviceContext,
    ):
        self.split, self.run, self.execution, self.context = split, run, execution, context
        self.architecture = architecture
        self.recipe, self.steps = run.recipe, run.recipe.steps or 0
        self.rule = Rule.of(run.recipe)
        self.training = Training(self._begun(params))
        # The first step on an accelerator may use up the state's memory in vain.
        self.origin: Params | None = params if context.accelerated else None
        self.states = None if execution.folder is None else folder_of(execution.folder, run.id)
        self.meter = Meter()
        self.diverged: Divergence | None = None
        self._pending: deque[tuple[int, jax.Array]] = deque()
        batch = run.recipe.batch_size
        self.remembered = Remembered(execution.folder, run, context.card())
        self.known = None if execution.micro_batch else self.remembered.get(batch)
        size, checkpointing = self.known or (execution.micro_batch, False)
        self.micro = MicroBatch(batch, size, checkpointing)

    def train(self) -> TrainedParams:
        """Do the remaining steps; return the outcome of all.

        Raises:
            Interrupted: a signal came; the state is saved.
            ClaimsError: not even one example fits into memory.
        """
        training = self.training
        self._restore()
        self.first = training.step
        self.begun, self.earlier = time.perf_counter(), (training.seconds, training.waiting)
        self.history = History(self.execution.folder, self.run.id, self.first)
        try:
            with Feed(self.split, self.run, self.context, self.first) as self.feed:
                with interruption(self.states is not None, self.execution.stop) as asked:
                    self._steps(asked)
                self._settle()
        finally:
            self.history.close()
        state = training.state
        params = state.params if state.average is None else state.average
        share = min(1.0, training.waiting / training.seconds) if training.seconds else 0.0
        micro = None if self.micro.size == self.micro.batch else self.micro.size
        done = (tuple(training.losses), training.seconds, share, self.earlier[0], micro, self.diverged)
        return TrainedParams(*done, params=params)

    def _begun(self, params: Params) -> State:
        """Return the state before the first step, on the devices."""
        with jax.default_device(self.context.devices[0]):
            state: State = self.context.put(begin(params, self.rule))
        return state

    def _restore(self) -> None:
        """Go on from the newest saved state, if there is one."""
        if self.states is not None and restore(self.states, self.run.id, self.training):
            self.training.state = self.context.put(self.training.state)

    def _steps(self, asked: Interruption) -> None:
        saved = time.monotonic()
        for step in range(self.first, self.steps):
            self._step(step, self.feed.batch(step))
            last = step + 1 == self.steps
            if last:
                self._look(0)  # it has taken its time before that is judged
            if self.diverged is not None:
                return
            every = self.execution.save_every
            if asked or time.monotonic() - saved >= (min(every, WORTH) if last else every):
                self._save()
                saved = time.monotonic()
            if self.diverged is not None:  # a loss that was still on the way
                return
            if asked:  # before the save, or in it
                raise stopped(self.run, step + 1, asked)

    def _settle(self) -> None:
        """Check the losses that are still being copied from the device, and the clock."""
        self._look(0)
        self.training.seconds = self.earlier[0] + time.perf_counter() - self.begun
        self.training.waiting = self.earlier[1] + self.feed.waiting

    def _save(self) -> None:
        self._settle()
        if self.states is not None and self.diverged is None:
            save(self.states, self.run.id, self.training)

    def program(self, layout: Layout) -> Program:
        """Return the step for a layout of the batch."""
        recipe = self.recipe
        dtype: build.Dtype = "bfloat16" if recipe.precision == "bfloat16" else "float32"
        network = build.network(
            self.architecture,
            dtype=dtype,
            dropout=recipe.dropout,
            remat=self.micro.checkpointing,
            attention=self.context.attention(self.architecture, dtype),
        )
        return Program(network, self.rule, layout, bool(recipe.mixup), bool(recipe.dropout))

    def _layout(self, examples: int | None = None) -> Layout:
        """Return the layout of the batch; of so many examples at once, for an estimate."""
        batch = examples or self.recipe.batch_size
        return Layout.of(batch, examples or self.micro.size, len(self.context.devices))

    def _step(self, step: int, batch: Batch) -> None:
        if step == self.first and self.context.accelerated:
            loss = self._first_step(step, batch)
        else:
            loss = self._update(step, batch)
        self._remember()
        self._pending.append((step, loss))
        self._look(LAG if self.context.accelerated else LAG_ON_CPU)

    def _arguments(self, step: int, batch: Batch, layout: Layout) -> tuple[Any, ...]:
        """Return what the program of a step is called with."""
        rate = np.float32(learning_rate(self.recipe, step))
        key = dropout_key(self.run.seed, step) if self.recipe.dropout else NO_KEY
        return self.training.state, batch.rows(layout), rate, key

    def _update(self, step: int, batch: Batch) -> jax.Array:
        layout = self._layout()
        update = compiled(self.program(layout), self.context.mesh)
        try:
            self.training.state, loss = update(*self._arguments(step, batch, layout))
        except jax.errors.JaxRuntimeError as error:
            if step == self.first or not out_of_memory(error):
                raise
            raise TooLittleMemory(
                f"{self.run.label}: expected as much free memory as in earlier steps, found less; stop other programs"
                " that use the accelerator, and run it again"
            ) from None
        found: jax.Array = loss
        return found

    def _first_step(self, step: int, batch: Batch) -> jax.Array:
        """Do a step on an accelerator with the largest micro-batch that fits.

        Its size is estimated without compiling anything, and the program for it is executed if the compiler says that
        it fits: mostly that is the only one compiled. The program takes the state's memory; if it fails nevertheless,
        the state is made once more from what it was made of.
        """
        known = bool(self.known or self.execution.micro_batch)
        if not known:
            self.micro.size = estimate(self._expected, self.recipe.batch_size, self.context.room())
        while True:
            try:
                if known or self._fits(step, batch):
                    loss = self._update(step, batch)
                    loss.block_until_ready()
                    self.origin = None
                    return loss
            except jax.errors.JaxRuntimeError as error:
                if not out_of_memory(error):
                    raise
            self.micro.reduce()
            assert self.origin is not None
            self.training.state = self._begun(self.origin)
            self._restore()

    def _fits(self, step: int, batch: Batch) -> bool:
        layout = self._layout()
        takes = needed(self.program(layout), self.context, *self._arguments(step, batch, layout))
        return takes <= self.context.room()

    def _expected(self, examples: int) -> int:
        program = self.program(self._layout(examples))
        return expected(program, self.training.state.params, self.recipe.resolution, self.feed.channels)

    def _remember(self) -> None:
        found = (self.micro.size, self.micro.checkpointing)
        if self.execution.micro_batch or found == self.known:
            return
        if self.context.accelerated or self.known or found != (self.micro.batch, False):
            self.remembered.put(self.micro)
            self.known = found

    def _look(self, lag: int) -> None:
        """Process the losses of steps older than `lag` in order: the first that is not finite ends the run."""
        while len(self._pending) > lag and self.diverged is None:
            step, reported = self._pending.popleft()
            loss, rate = float(reported), learning_rate(self.recipe, step)
            if not math.isfinite(loss):
                self.diverged = divergence(self.run, len(self.split), step)
                return
            self.training.losses.append(loss)
            progress = Progress(step, loss, rate, self.meter.rate(self.recipe.batch_size), self.context.memory())
            self.history.note(progress, last=step == self.steps - 1)
            if self.execution.on_step is not None:
                self.execution.on_step(progress)
