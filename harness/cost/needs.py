"""What runs take, for the order in which they are begun and for how many share an accelerator."""

from __future__ import annotations

import math
from collections.abc import Callable
from dataclasses import replace
from pathlib import Path
from typing import Any

from harness.core.measurement import Measurement
from harness.core.run import Run
from harness.cost.cards import Card
from harness.cost.flops import work
from harness.cost.measured_rates import Rates, rates_on
from harness.cost.networks import network
from harness.cost.run_cost import RESERVE, Cost, Job, cost
from harness.runs.store import Store
from harness.runs.workers import Need

MOST_ON_ONE = 4
"""Runs on one accelerator at once."""
COPIES = 4
"""Times the size of the weights that a run takes of the machine's memory: what was read, the run's own arrays, the
network, and a state on its way to the disk."""
BASE = 2 << 30
"""Bytes that a run takes of the machine's memory besides: the libraries, and images."""
WEIGHT = 4
"""Bytes of a weight."""


def needs_on(card: Card | None, store: Store, home: Path, cache: Path) -> Callable[[Run], Need]:
    """Return what tells what a run takes.

    Args:
        card: the accelerator; None: what runs take there is not known.
        store: results, by whose speed on the card the same work is estimated.
        home: the home folder, where counts are kept.
        cache: where downloads lie.
    """
    known: dict[Any, Need] = {}
    rates: Rates | None = None if card is None else rates_on(card, store, cache)

    def need(run: Run | Measurement) -> Need:
        if isinstance(run, Measurement):
            return Need()
        scored = run.dataset.test if run.split == "test" else run.dataset.dev
        if card is None or run.lane == "cpu":
            return Need(work=float(images(run, scored) * run.recipe.resolution**2))
        of = (run.checkpoint, replace(run.recipe, learning_rate=1.0), scored, run.dataset.classes, run.backend)
        if of not in known:
            found = cost(Job(*of), card, home=home, cache=cache, rates=rates)
            seconds = None if found.seconds is None else found.seconds.total
            parameters = 0
            if found.flops is not None:
                parameters = work(network(run.checkpoint, cache), run.recipe.resolution, home).with_head(of[3])
            known[of] = Need(seconds, float(found.flops or 0), share(found, card), BASE + COPIES * WEIGHT * parameters)
        return known[of]

    return need


def images(run: Run, scored: int) -> int:
    """Return how many images a run sees: three passes' worth for each that it is trained on, one for each scored."""
    return 3 * (run.recipe.steps or 0) * run.recipe.batch_size + scored


def share(found: Cost, card: Card) -> float:
    """Return the share of an accelerator that a run takes: several are computed at once where one leaves it idle.

    A step takes as long as the host needs to launch its kernels, if that is longer than the card computes; another run
    computes meanwhile, as far as both fit into the card's memory.
    """
    step = None if found.seconds is None else found.seconds.step
    if step is None or not found.fits or not found.memory or not step.seconds:
        return 1.0
    idle = math.floor(step.seconds / step.device) if step.device else MOST_ON_ONE
    fit = math.floor((1 - RESERVE) * card.memory / found.memory)
    return 1.0 / max(1, min(idle, fit, MOST_ON_ONE))
