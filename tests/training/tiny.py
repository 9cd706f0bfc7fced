"""Networks that compile in a second, under the names of the micro study's checkpoints."""

from dataclasses import replace

from harness.catalog.checkpoints import checkpoint
from harness.catalog.datasets import dataset
from harness.catalog.recipes import recipe
from harness.core.run import Run
from harness.data.readers import synthetic
from harness.data.splits import select
from harness.models.initialise import initial_arrays, library_head
from harness.models.npz_layout import BitArchitecture, HybridStem, ViTArchitecture

VIT = {"width": 32, "depth": 1, "heads": 2, "mlp_size": 48, "patch": (8, 8), "grid": (4, 4), "classes": 10}
NETWORKS = {
    "micro-vit-s": ViTArchitecture(**VIT),
    "micro-hybrid-s": ViTArchitecture(**VIT | {"patch": (2, 2)}, stem=HybridStem(32, (1,))),
    "micro-bit-s": BitArchitecture(stem_width=32, stages=((1, 128),), classes=10),
}
EVERYTHING = {
    "polyak": 0.9,
    "momentum_dtype": "bfloat16",
    "dropout": 0.1,
    "crop": "inception",
    "flip": True,
    "mixup": 0.2,
    "head": "library",
}
"""What a recipe may add to the micro study's, for a ViT."""


def run(name="micro-vit-s", framework="jax", **changed):
    """Return a run of ten steps of 16 digits, of 50."""
    short = replace(recipe("micro"), **{"steps": 10, "batch_size": 16, "warmup_steps": 2} | changed)
    return Run(checkpoint(name), dataset("digits-5"), short, seed=3, backend=framework)


def weights_of(a_run):
    """Return the arrays that a run begins with, a head that tells images apart among them: not its checkpoint's."""
    arrays = initial_arrays(NETWORKS[a_run.checkpoint.id], 1)
    for key, array in arrays.items():
        if "head/" in key and key.endswith("kernel"):
            arrays[key] = 50 * library_head((array.shape[-2], array.shape[-1]), 1).reshape(array.shape)
    return arrays


def data_of(a_run):
    return select(synthetic.load(a_run.dataset), a_run)
