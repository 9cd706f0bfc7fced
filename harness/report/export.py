"""tables/: one CSV and one JSON file per claim and a summary, for further analysis.

Every row begins with the `schema_version` of the records.
"""

from __future__ import annotations

import csv
import io
import json
from collections.abc import Iterable, Mapping, Sequence
from dataclasses import dataclass
from pathlib import Path
from typing import Any

from harness.core.paths import write_atomic
from harness.core.verdict import Verdict
from harness.report.labels import LOOKS, backend, count
from harness.report.record_files import SCHEMA_VERSION
from harness.report.verdict_store import Key, VerdictStore, moment
from harness.stats.intervals import holm

COLUMNS = (
    *("hypothesis", "kind", "dataset", "source", "backend", "verdict", "estimate", "low", "high", "level", "p"),
    *(
        "p_holm",
        "family",
        "smallest_detectable",
        "se_seeds",
        "se_examples",
        "seeds_needed",
        "negligible",
        "permutation_p",
        "registered",
        "tau",
        "i2",
        "conditional",
        "statement",
        "about",
        "published",
        "tolerance",
        "task",
        "method",
        "known",
        "reason",
        "date",
        "runs",
        "recipes",
        "citations",
        "unit",
        "better",
    ),
)
JOINED = ("runs", "citations", "recipes")
"""Columns that hold several values as one text."""
SIDE = ("name", "accuracy", "low", "high", "n", "seeds")


@dataclass(frozen=True)
class Table:
    """Named columns, and rows that leave some of them out."""

    columns: tuple[str, ...]
    rows: Sequence[Mapping[str, Any]]


def holm_adjusted(verdicts: Iterable[Verdict]) -> dict[Key, float]:
    """Return the Holm-adjusted p-value of each verdict that has a p, by the verdict's key.

    A family is what one test function states, judged by one source of evidence.
    """
    families: dict[tuple[str, str, str], list[Verdict]] = {}
    for verdict in verdicts:
        if verdict.p is not None:
            families.setdefault((verdict.claim, verdict.source, verdict.family), []).append(verdict)
    adjusted: dict[Key, float] = {}
    for family in families.values():
        values = holm([verdict.p for verdict in family if verdict.p is not None])
        adjusted.update(zip((verdict.key for verdict in family), values, strict=True))
    return adjusted


def row(verdict: Verdict, p_holm: float | None) -> dict[str, Any]:
    """Return a verdict as one flat row: sides become side1_name, side1_accuracy, ..."""
    values: dict[str, Any] = {name: getattr(verdict, name) for name in COLUMNS if name != "p_holm"}
    values |= {"p_holm": p_holm, "runs": " ".join(verdict.runs), "citations": "; ".join(verdict.citations)}
    values["backend"] = backend(verdict)
    values["recipes"] = "; ".join(f"{used.checkpoint}: {used.recipe}" for used in verdict.recipes)
    values = {name: values[name] for name in COLUMNS}
    for number, side in enumerate(verdict.sides, start=1):
        values |= {f"side{number}_{name}": getattr(side, name) for name in SIDE}
    return values


def claim_table(verdicts: Sequence[Verdict], adjusted: dict[Key, float]) -> Table:
    """Return the table of one claim: a row per (hypothesis, source)."""
    sides = max((len(verdict.sides) for verdict in verdicts), default=0)
    columns = (*COLUMNS, *(f"side{number}_{name}" for number in range(1, sides + 1) for name in SIDE))
    return Table(columns, [row(verdict, adjusted.get(verdict.key)) for verdict in verdicts])


def summary_table(verdicts: Sequence[Verdict]) -> Table:
    """Return how many verdicts of each name each source gave on each claim."""
    parts: dict[tuple[str, str], list[Verdict]] = {}
    for verdict in verdicts:
        parts.setdefault((verdict.claim, verdict.source), []).append(verdict)
    names = {look.slug.replace("-", "_"): name for name, look in LOOKS.items()}
    rows = []
    for (claim, source), part in parts.items():
        counts = count(part)
        counted = {column: counts[name] for column, name in names.items()}
        rows.append({"claim": claim, "source": source, **counted, "latest": max(part, key=moment).date})
    return Table(("claim", "source", *names, "latest"), rows)


def answers_table(store: VerdictStore) -> Table:
    """Return what each source says of each claim."""
    columns = ("claim", "source", "answer", "sentence")
    return Table(columns, [{name: getattr(each, name) for name in columns} for each in store.answers()])


def write(folder: Path, store: VerdictStore) -> None:
    """Write tables/<claim>.csv and .json for every claim, and tables/summary.csv and .json.

    Raises:
        ClaimsError: a file can't be written.
    """
    verdicts = store.sorted()
    adjusted = holm_adjusted(verdicts)
    for claim in store.claim_ids():
        part = [verdict for verdict in verdicts if verdict.claim == claim]
        write_table(folder / "tables" / claim, claim_table(part, adjusted))
    write_table(folder / "tables" / "summary", summary_table(verdicts))
    write_table(folder / "tables" / "answers", answers_table(store))


def write_table(stem: Path, table: Table) -> None:
    """Write one table as CSV and as JSON (a list of objects); where there is no value, empty and null.

    Raises:
        ClaimsError: a file can't be written.
    """
    columns = ("schema_version", *table.columns)
    rows = [{"schema_version": SCHEMA_VERSION, **{name: one.get(name) for name in table.columns}} for one in table.rows]
    text = io.StringIO()
    writer = csv.DictWriter(text, columns, lineterminator="\n")
    writer.writeheader()
    writer.writerows(rows)
    write_atomic(stem.with_name(stem.name + ".csv"), text.getvalue().encode())
    write_atomic(stem.with_name(stem.name + ".json"), (json.dumps(rows, indent=1) + "\n").encode())
