"""A tiny zoo, dataset and recipe in the form of a user's own tables: the real machinery at a laptop's size."""

import io
import shutil
from pathlib import Path

import numpy as np
from PIL import Image

WEIGHTS = Path(__file__).parents[2] / "paper" / "micro" / "checkpoints"
ZOO = """
[tiny-vit]
family = "vit"
architecture = "ViT-Tiny"
pretrained_on = "Small"
layout = "vit-npz"
resolution = 32
classes = 12
file = "vit-m.npz"

[tiny-vit-large]
family = "vit"
architecture = "ViT-Tiny"
pretrained_on = "Large"
layout = "vit-npz"
resolution = 32
classes = 14
file = "vit-l.npz"

[tiny-bit]
family = "bit"
architecture = "BiT-Tiny"
pretrained_on = "Small"
layout = "bit-npz"
resolution = 32
classes = 12
file = "bit-m.npz"

[tiny-lost]
family = "vit"
architecture = "ViT-Lost"
pretrained_on = "Small"
layout = "vit-npz"
sources = ["file:/nowhere/lost.npz"]
"""

DATASETS = """
[stripes]
title = "Stripes, down or across"
reader = "folder"
path = "stripes"
classes = 2
train = 40
test = 30
dev_fraction = 0.2

[nowhere]
title = "Images that are not here"
reader = "folder"
path = "nowhere"
classes = 2
train = 40
test = 30
dev_fraction = 0.2
"""

RECIPES = """
[quick]
steps = 6
batch_size = 8
resolution = 32
train_resize = 36
crop = "random"
flip = true
warmup_steps = 1
learning_rate = 0.1

[searched]
based_on = "quick"
learning_rate_grid = [0.003, 0.1]

[long]
based_on = "quick"
steps = 100_000

[wild]
based_on = "quick"
learning_rate = 1e9

[all-wild]
based_on = "quick"
learning_rate_grid = [1e9, 1e10]
"""


def stripes(number, across, side=40):
    """A PNG of noisy stripes, across or down."""
    generator = np.random.default_rng(number)
    wave = np.sin(np.arange(side) * generator.uniform(0.5, 1.5) + generator.uniform(0, 6))
    image = np.broadcast_to(wave[:, None] if across else wave[None], (side, side))
    levels = 127 + 60 * image[..., None] + generator.normal(0, 25, (side, side, 3))
    buffer = io.BytesIO()
    Image.fromarray(levels.clip(0, 255).astype(np.uint8)).save(buffer, "PNG")
    return buffer.getvalue()


def tables(folder):
    """Write the tables with their weights and images; return the folder."""
    folder.mkdir(parents=True)
    for name, text in (("checkpoints", ZOO), ("datasets", DATASETS), ("recipes", RECIPES)):
        (folder / f"{name}.toml").write_text(text)
    for name in ("vit-m", "vit-l", "bit-m"):
        shutil.copy(WEIGHTS / f"{name}.npz", folder)
    for part, count, first in (("train", 20, 0), ("test", 15, 1000)):
        for across in (0, 1):
            place = folder / "stripes" / part / ("down", "across")[across]
            place.mkdir(parents=True)
            for index in range(count):
                (place / f"{index:03d}.png").write_bytes(stripes(first + 2 * index + across, across))
    return folder
