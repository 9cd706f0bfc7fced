"""`run` on a user's own checkpoint, images and recipe: trained, stored, looked up, and only evaluated."""

import json
import shutil

import pytest

from harness.__main__ import main
from harness.catalog.checkpoint_files import file_of
from harness.catalog.checkpoints import checkpoint
from harness.core.config import home
from tests.cli.own_images import write_images
from tests.data import making

TABLES = {
    "checkpoints.toml": """
[mine]
family = "vit"
architecture = "ViT-Mine"
pretrained_on = "fractals"
layout = "vit-npz"
file = "mine.npz"
resolution = 32
classes = 10
class_names = ["class0", "class1", "class2", "class3", "class4", "class5", "class6", "class7", "class8", "class9"]
""",
    "datasets.toml": """
[photographs]
title = "Photographs"
reader = "folder"
path = "images"
classes = 10
train = 40
test = 20
dev_fraction = 0.25
protocol = "class folders, trained on train/ and scored on test/"
""",
    "recipes.toml": """
[quick]
batch_size = 8
resolution = 32
steps = 3
learning_rate = 0.1
crop = "inception"
flip = true

[searched]
batch_size = 8
resolution = 32
steps = 2
learning_rate_grid = [0.1, 0.01]
""",
}


@pytest.fixture(autouse=True)
def tables(tmp_path, monkeypatch):
    """A folder with everything of the user's own: ten classes of images of many sizes, and a tiny network."""
    folder = tmp_path / "own"
    for name, text in TABLES.items():
        making.put(folder / name, text)
    shutil.copyfile(file_of(checkpoint("micro-vit-s")), folder / "mine.npz")
    write_images(folder, monkeypatch)
    return folder


def run(capsys, *arguments, code=0):
    command = ["run", "--checkpoint", "mine", "--dataset", "photographs", "--json", "--offline", *map(str, arguments)]
    assert main(command) == code
    printed = capsys.readouterr()
    return json.loads(printed.out) if code == 0 else printed.err


def test_own_images_are_fine_tuned_on_stored_and_looked_up_when_they_are_gone(tables, capsys):
    first = run(capsys, "--recipe", "quick")
    assert (first["n"], first["cached"], first["environment"]["device"]) == (20, False, "cpu")
    assert run(capsys, "--recipe", "quick") == first | {"cached": True}
    shutil.rmtree(tables / "images")
    assert run(capsys, "--recipe", "quick", "--stored") == first | {"cached": True}
    assert "photographs: expected its images in" in run(capsys, "--recipe", "quick", "--seed", 1, code=2)


def test_the_stored_run_says_whose_protocol_its_data_follow(capsys):
    found = run(capsys, "--recipe", "quick")
    (path,) = (home() / "runs").rglob("*.json")
    stored = json.loads(path.read_text())
    assert stored["run"]["dataset"]["protocol"] == "class folders, trained on train/ and scored on test/"
    assert stored["result"]["run_id"] == found["run_id"]
    assert dict(stored["result"]["environment"])["device"] == "cpu"


def test_a_learning_rate_of_the_grid_is_tried_on_the_dev_split(capsys):
    message = run(capsys, "--recipe", "searched", "--split", "dev", code=2)
    assert message == "harness run: recipe searched: expected --learning-rate, one of its grid: 0.1, 0.01\n"
    found = run(capsys, "--recipe", "searched", "--split", "dev", "--learning-rate", 0.01)
    assert found["n"] == 10
    other = run(capsys, "--recipe", "searched", "--split", "dev", "--learning-rate", 0.1)
    assert other["run_id"] != found["run_id"]
    assert "expected a learning rate of its grid (0.1, 0.01), found 0.5" in run(
        capsys, "--recipe", "searched", "--learning-rate", 0.5, code=2
    )


def test_an_evaluation_reads_no_training_image(tables, capsys):
    for path in (tables / "images" / "train").rglob("*.png"):
        path.write_bytes(b"no image")
    found = run(capsys, "--recipe", "evaluate")
    assert (found["n"], found["cached"]) == (20, False)
    assert "expected an image file" in run(capsys, "--recipe", "quick", code=2)


def test_a_run_that_diverges_is_stored_and_said(tables, capsys):
    making.put(
        tables / "recipes.toml",
        TABLES["recipes.toml"] + '[wild]\nbased_on = "quick"\nlearning_rate = 1e38\nsteps = 9\n',
    )
    found = run(capsys, "--recipe", "wild")
    assert (found["accuracy"], found["interval"]) == (None, None)
    assert "the loss was not finite at step" in found["diverged"]
    assert run(capsys, "--recipe", "wild") == found | {"cached": True}


def test_the_same_images_read_again_are_the_same_run(tables, capsys, monkeypatch, tmp_path):
    first = run(capsys, "--recipe", "quick")
    shutil.copytree(tables, tmp_path / "copy")
    monkeypatch.setenv("VIT_CLAIMS_TABLES", str(tmp_path / "copy"))
    monkeypatch.setenv("VIT_CLAIMS_HOME", str(tmp_path / "elsewhere"))
    monkeypatch.setenv("VIT_CLAIMS_CACHE", str(tmp_path / "elsewhere"))
    again = run(capsys, "--recipe", "quick")
    assert (again["run_id"], again["cached"]) == (first["run_id"], False)
    assert again["predictions_sha256"] == first["predictions_sha256"]
