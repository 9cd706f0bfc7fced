"""The runs behind a claim's verdicts as a table, each with a link to its stored record."""

from __future__ import annotations

import itertools
from collections.abc import Mapping, Sequence
from dataclasses import dataclass

from harness.core.measure import POINTS
from harness.core.verdict import Verdict
from harness.report.labels import natural, number, plural
from harness.report.run_records import RunRecord

DIGITS = 12
"""Of a digest that are shown; the whole one is in the record."""
MOST = 400
"""Runs in one table; more are in verdicts.json."""


@dataclass(frozen=True)
class RunRow:
    """One run."""

    id: str
    record: str
    """Address of the stored record; "" of a run that is stored elsewhere."""
    seed: int
    accuracy: str
    seconds: str
    speed: str
    memory: str


@dataclass(frozen=True)
class RunGroup:
    """The runs of one checkpoint on one dataset, made in one way."""

    checkpoint: str
    checkpoint_digest: str
    dataset: str
    dataset_digest: str
    made: str
    """Recipe, framework and device."""
    rows: tuple[RunRow, ...]


@dataclass(frozen=True)
class RunsTable:
    """The runs of a claim."""

    title: str
    head: str
    """Of the column of accuracies, or of values in their unit."""
    groups: tuple[RunGroup, ...]
    more: str
    """What is not listed; ""."""


def runs_table(
    claim: str, verdicts: Sequence[Verdict], runs: Mapping[str, RunRecord], links: Mapping[str, str]
) -> RunsTable | None:
    """Return the runs behind a claim's verdicts, by checkpoint, dataset and seed; None where none was used.

    Args:
        claim: its id.
        verdicts: on the claim.
        runs: those that are known, by id.
        links: addresses of the stored records, by id; none of a run that is stored elsewhere.
    """
    ids = list(dict.fromkeys(run for verdict in verdicts for run in verdict.runs))
    if not ids:
        return None
    here = sorted((runs[one] for one in ids if one in runs), key=in_order)
    elsewhere = len(ids) - len(here)
    more = [f"{plural(len(here) - MOST, 'run')} more, listed in verdicts.json"] if len(here) > MOST else []
    more += [f"{plural(elsewhere, 'run')} stored elsewhere"] if elsewhere else []
    groups = tuple(run_group(list(part), links) for _, part in itertools.groupby(here[:MOST], key=alike))
    unit = next((run.unit for run in here if run.unit != POINTS), POINTS)
    head = "Accuracy, %" if unit == POINTS else f"Value, {unit}"
    title = f"Runs of {claim}: checkpoints, digests, seeds, speed and memory"
    return RunsTable(title, head, groups, "; ".join(more))


def alike(run: RunRecord) -> tuple[str, ...]:
    """Return what the runs of one group share."""
    return (
        run.checkpoint, run.checkpoint_sha256, run.dataset, run.dataset_sha256, run.recipe, run.framework, run.device
    )  # fmt: skip


def in_order(run: RunRecord) -> tuple[object, ...]:
    """Return the key by which runs are sorted."""
    return natural(run.checkpoint), natural(run.dataset), alike(run), run.seed, run.id


def run_group(runs: Sequence[RunRecord], links: Mapping[str, str]) -> RunGroup:
    """Return runs that share all but the seed as the table shows them."""
    first = runs[0]
    return RunGroup(
        checkpoint=first.checkpoint,
        checkpoint_digest=first.checkpoint_sha256[:DIGITS],
        dataset=first.dataset,
        dataset_digest=first.dataset_sha256[:DIGITS],
        made=", ".join(
            part
            for part in (f"{'recipe' if first.backend else 'function'} {first.recipe}", first.framework, first.device)
            if part
        ),
        rows=tuple(run_row(run, links.get(run.id, "")) for run in runs),
    )


def run_row(run: RunRecord, link: str) -> RunRow:
    """Return one run as the table shows it."""
    return RunRow(
        id=run.id,
        record=link,
        seed=run.seed,
        accuracy="diverged" if run.accuracy is None else number(run.accuracy, run.unit),
        seconds=f"{run.seconds:,.1f}",
        speed=f"{run.images_per_second:,.0f}",
        memory=f"{run.memory / 1e9:.2f}",
    )
