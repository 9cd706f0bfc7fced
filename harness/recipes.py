"""The recipes that exist (recipes.toml), resolved for a checkpoint and a dataset."""

from __future__ import annotations

import json
from collections.abc import Mapping
from dataclasses import replace
from functools import cache
from pathlib import Path
from types import MappingProxyType

from harness.errors import ClaimsError, unknown
from harness.spec import Recipe
from harness.tables import PACKAGE, read_specs


@cache
def recipes(path: Path = PACKAGE / "recipes.toml") -> Mapping[str, Recipe]:
    """Return every recipe by id, before anything is resolved for a checkpoint or a dataset."""
    return MappingProxyType(read_specs(path, Recipe))


@cache
def chosen_rates(name: str) -> Mapping[str, Mapping[str, float]]:
    """Return the learning rates that were chosen for a recipe: checkpoint to dataset to rate; empty if none were."""
    file = recipes()[name].learning_rates
    if not file:
        return {}
    path = PACKAGE / file
    try:
        rates: Mapping[str, Mapping[str, float]] = json.loads(path.read_text())["chosen"]
    except (OSError, ValueError, KeyError) as error:
        raise ClaimsError(f"{path}: expected the chosen learning rates, found: {error}; restore the file") from None
    return rates


def recipe(name: str, checkpoint: str | None = None, dataset: str | None = None) -> Recipe:
    """Return a recipe, with the learning rate that was chosen for the checkpoint and dataset if one was.

    Raises:
        ClaimsError: there is no such recipe.
    """
    known = recipes()
    if name not in known:
        raise unknown("recipe", name, known)
    found = known[name]
    rate = chosen_rates(name).get(checkpoint or "", {}).get(dataset or "")
    return found if rate is None else replace(found, learning_rate=rate)
