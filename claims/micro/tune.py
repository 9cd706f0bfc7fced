"""Choose the micro recipe's learning rates on the dev splits with development seeds.

    python -m claims.micro.tune [--jobs N] [--home DIR]

Every checkpoint and dataset gets the same grid, as the paper searches one per model and dataset
(appendix B.1.1). A network that was pre-trained several times is tuned once, on its first pre-training. The test sets
and the judged seeds have no part in it. The grid's results are written with the choice (learning_rates.json).
"""

from __future__ import annotations

import argparse
import json
import sys
from dataclasses import replace
from pathlib import Path
from typing import Any

from tqdm import tqdm

from harness.catalog.checkpoints import checkpoints, shipped
from harness.catalog.datasets import datasets
from harness.catalog.recipes import recipes
from harness.core.config import home
from harness.core.errors import ClaimsError
from harness.core.paths import write_atomic
from harness.core.run import Run
from harness.evidence.lr_search import RULE, best_rate
from harness.evidence.micro.proxies import proxies
from harness.runs.executor import cores, executor

GRID = (0.01, 0.03, 0.1, 0.3, 1.0)
"""The paper's grid reaches from 0.001 to 0.06 for 500 to 20,000 steps; 40 steps ask for larger rates."""
TABLE = Path(__file__).with_name("learning_rates.json")


def grid_runs(checkpoint: str, dataset: str, rate: float) -> list[Run]:
    """Return the runs that one point of the grid is judged by: scored on the dev split, one per development seed."""
    recipe = replace(recipes()["micro"], learning_rate=rate)
    pinned = checkpoints()[checkpoint], datasets()[dataset]
    return [Run(*pinned, recipe, seed, split="dev") for seed in proxies().development]


def main(arguments: list[str] | None = None) -> int:
    """Search the grid and write the table."""
    parser = argparse.ArgumentParser(prog="python -m claims.micro.tune", description=(__doc__ or "").split("\n\n")[0])
    parser.add_argument("--jobs", type=int, default=cores(), help="processes, one thread each (default: %(default)s)")
    parser.add_argument("--home", help="where results lie")
    options = parser.parse_args(arguments)
    tuned = [name for name in shipped() if name not in proxies().again]
    points = [(c, d, rate) for c in tuned for d in dict(proxies().datasets).values() for rate in GRID]
    found: dict[str, dict[str, dict[str, float]]] = {}
    with executor(home(options.home), options.jobs) as execute:
        for point in points:
            execute.plan(grid_runs(*point))
        with tqdm(total=sum(execute.counts), unit="run", disable=None) as bar:
            execute.progress = lambda done, total, label: (bar.update(done - bar.n), None)[1]
            for checkpoint, dataset, rate in points:
                results = execute.results(grid_runs(checkpoint, dataset, rate))
                accuracy = 100 * sum(r.correct for r in results) / sum(r.n for r in results)
                found.setdefault(checkpoint, {}).setdefault(dataset, {})[f"{rate:g}"] = round(accuracy, 2)
    write_atomic(TABLE, (json.dumps(table(found), indent=1) + "\n").encode())
    return 0


def table(found: dict[str, dict[str, dict[str, float]]]) -> dict[str, Any]:
    """Return the choice with its grounds: the best mean dev accuracy, the lower rate where two tie.

    A network's later pre-trainings get the rates of the first.
    """
    chosen = {
        checkpoint: {
            dataset: best_rate({float(rate): accuracy for rate, accuracy in by_rate.items()})
            for dataset, by_rate in by_dataset.items()
        }
        for checkpoint, by_dataset in found.items()
    }
    chosen |= {again: chosen[first] for again, first in proxies().again.items() if first in chosen}
    return {
        "rule": RULE,
        "development_seeds": list(proxies().development),
        "chosen": chosen,
        "dev_accuracy": found,
    }


if __name__ == "__main__":
    try:
        sys.exit(main())
    except ClaimsError as error:
        sys.exit(f"tune: {error}")
