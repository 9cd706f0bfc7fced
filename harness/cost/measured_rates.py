"""The speed of runs that were computed on a card, by which the same work is planned there."""

from __future__ import annotations

import json
import re
from collections.abc import Hashable, Mapping
from contextlib import suppress
from dataclasses import dataclass
from pathlib import Path
from statistics import median

from harness.core.errors import ClaimsError
from harness.core.run import Run
from harness.core.specs import Backend, Recipe, build
from harness.cost.cards import Card, card_of_device
from harness.cost.networks import Network, network
from harness.runs.store import Store

DEVICE = re.compile(rb'\["device","([^"]+)"\]')
"""What computed a stored run."""


@dataclass(frozen=True)
class Rate:
    """Images per second of runs with the same work."""

    images_per_second: float
    """The median; of the training loop, or of an evaluation where nothing is trained."""
    runs: int


Rates = Mapping[Hashable, Rate]


def same_work(of: Network, recipe: Recipe, backend: Backend) -> Hashable:
    """Return the same for runs whose steps do the same work.

    Args:
        of: the network.
        recipe: how it is trained and tested.
        backend: what computes it.
    """
    if recipe.frozen:
        return of, backend, recipe.side, recipe.precision, recipe.method
    updated = recipe.momentum_dtype, recipe.clip_norm is None, recipe.polyak is None
    return of, backend, recipe.resolution, recipe.precision, recipe.batch_size, recipe.dropout > 0, *updated


def rates_on(card: Card, store: Store, cache: Path | None = None) -> Rates:
    """Return how fast stored runs were on a card.

    Args:
        card: which.
        store: the results of this machine, and what was brought here.
        cache: where downloads lie, for a checkpoint whose architecture only its file tells.
    """
    found: dict[Hashable, list[float]] = {}
    for path in sorted((store.home / "runs").glob("*/*.json")):
        with suppress(OSError, ValueError, KeyError, TypeError, ClaimsError):  # a damaged entry is reported when used
            content = path.read_bytes()
            device = DEVICE.search(content)
            if device is None or card_of_device(device[1].decode(), card.memory).id != card.id:
                continue
            entry = json.loads(content)
            run, rate = build(Run, entry["run"], str(path)), float(entry["result"]["images_per_second"])
            if rate > 0 and run.recipe.method == "fine-tuning":
                key = same_work(network(run.checkpoint, cache), run.recipe, run.backend)
                found.setdefault(key, []).append(rate)
    return {key: Rate(median(rates), len(rates)) for key, rates in found.items()}
