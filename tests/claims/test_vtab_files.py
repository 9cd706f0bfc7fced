"""BiT-M's released VTAB-1k files: an entry for each, and evaluation alone on a file of the same layout."""

import hashlib
from dataclasses import replace

import numpy as np
import pytest
import torch

from harness.catalog.checkpoints import checkpoint, checkpoints
from harness.catalog.datasets import pinned_dataset
from harness.catalog.recipes import resolve
from harness.core.errors import ClaimsError
from harness.core.run import Run
from harness.data import registry
from harness.models.architectures import BitArchitecture
from harness.models.initialise import initial_arrays
from harness.models.npz import write
from harness.models.torch import build
from harness.runs.run import measure
from harness.runs.store import Store
from tests.data import making

TASKS = {
    "dsprites-xpos": ("vtab-dsprites-location", making.dsprites, 200, 128),
    "dsprites-orientation": ("vtab-dsprites-orientation", making.dsprites, 200, 128),
    "smallnorb-azimuth": ("vtab-smallnorb-azimuth", making.smallnorb, 300, 384),
    "smallnorb-elevation": ("vtab-smallnorb-elevation", making.smallnorb, 300, 384),
}
"""BiT's name of a task: the dataset, what makes it, its scored images, the side that BiT's rule gives."""


@pytest.mark.parametrize("task", TASKS)
def test_a_task_has_its_fifteen_files(task):
    found = [name for name in checkpoints() if f"-vtab-{task}-run" in name]
    assert len(found) == 15
    sources = {source for name in found for source in checkpoint(name).sources}
    assert f"gs://bit_models/vtab/BiT-M-R152x4-run2-{task}.npz" in sources
    assert len(sources) == 15


def usual(arrays, examples):
    """Return the mean features (D,) of some images, less which a head drawn at random tells images apart."""
    model = build.load(arrays).eval()
    images = np.stack([examples.pixels(index) for index in range(32)]).transpose(0, 3, 1, 2)
    with torch.inference_mode():
        return (
            model.forward_head(model.forward_features(torch.tensor(images / 127.5 - 1).float()), pre_logits=True)
            .mean(0)
            .numpy()
        )


@pytest.fixture
def here(tmp_path, monkeypatch):
    """Return what makes a task's dataset and a tiny network's file under the names of a released file."""

    def make(task, classes=None):
        name, images, test, _ = TASKS[task]
        entry = replace(registry.entries()[name], test=test, files=())
        monkeypatch.setattr(registry, "entries", lambda: {name: entry})
        images(tmp_path / "data" / entry.folder)
        tiny = BitArchitecture(stem_width=32, stages=((1, 128),), classes=classes or entry.classes)
        arrays = initial_arrays(tiny, 1)
        head = arrays["resnet/head/conv2d/kernel"]
        drawn = np.random.default_rng(0).normal(size=head.shape).astype(np.float32)
        bias = -usual(arrays, registry.load_parts(entry, tmp_path / "data" / entry.folder).test) @ drawn[0, 0]
        arrays |= {"resnet/head/conv2d/kernel": drawn, "resnet/head/conv2d/bias": bias}
        path = tmp_path / "released.npz"
        write(path, arrays)
        released = checkpoint(f"bit-m-r50x1-vtab-{task}-run0")
        weights = replace(released, architecture="BiT-Tiny", sources=(f"file:{path}",), classes=tiny.classes)
        return replace(weights, sha256=hashlib.sha256(path.read_bytes()).hexdigest()), entry

    monkeypatch.setenv("VIT_CLAIMS_DATA", str(tmp_path / "data"))
    monkeypatch.setenv("VIT_CLAIMS_HOME", str(tmp_path / "home"))
    return make


@pytest.mark.parametrize(("task", "side"), [("dsprites-xpos", 128), ("smallnorb-azimuth", 64)])
def test_evaluation_alone_scores_every_test_image_by_the_files_own_head(task, side, here, tmp_path, one_thread):
    weights, entry = here(task)
    images = pinned_dataset(entry, train=False)
    how = resolve("evaluate", weights, images)
    assert (how.evaluates_only, how.side) == (True, TASKS[task][3])
    a_run = Run(weights, images, replace(how, resolution=side), 0)  # a smaller side is quicker
    result = measure(a_run, Store(tmp_path / "store"))
    parts = registry.load_parts(entry, tmp_path / "data" / entry.folder)
    assert result.labels == tuple(parts.test.labels.tolist())
    assert set(result.predictions) <= set(range(entry.classes))
    assert len(set(result.predictions)) > 1
    jaxs = measure(replace(a_run, backend="jax"), Store(tmp_path / "store"))
    assert sum(ours != theirs for ours, theirs in zip(result.predictions, jaxs.predictions, strict=True)) <= 2


def test_a_head_of_other_classes_is_refused(here, tmp_path):
    weights, entry = here("smallnorb-elevation", classes=18)
    images = pinned_dataset(entry, train=False)
    how = replace(resolve("evaluate", weights, images), resolution=64)
    with pytest.raises(ClaimsError, match="expected a head of 9 classes for vtab-smallnorb-elevation, found 18"):
        measure(Run(weights, images, how, 0), Store(tmp_path / "store"))


def test_the_papers_recipe_trains_on_the_thousand_and_scores_the_rest(here, tmp_path, one_thread):
    weights, entry = here("dsprites-orientation")
    images = pinned_dataset(entry)
    assert (images.train, images.test, images.dev) == (1000, 200, 200)
    how = resolve("paper", replace(weights, variant="orig", tuned_on=""), images)
    assert (how.steps, how.learning_rate, how.flip) == (2500, 0.01, False)
    quick = replace(how, steps=2, batch_size=8, warmup_steps=0, train_resize=36, resolution=32, precision="float32")
    result = measure(Run(weights, images, quick, 0), Store(tmp_path / "store"))
    assert (len(result.predictions), len(result.loss_history)) == (200, 2)
