"""Measure what the project promises of its speed: a table on the terminal, a JSON file in bench/results/.

    python bench/bench.py [--out FILE]

Nothing here passes or fails. Times depend on the machine and on what else it does; compare figures of one run.
"""

from __future__ import annotations

import argparse
import json
import os
import platform
import statistics
import subprocess
import sys
import tempfile
import time
from collections.abc import Callable
from pathlib import Path
from typing import Any

ROOT = Path(__file__).parents[1]
REPEATS = 3


def machine() -> dict[str, str]:
    """Return what the figures were measured on."""
    model = next(
        (line.split(":")[1].strip() for line in Path("/proc/cpuinfo").read_text().splitlines() if "model name" in line),
        platform.processor(),
    )
    from importlib.metadata import version

    packages = {name: version(name) for name in ("torch", "timm", "numpy", "pytest")}
    return {"cpu": model, "cores": str(os.cpu_count()), "python": platform.python_version(), **packages}


def wall(command: list[str]) -> float:
    """Return the seconds that a command takes: the median of REPEATS after one that does not count."""
    times = []
    for _ in range(REPEATS + 1):
        start = time.perf_counter()
        subprocess.run(command, cwd=ROOT, check=False, capture_output=True)
        times.append(time.perf_counter() - start)
    return statistics.median(times[1:])


def commands(folder: str) -> dict[str, float]:
    """Return the seconds of the commands that users wait for."""
    python = sys.executable
    run = ["run", "--checkpoint", "micro-vit-l", "--dataset", "digits-5", "--seed", "0", "--home", folder]
    pytest = [python, "-m", "pytest", "claims", "-q", "-p", "no:cacheprovider", "--report-dir", f"{folder}/report"]
    return {
        "harness run, stored (s)": wall([python, "-m", "harness", *run]),
        "pytest claims --collect-only (s)": wall([*pytest, "--collect-only"]),
        "pytest claims -m published (s)": wall([*pytest, "-m", "published"]),
    }


def corpora() -> dict[str, float]:
    """Return images per CPU second of generating each fractal corpus."""
    from harness.micro.fractals import CORPORA, generate

    found = {}
    for corpus in CORPORA.values():
        start = time.process_time()
        generate(corpus)
        found[f"fractals {corpus.id} (images/cpu-s)"] = corpus.n / (time.process_time() - start)
    return found


def networks() -> dict[str, float]:
    """Return images per second of fine-tuning and evaluating each tiny network, one thread, and of a bare loop."""
    import torch

    from harness.backends import Execution
    from harness.backends.layouts import read
    from harness.backends.models import load
    from harness.backends.pytorch import predict, to_inputs, train
    from harness.datasets import dataset
    from harness.micro.tasks import load as load_task
    from harness.recipes import recipe
    from harness.spec import Run
    from harness.zoo import checkpoint, file_of

    torch.set_num_threads(1)
    digits = load_task(dataset("digits"))
    images, labels = to_inputs(digits.train.array(), 32), torch.from_numpy(digits.train.labels)
    test = to_inputs(digits.test.array(), 32)
    found: dict[str, float] = {}
    for family in ("vit", "bit", "hybrid"):
        run = Run(checkpoint(f"micro-{family}-l"), dataset("digits"), recipe("micro"), seed=0)
        weights = read(file_of(run.checkpoint))

        def fresh(weights: Any = weights) -> Any:
            return load(weights, classes=10, resolution=32)

        size = run.recipe.steps * run.recipe.batch_size
        ours, bare = paired(
            lambda run=run, fresh=fresh: train(fresh(), images, labels, run, Execution()),
            lambda run=run, fresh=fresh: bare_loop(fresh(), images, labels, run),
        )
        found[f"{family} fine-tuning (images/s)"] = size / ours
        found[f"{family} fine-tuning, bare loop (images/s)"] = size / bare
        model = fresh()
        predict(model, test, "cpu")
        start = time.perf_counter()
        predict(model, test, "cpu")
        found[f"{family} evaluation (images/s)"] = len(test) / (time.perf_counter() - start)
    return found


def paired(a: Callable[[], Any], b: Callable[[], Any]) -> tuple[float, float]:
    """Return the median seconds of two functions, called in turn."""
    times: tuple[list[float], list[float]] = ([], [])
    for index in range(2 * (REPEATS + 1)):
        start = time.perf_counter()
        (a, b)[index % 2]()
        times[index % 2].append(time.perf_counter() - start)
    return statistics.median(times[0][1:]), statistics.median(times[1][1:])


def bare_loop(model: Any, images: Any, labels: Any, run: Any) -> None:
    """The limit: SGD on preloaded tensors with a plain shuffle, nothing recorded but the loss."""
    import torch

    recipe = run.recipe
    optimiser = torch.optim.SGD(model.parameters(), lr=recipe.learning_rate, momentum=recipe.momentum, fused=True)
    schedule = torch.optim.lr_scheduler.CosineAnnealingLR(optimiser, recipe.steps)
    order = torch.cat([torch.randperm(len(labels)) for _ in range(recipe.steps * recipe.batch_size // len(labels) + 1)])
    model.train()
    for step in range(recipe.steps):
        index = order[step * recipe.batch_size : (step + 1) * recipe.batch_size]
        logits = model(images[index].expand(-1, 3, -1, -1))
        loss = torch.nn.functional.cross_entropy(logits, labels[index])
        loss.backward()
        torch.nn.utils.clip_grad_norm_(model.parameters(), recipe.clip_norm)
        optimiser.step()
        optimiser.zero_grad()
        schedule.step()
        loss.item()


def main() -> None:
    parser = argparse.ArgumentParser(description=__doc__)
    parser.add_argument("--out", type=Path, default=ROOT / "bench" / "results" / f"{platform.node()}.json")
    options = parser.parse_args()
    with tempfile.TemporaryDirectory() as folder:
        figures = commands(folder) | corpora() | networks()
    described = machine()
    print("  ".join(f"{key} {value}" for key, value in described.items()))
    for name, value in figures.items():
        print(f"{name:44} {value:10,.2f}")
    options.out.parent.mkdir(parents=True, exist_ok=True)
    options.out.write_text(json.dumps({"machine": described, "figures": figures}, indent=1) + "\n")
    print(f"written to {options.out}")


if __name__ == "__main__":
    main()
