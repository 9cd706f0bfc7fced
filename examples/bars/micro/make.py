"""Make the example's two checkpoints: a network with random weights, and the same after learning which way bars point.

    python examples/bars/micro/make.py

Takes about half a minute on one core, and prints the table of checkpoints.toml.
"""

from __future__ import annotations

import hashlib
from pathlib import Path

import numpy as np

HERE = Path(__file__).parent
SEED = 0
STEPS, BATCH, RATE = 1500, 64, 1e-3


def main() -> None:
    """Write both files and print their entries."""
    import torch
    from torch.nn import functional

    from harness.data.readers.synthetic import BINS, orientation
    from harness.models import npz
    from harness.models.architectures import ViTArchitecture
    from harness.models.torch.build import create, export

    torch.set_num_threads(1)
    architecture = ViTArchitecture(width=48, depth=2, heads=2, mlp_size=96, patch=8, grid=4, classes=BINS)
    model = create(architecture, SEED)
    bars = orientation().train
    pixels = torch.from_numpy(np.array(bars.array())).float()[:, None].expand(-1, 3, -1, -1) / 127.5 - 1
    labels = torch.from_numpy(bars.labels)
    kept = {"nothing": export(model, architecture)}
    optimiser = torch.optim.Adam(model.parameters(), RATE)
    draw = np.random.default_rng(SEED)
    for _ in range(STEPS):
        chosen = torch.from_numpy(draw.integers(len(labels), size=BATCH))
        loss = functional.cross_entropy(model(pixels[chosen]), labels[chosen])
        optimiser.zero_grad()
        loss.backward()
        optimiser.step()
    kept["bars"] = export(model, architecture)
    for name, arrays in kept.items():
        path = HERE / "checkpoints" / f"{name}.npz"
        npz.write(path, arrays)
        content = path.read_bytes()
        print(f'{name}: size = {len(content)}, sha256 = "{hashlib.sha256(content).hexdigest()}"')
    print(f"last loss {loss.item():.4f}")


if __name__ == "__main__":
    main()
