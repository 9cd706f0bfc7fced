"""Fine-tuning and prediction in PyTorch."""

from __future__ import annotations

import time

import numpy as np
import numpy.typing as npt
import torch
from torch import Tensor, nn
from torch.nn import functional

from harness.backends import Execution, Outcome, Weights
from harness.backends.loaders import build_checkpoint
from harness.data.preprocess import check_inputs
from harness.data.splits import Data, batch_indices
from harness.schedule import learning_rate
from harness.spec import Run

EVALUATION_BATCH = 256
"""Fixed, and part of the numerics version: the batch size moves the logits' last bits."""


def fine_tune(run: Run, weights: Weights, data: Data, execution: Execution) -> Outcome:
    """Fine-tune as the paper does (appendix B.1.1) and predict every scored example.

    SGD with momentum, linear warm-up and cosine decay, gradients clipped at a global norm, a
    zero-initialised head, positional embeddings interpolated to the recipe's resolution.

    Args:
        run: what to compute.
        weights: the checkpoint's arrays, already checked.
        data: uint8 images; the train part is trained on, the test part predicted.
        execution: device, split of the batch, progress callback.
    """
    if execution.device == "cpu":
        # Predictions depend on the number of threads; parallelism is across runs.
        torch.set_num_threads(1)
    torch.manual_seed(run.seed)
    recipe = run.recipe
    model = build_checkpoint(run.checkpoint, weights, classes=run.dataset.classes, resolution=recipe.resolution)
    model.to(execution.device)
    images = to_inputs(data.train.array(), recipe.resolution).to(execution.device)
    check_inputs(images, run.checkpoint.id)
    labels = torch.from_numpy(data.train.labels).to(execution.device)
    start = time.perf_counter()
    losses = train(model, images, labels, run, execution)
    seconds = time.perf_counter() - start
    scored = to_inputs(data.test.array(), recipe.resolution)
    check_inputs(scored, run.checkpoint.id)
    predictions = predict(model, scored, execution.device)
    return Outcome(predictions, tuple(losses), recipe.steps * recipe.batch_size / seconds)


def train(model: nn.Module, images: Tensor, labels: Tensor, run: Run, execution: Execution) -> list[float]:
    """Run the recipe's steps in place and return the loss of each.

    Args:
        model: gives logits (N, classes).
        images: (N, C, H, W) float32 in [-1, 1].
        labels: (N,) int64.
        run: recipe and seed.
        execution: split of the batch and progress callback.
    """
    recipe = run.recipe
    parameters = [parameter for parameter in model.parameters() if parameter.requires_grad]
    optimiser = torch.optim.SGD(parameters, lr=0.0, momentum=recipe.momentum, fused=True)
    model.train()
    losses = []
    for step in range(recipe.steps):
        index = torch.from_numpy(batch_indices(len(labels), recipe.batch_size, step, run.seed)).to(labels.device)
        loss = 0.0
        # The gradient is that of the whole batch however memory splits it: each part's mean loss
        # counts by its share.
        for part in index.split(execution.micro_batch or len(index)):
            part_loss = functional.cross_entropy(model(three_channels(images[part])), labels[part])
            share = part_loss * (len(part) / len(index))
            share.backward()
            loss += float(share.detach())
        if recipe.clip_norm is not None:
            nn.utils.clip_grad_norm_(parameters, recipe.clip_norm)
        for group in optimiser.param_groups:
            group["lr"] = learning_rate(recipe, step)
        optimiser.step()
        optimiser.zero_grad()
        losses.append(loss)
        if execution.on_step is not None:
            execution.on_step(step, loss)
    return losses


@torch.inference_mode()
def predict(model: nn.Module, images: Tensor, device: str) -> npt.NDArray[np.int64]:
    """Return the predicted class of every image, shape (N,), the last partial batch included."""
    model.eval()
    parts = [model(three_channels(part.to(device))).argmax(dim=1).cpu() for part in images.split(EVALUATION_BATCH)]
    return torch.cat(parts).numpy()


def to_inputs(images: npt.NDArray[np.uint8], resolution: int) -> Tensor:
    """Return uint8 images (N, H, W) grey or (N, H, W, 3) as float32 (N, C, resolution, resolution) in [-1, 1].

    Straight resize, bilinear, not antialiased, no crop; (x - 127.5) / 127.5 after it
    (the authors' evaluation input, vision_transformer input_pipeline).
    """
    pixels = torch.from_numpy(images).to(torch.float32)
    pixels = pixels.unsqueeze(1) if pixels.ndim == 3 else pixels.movedim(3, 1)
    if pixels.shape[2:] != (resolution, resolution):
        pixels = functional.interpolate(pixels, size=(resolution, resolution), mode="bilinear", align_corners=False)
    return (pixels - 127.5) / 127.5


def three_channels(images: Tensor) -> Tensor:
    """Return grey images (N, 1, H, W) as (N, 3, H, W); colour images as they are."""
    return images.expand(-1, 3, -1, -1) if images.shape[1] == 1 else images
