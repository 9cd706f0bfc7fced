"""tables/*.tex: the verdicts of each claim, and the answers, as LaTeX tables (booktabs and longtable)."""

from __future__ import annotations

import re
from collections.abc import Sequence
from pathlib import Path
from typing import TYPE_CHECKING

from harness.core.paths import write_atomic
from harness.core.verdict import Verdict
from harness.report.export import holm_adjusted
from harness.report.labels import level, source_name, stated
from harness.report.verdict_store import Key, VerdictStore

if TYPE_CHECKING:
    import pandas as pd

SPECIAL = {
    "\\": r"\textbackslash{}",
    "~": r"\textasciitilde{}",
    "^": r"\textasciicircum{}",
    "<": r"\textless{}",
    ">": r"\textgreater{}",
    **{char: f"\\{char}" for char in "&%$#_{}"},
    "±": r"\ensuremath{\pm}",
    "×": r"\ensuremath{\times}",
    "−": r"\ensuremath{-}",
    "→": r"\ensuremath{\rightarrow}",
}


def write_latex(folder: Path, store: VerdictStore) -> list[Path]:
    """Write tables/<claim>.tex for every claim and tables/answers.tex; return the files.

    Raises:
        ClaimsError: a file can't be written.
    """
    verdicts = store.sorted()
    adjusted = holm_adjusted(verdicts)
    frames = {"answers": answers_frame(store)}
    captions = {"answers": "What each source of evidence says of each claim"}
    for claim in store.claim_ids():
        frames[claim] = claim_frame([verdict for verdict in verdicts if verdict.claim == claim], adjusted)
        captions[claim] = store.claims[claim].title if claim in store.claims else claim
    written = []
    for name, frame in frames.items():
        path = folder / "tables" / f"{name}.tex"
        write_atomic(path, latex(frame, captions[name], f"tab:{name}").encode())
        written.append(path)
    return written


def claim_frame(verdicts: Sequence[Verdict], adjusted: dict[Key, float]) -> pd.DataFrame:
    """Return a claim's verdicts as a reader of a paper wants them: estimate with interval, Holm-adjusted p."""
    import pandas as pd

    rows = [
        (
            stated(verdict),
            source_name(verdict),
            verdict.verdict,
            difference(verdict),
            level(verdict.level) if verdict.low is not None else "",
            "" if (p := adjusted.get(verdict.key)) is None else f"{p:.2g}",
        )
        for verdict in verdicts
    ]
    return pd.DataFrame(rows, columns=["hypothesis", "source", "verdict", "difference", "level", "p (Holm)"])


def difference(verdict: Verdict) -> str:
    """Return an estimate with its interval in percentage points (of a ratio of costs the ratio); "" without one."""
    if verdict.estimate is None:
        return ""
    if verdict.kind == "Ratio":
        return f"{verdict.estimate:.3g}"
    bounds = "" if verdict.low is None or verdict.high is None else f" [{verdict.low:+.2f}, {verdict.high:+.2f}]"
    return f"{verdict.estimate:+.2f}{bounds}"


def answers_frame(store: VerdictStore) -> pd.DataFrame:
    """Return what each source says of each claim."""
    import pandas as pd

    rows = [(store.claims[each.claim].title, each.source, each.answer) for each in store.answers()]
    return pd.DataFrame(rows, columns=["claim", "source", "answer"])


def latex(frame: pd.DataFrame, caption: str, label: str) -> str:
    """Return a table of texts as LaTeX; its preamble needs the packages booktabs and longtable."""
    plain = frame.map(escaped)
    widths = {"hypothesis": r"p{0.42\linewidth}", "claim": r"p{0.6\linewidth}"}
    columns = "".join(widths.get(str(name), "l") for name in frame.columns)
    return plain.to_latex(
        index=False, escape=False, longtable=True, column_format=columns, caption=escaped(caption), label=label
    )


def escaped(text: str) -> str:
    """Return a text so that LaTeX prints it as it is."""
    return re.sub("|".join(map(re.escape, SPECIAL)), lambda found: SPECIAL[found[0]], re.sub(r"\s+", " ", text))
