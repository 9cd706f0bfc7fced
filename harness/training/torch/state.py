"""What a killed run continues from: one safetensors file, written whole or not at all.

Weights, momentum, average, the scale of the loss and the losses so far. The order of examples, their views, mixup
and dropout are functions of (seed, step), so no random state and no position in the data need be saved.
"""

from __future__ import annotations

import contextlib
import json
import os
import zlib
from dataclasses import dataclass
from pathlib import Path
from typing import Any

import torch
from safetensors import SafetensorError, safe_open
from safetensors.torch import save_file
from torch import Tensor, nn

from harness.core.errors import ClaimsError
from harness.core.paths import make_folder
from harness.training.resume import Progressed, name_of, newest, prune, unsaved
from harness.training.torch.optimiser import BUFFER, Average

FORMAT = 1


@dataclass(eq=False)
class Training(Progressed):
    """Everything that a step changes."""

    model: nn.Module
    optimiser: torch.optim.Optimizer
    average: Average | None = None
    scaler: Any = None

    def tensors(self) -> dict[str, Tensor]:
        """Return the tensors that a state holds, by name; changing them in place changes the training."""
        named = {f"weights.{name}": tensor for name, tensor in self.model.state_dict().items()}
        for name, parameter in self.model.named_parameters():
            if BUFFER in self.optimiser.state[parameter]:
                named[f"momentum.{name}"] = self.optimiser.state[parameter][BUFFER]
        if self.average is not None:
            named |= {f"average.{number:05}": average for number, average in enumerate(self.average.averages)}
        return named


def save(states: Path, run_id: str, training: Training) -> None:
    """Save a training; the newest two are kept. A full disk is reported on stderr and training continues."""
    tensors = {name: tensor.detach().cpu().contiguous() for name, tensor in training.tensors().items()}
    tensors["losses"] = torch.tensor(training.losses, dtype=torch.float64)
    path = states / f"{name_of(training.step)}.safetensors"
    temporary = states / f".{path.name}.{os.getpid()}"
    said = {
        "run": run_id,
        "format": FORMAT,
        "step": training.step,
        "seconds": training.seconds,
        "waiting": training.waiting,
        "scaler": training.scaler.state_dict() if training.scaler is not None else None,
        "crc32": checksum(tensors),
    }
    try:
        make_folder(states)
        save_file(tensors, temporary, {"training": json.dumps(said)})
        with temporary.open("rb") as file:
            os.fsync(file.fileno())
        temporary.replace(path)
        prune(states)
    except (OSError, SafetensorError, ClaimsError) as error:
        with contextlib.suppress(OSError):
            temporary.unlink(missing_ok=True)
        unsaved(path, error)


def restore(states: Path, run_id: str, training: Training) -> bool:
    """Restore a training from its newest intact saved state; return whether there was one."""
    return newest(states, lambda path: load(path, run_id, training))


def load(path: Path, run_id: str, training: Training) -> None:
    """Set a training to one saved state; nothing is changed unless all of it is sound.

    Raises:
        ClaimsError: damaged, of another run or format, or of another network.
    """
    try:
        with safe_open(path, "pt") as file:
            said = json.loads(file.metadata()["training"])
            tensors = {name: file.get_tensor(name) for name in file.keys()}  # noqa: SIM118 (a file, not a mapping)
        losses = tensors.pop("losses")
        whole = checksum({**tensors, "losses": losses}) == said["crc32"]
        now = training.tensors()
        fits = tensors.keys() == now.keys() and all(tensors[name].shape == now[name].shape for name in now)
        sound = whole and fits and said["run"] == run_id and said["format"] == FORMAT and len(losses) == said["step"]
    except (OSError, SafetensorError, ValueError, KeyError, TypeError) as error:
        raise ClaimsError(f"{path}: expected a saved state, found: {error}") from None
    if not sound:
        raise ClaimsError(f"{path}: expected a valid state of run {run_id}, found another or a damaged one")
    with torch.no_grad():
        for name, tensor in now.items():
            tensor.copy_(tensors[name])
    if training.scaler is not None and said["scaler"] is not None:
        training.scaler.load_state_dict(said["scaler"])
    training.losses[:] = losses.tolist()
    training.seconds, training.waiting = said["seconds"], said["waiting"]


def checksum(tensors: dict[str, Tensor]) -> int:
    """Return the crc32 of tensors' names and bytes."""
    found = 0
    for name in sorted(tensors):
        content: Any = tensors[name].reshape(-1).view(torch.uint8).numpy()
        found = zlib.crc32(content, zlib.crc32(name.encode(), found))
    return found
