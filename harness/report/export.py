"""tables/: one CSV and one JSON file per claim and a summary, for further analysis.

Every row begins with the `schema_version` of the records.
"""

from __future__ import annotations

import json
from collections.abc import Iterable, Sequence
from pathlib import Path
from typing import TYPE_CHECKING, Any

from harness.core.paths import write_atomic
from harness.core.verdict import Verdict
from harness.report.labels import LOOKS, backend, count
from harness.report.record_files import SCHEMA_VERSION
from harness.report.verdict_store import Key, VerdictStore, moment
from harness.stats.intervals import holm

if TYPE_CHECKING:
    import pandas as pd

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


def claim_frame(verdicts: Sequence[Verdict], adjusted: dict[Key, float]) -> pd.DataFrame:
    """Return the table of one claim: a row per (hypothesis, source)."""
    import pandas as pd

    rows = [row(verdict, adjusted.get(verdict.key)) for verdict in verdicts]
    sides = max((len(verdict.sides) for verdict in verdicts), default=0)
    columns = [*COLUMNS, *(f"side{number}_{name}" for number in range(1, sides + 1) for name in SIDE)]
    frame = pd.DataFrame(rows, columns=columns)
    # A column of counts with a gap would become a column of floats.
    counts = [name for name in columns if name.startswith("side") and name.endswith(("_n", "_seeds"))]
    return frame.astype(dict.fromkeys(counts, "Int64"))


def summary_frame(verdicts: Sequence[Verdict]) -> pd.DataFrame:
    """Return how many verdicts of each name each source gave on each claim."""
    import pandas as pd

    parts: dict[tuple[str, str], list[Verdict]] = {}
    for verdict in verdicts:
        parts.setdefault((verdict.claim, verdict.source), []).append(verdict)
    rows = [
        {"claim": claim, "source": source, **{look.slug.replace("-", "_"): count(part)[name]
         for name, look in LOOKS.items()}, "latest": max(part, key=moment).date}
        for (claim, source), part in parts.items()
    ]  # fmt: skip
    columns = ["claim", "source", *(look.slug.replace("-", "_") for look in LOOKS.values()), "latest"]
    return pd.DataFrame(rows, columns=columns)


def answers_frame(store: VerdictStore) -> pd.DataFrame:
    """Return what each source says of each claim."""
    import pandas as pd

    rows = [(each.claim, each.source, each.answer, each.sentence) for each in store.answers()]
    return pd.DataFrame(rows, columns=["claim", "source", "answer", "sentence"])


def write(folder: Path, store: VerdictStore) -> None:
    """Write tables/<claim>.csv and .json for every claim, and tables/summary.csv and .json.

    Raises:
        ClaimsError: a file can't be written.
    """
    verdicts = store.sorted()
    adjusted = holm_adjusted(verdicts)
    for claim in store.claim_ids():
        part = [verdict for verdict in verdicts if verdict.claim == claim]
        write_frame(folder / "tables" / claim, claim_frame(part, adjusted))
    write_frame(folder / "tables" / "summary", summary_frame(verdicts))
    write_frame(folder / "tables" / "answers", answers_frame(store))


def write_frame(stem: Path, frame: pd.DataFrame) -> None:
    """Write one table as CSV and as JSON (a list of objects, null where there is no figure).

    Raises:
        ClaimsError: a file can't be written.
    """
    frame = frame.copy()
    frame.insert(0, "schema_version", SCHEMA_VERSION)
    write_atomic(stem.with_name(stem.name + ".csv"), frame.to_csv(index=False).encode())
    # Not DataFrame.to_json: it writes at most 15 decimals, which turns a p-value of 1e-20 into 0.
    rows = [{str(name): plain(value) for name, value in one.items()} for one in frame.to_dict("records")]
    write_atomic(stem.with_name(stem.name + ".json"), (json.dumps(rows, indent=1) + "\n").encode())


def plain(value: Any) -> Any:
    """Return a cell as JSON can hold it: None for what pandas marks as missing."""
    import pandas as pd

    return None if pd.isna(value) else value
