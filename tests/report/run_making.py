"""Runs with results that are made up, as records and in a store: no network is trained for them."""

import dataclasses
import hashlib

from harness.core.result import Divergence, Result
from harness.report.run_records import run_record
from tests.core.test_run import run

N = 200
LABELS = tuple(k % 4 for k in range(N))
WHEN = "2026-03-01T10:00:00+00:00"


def predictions(wrong):
    """Return predictions that are right but for these examples."""
    return tuple((label + 1) % 4 if k in wrong else label for k, label in enumerate(LABELS))


def sha(name):
    """Return a digest that stands for the bytes of something of this name."""
    return hashlib.sha256(name.encode()).hexdigest()


def made(seed=0, wrong=(), checkpoint="net", dataset="pics", speed=100.0, **changes):
    """Return a run and its result: all examples right but those that are named."""
    of = run(
        seed=seed,
        checkpoint={"id": checkpoint, "architecture": "ViT-S", "sha256": sha(checkpoint), **changes.pop("weights", {})},
        dataset={"id": dataset, "classes": 4, "test": N, "train": 40, "sha256": sha(dataset)},
        recipe=changes.pop("recipe", {}),
        backend=changes.pop("backend", "torch"),
    )
    plain = {
        "run_id": of.id,
        "predictions": predictions(set(wrong)),
        "labels": LABELS,
        "loss_history": (1.0, 0.5),
        "seconds": 2.0,
        "images_per_second": speed,
        "peak_memory": 1000,
        "environment": (("python", "3.11"), ("torch", "2.11"), ("device", "cpu")),
    }
    return of, Result(**(plain | changes))


def record(*args, computed=WHEN, origin="", **changes):
    """Return the record of a made-up run."""
    return run_record(*made(*args, **changes), computed, origin)


def records(seeds, wrong, **changes):
    """Return records by id, a seed each; seed k is wrong on the examples `wrong(k)`."""
    found = [record(seed, wrong(seed), **changes) for seed in seeds]
    return {each.id: each for each in found}


def diverged(seed=0):
    """Return a run that diverged, with its result."""
    of, result = made(seed)
    return of, dataclasses.replace(result, predictions=(), diverged=Divergence(3, 0.1, (1, 2)))


def on_card(**changes):
    """Return the record of a made-up run on a card, two hours long."""
    plain = {
        "id": "00000000000000b1",
        "checkpoint": "vit-b16",
        "checkpoint_sha256": "ab" * 32,
        "dataset": "cifar10",
        "dataset_sha256": "cd" * 32,
        "recipe": "paper",
        "seed": 3,
        "accuracy": 98.5,
        "seconds": 7200.0,
        "images_per_second": 1234.5,
        "device_memory": 20_000_000_000,
        "environment": (("torch", "2.15.0"), ("device", "NVIDIA H100")),
        "losses": tuple(2.0 - k / 40 for k in range(40)),
    }
    return dataclasses.replace(record(), **(plain | changes))


def on_cpu():
    """Return the same of a small network on a CPU, a minute and a half long."""
    environment = (("torch", "2.15.0"), ("device", "cpu"))
    return on_card(id="00000000000000b2", environment=environment, seconds=90.0, checkpoint="micro-vit")
