"""The recipes that exist (recipes.toml and the user's own), resolved for a checkpoint and a dataset.

Resolution, in this order: the layers that apply (harness.catalog.recipe_layers), a learning rate that was chosen for
the checkpoint and dataset (`learning_rates`), what the checkpoint states of its own input, and epochs as steps. A grid
stays a grid until `with_rate` picks from it.
"""

from __future__ import annotations

import json
import math
from collections.abc import Mapping
from dataclasses import replace
from functools import cache
from pathlib import Path
from types import MappingProxyType
from typing import Any

from harness.catalog.recipe_layers import ALWAYS, FIELDS, OF_CHECKPOINT, REPLACES, Definition, definitions_of, shown
from harness.catalog.recipe_layers import training_examples as examples_of
from harness.core.errors import ClaimsError, unknown
from harness.core.paper import own_table, paper
from harness.core.run import Run
from harness.core.specs import Checkpoint, Dataset, Recipe, build
from harness.core.text import read_text
from harness.core.toml import read_toml
from harness.core.verdict import RecipeUsed

FILE = "recipes.toml"
EVALUATION = frozenset(
    (
        "precision",
        "test_resolution",
        "test_resize",
        "test_crop_share",
        "test_crop_rounding",
        "test_interpolation",
        "test_antialias",
        "mean",
        "std",
    )
)
"""The fields that an evaluation depends on."""
LEAST_SQUARES = frozenset(("method", "shots", "l2"))
"""The fields that only least squares depends on, beside those of an evaluation and `trains_on`."""
STATED_AS = {
    "mean": "normalisation",
    "std": "normalisation",
    "test_interpolation": "interpolation",
    "test_antialias": "interpolation",
    "test_resize": "crop",
    "test_crop_share": "crop",
    "test_crop_rounding": "crop",
}
"""What a checkpoint's `stated` calls the settings that come from it."""
UNSHOWN = frozenset(("epochs", "learning_rates"))
"""Fields that a resolved recipe has no more use for."""
PROTOCOLS = "protocols.toml"


@cache
def definitions(path: Path | None, own: Path | None = None) -> Mapping[str, Definition]:
    """Return every recipe by id as it is written: layers of values with their conditions and sources.

    Args:
        path: the paper's table; None: it has none.
        own: another table whose recipes are added, and may be based on the paper's.

    Raises:
        ClaimsError: a malformed table, or a name that exists already.
    """
    found: dict[str, Definition] = {}
    for file in (path, own):
        if file is not None:
            where = file.name if file == path else str(file)
            found |= definitions_of(read_toml(file), where, found)
    for each in found.values():
        assemble(each, None, None)  # what a recipe says always must be a whole recipe
    return MappingProxyType(found)


def all_definitions() -> Mapping[str, Definition]:
    """Return the paper's recipes and those of the user's own table, if there is one."""
    return definitions(paper().table(FILE), own_table(FILE))


def assemble(found: Definition, checkpoint: Checkpoint | None, dataset: Dataset | None) -> Recipe:
    """Return the recipe that the layers make which apply; without checkpoint and dataset, what always holds.

    Raises:
        ClaimsError: the layers contradict each other, e.g. a random crop without `train_resize`.
    """
    values: dict[str, Any] = {}
    sources: dict[str, str] = {}
    for layer in found.layers:
        if layer.when != ALWAYS and not layer.when.holds(checkpoint, dataset):
            continue
        for field, value in layer.values:
            if value == OF_CHECKPOINT and field == "resolution":
                if checkpoint is None or checkpoint.resolution is None:
                    continue
                value = checkpoint.resolution
            values[field] = value
            values.pop(REPLACES.get(field, ""), None)
            sources.pop(REPLACES.get(field, ""), None)
            sources.pop(field, None)
            sources |= {name: text for name, text in layer.sources if name == field}
    made_for = "".join(f" for {part.id}" for part in (checkpoint, dataset) if part is not None)
    return build(Recipe, {"id": found.id, **values, "sources": sources}, f"recipe {found.id}{made_for}")


def recipes() -> Mapping[str, Recipe]:
    """Return every recipe by id, before anything is resolved for a checkpoint or a dataset: what it says always."""
    return MappingProxyType({name: assemble(found, None, None) for name, found in all_definitions().items()})


def defined(name: str) -> Definition:
    """Return one recipe as it is written; an unknown name is an error that names the nearest."""
    known = all_definitions()
    if name not in known:
        raise unknown("recipe", name, known)
    return known[name]


def rates_of(file: str) -> Mapping[str, Mapping[str, float]]:
    """Return the rates of a recipe's `learning_rates` file in the paper's folder; empty if the recipe names none."""
    return read_rates(paper().folder / file) if file else {}


@cache
def read_rates(path: Path) -> Mapping[str, Mapping[str, float]]:
    """Return the rates that were chosen, by checkpoint and dataset."""
    try:
        rates: Mapping[str, Mapping[str, float]] = json.loads(read_text(path))["chosen"]
    except (OSError, ValueError, KeyError) as error:
        raise ClaimsError(f"{path}: expected the chosen learning rates, found: {error}; restore the file") from None
    return rates


def recipe(name: str, checkpoint: str | None = None, dataset: str | None = None) -> Recipe:
    """Return a recipe's values that hold always, with the learning rate that was chosen for the checkpoint and dataset.

    For recipes without cases, such as `micro`; `resolve` is for all.

    Raises:
        ClaimsError: there is no such recipe.
    """
    return with_chosen(assemble(defined(name), None, None), checkpoint or "", dataset or "")


def with_chosen(found: Recipe, checkpoint: str, dataset: str) -> Recipe:
    """Return a recipe with the learning rate of its `learning_rates` file, if it has one for the two."""
    rate = rates_of(found.learning_rates).get(checkpoint, {}).get(dataset)
    return found if rate is None else replace(found, learning_rate=rate)


def resolve(name: str, checkpoint: Checkpoint, dataset: Dataset) -> Recipe:
    """Return a recipe as it applies to a checkpoint and a dataset, epochs turned into steps.

    Args:
        name: a recipe's id (for a protocol's, see `protocol`).
        checkpoint: what is fine-tuned or evaluated.
        dataset: what it is fine-tuned on; its digest and test part have no influence.

    Returns:
        A recipe with `steps`. Its `learning_rate` is None and its grid is kept where a rate is still to be chosen.

    Raises:
        ClaimsError: no such recipe, layers that contradict each other, or a head that is kept whose resolution
            nothing says.
    """
    written = defined(name)
    found = with_chosen(assemble(written, checkpoint, dataset), checkpoint.id, dataset.id)
    found = as_stated(found, written, checkpoint)
    if found.epochs is None:
        return found
    cited = {field: text for field, text in found.sources if field != "epochs"}
    cited["steps"] = f"{found.epochs:g} epochs: {dict(found.sources).get('epochs', 'no source')}"
    return replace(found, steps=steps_of(found, dataset), epochs=None, sources=tuple(cited.items()))


def as_stated(found: Recipe, written: Definition, checkpoint: Checkpoint) -> Recipe:
    """Return a recipe with what a checkpoint states of its own input, which comes after every layer of the table.

    How levels are normalised and test images interpolated (antialiased, as Pillow does) holds whether its own head is
    evaluated or it is fine-tuned; how its test images are cropped, only for its own head.

    Raises:
        ClaimsError: a head of the user's own is kept, and nothing says at which resolution.
    """
    values: dict[str, Any] = {}
    if checkpoint.mean is not None:
        values |= {"mean": checkpoint.mean, "std": checkpoint.std}
    if checkpoint.interpolation:
        values |= {"test_interpolation": checkpoint.interpolation, "test_antialias": True}
    if found.evaluates_only and (checkpoint.resize or checkpoint.crop_share):
        values["test_resize"] = checkpoint.resize or "short side"
        values["test_crop_share"] = checkpoint.crop_share or 1.0
        values["test_crop_rounding"] = "nearest" if checkpoint.timm else "down"
    asks = any(("resolution", OF_CHECKPOINT) in layer.values for layer in written.layers)
    if found.evaluates_only and asks and checkpoint.stated and checkpoint.resolution is None:
        raise ClaimsError(
            f"{checkpoint.id}: expected the resolution that its own head is evaluated at, found it neither in the file"
            " nor beside it; add resolution = N to its entry in checkpoints.toml"
        )
    if not values:
        return found
    where = dict(checkpoint.stated)
    cited = dict(found.sources)
    for field in values:
        cited[field] = f"of the checkpoint: {where.get(STATED_AS.get(field, field), 'its entry')}"
    return replace(found, **values, sources=tuple(cited.items()))


def steps_of(found: Recipe, dataset: Dataset) -> int:
    """Return the updates that a recipe's epochs come to.

    A part of a batch counts as a step, as in a loop over a DataLoader without drop_last: 10 epochs of
    49,000 images in batches of 32 are 10 * 1,532 steps.
    """
    assert found.epochs is not None
    n = examples_of(dataset)
    if found.trains_on == "all but dev" and dataset.shots is None:
        n -= max(1, round(n * dataset.dev_fraction))  # harness.data.splits.dev_split
    return max(1, math.ceil(found.epochs * math.ceil(n / found.batch_size)))


def with_rate(found: Recipe, rate: float) -> Recipe:
    """Return a recipe with a base learning rate of its grid.

    Raises:
        ClaimsError: the recipe has a grid, and the rate is not in it.
    """
    if found.learning_rate_grid and rate not in found.learning_rate_grid:
        grid = ", ".join(f"{each:g}" for each in found.learning_rate_grid)
        raise ClaimsError(f"recipe {found.id}: expected a learning rate of its grid ({grid}), found {rate:g}")
    return replace(found, learning_rate=rate)


def protocols() -> Mapping[str, Mapping[str, str]]:
    """Return which recipe each family of checkpoints gets under one name (the paper's protocols.toml).

    Raises:
        ClaimsError: a family or a recipe that does not exist.
    """
    path = paper().table(PROTOCOLS)
    return {} if path is None else read_protocols(path, paper().table(FILE))


@cache
def read_protocols(path: Path, recipes_file: Path | None) -> Mapping[str, Mapping[str, str]]:
    """Return the protocols of a table, checked against the recipes of another."""
    found: Mapping[str, Mapping[str, str]] = read_toml(path)
    families = Checkpoint.__dataclass_fields__["family"].type
    for name, table in found.items():
        if not isinstance(table, dict):
            raise ClaimsError(f"{path.name}: expected tables [NAME], found the value {name} = {table!r}; fix the file")
        for family, used in table.items():
            if family not in getattr(families, "__args__", (family,)):
                raise unknown("family", family, families.__args__, f"{path.name} [{name}]")
            if used not in definitions(recipes_file):
                raise unknown("recipe", used, definitions(recipes_file), f"{path.name} [{name}]")
    return MappingProxyType(found)


def protocol(name: str, family: str) -> str:
    """Return the id of the recipe that a family of checkpoints gets under a protocol's name.

    Args:
        name: a protocol (protocols.toml) or any recipe's id, which then is for every family.
        family: the checkpoint's.

    Raises:
        ClaimsError: neither a protocol nor a recipe, or a protocol that says nothing of the family.
    """
    known = protocols()
    if name in known:
        if family not in known[name]:
            raise ClaimsError(
                f"protocol {name}: expected a family of {', '.join(known[name])}, found {family};"
                " name a recipe (see: recipes)"
            )
        return known[name][family]
    require_protocol(name)
    return name


def require_protocol(name: str) -> None:
    """Refuse a name that is neither a protocol nor a recipe, and suggest the nearest."""
    if name not in {*protocols(), *all_definitions()}:
        raise unknown("recipe", name, {*protocols(), *all_definitions()})


def recipe_used(run: Run) -> RecipeUsed:
    """Return every setting of a run for the report, with the paper's value where the paper's recipe has another."""
    compared = paper().defaults.compared_with
    rows = tuple((field, text, "") for field, text in settings(run.recipe).items())
    if run.checkpoint.family in protocols().get(compared, ()):
        papers = resolve(protocol(compared, run.checkpoint.family), run.checkpoint, run.dataset)
        if papers.method == run.recipe.method:
            rows = tuple((field, text, different(field, run.recipe, papers)) for field, text, _ in rows)
    return RecipeUsed(run.checkpoint.id, run.recipe.id, rows)


def settings(found: Recipe) -> dict[str, str]:
    """Return the fields that the runs of a resolved recipe depend on, as text; of an evaluation those of the test."""
    if found.evaluates_only:
        chosen = EVALUATION
    elif found.frozen:
        chosen = EVALUATION | LEAST_SQUARES | {"trains_on"}
    else:
        chosen = frozenset(FIELDS) - UNSHOWN - LEAST_SQUARES
    return {name: setting(found, name) for name in FIELDS if name in chosen}


def different(field: str, found: Recipe, papers: Recipe) -> str:
    """Return the paper's value of a field as text where a recipe has another, else "".

    A rate of the paper's grid is the paper's. What this project chose for the paper's recipe is no difference to the
    paper; what the paper leaves open and its authors' code says is marked as such.
    """
    # A test side that is not set is the training side.
    stated = "resolution" if field == "test_resolution" and papers.test_resolution is None else field
    source = dict(papers.sources).get(stated, "")
    if source.startswith("this project"):
        return ""
    if field == "learning_rate" and papers.learning_rate is None:
        grid = papers.learning_rate_grid
        return "" if found.learning_rate in grid else f"one of {shown(field, grid)}"
    value, wanted = setting(found, field), setting(papers, field)
    if value == wanted:
        return ""
    return f"not stated; {wanted} in the authors' code" if source.startswith("not stated") else wanted


def setting(found: Recipe, field: str) -> str:
    """Return one field as text; the test side is what it comes to."""
    return shown(field, found.side if field == "test_resolution" else getattr(found, field))
