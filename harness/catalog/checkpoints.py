"""The checkpoints that exist: the paper's (checkpoints.toml), its micro study's, and the user's own."""

from __future__ import annotations

import re
from collections.abc import Mapping
from dataclasses import replace
from functools import cache
from pathlib import Path
from types import MappingProxyType
from typing import Any

from harness.core.errors import ClaimsError, unknown
from harness.core.hypotheses import Contender
from harness.core.paper import own_table, paper
from harness.core.specs import Checkpoint, build
from harness.core.toml import read_specs, read_tables, table_stamp
from harness.fetch.sources import Hub, Local, Source, Url

HUB = re.compile(r"hub:(?P<repo>[\w.-]+/[\w.-]+?)(?:@(?P<revision>[^/\s]+))?/(?P<file>\S+)")

LOCAL = re.compile(r"file:(?P<path>(?:~|/(?!/)).+)")
"""A file of this machine: absolute or from the user's folder, for a table is read in any current folder."""

TABLE = "checkpoints.toml"


def checkpoints() -> Mapping[str, Checkpoint]:
    """Return every checkpoint by id: the paper's, its micro study's and the user's own (`tables`/checkpoints.toml).

    Raises:
        ClaimsError: a malformed table, an id that is given twice, a source that is none.
    """
    own = own_table(TABLE)
    return all_of(paper().tables(TABLE), own, table_stamp(own))


@cache
def all_of(paths: tuple[Path, ...], own: Path | None, stamp: object = None) -> Mapping[str, Checkpoint]:
    """Return the checkpoints of some tables and of the user's own, which is read again where its stamp is another."""
    del stamp
    found = read_tables((*paths, own), Checkpoint)
    mine = read_specs(own, Checkpoint) if own is not None else {}
    for name, entry in found.items():
        if not (entry.file or entry.sources or entry.never_released):
            raise ClaimsError(f"checkpoint {name}: expected a file, sources or never_released, found none")
        if entry.file and entry.sha256 is None and not entry.model and name not in mine:
            raise ClaimsError(f"checkpoint {name}: expected sha256 of its file, found none; add it")
        sources(entry)
    return MappingProxyType(found | {name: with_names(with_place(found[name], own), own) for name in mine})


def with_place(found: Checkpoint, table: Path | None) -> Checkpoint:
    """Return an entry of the user's own table; its `file`, from the table's folder, becomes its first source.

    So it is looked at like any other file of the user's, and only what comes with the project has a `file`.
    """
    if not found.file or table is None:
        return found
    path = table.parent / Path(found.file).expanduser()
    return replace(found, file="", sources=(f"file:{path}", *found.sources))


def with_names(found: Checkpoint, table: Path | None) -> Checkpoint:
    """Return an entry of the user's own table with its `classes_file` from the table's folder.

    Raises:
        ClaimsError: it sets what only the program sets.
    """
    if found.stated:
        raise ClaimsError(f"{table} [{found.id}]: stated: expected no such key, for the program sets it; remove it")
    if not found.classes_file or table is None:
        return found
    return replace(found, classes_file=str(table.parent / Path(found.classes_file).expanduser()))


def is_released(found: Checkpoint) -> bool:
    """Return whether a checkpoint is one of the project's tables, and not the user's own."""
    known = all_of(paper().tables(TABLE), None).get(found.id)
    return known is not None and (known.file, known.sources) == (found.file, found.sources)


def shipped() -> Mapping[str, Checkpoint]:
    """Return the checkpoints whose files come with the project (the micro study's) by id."""
    return MappingProxyType({name: entry for name, entry in checkpoints().items() if entry.file})


def checkpoint(name: str) -> Checkpoint:
    """Return one checkpoint; an unknown name is an error that names the nearest."""
    known = checkpoints()
    if name not in known:
        raise unknown("checkpoint", name, known)
    return known[name]


def fine_tuned(found: Checkpoint) -> bool:
    """Return whether a checkpoint was fine-tuned on the dataset of its head after pre-training on another."""
    head = paper().head_of(found.classes)
    return bool(found.tuned_on) or (head is not None and found.pretrained_on != head.pretraining)


def tuned_runs(contender: Contender, dataset: str) -> tuple[Checkpoint, ...]:
    """Return a contender's files that its authors fine-tuned on a dataset, a run each, by id; () if there are none."""
    images = paper().images_of(dataset)[0]
    asked = (contender.architecture, contender.pretrained_on, contender.variant, images)
    found = (
        each
        for each in checkpoints().values()
        if (each.architecture, each.pretrained_on, each.variant, each.tuned_on) == asked
        and contender.resolution in (None, each.resolution)
    )
    return tuple(sorted(found, key=lambda each: each.id))


def find(
    architecture: str,
    pretrained_on: str,
    variant: str = "orig",
    *,
    tuned: bool = False,
    resolution: int | None = None,
) -> Checkpoint:
    """Return the one checkpoint of an architecture and a pre-training set, as the paper names them.

    Files that were fine-tuned on a dataset of their own (`tuned_runs`) are no one's but that dataset's.

    Args:
        architecture: e.g. "ViT-L/16", "BiT-R152x4", "R50+ViT-B/16".
        pretrained_on: the pre-training set, as the paper names it.
        variant: which release of the weights; "orig" is the paper's own.
        tuned: the weights that were fine-tuned by their authors (`fine_tuned`) rather than those to fine-tune.
        resolution: the input it was trained on last, pixels; None: for weights to fine-tune the smallest,
            for tuned ones the largest there is.

    Raises:
        ClaimsError: there is none. One that was never released is returned, for it says why.
    """
    entries = [e for e in checkpoints().values() if (e.pretrained_on, e.variant) == (pretrained_on, variant)]
    named = [e for e in entries if e.architecture == architecture]
    never = [e for e in named if e.never_released]
    if never:
        return never[0]
    fitting = [e for e in named if not e.tuned_on and fine_tuned(e) == tuned and resolution in (None, e.resolution)]
    other = dict(paper().stands_for).get(variant)
    if not fitting and other is not None:
        return find(architecture, pretrained_on, other, tuned=tuned, resolution=resolution)
    if not fitting:
        wanted = f"{architecture} ({pretrained_on}, {variant}" + (f", {resolution} px)" if resolution else ")")
        what = "fine-tuned by its authors " if tuned else ""
        tasks = ", ".join(dict.fromkeys(e.tuned_on for e in named if e.tuned_on))
        listed = [e.id for e in named if not e.tuned_on] + ([f"files fine-tuned on {tasks}"] if tasks else [])
        there = ", ".join(listed or sorted({e.architecture for e in entries}))
        there = there if listed or not there else f"architectures {there}"
        raise ClaimsError(
            f"expected a checkpoint {what}of {wanted}, found none in the tables; there are: {there or 'none'}"
        )
    return sorted(fitting, key=lambda e: e.resolution or 0)[-1 if tuned else 0]


def resolve(contender: Contender, dataset: str) -> Checkpoint:
    """Return the checkpoint that stands for a contender on a dataset.

    On the dataset of a released head that is the one the authors fine-tuned, if they released it: its evaluation is
    the claim's figure. On any other dataset, and where there is none, it is the one to fine-tune. Of several runs that
    the authors fine-tuned on the dataset (`tuned_runs`) it is the first.

    Raises:
        ClaimsError: the zoo has none.
    """
    runs = tuned_runs(contender, dataset)
    if runs:
        return runs[0]
    asked = (contender.architecture, contender.pretrained_on, contender.variant)
    head = paper().scored_by(dataset)
    if head is not None:
        try:
            return find(*asked, tuned=contender.pretrained_on != head.pretraining, resolution=contender.resolution)
        except ClaimsError:
            if contender.variant != "orig":
                raise
    return find(*asked)


def resolve_all(contender: Contender, dataset: str) -> tuple[Checkpoint, ...]:
    """Return every checkpoint that stands for a contender on a dataset: one, or each run that its authors fine-tuned.

    Raises:
        ClaimsError: the zoo has none.
    """
    return tuned_runs(contender, dataset) or (resolve(contender, dataset),)


def source(text: str, confirmed: bool = True, where: str = "source") -> Source:
    """Return a source of a checkpoint's file from its one-line form.

    Args:
        text: hub:OWNER/NAME[@REVISION]/FILE, gs://BUCKET/OBJECT, https://... or file:PATH (absolute, or from ~)
        confirmed: whether the name is known to exist.
        where: the place it comes from, for error messages.

    Raises:
        ClaimsError: it is none of these.
    """
    values: dict[str, Any] = {"confirmed": confirmed}
    match = HUB.fullmatch(text)
    if match:
        return build(Hub, values | match.groupdict(), where)
    match = LOCAL.fullmatch(text)
    if match:
        return build(Local, values | match.groupdict() | {"owned": True}, where)
    if not text.startswith(("gs://", "https://")):
        raise ClaimsError(
            f"{where}: expected hub:OWNER/NAME[@REVISION]/FILE, gs://..., https://... or file:PATH (absolute, or from"
            f" ~), found {text!r}"
        )
    return build(Url, values | {"url": text}, where)


def sources(found: Checkpoint) -> tuple[Source, ...]:
    """Return the table's sources of a checkpoint in order.

    Raises:
        ClaimsError: one that is none, or an unconfirmed name that is not among them.
    """
    where = f"checkpoint {found.id}"
    stray = set(found.unconfirmed) - set(found.sources)
    if stray:
        raise ClaimsError(f"{where}: unconfirmed: expected some of its sources, found {min(stray)}")
    return tuple(source(text, text not in found.unconfirmed, where) for text in found.sources)


def own_ids() -> frozenset[str]:
    """Return the ids of the user's own table."""
    own = own_table(TABLE)
    return _ids_of(own, table_stamp(own)) if own is not None else frozenset()


@cache
def _ids_of(own: Path, stamp: object) -> frozenset[str]:
    del stamp
    return frozenset(read_specs(own, Checkpoint))
