"""Evaluation as timm's validate.py does it: its prefetching loader, and loss and accuracy looked at in every batch."""

from __future__ import annotations

from typing import Any

import numpy as np
import torch
from timm.data.loader import PrefetchLoader, fast_collate
from timm.utils.metrics import accuracy
from torch import nn
from torch.utils.data import DataLoader, Dataset

from bench.cases import Case
from bench.evaluation import Classes
from bench.loops import precision, wait
from bench.rows import Clock, Lap
from harness.training.api import EVALUATION_BATCH
from harness.training.torch.device import DeviceContext
from harness.training.torch.inputs import laid_out


class Stored(Dataset[Any]):
    """Test images (C, H, W) uint8 with their labels, as fast_collate takes them; they have the input's size already."""

    def __init__(self, case: Case):
        images = case.data.test.array()
        self.images = np.moveaxis(images[..., None] if images.ndim == 3 else images, 3, 1)
        self.labels = case.data.test.labels

    def __len__(self) -> int:
        return len(self.labels)

    def __getitem__(self, index: int) -> tuple[Any, int]:
        return self.images[index], int(self.labels[index])


def loader(case: Case, here: DeviceContext, workers: int) -> PrefetchLoader:
    """Return timm's loader, normalising on the device."""
    recipe = case.run.recipe
    mean, std = ((value,) * 3 if isinstance(value, float) else value for value in (recipe.mean, recipe.std))
    batches = DataLoader(
        Stored(case),
        EVALUATION_BATCH,
        num_workers=workers,
        collate_fn=fast_collate,
        pin_memory=here.accelerated,
        persistent_workers=workers > 0,
    )
    channels = batches.dataset[0][0].shape[0]
    return PrefetchLoader(batches, mean[:channels], std[:channels], channels, here.device)


@torch.inference_mode()
def validated(
    case: Case, model: nn.Module, memory_format: torch.memory_format, batches: PrefetchLoader
) -> tuple[Lap, Classes]:
    """Evaluate the network as it is, and look at loss and accuracy of every batch."""
    clock = Clock(wait(case.device))
    criterion = nn.CrossEntropyLoss()
    model.eval()
    model.to(memory_format=memory_format)
    found, losses = [], []
    for images, labels in batches:
        with precision(case):
            logits = model(laid_out(images, memory_format))
            loss = criterion(logits, labels)
        accuracy(logits.detach(), labels, topk=(1, 5))[0].item()
        losses.append(loss.item())
        found.append(logits.argmax(dim=1))
    predictions = torch.cat(found).cpu().numpy()
    return clock.lap(len(predictions), losses), predictions
