"""Make the micro checkpoints: networks of the official layouts with random weights, a few kilobytes each.

Weights are rounded to three bits, so that the files compress; heads are not zero, so that images are told apart.

    python -m tests.paper.micro.make
"""

import hashlib
from pathlib import Path

import numpy as np

from harness.models.initialise import initial_arrays, library_head
from harness.models.npz_layout import BitArchitecture, HybridStem, ViTArchitecture

FOLDER = Path(__file__).parent / "checkpoints"
CLASSES = {"s": 10, "m": 12, "l": 14}
VIT = {"width": 32, "depth": 1, "heads": 2, "mlp_size": 48, "patch": (8, 8), "grid": (4, 4)}
NETWORKS = {
    "vit": lambda classes: ViTArchitecture(**VIT, classes=classes),
    "bit": lambda classes: BitArchitecture(stem_width=32, stages=((1, 128),), classes=classes),
    "hybrid": lambda classes: ViTArchitecture(**VIT | {"patch": (2, 2)}, classes=classes, stem=HybridStem(32, (1,))),
}
NAMES = ("vit-s", "vit-m", "vit-l", "bit-s", "bit-m", "hybrid-s", "hybrid-m", "bit-l")


def arrays_of(name):
    """Return the weights of a checkpoint, float32 by key."""
    family, size = name.split("-")
    seed = NAMES.index(name)
    arrays = initial_arrays(NETWORKS[family](CLASSES[size]), seed)
    for key, array in arrays.items():
        if "head/" in key and key.endswith("kernel"):
            kernel = 50 * library_head((array.shape[-2], array.shape[-1]), seed)
            # What all images have in common gives no class more than another.
            array = (kernel - kernel.mean(axis=0)).reshape(array.shape)
        if "/gn3/" in key and key.endswith("scale"):
            array = np.ones_like(array)
        arrays[key] = rounded(array)
    return arrays


def rounded(array, bits=3):
    """Return float32 values rounded to so many bits of mantissa."""
    mantissa, exponent = np.frexp(array)
    return np.ldexp(np.round(mantissa * 2**bits) / 2**bits, exponent).astype(np.float32)


if __name__ == "__main__":
    FOLDER.mkdir(exist_ok=True)
    for name in NAMES:
        path = FOLDER / f"{name}.npz"
        np.savez_compressed(path, **arrays_of(name))
        content = path.read_bytes()
        print(f'{name}: size = {len(content)}, sha256 = "{hashlib.sha256(content).hexdigest()}"')
