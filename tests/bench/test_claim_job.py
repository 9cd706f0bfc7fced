"""A claim's job on made-up weights and images: the whole way of released checkpoints, stopped once and resumed."""

import shutil
import tomllib

import numpy as np
import pytest

from bench import claim_job, synthetic_paper
from bench.claim_job import Job
from harness.data.readers.cifar import CIFAR_10, cifar10
from harness.models.architectures import BitArchitecture, ViTArchitecture
from harness.models.npz_layout import read
from tests.report.suite import ROOT

CLASSES = 30
TINY = {
    "vit-l16-in21k": ViTArchitecture(32, 1, 2, 48, (16, 16), (14, 14), CLASSES),
    "bit-m-r152x4": BitArchitecture(stem_width=32, stages=((1, 128),), classes=CLASSES),
}
RENAMED = {"ViT-L/16": "ViT-Tiny", "BiT-R152x4": "BiT-Tiny", "21843": str(CLASSES)}


@pytest.fixture
def made(tmp_path):
    """The tests' paper with networks of other names, whose size the name does not say, and what it needs."""
    paper = tmp_path / "original" / "claims"
    shutil.copytree(ROOT / "tests" / "paper", paper)
    for path in [*paper.glob("*.toml"), *paper.glob("*.py")]:
        text = path.read_text()
        for old, new in RENAMED.items():
            text = text.replace(old, new)
        path.write_text(text)
    return synthetic_paper.write(tmp_path / "made", paper, TINY, train=200, test=40, steps=6)


def test_the_tables_state_what_was_made(made):
    entry = tomllib.loads((made / "checkpoints.toml").read_text())["bit-m-r152x4"]
    path = made.parent / "weights" / "bit-m-r152x4.npz"
    assert entry["sources"] == [f"file:{path}"]
    assert entry["sha256"] == synthetic_paper.digest(path, "sha256")
    arrays = read(path)
    assert arrays["resnet/head/conv2d/kernel"].shape == (1, 1, 128, CLASSES)
    assert all(np.isfinite(array).all() for array in arrays.values())
    cifar = tomllib.loads((made / "datasets.toml").read_text())["cifar10"]
    assert (cifar["train"], cifar["test"]) == (200, 40)
    splits = cifar10(made.parent / "data" / "cifar10", cifar["files"])
    assert (len(splits.train.labels), len(splits.test.labels)) == (200, 40)
    assert set(splits.test.labels.tolist()) == set(range(10))


def test_other_tables_stay_as_they_are():
    text = '# first\n[a]\nx = 1\ny = "two"\n\n[a.b]\nz = 3\n\n[c]\nx = 4\n'
    found = tomllib.loads(synthetic_paper.changed(text, "a", {"x": [5], "w": "ä"}))
    assert found == {"a": {"x": [5], "y": "two", "w": "ä", "b": {"z": 3}}, "c": {"x": 4}}
    with pytest.raises(ValueError, match="d"):
        synthetic_paper.changed(text, "d", {})
    with pytest.raises(ValueError, match="multiple of 5"):
        synthetic_paper.cifar(CIFAR_10, 51, 10)


@pytest.mark.slow
def test_a_job_that_is_stopped_goes_on_and_judges(made):
    job = Job(made.parent, made, "with_public_pretraining and cifar10", ("--device", "cpu", "--jobs", "1"))
    found = list(claim_job.measured(job))
    (stopped,) = (row for row in found if row.name == "claim 1, from Ctrl-C to the end")
    assert "step-" in stopped.note
    assert [row.value for row in found if row.name == "claim 1, a run's steps"] == [6, 6]
    (verdict,) = (row.note for row in found if row.name == "claim 1, verdict")
    assert verdict.partition(":")[0] in ("REPRODUCED", "REFUTED", "INCONCLUSIVE")
    assert found[-1].name == "claim 1, looked up"
