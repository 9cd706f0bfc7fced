"""Pre-train the micro study's checkpoints: three networks on three fractal corpora, two of them with three seeds.

    python -m claims.micro.pretrain [--only NAME ...] [--jobs N] [--home DIR] [--out DIR]

About an hour and a half on two cores. Killed at any moment it goes on from its last saved state, to the same
bytes. Every corpus gets equal steps, as a larger corpus must not also mean a longer training; the
number is what the largest corpus needs to converge. A checkpoint whose upstream loss says that it
has not converged is not written.

A name is FAMILY-CORPUS or FAMILY-CORPUS-INDEX: `vit-s` is the first ViT pre-trained on the smallest corpus, `vit-s-2`
the same network pre-trained again from other initial weights, with the images in another order.
"""

from __future__ import annotations

import argparse
import hashlib
import json
import sys
import time
from collections.abc import Callable
from concurrent.futures import ProcessPoolExecutor
from dataclasses import dataclass
from multiprocessing import get_context
from pathlib import Path
from typing import Any

from claims.micro.fractals import CORPORA, SIDE, Corpus
from harness.core.config import home
from harness.core.errors import ClaimsError, unknown
from harness.core.paths import write_atomic
from harness.models.npz_layout import Architecture, BitArchitecture, HybridStem, ViTArchitecture

FAMILIES = ("vit", "bit", "hybrid")
FIRST = tuple(f"{family}-{corpus.lower()}" for corpus in ("L", "M", "S") for family in FAMILIES)
REPEATED = ("vit", "bit")
"""The families that are pre-trained with every upstream seed; the files of the hybrid, too, would weigh too much."""
UPSTREAM_SEEDS = 3
NAMES = FIRST + tuple(
    f"{name}-{index}" for index in range(2, UPSTREAM_SEEDS + 1) for name in FIRST if name.split("-")[0] in REPEATED
)
STEPS = 8_000
BATCH = 64
WARMUP = 500
LEARNING_RATE = 1e-3
"""Peak of a linear warm-up and cosine decay; Adam with decoupled weight decay, as the paper pre-trains
all its models, the ResNets included, with Adam (section 4.1, appendix D.1)."""
WEIGHT_DECAY = 0.05
CLIP_NORM = 1.0
SEED = 20201022
"""Of initialisation and order of the first network of a family and corpus; the next ones count up from it."""
SAVE_EVERY = 500
TAIL = 500
"""Steps whose mean loss is the final loss."""
CONVERGED = 0.5
"""Largest final training loss (nats) of a checkpoint that is written."""
HELD_OUT_PER_CLASS = 20
SUMMARY = "pretraining.json"


@dataclass(frozen=True)
class Network:
    """What a name stands for."""

    family: str
    corpus: Corpus
    seed: int
    """Of the initial weights and of the order of the images; the corpus and its held-out images have their own."""

    @classmethod
    def parse(cls, name: str) -> Network:
        """Return the network of a name.

        Raises:
            ClaimsError: there is no such network.
        """
        if name not in NAMES:
            raise unknown("micro network", name, NAMES)
        family, corpus, *index = name.split("-")
        return cls(family, CORPORA[corpus.upper()], SEED + int(*index or (1,)) - 1)


def architecture(family: str, classes: int) -> Architecture:
    """Return the tiny network of a family: about 150,000 parameters, 32 x 32 input."""
    stem = HybridStem(width=32, stages=(1,)) if family == "hybrid" else None
    if family == "vit":
        return ViTArchitecture(width=64, depth=4, heads=2, mlp_size=128, patch=(8, 8), grid=(4, 4), classes=classes)
    if family == "hybrid":
        return ViTArchitecture(
            width=64, depth=3, heads=2, mlp_size=128, patch=(2, 2), grid=(4, 4), classes=classes, stem=stem
        )
    return BitArchitecture(stem_width=32, stages=((1, 128), (1, 128), (1, 256)), classes=classes)


def held_out(corpus: Corpus) -> tuple[Any, Any]:
    """Return fresh images of a corpus' classes, never trained on: (images, labels)."""
    from claims.micro.fractals import generate

    longer = Corpus(corpus.id, corpus.classes, corpus.per_class + HELD_OUT_PER_CLASS, corpus.seed)
    images, labels = generate(longer)
    fresh = (images.reshape(corpus.classes, -1, SIDE, SIDE)[:, corpus.per_class :]).reshape(-1, SIDE, SIDE)
    return fresh, labels.reshape(corpus.classes, -1)[:, corpus.per_class :].ravel()


def pretrain(
    name: str, steps: int, state_folder: Path, out: Path, progress: Callable[[int, float], None]
) -> dict[str, Any]:
    """Pre-train one network and write `<name>.npz`; return its row of the summary.

    Raises:
        ClaimsError: it has not converged; nothing is written.
    """
    import torch

    from claims.micro.fractals import generate
    from harness.models.npz_layout import write
    from harness.models.torch.build import create, export
    from harness.training.torch.device import DeviceContext
    from harness.training.torch.evaluation import predict
    from harness.training.torch.inputs import to_inputs

    torch.set_num_threads(1)
    network = Network.parse(name)
    corpus = network.corpus
    shape = architecture(network.family, corpus.classes)
    model = create(shape, seed=network.seed)
    pixels, classes = generate(corpus)
    images, labels = to_inputs(pixels, SIDE), torch.from_numpy(classes)
    start = time.process_time()
    state = state_folder / f"{name}-{steps}.safetensors"
    losses = loop(model, images, labels, steps, network.seed, state, progress)
    seconds = time.process_time() - start
    final = sum(losses[-TAIL:]) / len(losses[-TAIL:])
    if not final <= CONVERGED:
        raise ClaimsError(
            f"{name}: expected a final upstream loss of at most {CONVERGED}, found {final:.3f} after {steps:,} steps;"
            " not written, give it more steps"
        )
    fresh, fresh_labels = held_out(corpus)
    here = DeviceContext(torch.device("cpu"))
    correct = int((predict(model, to_inputs(fresh, SIDE), here) == fresh_labels).sum())
    path = out / f"{name}.npz"
    write(path, export(model, shape))
    return {
        "corpus": corpus.id,
        "classes": corpus.classes,
        "images": corpus.n,
        "seed": network.seed,
        "steps": steps,
        "batch_size": BATCH,
        "final_loss": round(final, 4),
        "held_out_accuracy": round(100 * correct / len(fresh_labels), 2),
        "held_out_images": len(fresh_labels),
        "parameters": sum(parameter.numel() for parameter in model.parameters()),
        "cpu_seconds": round(seconds),
        "sha256": hashlib.sha256(path.read_bytes()).hexdigest(),
        "bytes": path.stat().st_size,
        "loss_every_500_steps": [round(sum(losses[i : i + 500]) / 500, 3) for i in range(0, len(losses) - 499, 500)],
    }


def loop(
    model: Any, images: Any, labels: Any, steps: int, seed: int, state: Path, progress: Callable[[int, float], None]
) -> list[float]:
    """Train in place from the saved state if there is one; return the loss of every step.

    Args:
        model: the network.
        images: of the corpus, shape (n, side, side).
        labels: their classes, shape (n,).
        steps: how many in all.
        seed: of the order of the images.
        state: the file to resume from.
        progress: is told each step and its loss.
    """
    import torch
    from torch.nn import functional

    from harness.data.splits import batch_indices
    from harness.training.torch.inputs import three_channels

    optimiser = torch.optim.AdamW(model.parameters(), lr=torch.tensor(0.0), weight_decay=WEIGHT_DECAY, fused=True)
    losses = restore(state, model, optimiser)
    model.train()
    for step in range(len(losses), steps):
        index = torch.from_numpy(batch_indices(len(labels), BATCH, step, seed))
        loss = functional.cross_entropy(model(three_channels(images[index])), labels[index])
        loss.backward()
        torch.nn.utils.clip_grad_norm_(model.parameters(), CLIP_NORM)
        rate = (
            LEARNING_RATE
            * min(1.0, (step + 1) / WARMUP)
            * 0.5
            * (1 + float(torch.cos(torch.tensor(torch.pi * step / steps))))
        )
        for group in optimiser.param_groups:
            group["lr"].fill_(rate)
        optimiser.step()
        optimiser.zero_grad()
        losses.append(float(loss.detach()))
        if (step + 1) % SAVE_EVERY == 0:
            save(state, model, optimiser, losses)
        progress(step, losses[-1])
    return losses


def save(path: Path, model: Any, optimiser: Any, losses: list[float]) -> None:
    """Save weights, both moments and the losses so far as safetensors, atomically."""
    import torch
    from safetensors.torch import save as to_bytes

    tensors = {f"model.{key}": value for key, value in model.state_dict().items()}
    for index, parameter_state in optimiser.state_dict()["state"].items():
        tensors |= {f"optimiser.{index}.{key}": value for key, value in parameter_state.items()}
    tensors["losses"] = torch.tensor(losses, dtype=torch.float64)
    write_atomic(path, to_bytes({key: value.contiguous() for key, value in tensors.items()}))


def restore(path: Path, model: Any, optimiser: Any) -> list[float]:
    """Load what `save` wrote; return the losses so far (none if nothing was saved)."""
    from safetensors.torch import load

    if not path.exists():
        return []
    tensors = load(path.read_bytes())
    model.load_state_dict({key[6:]: value for key, value in tensors.items() if key.startswith("model.")})
    moments: dict[int, dict[str, Any]] = {}
    for key, value in tensors.items():
        if key.startswith("optimiser."):
            _, index, name = key.split(".", 2)
            moments.setdefault(int(index), {})[name] = value
    optimiser.load_state_dict({"state": moments, "param_groups": optimiser.state_dict()["param_groups"]})
    losses: list[float] = tensors["losses"].tolist()
    return losses


def job(name: str, steps: int, state_folder: Path, out: Path, position: int) -> dict[str, Any]:
    """Pre-train one network with a progress bar: the work of one process."""
    from tqdm import tqdm

    with tqdm(total=steps, desc=f"{name:9}", position=position, unit="step", mininterval=2, dynamic_ncols=True) as bar:

        def progress(step: int, loss: float) -> None:
            bar.n = step + 1
            if step % 50 == 49:
                bar.set_postfix(loss=f"{loss:.3f}", refresh=False)
            bar.update(0)

        return pretrain(name, steps, state_folder, out, progress)


def main(arguments: list[str] | None = None) -> int:
    """Pre-train what is asked for, and write the summary beside the checkpoints."""
    parser = argparse.ArgumentParser(prog="python -m claims.micro.pretrain", description=__doc__.split("\n\n")[0])
    parser.add_argument("--only", nargs="+", metavar="NAME", help=f"of {', '.join(NAMES)}; default: all")
    parser.add_argument("--steps", type=int, default=STEPS, help="optimiser steps of 64 images (default: %(default)s)")
    parser.add_argument("--jobs", type=int, default=2, help="processes, one thread each (default: %(default)s)")
    parser.add_argument("--home", help="where the states to resume from lie")
    parser.add_argument("--out", type=Path, default=Path(__file__).with_name("checkpoints"), help="where the files go")
    options = parser.parse_args(arguments)
    names = options.only or NAMES
    for name in names:
        Network.parse(name)
    states = home(options.home) / "pretraining"
    failures = 0
    with ProcessPoolExecutor(options.jobs, mp_context=get_context("spawn")) as pool:
        futures = {
            name: pool.submit(job, name, options.steps, states, options.out, position % options.jobs)
            for position, name in enumerate(names)
        }
        for name, future in futures.items():
            try:
                record(options.out / SUMMARY, name, future.result())
            except ClaimsError as error:
                print(error, file=sys.stderr)
                failures += 1
    return 1 if failures else 0


def record(path: Path, name: str, row: dict[str, Any]) -> None:
    """Add a network's row to the summary file."""
    rows = json.loads(path.read_text()) if path.exists() else {}
    rows[name] = row
    write_atomic(path, (json.dumps(dict(sorted(rows.items())), indent=1) + "\n").encode())
    print(f"{name}: loss {row['final_loss']}, held-out {row['held_out_accuracy']} %, sha256 {row['sha256']}")


if __name__ == "__main__":
    try:
        sys.exit(main())
    except ClaimsError as error:
        sys.exit(f"pretrain: {error}")
