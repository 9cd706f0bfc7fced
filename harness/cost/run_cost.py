"""The cost of one run on one card: FLOPs, hours, memory, and what would make it fit."""

from __future__ import annotations

import math
from dataclasses import dataclass
from pathlib import Path
from typing import Literal

from harness.core.errors import ClaimsError, printable
from harness.core.specs import Backend, Checkpoint, Recipe
from harness.cost.cards import Card, cards
from harness.cost.dead_time import before, saving
from harness.cost.flops import work
from harness.cost.measured_rates import Rate, Rates, same_work
from harness.cost.networks import Network, network
from harness.cost.step_time import StepTime, step_time
from harness.cost.steps import Step, step
from harness.models.architectures import BitArchitecture
from harness.training.torch.fused import suits

CONTEXT = 1_000_000_000
"""Bytes assumed for the driver's context and the libraries' workspaces."""
RESERVE = 0.1
"""Share of a card's memory that is left free: the allocator's fragments, and whatever else is on the card."""
EVALUATION_BATCH = 256
"""Images at once in an evaluation, where memory allows (harness/training/torch/evaluation.py)."""
SMALL = 4
"""Where not even so many images fit, the backend computes activations twice (harness/training/torch/memory.py)."""
HOUR = 3600

Basis = Literal["modelled", "measured"]


@dataclass(frozen=True)
class Job:
    """What is to be computed: everything about a run that its cost depends on."""

    checkpoint: Checkpoint
    recipe: Recipe
    """Resolved: with its steps. The learning rate does not matter."""
    test: int
    """Scored examples."""
    classes: int
    backend: Backend = "torch"


@dataclass(frozen=True)
class MemoryEstimate:
    """Bytes that a run takes on a card."""

    fixed: int
    """For any micro-batch: weights, gradients, momentum, averages, converted weights, the context."""
    per_image: int

    def at(self, images: int) -> int:
        """Return the bytes with so many images in memory at once."""
        return self.fixed + images * self.per_image

    def largest(self, memory: int, batch: int) -> int | None:
        """Return the largest micro-batch that fits: a power of two, or the whole batch; None if not even one image.

        Args:
            memory: bytes of the card.
            batch: effective batch size.
        """
        sizes = [batch, *(2**power for power in range(batch.bit_length() - 1, -1, -1) if 2**power < batch)]
        return next((size for size in sizes if self.at(size) <= (1 - RESERVE) * memory), None)


@dataclass(frozen=True)
class Seconds:
    """What a run's time is spent on."""

    training: float
    evaluation: float
    dead: float
    """Starting, loading weights, saving states: the card has nothing to do."""
    basis: Basis
    """Whether the time of training (or of an evaluation alone) is a model's, or goes by stored runs on the card."""
    step: StepTime | None
    """Of the model: of training, or of an evaluation alone; None: measured."""

    @property
    def total(self) -> float:
        """Seconds of the run."""
        return self.training + self.evaluation + self.dead


@dataclass(frozen=True)
class Cost:
    """What a run costs; None: unknown, and the notes say why."""

    train_flops: int | None = None
    test_flops: int | None = None
    hours: float | None = None
    """Of the whole run; None on a card whose rates are not known."""
    seconds: Seconds | None = None
    """What the hours are spent on."""
    least_memory: int | None = None
    """Bytes that the run takes with one image in memory at once."""
    micro_batch: int | None = None
    """Largest power of two (or the whole batch) that fits the card."""
    memory: int | None = None
    """Bytes with that micro-batch; with one image where it does not fit."""
    checkpointing: bool = False
    """Activations are computed twice, because too few images would fit otherwise."""
    fits: bool | None = None
    notes: tuple[str, ...] = ()

    @property
    def flops(self) -> int | None:
        """FLOPs in all."""
        return None if self.train_flops is None or self.test_flops is None else self.train_flops + self.test_flops


def cost(
    job: Job,
    card: Card | None,
    *,
    home: Path | None = None,
    cache: Path | None = None,
    rates: Rates | None = None,
) -> Cost:
    """Return what a run costs on a card. Nothing is fetched or computed.

    Args:
        job: what would be computed.
        card: the card; None: FLOPs and memory only.
        home: the home folder, where counts are kept; None: counted in this process.
        cache: where downloads lie, for a checkpoint whose architecture only its file tells.
        rates: how fast stored runs were on the card; the same work is planned at that speed.
    """
    try:
        if job.recipe.steps is None:
            raise ClaimsError(f"recipe {job.recipe.id}: expected its steps, found it unresolved; resolve it first")
        of = network(job.checkpoint, cache)
        train_flops, test_flops = flops(job, of, home)
        need = memory_estimate(job, of, home=home)
    except ClaimsError as error:
        return Cost(notes=(f"unknown cost: {error}",))
    except Exception as error:
        if not job.checkpoint.model:
            raise
        # A network of the user's own may do what can't be traced without values.
        return Cost(notes=(f"unknown cost: {type(error).__name__}: {printable(str(error))}",))
    if card is None:
        return Cost(train_flops, test_flops, least_memory=need.at(1), memory=need.at(1))
    images = min(job.test, EVALUATION_BATCH) if job.recipe.frozen else job.recipe.batch_size
    micro_batch = need.largest(card.memory, images)
    checkpointing = False
    notes: list[str] = []
    if job.recipe.method == "least squares" and job.recipe.shots is None:
        notes.append("without the features of the training images")
    if not job.recipe.frozen and (micro_batch or 0) < min(SMALL, images):
        less = memory_estimate(job, of, checkpointing=True, home=home)
        if (found := less.largest(card.memory, images)) is not None:
            need, micro_batch, checkpointing = less, found, True
            notes.append("fits with activation checkpointing: each step computes the forward pass twice")
    if micro_batch is None:
        notes.append(would_fit(job, of, card, need, home))
    measured = (rates or {}).get(same_work(of, job.recipe, job.backend))
    seconds = run_seconds(
        job, of, card, micro_batch=micro_batch, checkpointing=checkpointing, measured=measured, home=home
    )
    _, said = card.rate(job.recipe.precision)
    if said and measured is None:
        notes.append(said)
    if seconds is None:
        notes.append(f"unknown hours: the table of cards has no rates of {card.title}")
    elif measured is not None:
        stored = f"{measured.runs} stored run{'s' * (measured.runs != 1)}"
        notes.append(f"measured: hours by the speed of {stored} on this card")
    return Cost(
        train_flops,
        test_flops,
        None if seconds is None else seconds.total / HOUR,
        seconds,
        least_memory=need.at(1),
        micro_batch=micro_batch,
        memory=need.at(micro_batch or 1),
        checkpointing=checkpointing,
        fits=micro_batch is not None,
        notes=tuple(notes),
    )


def run_seconds(
    job: Job,
    of: Network,
    card: Card,
    *,
    micro_batch: int | None,
    checkpointing: bool = False,
    measured: Rate | None = None,
    home: Path | None = None,
) -> Seconds | None:
    """Return how long a run takes on a card; None if its rates are not known.

    Args:
        job: what would be computed; its recipe has steps.
        of: its network.
        card: where.
        micro_batch: images in memory at once; None: as if the whole batch were.
        checkpointing: each block's activations are computed twice.
        measured: the speed of stored runs with the same work.
        home: where counts are kept.

    Raises:
        ClaimsError: the network does not take the resolution.
    """
    recipe = job.recipe
    parameters = work(of, recipe.resolution, home).with_head(job.classes)
    tested = step_of(job, of, training=False, home=home)
    seen = job.test + (recipe.shots or 0) * job.classes  # least squares sees training images as test images
    at_once = evaluation_memory(parameters, tested).largest(card.memory, min(seen, EVALUATION_BATCH)) or 1
    batches = math.ceil(seen / at_once)
    evaluated = step_time(tested, seen / batches, card, recipe)
    evaluation = None if evaluated is None else batches * evaluated.seconds
    starting = before(parameters)
    if recipe.frozen:
        if measured is not None:
            return Seconds(0.0, seen / measured.images_per_second, starting, "measured", None)
        return None if evaluation is None else Seconds(0.0, evaluation, starting, "modelled", evaluated)
    if evaluation is None:
        return None
    images = (recipe.steps or 0) * recipe.batch_size
    if measured is not None:  # saving is part of it
        return Seconds(images / measured.images_per_second, evaluation, starting, "measured", None)
    parts = math.ceil(recipe.batch_size / (micro_batch or recipe.batch_size))
    trained = step_time(
        step_of(job, of, training=True, checkpointing=checkpointing, home=home),
        recipe.batch_size / parts,
        card,
        recipe,
        parts=parts,
        parameters=parameters,
        fused=fused(job, of),
        graphed=parts == 1 and not checkpointing and graphed(job, of),
    )
    if trained is None:
        return None
    training = (recipe.steps or 0) * trained.seconds
    return Seconds(training, evaluation, starting + saving(recipe, parameters, training), "modelled", trained)


def step_of(
    job: Job,
    of: Network,
    *,
    training: bool,
    lower: bool | None = None,
    checkpointing: bool = False,
    home: Path | None = None,
) -> Step:
    """Return a step of a run, or of its evaluation.

    Args:
        job: what would be computed.
        of: its network.
        training: or else the evaluation.
        lower: in half precision; None: as the recipe says.
        checkpointing: with activation checkpointing.
        home: where counts are kept.

    Raises:
        ClaimsError: the network does not take the resolution.
    """
    recipe = job.recipe
    return step(
        of,
        recipe.resolution if training else recipe.side,
        training=training,
        lower=recipe.precision != "float32" if lower is None else lower,
        checkpointing=checkpointing,
        dropout=recipe.dropout if training else 0.0,
        fused=training and fused(job, of),
        home=home,
    )


def fused(job: Job, of: Network) -> bool:
    """Return whether a run is trained by fused kernels: BiT or a transformer, by a recipe that suits them.

    Which do is said in harness/training/torch/fused.
    """
    if of.architecture is None or of.semantics != "reference":
        return False
    return suits(job.recipe, isinstance(of.architecture, BitArchitecture))


def graphed(job: Job, of: Network) -> bool:
    """Return whether a run's batches are launched as CUDA graphs where they are computed at once.

    Which are is said in harness/training/torch/loop.py; a network that only timm knows may have batch normalisation.
    """
    return of.architecture is not None and job.backend == "torch" and job.recipe.precision != "float16"


def flops(job: Job, of: Network, home: Path | None = None) -> tuple[int, int]:
    """Return the FLOPs of a run: of training, and of the scored images.

    Args:
        job: what would be computed; its recipe has steps.
        of: its network.
        home: where counts are kept.

    Raises:
        ClaimsError: the network does not take the resolution.
    """
    training, testing = work(of, job.recipe.resolution, home), work(of, job.recipe.side, home)
    train_flops = (job.recipe.steps or 0) * job.recipe.batch_size * training.train_flops(job.classes)
    seen = job.test + (job.recipe.shots or 0) * job.classes  # least squares sees training images as test images
    return train_flops, seen * testing.test_flops(job.classes)


def memory_estimate(
    job: Job, of: Network, *, checkpointing: bool = False, lower: bool | None = None, home: Path | None = None
) -> MemoryEstimate:
    """Return the memory that a run takes on a card.

    Weights, gradients, momentum and averaged weights are float32 (momentum as the recipe says); what a step keeps is
    followed on the meta device. An evaluation keeps weights and the activations of a few layers.

    Args:
        job: what would be computed.
        of: its network.
        checkpointing: with activation checkpointing.
        lower: in half precision; None: as the recipe says.
        home: where counts are kept.

    Raises:
        ClaimsError: the network does not take the resolution.
    """
    recipe = job.recipe
    held = work(of, recipe.resolution, home).with_head(job.classes)
    test = step_of(job, of, training=False, lower=lower, home=home)
    if recipe.frozen:
        return evaluation_memory(held, test)
    trained = step_of(job, of, training=True, lower=lower, checkpointing=checkpointing, home=home)
    momentum = {"float32": 4, "bfloat16": 2}[recipe.momentum_dtype] if recipe.momentum else 0
    state = held * (4 + 4 + momentum + (4 if recipe.polyak else 0))
    # The evaluation after it finds its own number of images; one must fit.
    evaluation = test.fixed + test.per_image - trained.per_image
    return MemoryEstimate(CONTEXT + state + max(trained.fixed, evaluation), trained.per_image)


def evaluation_memory(parameters: int, of: Step) -> MemoryEstimate:
    """Return the memory that an evaluation takes.

    Args:
        parameters: number of weights.
        of: a forward pass.
    """
    return MemoryEstimate(CONTEXT + 4 * parameters + of.fixed, of.per_image)


def would_fit(job: Job, of: Network, card: Card, need: MemoryEstimate, home: Path | None = None) -> str:
    """Return one line: what a run that does not fit a card takes, and what would make it fit.

    A smaller micro-batch and activation checkpointing were tried already: they are automatic.
    """
    least = min(need.at(1), memory_estimate(job, of, checkpointing=True, home=home).at(1))
    line = f"does not fit {card.title}: takes {least / 1e9:.1f} GB with one image at a time, checkpointed"
    ways = []
    if job.recipe.precision == "float32":
        lowered = [memory_estimate(job, of, checkpointing=saving, lower=True, home=home) for saving in (False, True)]
        if any(each.largest(card.memory, 1) for each in lowered):
            ways.append("a recipe in bfloat16 or float16")
    larger = sorted((each for each in cards().values() if each.memory * (1 - RESERVE) >= least), key=lambda c: c.memory)
    if larger:
        ways.append(f"a card with more memory, such as {larger[0].id} ({larger[0].memory / 1e9:.0f} GB)")
    if not ways:
        return f"{line}; no card of the table holds it"
    return f"{line}; would fit: {', or '.join(ways)}"
