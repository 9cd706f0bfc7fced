"""Check by simulation what intervals and tests over seeds and examples keep to; write the table of docs/statistics.md.

    python -m bench.calibrate [--families N]

About four minutes on one core. The figures go to bench/results/calibration.json and, condensed, between two markers of
docs/statistics.md. Ends in 1 if an interval of the grid misses what is stated.
"""

from __future__ import annotations

import argparse
import json
import math
import sys
import time
from dataclasses import replace
from pathlib import Path
from typing import Any

import numpy as np

from bench.calibration import Cell, binary_draws, normal_draws, outside, power
from bench.calibration_cases import cases
from harness.stats.power import planned

ROOT = Path(__file__).parents[1]
RESULTS = ROOT / "bench" / "results" / "calibration.json"
PAGE = ROOT / "docs" / "statistics.md"
BEGIN, END = "<!-- calibration: written by make calibrate -->", "<!-- end of calibration -->"
SEED = 20261125
LEVELS = {"5 %": 0.95, "0.42 %": 0.9958}
EXAMPLES = (797, 3_669, 10_000, 50_000)
SEEDS = (3, 5, 8)
DISCORDANCE = (0.005, 0.02, 0.10)
SEED_SD = (0.0, 0.0005, 0.001, 0.003, 0.01)
FEWEST_COVERED, MOST_COVERED_POOLED, MOST_FALSE = 0.94, 0.96, 1.5
"""What is stated: coverage at 95 %, and false decisions as multiples of the nominal rate."""
DISCRETE = 400
"""Scores are drawn as 0 and 1 where fewer examples than this tell two runs apart; above, normal theory is exact."""


FEW = 20
"""With fewer examples that tell two runs apart, discreteness makes every interval cautious."""


def grid(kind: str) -> list[Cell]:
    """Return the places of the grid that a simulator can have."""
    cells = [Cell(n, k, d, sd) for n in EXAMPLES for k in SEEDS for d in DISCORDANCE for sd in SEED_SD]
    if kind == "normal":
        return cells
    return [cell for cell in cells if cell.feasible and cell.n * cell.discordance < DISCRETE]


def measure(cell: Cell, kind: str, rng: np.random.Generator, families: int) -> list[dict[str, Any]]:
    """Return what intervals did at one place of the grid, pooled over a family of six sides and alone."""
    draws = (normal_draws if kind == "normal" else binary_draws)(cell, rng, families)
    rows = []
    for analysis in ("pooled", "alone"):
        design = replace(cell, pooled=analysis == "pooled").design
        row: dict[str, Any] = {
            "scores": kind,
            "analysis": analysis,
            "n": cell.n,
            "seeds": cell.seeds,
            "discordance": cell.discordance,
            "seed_sd": cell.seed_sd,
            "decisions": draws.value.size,
        }
        for name, level in LEVELS.items():
            row[f"false at {name}"] = round(outside(draws, 0.0, level, analysis) / (1 - level), 3)
            row[f"power at {name}"] = round(power(draws, planned(design, level), level, analysis), 3)
        row["coverage at 95 %"] = round(1 - 0.05 * row["false at 5 %"], 4)
        rows.append(row)
    return rows


def misses(rows: list[dict[str, Any]]) -> list[dict[str, Any]]:
    """Return the rows of the grid that do not keep to what is stated."""
    return [
        row
        for row in rows
        if row["coverage at 95 %"] < FEWEST_COVERED
        or (row["analysis"] == "pooled" and row["scores"] == "normal" and row["coverage at 95 %"] > MOST_COVERED_POOLED)
        or max(row[f"false at {name}"] for name in LEVELS) > MOST_FALSE
    ]


def table(found: dict[str, Any]) -> str:
    """Return the condensed table that docs/statistics.md holds."""
    lines = [
        "| scores | seed variance | seeds | coverage at 95 % | false at 5 % | false at 0.42 % | power, 80 % planned |",
        "|---|---|---|---|---|---|---|",
    ]
    for kind, fewest, most, title in (
        ("normal", 0, math.inf, "normal theory"),
        ("binary", FEW, DISCRETE, f"0/1, {FEW} to {DISCRETE} differ"),
        ("binary", 0, FEW, f"0/1, fewer than {FEW} differ"),
    ):
        for analysis, shown in (("pooled", "pooled over 6 sides"), ("alone", "the comparison's own")):
            for k in SEEDS:
                rows = [
                    row
                    for row in found["grid"]
                    if (row["scores"], row["analysis"], row["seeds"]) == (kind, analysis, k)
                    and fewest <= row["n"] * row["discordance"] < most
                ]
                cells = [span([100 * row["coverage at 95 %"] for row in rows], 1)]
                cells += [span([row[f"false at {name}"] for row in rows], 2) for name in LEVELS]
                cells.append(span([100 * row["power at 5 %"] for row in rows], 0))
                lines.append(f"| {title} | {shown} | {k} | " + " | ".join(cells) + " |")
    lines += ["", "| case | coverage at 95 % | false at 5 % | false at 0.42 % |", "|---|---|---|---|"]
    for case in found["cases"]:
        lines.append(
            f"| {case['case']} | {100 * case['coverage at 95 %']:.1f} | {case['false at 5 %']:.2f} |"
            f" {case['false at 0.42 %']:.2f} |"
        )
    return "\n".join(lines)


def span(values: list[float], digits: int) -> str:
    """Return the least and the largest of some values."""
    low, high = f"{min(values):.{digits}f}", f"{max(values):.{digits}f}"
    return low if low == high else f"{low} to {high}"


def write_page(text: str) -> None:
    """Put the table between its markers in docs/statistics.md."""
    page = PAGE.read_text()
    before, rest = page.split(BEGIN)
    after = rest.split(END)[1]
    PAGE.write_text(f"{before}{BEGIN}\n{text}\n{END}{after}")


def main() -> int:
    parser = argparse.ArgumentParser(
        prog="python -m bench.calibrate", description=__doc__, formatter_class=argparse.RawDescriptionHelpFormatter
    )
    parser.add_argument("--families", type=int, default=20_000, metavar="N", help="a cell (default: %(default)s)")
    options = parser.parse_args()
    started = time.perf_counter()
    rng = np.random.default_rng(SEED)
    rows = [row for cell in grid("normal") for row in measure(cell, "normal", rng, options.families)]
    print(f"normal theory: {len(rows)} rows, {time.perf_counter() - started:.0f} s", flush=True)
    # A discrete cell takes ten times as long, most of it for the many of 797 examples.
    rows += [row for cell in grid("binary") for row in measure(cell, "binary", rng, options.families // 5)]
    print(f"0/1 scores: {len(rows)} rows, {time.perf_counter() - started:.0f} s", flush=True)
    found = {
        "command": "python -m bench.calibrate",
        "seed": SEED,
        "families": options.families,
        "grid": rows,
        "cases": cases(np.random.default_rng((SEED, 1)), options.families),
    }
    RESULTS.write_text(json.dumps(found, indent=1) + "\n")
    write_page(table(found))
    print(f"{RESULTS.relative_to(ROOT)}, {PAGE.relative_to(ROOT)}: {time.perf_counter() - started:.0f} s")
    wrong = misses(rows)
    for row in wrong:
        print(f"not as stated: {row}", file=sys.stderr)
    return int(bool(wrong))


if __name__ == "__main__":
    sys.exit(main())
