"""recipes.toml as layers: the values that a recipe always has, and those that it has only in some cases.

A recipe is a list of layers, and a later layer replaces what an earlier one says of a field:

1. the layers of the recipe that it is `based_on`,
2. its own table [NAME],
3. its cases [[NAME.cases]] in the order they are written, each under the conditions of its `when`.

`epochs` replaces `steps` and the reverse, `learning_rate` replaces `learning_rate_grid` and the reverse.
"none" takes a value away that a field may be without; `resolution = "checkpoint"` is the checkpoint's own.
"""

from __future__ import annotations

import dataclasses
from collections.abc import Callable, Mapping
from functools import cache
from typing import Any, Literal, get_type_hints

from pydantic import TypeAdapter, ValidationError
from pydantic.dataclasses import dataclass

from harness.core.errors import ClaimsError, nearest, unknown
from harness.core.specs import STRICT, Checkpoint, Count, Dataset, Family, Recipe, build, reworded
from harness.core.toml import require_id

OF_CHECKPOINT = "checkpoint"
"""The value of `resolution` that stands for the side that the checkpoint was trained on last."""
NONE = "none"
REPLACES = {
    "steps": "epochs",
    "epochs": "steps",
    "learning_rate": "learning_rate_grid",
    "learning_rate_grid": "learning_rate",
}
"""A field that is set takes away the other that says the same thing in another way."""
FIELDS = tuple(field.name for field in dataclasses.fields(Recipe) if field.name not in ("id", "sources"))
DEFAULTS = {field.name: field.default for field in dataclasses.fields(Recipe) if field.name in FIELDS}
KEYS = ("based_on", "sources", "cases", *FIELDS)


@dataclass(frozen=True, config=STRICT)
class When:
    """The conditions of a case: all that are given must hold."""

    datasets: tuple[str, ...] = ()
    """Ids of datasets; a trailing * stands for any rest."""
    architectures: tuple[str, ...] = ()
    """The paper's names, e.g. "ViT-L/16"."""
    families: tuple[Family, ...] = ()
    variants: tuple[str, ...] = ()
    """Releases of the weights; a trailing * stands for any rest."""
    semantics: Literal["", "reference", "timm"] = ""
    train_from: Count | None = None
    """Least number of training examples."""
    train_below: Count | None = None
    """The number of training examples is below this."""

    def holds(self, checkpoint: Checkpoint | None, dataset: Dataset | None) -> bool:
        """Return whether the conditions hold; those about a checkpoint or dataset that is not given do not."""
        of_checkpoint = (self.architectures, self.families, self.variants, self.semantics)
        of_dataset = (self.datasets, self.train_from, self.train_below)
        if any(of_checkpoint) and (checkpoint is None or not self._fits_checkpoint(checkpoint)):
            return False
        return not any(of_dataset) or (dataset is not None and self._fits_dataset(dataset))

    def _fits_checkpoint(self, checkpoint: Checkpoint) -> bool:
        return (
            (not self.architectures or checkpoint.architecture in self.architectures)
            and (not self.families or checkpoint.family in self.families)
            and (not self.variants or matches(checkpoint.variant, self.variants))
            and self.semantics in ("", checkpoint.semantics)
        )

    def _fits_dataset(self, dataset: Dataset) -> bool:
        n = training_examples(dataset)
        return (
            (not self.datasets or matches(dataset.id, self.datasets))
            and (self.train_from is None or n >= self.train_from)
            and (self.train_below is None or n < self.train_below)
        )

    def __str__(self) -> str:
        parts = [", ".join(part) for part in (self.architectures, self.families, self.variants) if part]
        parts += [f"{self.semantics}'s semantics"] if self.semantics else []
        parts += [", ".join(self.datasets)] if self.datasets else []
        parts += [f"from {self.train_from:,} training images"] if self.train_from else []
        parts += [f"below {self.train_below:,} training images"] if self.train_below else []
        return "; ".join(parts)


ALWAYS = When()


@dataclasses.dataclass(frozen=True)
class Layer:
    """What a recipe says of some fields, under some conditions."""

    when: When
    values: tuple[tuple[str, Any], ...]
    """(field, value) pairs; a value may be OF_CHECKPOINT."""
    sources: tuple[tuple[str, str], ...]
    """(field, citation) pairs."""


@dataclasses.dataclass(frozen=True)
class Definition:
    """A recipe before anything is resolved: its layers, those it is based on first."""

    id: str
    layers: tuple[Layer, ...]
    based_on: str = ""


def shown(field: str, value: Any) -> str:
    """Return a field's value as a person reads it: "10,000", "0.001, 0.003", "yes", "none"."""
    if value is None or value == ():
        return NONE
    if isinstance(value, bool):
        return "yes" if value else "no"
    if isinstance(value, tuple):
        return ", ".join(shown(field, each) for each in value)
    if isinstance(value, float):
        return f"{value:g}"
    if value == OF_CHECKPOINT and field == "resolution":
        return "the checkpoint's"
    return f"{value:,}" if isinstance(value, int) else str(value)


def training_examples(dataset: Dataset) -> int:
    """Return the number of examples that a run may train on, the dev split among them."""
    return dataset.train if dataset.shots is None else dataset.shots * dataset.classes


def matches(name: str, patterns: tuple[str, ...]) -> bool:
    """Return whether a name matches one of the patterns; a pattern may end in *."""
    return any(name == each or (each.endswith("*") and name.startswith(each[:-1])) for each in patterns)


def definition(
    name: str, table: Mapping[str, Any], where: str, find: Callable[[str], Definition] | None = None
) -> Definition:
    """Return the layers that a table [NAME] states.

    Args:
        name: the recipe's id.
        table: its TOML table.
        where: the place, for messages, e.g. "recipes.toml [paper]".
        find: returns the definition that another is based on, or raises ClaimsError.

    Raises:
        ClaimsError: an unknown key (with the nearest), a bad value, or a source for what is not set.
    """
    check_keys(table, KEYS, where)
    based_on = table.get("based_on", "")
    base: tuple[Layer, ...] = ()
    if based_on:
        if find is None or not isinstance(based_on, str):
            raise ClaimsError(f"{where}: based_on: expected the id of a recipe, found {based_on!r}")
        base = find(based_on).layers
    own = layer(ALWAYS, {key: value for key, value in table.items() if key not in ("based_on", "cases")}, where)
    return Definition(name, (*base, own, *cases(table.get("cases", []), where)), based_on)


def cases(listed: Any, where: str) -> list[Layer]:
    """Return the layers of [[NAME.cases]]."""
    if not isinstance(listed, list) or not all(isinstance(case, dict) for case in listed):
        raise ClaimsError(f"{where}: cases: expected tables [[NAME.cases]], found {listed!r}; fix the file")
    found = []
    for number, case in enumerate(listed, start=1):
        place = f"{where} case {number}"
        check_keys(case, ("when", "sources", *FIELDS), place)
        when = case.get("when", {})
        if not isinstance(when, dict):
            raise ClaimsError(f"{place}: when: expected conditions, e.g. when.datasets = [...], found {when!r}")
        conditions = build(When, when, f"{place}, when")
        found.append(layer(conditions, {key: value for key, value in case.items() if key != "when"}, place))
    return found


def layer(when: When, table: Mapping[str, Any], where: str) -> Layer:
    """Return one layer; its values are checked one by one."""
    cited: dict[str, str] = {}
    sources = table.get("sources", {})
    if not isinstance(sources, dict) or not all(isinstance(text, str) for text in sources.values()):
        raise ClaimsError(f"{where}: sources: expected a table of citations by field, found {sources!r}")
    values = {key: checked(key, value, where) for key, value in table.items() if key != "sources"}
    for names, text in sources.items():
        for name in names.split():  # "mean std" cites both
            check_keys({name: text}, FIELDS, f"{where}, sources")
            cited[name] = text
    return Layer(when, tuple(values.items()), tuple(cited.items()))


def check_keys(table: Mapping[str, Any], known: tuple[str, ...], where: str) -> None:
    """Raise for the first key that does not exist, with the nearest that does."""
    for key in table:
        if key not in known:
            raise ClaimsError(f"{where}: unknown key {key!r}{nearest(key, known)}; expected keys: {', '.join(known)}")


@cache
def adapters() -> Mapping[str, TypeAdapter[Any]]:
    """Return what validates each field of a recipe by itself."""
    hints = get_type_hints(Recipe, include_extras=True)
    return {name: TypeAdapter(hints[name]) for name in FIELDS}


def checked(field: str, value: Any, where: str) -> Any:
    """Return a field's value as a recipe holds it."""
    if field == "resolution" and value == OF_CHECKPOINT:
        return value
    if value == NONE and (DEFAULTS[field] is None or field == "clip_norm"):
        return None
    try:
        return adapters()[field].validate_python(value)
    except ValidationError as error:
        raise ClaimsError(f"{where}: {field}: {reworded(error.errors()[0]['msg'])}, found {value!r}") from None


def definitions_of(tables: Mapping[str, Any], file: str, known: Mapping[str, Definition]) -> dict[str, Definition]:
    """Return the recipes of a file's tables by id; one may be based on any of the file or of those known before.

    Raises:
        ClaimsError: a name that exists already, a recipe that is based on itself, or a bad table.
    """
    found: dict[str, Definition] = {}

    def find(name: str, path: tuple[str, ...]) -> Definition:
        if name in found or name in known:
            return found.get(name) or known[name]
        if name not in tables:
            raise unknown("recipe", name, {*tables, *known}, f"{file} [{path[-1]}], based_on")
        if name in path:
            raise ClaimsError(f"{file} [{name}]: expected a recipe that is based on another, found itself; correct it")
        require_id(name, file)
        table = tables[name]
        if not isinstance(table, dict):
            raise ClaimsError(f"{file}: expected tables [NAME], found the value {name} = {table!r}; fix the file")
        found[name] = definition(name, table, f"{file} [{name}]", lambda other: find(other, (*path, name)))
        return found[name]

    for name in tables:
        if name in known:
            raise ClaimsError(f"{file} [{name}]: expected a new name, found one that exists; rename it")
        find(name, ())
    return {name: found[name] for name in tables}
