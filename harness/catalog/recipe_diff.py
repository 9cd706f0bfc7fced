"""What recipes state for each field, with conditions and sources, and where two recipes differ."""

from __future__ import annotations

from collections.abc import Mapping, Sequence
from dataclasses import dataclass, replace
from typing import Any

from harness.catalog.recipe_layers import ALWAYS, DEFAULTS, FIELDS, Definition, When, matches, shown
from harness.core.paper import paper
from harness.core.specs import Checkpoint, Dataset, Recipe

MERGED = {"epochs": "steps", "learning_rate_grid": "learning_rate"}
"""Fields that say the same thing in another way share a row."""
HIDDEN = frozenset(("learning_rates",))
ROWS = tuple(field for field in FIELDS if field not in MERGED and field not in HIDDEN)


@dataclass(frozen=True)
class Said:
    """What a recipe says of a field under one condition."""

    when: str
    """The condition; "" for always."""
    value: str
    source: str


Pair = tuple[Said, Said]
"""What each of two recipes says."""


@dataclass(frozen=True)
class Row:
    """What two recipes say of a field under one condition."""

    field: str
    when: str
    """For what; "" for all that no other row of the field is about."""
    a: Said
    b: Said

    @property
    def differs(self) -> bool:
        """Whether the values differ; the sources may."""
        return self.a.value != self.b.value


def text(field: str, value: Any) -> str:
    """Return a value as its row shows it: epochs and grids say what they are."""
    if field == "epochs":
        return f"{shown(field, value)} epochs"
    if field == "learning_rate_grid":
        return f"one of {shown(field, value)}"
    return shown(field, value)


def statements(found: Definition) -> dict[str, tuple[Said, ...]]:
    """Return what a recipe says of each field, always first, then by case; later ones win where several hold."""
    rows: dict[str, list[Said]] = {}
    for layer in found.layers:
        sources = dict(layer.sources)
        for field, value in layer.values:
            row = MERGED.get(field, field)
            said = Said(str(layer.when), text(field, value), sources.get(field, ""))
            # What always holds replaces what an earlier layer says in some cases.
            rows[row] = [said] if layer.when == ALWAYS else [*rows.get(row, []), said]
    for row in ROWS:
        if not rows.get(row) or rows[row][0].when:
            rows[row] = [Said("", unstated(found, row), ""), *rows.get(row, [])]
    return {row: tuple(rows[row]) for row in ROWS}


def unstated(found: Definition, field: str) -> str:
    """Return the value of a field that a recipe says nothing of: the default; nothing if it only evaluates."""
    always = {name: value for layer in found.layers if layer.when == ALWAYS for name, value in layer.values}
    return "-" if always.get("steps") == 0 else shown(field, DEFAULTS[field])


def settled(found: Recipe) -> dict[str, tuple[Said, ...]]:
    """Return what a resolved recipe says of each field."""
    sources = dict(found.sources)
    rows: dict[str, tuple[Said, ...]] = {}
    for row in ROWS:
        field = next((other for other, into in MERGED.items() if into == row and unset(found, row, other)), row)
        stated = "resolution" if field == "test_resolution" and found.test_resolution is None else field
        value = found.side if field == "test_resolution" else getattr(found, field)
        rows[row] = (Said("", text(field, value), sources.get(field) or sources.get(stated, "")),)
    return rows


def unset(found: Recipe, field: str, other: str) -> bool:
    """Return whether a recipe says a thing by the other of two fields."""
    return getattr(found, field) is None and bool(getattr(found, other))


def statement(found: Definition, field: str, checkpoint: Checkpoint | None, dataset: Dataset | None) -> Said:
    """Return what a recipe says of a row's field for a checkpoint and a dataset: the last layer's word."""
    for layer in reversed(found.layers):
        if layer.when == ALWAYS or layer.when.holds(checkpoint, dataset):
            for name, value in layer.values:
                if MERGED.get(name, name) == field:
                    return Said("", text(name, value), dict(layer.sources).get(name, ""))
    return Said("", unstated(found, field), "")


def differences(
    a: Definition, b: Definition, checkpoints: Sequence[Checkpoint], datasets: Sequence[Dataset]
) -> list[Row]:
    """Return where two recipes differ, in general and for the checkpoints and datasets that either has a case for.

    A field has a row for all, if the recipes differ there, then one for each kind of checkpoint, for datasets, and
    for both together, where a row above does not already say it. Those with the same values share
    a row.

    Args:
        a: one recipe.
        b: the other.
        checkpoints: those that exist; the cases' conditions are tried on them.
        datasets: those that exist.
    """
    kinds = exemplars((a, b), checkpoints)
    names = patterns((a, b), [each.id for each in datasets])
    found: list[Row] = []
    for field in ROWS:
        whole = pair(a, b, field, None, None)
        rows = [Row(field, "", *whole)]
        of_kinds = {kind: pair(a, b, field, each, None) for kind, each in kinds.items()}
        fresh = {
            str(kind): said
            for kind, said in of_kinds.items()
            if is_new(said, whole, [of_kinds[other] for other in kinds if other < kind])
        }
        rows += grouped(field, "", fresh, names)
        of_datasets = {each.id: pair(a, b, field, None, each) for each in datasets}
        rows += grouped(field, "", {name: said for name, said in of_datasets.items() if is_new(said, whole)}, names)
        together: dict[tuple[Kind, str], Pair] = {}
        for kind, checkpoint in kinds.items():
            new = {}
            for each in datasets:
                said = together[kind, each.id] = pair(a, b, field, checkpoint, each)
                smaller = [together[other, each.id] for other in kinds if other < kind]
                if is_new(said, whole, [of_kinds[kind], of_datasets[each.id], *smaller]):
                    new[each.id] = said
            rows += grouped(field, f"{kind}; ", new, names)
        # Where they agree is worth a row only beside one that says that they do not.
        agree = whole[0].value == whole[1].value
        found += [row for row in rows if row.differs or (row.when and not agree)]
    return found


class Kind(frozenset[str]):
    """The conditions on checkpoints that hold together for some."""

    def __str__(self) -> str:
        # Of two conditions that hold together one may repeat a part of the other.
        return "; ".join(dict.fromkeys(part for condition in sorted(self) for part in condition.split("; ")))


def exemplars(recipes: Sequence[Definition], checkpoints: Sequence[Checkpoint]) -> dict[Kind, Checkpoint]:
    """Return a checkpoint for each set of the cases' conditions that hold together, smaller sets first."""
    parts: dict[str, When] = {}
    for recipe in recipes:
        for layer in recipe.layers:
            of_checkpoint = replace(layer.when, datasets=(), train_from=None, train_below=None)
            for name in of_checkpoint.architectures or ("",):
                part = replace(of_checkpoint, architectures=(name,) if name else ())
                if part != ALWAYS:
                    parts[str(part)] = part
    found: dict[Kind, Checkpoint] = {}
    for checkpoint in checkpoints:
        kind = Kind(name for name, part in parts.items() if part.holds(checkpoint, None))
        if kind:
            found.setdefault(kind, checkpoint)
    return dict(sorted(found.items(), key=lambda item: len(item[0])))


def patterns(recipes: Sequence[Definition], names: Sequence[str]) -> dict[str, set[str]]:
    """Return the datasets that each pattern of the cases stands for, widest first, and those of the paper's groups."""
    written = {name for recipe in recipes for layer in recipe.layers for name in layer.when.datasets}
    found = {
        pattern: {name for name in names if matches(name, (pattern,))}
        for pattern in sorted({*benchmarks(), *(name for name in written if name.endswith("*"))})
    }
    return dict(sorted(found.items(), key=lambda item: -len(item[1])))


def benchmarks() -> set[str]:
    """Return the pattern that the ids of each of the paper's groups of datasets share, e.g. "bench-*"."""
    heads = ({member.partition("-")[0] for member in members} for _, members in paper().groups)
    return {f"{each.pop()}-*" for each in heads if len(each) == 1}


def pair(a: Definition, b: Definition, field: str, checkpoint: Checkpoint | None, dataset: Dataset | None) -> Pair:
    """Return what two recipes say of a field for a checkpoint and a dataset."""
    return statement(a, field, checkpoint, dataset), statement(b, field, checkpoint, dataset)


def same(one: Pair, other: Pair) -> bool:
    """Whether two pairs have the same values, wherever they are from."""
    return [said.value for said in one] == [said.value for said in other]


def is_new(said: Pair, whole: Pair, above: Sequence[Pair] = ()) -> bool:
    """Whether a pair is not what a reader takes from the row for all and those above it that say otherwise."""
    otherwise = [other for other in above if not same(other, whole)]
    return not any(same(said, other) for other in otherwise or [whole])


def grouped(field: str, prefix: str, said: Mapping[str, Pair], known: Mapping[str, set[str]]) -> list[Row]:
    """Return a row for each pair, shared by the datasets or checkpoints that it holds for.

    Args:
        field: of the rows.
        prefix: of their conditions.
        said: pairs by dataset or kind of checkpoint.
        known: the datasets that each pattern stands for.
    """
    names: dict[Pair, list[str]] = {}
    for name, each in said.items():
        names.setdefault(each, []).append(name)
    return [Row(field, prefix + ", ".join(short(of_pair, known)), *each) for each, of_pair in names.items()]


def short(names: Sequence[str], known: Mapping[str, set[str]]) -> list[str]:
    """Return names with those that a pattern stands for as the pattern, where they are all there."""
    left, found = list(names), []
    for pattern, members in known.items():
        if members and members <= set(left):
            found.append(pattern)
            left = [name for name in left if name not in members]
    for pattern in sorted(benchmarks() & known.keys()):
        rest = [name for name in left if matches(name, (pattern,))]
        if len(rest) > len(known[pattern]) / 2:
            found.append(f"other {pattern}")
            left = [name for name in left if name not in rest]
    return [*left, *found]


def between(a: Mapping[str, tuple[Said, ...]], b: Mapping[str, tuple[Said, ...]]) -> list[Row]:
    """Return where two resolved recipes differ."""
    return [Row(field, "", a[field][0], b[field][0]) for field in ROWS if a[field][0].value != b[field][0].value]


def records(rows: Sequence[Row]) -> list[dict[str, Any]]:
    """Return rows as plain JSON values."""
    sides = ("a", "b")
    return [
        {"field": row.field, "if": row.when}
        | {side: {"value": getattr(row, side).value, "source": getattr(row, side).source} for side in sides}
        for row in rows
    ]
