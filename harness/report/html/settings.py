"""How a verdict's runs were made: every setting of their recipes, and the search for a learning rate."""

from __future__ import annotations

from collections.abc import Sequence
from dataclasses import dataclass

from harness.core.verdict import RecipeUsed, Searched
from harness.report.labels import number


@dataclass(frozen=True)
class Setting:
    """One setting of a recipe."""

    field: str
    value: str
    papers: str
    """The paper's value where it differs, else ""."""


@dataclass(frozen=True)
class RecipeBlock:
    """One recipe with its settings, and the checkpoints that it fine-tuned."""

    name: str
    checkpoints: str
    settings: tuple[Setting, ...]

    @property
    def distance(self) -> str:
        """How far the recipe is from the paper's; "" if no settings are on record."""
        differing = sum(bool(one.papers) for one in self.settings)
        if not self.settings:
            return ""
        if not differing:
            return "" if ":" in self.name else ": as the paper's"  # a function has no counterpart in the paper
        return f": {differing} of {len(self.settings)} settings differ from the paper's"


@dataclass(frozen=True)
class Rate:
    """One learning rate that was tried."""

    rate: str
    accuracy: str
    """Of the dev split, percent, or "diverged"."""
    chosen: bool
    runs: tuple[str, ...]


@dataclass(frozen=True)
class Search:
    """The learning rates that were tried for one checkpoint."""

    checkpoint: str
    rates: tuple[Rate, ...]


@dataclass(frozen=True)
class MadeBy:
    """How a verdict's runs were made."""

    title: str
    recipes: tuple[RecipeBlock, ...]
    searches: tuple[Search, ...]


def made_by(recipes: Sequence[RecipeUsed], searched: Sequence[Searched]) -> MadeBy | None:
    """Return how runs were made: the recipe of each side and the search; None for neither."""
    if not recipes and not searched:
        return None
    words = [f"Recipes: {', '.join(dict.fromkeys(used.recipe for used in recipes))}"] if recipes else []
    words += [f"{len(searched)} learning rates tried"] if searched else []
    return MadeBy("; ".join(words), recipe_blocks(recipes), searches(searched))


def recipe_blocks(listed: Sequence[RecipeUsed]) -> tuple[RecipeBlock, ...]:
    """Return each recipe once, with all checkpoints that it fine-tuned."""
    checkpoints: dict[tuple[str, tuple[tuple[str, str, str], ...]], list[str]] = {}
    for used in listed:
        checkpoints.setdefault((used.recipe, used.settings), []).append(used.checkpoint)
    return tuple(
        RecipeBlock(name, ", ".join(dict.fromkeys(of)), tuple(Setting(f.replace("_", " "), v, p) for f, v, p in rows))
        for (name, rows), of in checkpoints.items()
    )


def searches(listed: Sequence[Searched]) -> tuple[Search, ...]:
    """Return the learning rates that were tried, by checkpoint."""
    return tuple(
        Search(name, tuple(rate(row) for row in listed if row.checkpoint == name))
        for name in dict.fromkeys(row.checkpoint for row in listed)
    )


def rate(row: Searched) -> Rate:
    """Return one learning rate as the table shows it."""
    shown = "diverged" if row.accuracy is None else number(row.accuracy)
    return Rate(f"{row.learning_rate:g}", shown, row.chosen, row.runs)
