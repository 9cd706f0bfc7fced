"""The training loop: the recipe's steps, independent of memory, processes and interruptions."""

from __future__ import annotations

import contextlib
import math
import sys
import time
from collections.abc import Callable

import torch
from torch import Tensor, nn
from torch.nn import functional

from harness.core.errors import ClaimsError
from harness.core.result import Divergence
from harness.core.run import Run
from harness.data.augment import dropout_seed
from harness.data.splits import Split
from harness.training.api import Execution, Progress
from harness.training.lr_schedule import learning_rate
from harness.training.metric_log import History, Meter
from harness.training.micro_batches import Remembered, available
from harness.training.outcome import Trained, divergence
from harness.training.resume import Interruption, folder_of, interruption, stopped
from harness.training.torch.compiled import COMPILED, CompiledPath
from harness.training.torch.device import AsyncReadback, DeviceContext
from harness.training.torch.feed import Batch, Feed
from harness.training.torch.fused.path import FUSED, PLAIN, FastPath, FusedPath, checked, fused_path, telling_head
from harness.training.torch.gradient_sum import GradientSum
from harness.training.torch.graphed import GRAPHED, ONE_BY_ONE, SLOWER, GraphedPath, Trial
from harness.training.torch.graphed import checked as graphed_checked
from harness.training.torch.inputs import laid_out
from harness.training.torch.memory import MicroBatch, estimate, fitting_on_cpu
from harness.training.torch.network import batch_normalised, plain_format
from harness.training.torch.optimiser import Average, optimiser
from harness.training.torch.state import Saver, Training, restore, share

COMPARED = 4
"""Examples whose gradient by fused kernels is compared with PyTorch's."""
LAG = 4
"""Steps after which an accelerator's loss is looked at: it computes on while the loss comes over."""
WORTH = 30.0
"""Seconds of training after which the last step's state is saved, too, for an interrupted evaluation."""

_CHECKED: dict[tuple[object, ...], str] = {}
"""What this process found of a way, for an architecture, a resolution, with dropout or without, on a card. Not kept for
others: a compiler that is missing, or memory that another process has taken, says nothing of the next one."""


class Loop:
    """One run's training.

    Args:
        model: on the machine's device.
        split: the training examples.
        run: recipe and seed.
        execution: split of the batch, folder, progress callback.
        context: where to compute.
        memory_format: of weights and inputs.
        fused: use the fused kernels, which there are for the run, if they turn out to agree with PyTorch.
    """

    def __init__(
        self,
        model: nn.Module,
        split: Split,
        run: Run,
        execution: Execution,
        context: DeviceContext,
        memory_format: torch.memory_format = torch.contiguous_format,
        fused: bool = False,
    ):
        self.model, self.split, self.run, self.execution, self.context = model, split, run, execution, context
        self.memory_format = memory_format
        self.recipe, self.steps = run.recipe, run.recipe.steps or 0
        self.parameters = [parameter for parameter in model.parameters() if parameter.requires_grad]
        average = Average(model, run.recipe.polyak) if run.recipe.polyak else None
        self.training = Training(model, optimiser(run.recipe, self.parameters), average, context.scaler)
        self.compiled = CompiledPath(model, execution.folder) if execution.compile else None
        self.fused: FusedPath | None = fused_path(model, self.training.optimiser, run.recipe) if fused else None
        able = context.accelerated and context.world == 1 and context.scaler is None and not batch_normalised(model)
        self.graphs = execution.graphed and able and self.compiled is None
        self.graphed: GraphedPath | None = None
        self.kernels = self.launched = ""
        """What computes the steps, and how it is launched, where that is not the usual way."""
        self.states = None if execution.folder is None else folder_of(execution.folder, run.id)
        own_states = self.states if context.rank == 0 else None
        self.saver = Saver(own_states, run.id, context.accelerated)
        self.sums = GradientSum(self.parameters, context.begin_sum) if context.world > 1 else None
        self.losses = AsyncReadback(context, LAG)
        self.meter = Meter()
        self.diverged: Divergence | None = None
        self.stop = self.save = False
        """Whether a signal asked some process to stop, and whether the state is to be saved now.

        Several processes learn both from what the steps report, each with the same step: they look at the losses
        on the way when the state is saved, and none may end a step earlier than another.
        """
        self.saved = 0.0
        if batch_normalised(model) and context.world > 1:
            raise ClaimsError(
                f"{run.checkpoint.id}: expected one process, because batch normalisation needs the whole batch, found"
                f" {context.world}; start one"
            )
        self._plan_parts(fused)

    def _plan_parts(self, fused: bool) -> None:
        """Decide how much of a batch is in memory at once, from what is known of the way it is computed."""
        run, execution, context = self.run, self.execution, self.context
        whole = batch_normalised(self.model)
        own = len(range(context.rank, run.recipe.batch_size, context.world))
        self.remembered = Remembered(execution.folder, run, context.card(), fused)
        self.known = None if execution.micro_batch or whole else self.remembered.get(own)
        size, checkpointing = self.known or (execution.micro_batch, False)
        if whole and size is not None and size < own:
            raise ClaimsError(f"{run.checkpoint.id}: {MicroBatch.WHOLE}, found a micro-batch of {size}; leave it out")
        self.micro = MicroBatch(self.model, own, size, checkpointing, whole)

    def train(self) -> Trained:
        """Do the remaining steps, changing the model in place; return the outcome of all.

        Raises:
            Interrupted: a signal came; the state is saved.
            ClaimsError: not even one example fits into memory.
        """
        training = self.training
        if self.saver.states is not None:
            restore(self.saver.states, self.run.id, training)
        if self.context.world > 1:
            share(training, self.context)
        self.first = training.step
        self.begun, self.earlier = time.perf_counter(), (training.seconds, training.waiting)
        self.model.train()
        self.history = History(self.execution.folder if self.context.rank == 0 else None, self.run.id, self.first)
        try:
            with Feed(self.split, self.run, self.context, self.first) as self.feed:
                with interruption(self.states is not None, self.execution.stop) as asked:
                    self._steps(asked)
                self._settle()
                if self.save:
                    self._save()
        finally:
            self.history.close()
            if self.graphed is not None:
                self.graphed.release()  # evaluation has a use for the memory
            for path in (self.fused, self.compiled, self.sums):
                if path is not None:
                    path.stop()
        training.optimiser.zero_grad()  # evaluation has a use for the memory
        if training.average is not None and self.diverged is None:
            training.average.apply()
        waited = min(1.0, training.waiting / training.seconds) if training.seconds else 0.0
        micro = None if self.micro.size == self.micro.batch else self.micro.size
        return Trained(
            tuple(training.losses), training.seconds, waited, self.earlier[0], micro, self.diverged, training.kernels
        )

    def _steps(self, asked: Interruption) -> None:
        self.saved = time.monotonic()
        for step in range(self.first, self.steps):
            self._step(step, self.feed.batch(step), asked)
            if self.diverged is not None:
                return
            if self.context.world == 1:
                self.stop, self.save = bool(asked), self._due(step)
            if self.stop or self.save:
                self._save()
            if self.diverged is not None:  # a loss that was still on the way
                return
            if self.stop:
                raise stopped(self.run, step + 1, asked)

    def _due(self, step: int) -> bool:
        """Return whether it is time to save the state, once this step is done."""
        every = self.execution.save_every
        return time.monotonic() - self.saved >= (every if step + 1 < self.steps else min(every, WORTH))

    def _settle(self) -> None:
        """Check the losses that are still being copied from the device, and the clock."""
        self._look(self.losses.due())
        self.training.seconds = self.earlier[0] + time.perf_counter() - self.begun
        self.training.waiting = self.earlier[1] + self.feed.waiting

    def _save(self) -> None:
        self._settle()
        if self.diverged is None:
            self.saver.save(self.training)
            if self.stop:
                self.saver.wait()
        self.save, self.saved = False, time.monotonic()

    def _step(self, step: int, batch: Batch, asked: Interruption) -> None:
        if step == self.first and self.fused is not None:
            self._check_fused(batch)
        free = not (self.known or self.execution.micro_batch or self.micro.whole)
        if step == self.first and self.context.accelerated and free:
            self.micro.size = estimate(lambda n: self._tried(step, batch, n), len(batch), self.context.device)
            torch.cuda.reset_peak_memory_stats(self.context.device)  # those of the trials
        elif step == self.first and not (self.context.accelerated or self.execution.micro_batch):
            self._fit_cpu(batch)
        if step == self.first and self.compiled is not None:  # what was only tried above is not compiled
            self._check_compiled(batch)
        if step == self.first and self.graphs and self.micro.at_once:
            self._check_graphed(step, batch)
        parts = self.micro.fit(lambda: self._gradient(step, batch, len(batch)))
        self.training.computed_by(self.kernels, self.launched)
        self._remember()
        if self.context.world == 1:
            if self.context.accelerated:
                reported = torch.stack(parts).sum()[None]
            else:
                reported = torch.tensor([sum(map(float, parts))], dtype=torch.float64)
        else:
            loss = torch.stack(parts).sum()
            due = self.context.rank == 0 and self._due(step)
            if due:
                self.saved = time.monotonic()  # asked for once
            reported = torch.stack([loss, *loss.new_tensor([float(bool(asked)), float(due)])])
            if self.sums is not None and self.sums.expecting:
                self.sums.finish()
                self.context.sum([reported])
            else:
                self.context.sum([*(one.grad for one in self.parameters if one.grad is not None), reported])
        self._look(self.losses.add(step, reported))
        if self.diverged is None:
            self._update(step)

    def _gradient(self, step: int, batch: Batch, n: int) -> list[Tensor]:
        """Compute the gradient of the first n of this process' examples; return the parts' shares of the loss.

        The gradient is that of the whole batch however memory splits it: each part's mean loss counts by its share.
        """
        if self.recipe.dropout:
            torch.manual_seed(dropout_seed(self.run.seed, step, self.context.rank))
        self._forget_gradients()
        if self.sums is not None:
            self.sums.begin()
        losses = []
        parts = self.micro.parts(n)
        if self.graphed is not None and not self.micro.at_once:  # an attempt failed
            self._give_up_graphs()
        for start, stop in parts:
            # Not in the first step, in which the size of the parts is found by trying.
            if self.sums is not None and step > self.first and stop == n:
                self.sums.expect()
            inputs, targets = batch.part(start, stop)
            with self.context.autocast():
                loss = mean_loss(self.model(laid_out(inputs, self.memory_format)), targets) * (
                    (stop - start) / len(batch.index)
                )
            (loss if self.context.scaler is None else self.context.scaler.scale(loss)).backward()
            losses.append(loss.detach())
            if self.fused is not None and self.fused.on and len(parts) > 1:
                self.fused.leaves.add_up()
        return losses

    def _forget_gradients(self) -> None:
        self.training.optimiser.zero_grad()
        if self.fused is not None:
            self.fused.leaves.zero_grad()

    def _check_fused(self, batch: Batch) -> None:
        """Compute by fused kernels from now on, unless they disagree with PyTorch's operations or fail."""
        fused = self.fused
        assert fused is not None
        wrong = self._wrong(FUSED, fused, lambda lower: self._few(batch, min(COMPARED, len(batch)), lower))
        if not wrong:
            fused.start()
            self.kernels = FUSED
            return
        self.fused = None
        self.memory_format = plain_format(self.model, self.run, self.execution, self.context)
        self.training.lay_out()
        self._plan_parts(fused=False)
        self._give_up(f"the fused ones {wrong}")

    def _check_compiled(self, batch: Batch) -> None:
        """Compute by compiled blocks from now on, unless they disagree with PyTorch's operations or fail.

        They are compared on as many examples as are trained on at once: others would be compiled anew.
        """
        compiled = self.compiled
        assert compiled is not None
        _, n = self.micro.parts(len(batch))[0]
        wrong = self._wrong(COMPILED, compiled, lambda lower: self._few(batch, n, lower))
        if not wrong:
            compiled.start()
            self.kernels = COMPILED
            return
        self.compiled = None
        self._give_up(f"the compiled ones {wrong}")

    def _check_graphed(self, step: int, batch: Batch) -> None:
        """Launch the kernels as CUDA graphs from now on, unless that gives other gradients, fails, or is no faster."""
        recipe, fused = self.recipe, self.fused if self.fused is not None and self.fused.on else None
        leaves = () if fused is None else fused.leaves.tensors
        key = (*self._key(GRAPHED), recipe.precision, len(batch), bool(leaves))
        path = GraphedPath(self.model, getattr(torch, recipe.precision), leaves)
        inputs, targets = batch.part(0, len(batch))
        inputs = laid_out(inputs, self.memory_format)

        def compute(images: Tensor) -> None:
            if recipe.dropout:
                torch.manual_seed(dropout_seed(self.run.seed, step, self.context.rank))
            self._forget_gradients()
            with self.context.autocast():
                loss = mean_loss(self.model(images), targets)
            loss.backward()

        def gradients() -> list[Tensor | None]:
            return [one.grad for one in self.model.parameters()] if fused is None else fused.gradients()

        if not _CHECKED.get(key):
            self.feed.wait()  # its threads use the card
            with telling_head(self.model):
                trial = Trial(inputs, compute, gradients, self._forget_gradients, self.context)
                _CHECKED[key] = graphed_checked(path, trial, known=key in _CHECKED)
        self._forget_gradients()
        if not (wrong := _CHECKED[key]):
            path.start()
            self.graphed = path
            self.launched = GRAPHED
        elif not wrong.startswith(SLOWER):
            self._launch_one_by_one(f"a CUDA graph {wrong}")

    def _launch_one_by_one(self, why: str) -> None:
        self.launched = f"{ONE_BY_ONE}: {why}"
        print(f"{self.run.label}: {ONE_BY_ONE}: {why}", file=sys.stderr)

    def _give_up_graphs(self) -> None:
        assert self.graphed is not None
        self.graphed.release()
        self.graphed = None
        self._launch_one_by_one("there was too little memory")

    def _key(self, way: str) -> tuple[object, ...]:
        """Return what the check of a way is of."""
        recipe, of = self.recipe, self.run.checkpoint.architecture
        return way, of, recipe.resolution, bool(recipe.dropout), self.context.card()

    def _wrong(self, way: str, path: FastPath, gradient: Callable[[bool], None]) -> str:
        """Return why a fast path is not to be used, found once for a process; "" if it is."""
        key = self._key(way)
        if key not in _CHECKED:
            _CHECKED[key] = checked(path, gradient)
        return _CHECKED[key]

    def _give_up(self, why: str) -> None:
        self.kernels = f"{PLAIN}: {why}"
        print(f"{self.run.label}: {PLAIN}: {why}", file=sys.stderr)

    def _few(self, batch: Batch, n: int, lower: bool) -> None:
        """Compute the gradient of n examples, without dropout, in the recipe's precision or a few at a time in float32.

        Batch normalisation and dropout are turned off; without them a network trains as it is compared.
        """
        self._forget_gradients()
        self.model.train(not (self.recipe.dropout or self.micro.whole))
        at_once = n if lower else COMPARED
        try:
            for start in range(0, n, at_once):
                stop = min(start + at_once, n)
                inputs, targets = batch.part(start, stop)
                with self.context.autocast() if lower else contextlib.nullcontext():
                    loss = mean_loss(self.model(laid_out(inputs, self.memory_format)), targets)
                (loss * ((stop - start) / n)).backward()
        finally:
            self.model.train()

    def _fit_cpu(self, batch: Batch) -> None:
        """Split the batch where it would take more than the memory there is: the kernel kills without a word.

        The micro study's networks are too small for that, and their results are the same to the bit everywhere. A
        network with batch normalisation takes the whole batch, and a trial would change its running statistics.
        """
        if self.run.checkpoint.shipped or self.micro.whole:
            return

        def forward(n: int) -> Tensor:
            inputs, targets = batch.part(0, n)
            with self.context.autocast():
                return mean_loss(self.model(laid_out(inputs, self.memory_format)), targets)

        self.micro.size = fitting_on_cpu(forward, len(batch), available())
        self.known = (self.micro.size, self.micro.checkpointing)  # found anew each time: memory comes and goes

    def _tried(self, step: int, batch: Batch, n: int) -> None:
        try:
            self._gradient(step, batch, n)
            if self.fused is not None and n < len(batch):  # parts are added up
                self.fused.leaves.add_up()
        finally:
            self._forget_gradients()

    def _remember(self) -> None:
        found = (self.micro.size, self.micro.checkpointing)
        if self.execution.micro_batch or found == self.known or self.context.rank:
            return
        if self.context.accelerated or self.known or found != (self.micro.batch, False):
            self.remembered.put(self.micro)
            self.known = found

    def _update(self, step: int) -> None:
        """Clip, set the rate, update the weights and their average."""
        optimiser, scaler = self.training.optimiser, self.context.scaler
        if scaler is not None:
            scaler.unscale_(optimiser)
        if self.recipe.clip_norm is not None:
            if self.fused is not None:
                self.fused.clip(self.recipe.clip_norm)
            else:
                nn.utils.clip_grad_norm_(self.parameters, self.recipe.clip_norm)
        for group in optimiser.param_groups:
            group["lr"] = learning_rate(self.recipe, step)
        if self.fused is not None:
            self.fused.update(learning_rate(self.recipe, step))
        if scaler is None:
            optimiser.step()
        else:  # gradients that overflowed when scaled change nothing but the scale
            scaler.step(optimiser)
            scaler.update()
        if self.fused is not None:
            self.fused.updated()
        if self.training.average is not None:
            self.training.average.update()

    def _look(self, due: list[tuple[int, Tensor]]) -> None:
        """Process the losses of steps in order: the first that is not finite ends the run."""
        for step, reported in due:
            loss, *flags = reported.tolist()
            if self.diverged is not None:
                return
            if flags:
                self.stop, self.save = self.stop or bool(flags[0]), self.save or bool(flags[1])
            if not math.isfinite(loss):
                self.diverged = divergence(self.run, len(self.split), step)
                return
            rate = learning_rate(self.recipe, step)
            self.training.losses.append(loss)
            progress = Progress(step, loss, rate, self.meter.rate(self.recipe.batch_size), self.context.memory())
            self.history.note(progress, last=step == self.steps - 1)
            if self.execution.on_step is not None:
                self.execution.on_step(progress)


def mean_loss(logits: Tensor, targets: list[tuple[float, Tensor]]) -> Tensor:
    """Return the mean cross-entropy of logits (N, classes) with labels (N,), or of shares of several labels each."""
    if len(targets) == 1:
        return functional.cross_entropy(logits, targets[0][1])
    return torch.stack([share * functional.cross_entropy(logits, labels) for share, labels in targets]).sum()
