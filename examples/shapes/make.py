"""Make the images and the initial weights of this example: `python examples/shapes/make.py` (a second)."""

from pathlib import Path

import numpy as np
import torch
from my_models import plain, residual
from PIL import Image, ImageDraw
from safetensors.torch import save_file

HERE = Path(__file__).parent
SIDE, EACH = 24, 30


def draw(shape: str, generator: np.random.Generator) -> Image.Image:
    """Return one grey image of a shape, its place, size and shade at random, on a noisy ground."""
    image = Image.fromarray(generator.integers(0, 80, size=(SIDE, SIDE), dtype=np.uint8))
    size = int(generator.integers(8, 14))
    x, y = (int(each) for each in generator.integers(1, SIDE - size - 1, size=2))
    box = (x, y, x + size, y + size)
    pen, shade = ImageDraw.Draw(image), int(generator.integers(140, 256))
    if shape == "circle":
        pen.ellipse(box, fill=shade)
    elif shape == "square":
        pen.rectangle(box, fill=shade)
    else:
        pen.polygon([(x, y + size), (x + size, y + size), (x + size // 2, y)], fill=shade)
    return image


generator = np.random.default_rng(0)
for part in ("train", "test"):
    for shape in ("circle", "square", "triangle"):
        folder = HERE / "images" / part / shape
        folder.mkdir(parents=True, exist_ok=True)
        for number in range(EACH):
            draw(shape, generator).save(folder / f"{number:02d}.png", optimize=True)
(HERE / "weights").mkdir(exist_ok=True)
for name, network in (("plain", plain), ("residual", residual)):
    torch.manual_seed(0)
    save_file(network().state_dict(), HERE / "weights" / f"{name}.safetensors")
