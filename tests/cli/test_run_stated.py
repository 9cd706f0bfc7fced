"""`run` on a user's own classifier: the order of its outputs, its size and its input are those that its files state."""

import json
import shutil
import subprocess
import sys

import pytest

from harness.__main__ import main
from harness.catalog import checkpoints
from harness.core.config import home
from tests.cli import toy

ZOO = """
[mine]
family = "vit"
architecture = "a tiny ViT"
pretrained_on = "colours"
layout = "transformers"
file = "model/model.safetensors"
"""
DATA = """
[colours]
title = "Colours"
reader = "folder"
path = "images"
classes = {classes}
train = {n}
test = {n}
dev_fraction = 0.25
"""


@pytest.fixture(scope="module")
def saved(tmp_path_factory):
    folder = tmp_path_factory.mktemp("saved")
    toy.transformers_classifier().save_pretrained(folder)
    return folder


@pytest.fixture
def own(saved, tmp_path, monkeypatch):
    """A folder of the user's own: the classifier, its entry, and every variable pointed away from the real ones."""
    folder = tmp_path / "own"
    shutil.copytree(saved, folder / "model")
    monkeypatch.setenv("VIT_CLAIMS_TABLES", str(folder))
    for name in ("HOME", "DATA", "CACHE"):
        monkeypatch.setenv(f"VIT_CLAIMS_{name}", str(tmp_path / name.lower()))
    monkeypatch.setenv("VIT_CLAIMS_OFFLINE", "1")
    entry(folder)
    return folder


def images(own, names=toy.NAMES, shape=(32, 32)):
    toy.folder(own / "images", names, shape=shape)
    (own / "datasets.toml").write_text(DATA.format(classes=len(names), n=4 * len(names)))


def entry(own, more=""):
    """Write the checkpoint's entry with more keys; tables are read once in a process."""
    (own / "checkpoints.toml").write_text(f"{ZOO}{more}\n")
    checkpoints.all_of.cache_clear()


def config(own, **changes):
    path = own / "model" / "config.json"
    table = json.loads(path.read_text()) | changes
    path.write_text(json.dumps({key: value for key, value in table.items() if value is not None}))


def run(capsys, *more, code=0):
    asked = ["run", "--checkpoint", "mine", "--dataset", "colours", "--recipe", "evaluate", "--json", "--offline"]
    assert main([*asked, *more]) == code
    printed = capsys.readouterr()
    # Lines before the last say that a file is pinned.
    return json.loads(printed.out) if code == 0 else printed.err.splitlines()[-1]


def test_outputs_are_matched_to_class_folders_by_name(own):
    images(own, tuple(name.upper().replace(" ", "-") for name in toy.NAMES))
    command = [*"-m harness run --checkpoint mine --dataset colours --recipe evaluate --json".split()]
    done = subprocess.run([sys.executable, *command], capture_output=True, text=True, check=False)
    assert done.returncode == 0, done.stderr
    found = json.loads(done.stdout)
    assert (found["n"], found["accuracy"]) == (48, 100.0)
    assert found["stated"] == {
        "activation": "config.json",
        "layer_norm_epsilon": "config.json",
        "class names": "config.json",
        "class order": "config.json, by name",
        "classes": "the file",
        "heads": "config.json",
        "normalisation": "transformers' default for ViT, 0.5 and 0.5",
        "resolution": "config.json",
    }
    (stored,) = (home() / "runs").rglob("*.json")
    record = json.loads(stored.read_text())
    assert record["run"]["class_order"] == "config.json, by name"
    assert dict(record["run"]["checkpoint"]["stated"])["heads"] == "config.json"
    assert record["result"]["predictions"] == record["result"]["labels"]


def test_jax_scores_the_same_classes(own, capsys):
    images(own)
    assert run(capsys, "--backend", "jax")["accuracy"] == 100.0


def test_numbered_class_folders_are_in_the_order_of_their_numbers(own, capsys):
    config(own, id2label={str(n): f"LABEL_{n}" for n in range(12)})
    images(own, tuple(map(str, range(12))))  # as text: 0, 1, 10, 11, 2, ...
    found = run(capsys)
    assert (found["accuracy"], found["stated"]["class order"]) == (
        100.0,
        "numeric class names in numeric order",
    )


def test_labels_that_are_numbers_are_matched_whatever_their_zeros(own, capsys):
    order = [7, 3, 11, 0, 1, 2, 4, 5, 6, 8, 9, 10]
    config(own, id2label={str(output): str(name) for output, name in enumerate(order)})
    images(own, tuple(f"{name:02d}" for name in order))
    assert run(capsys)["accuracy"] == 100.0


def test_an_order_that_nothing_settles_is_refused_until_a_classes_file_does(own, capsys):
    config(own, id2label=None, label2id=None)
    images(own)
    assert run(capsys, code=2) == (
        "harness run: mine on colours: expected a known class for each output of the head, found class"
        " names such as 'Ant' and no names of the outputs; add classes_file (one class name per line, in the order of"
        " the outputs) to its entry in checkpoints.toml"
    )
    (own / "names.txt").write_text("\ufeff" + "\r\n".join(toy.NAMES) + "\r\n", encoding="utf-8")
    entry(own, 'classes_file = "names.txt"\n')
    found = run(capsys)
    assert (found["accuracy"], found["stated"]["class order"]) == (100.0, "checkpoints.toml, by name")
    entry(own, f"class_names = {list(toy.NAMES)}\n")
    assert run(capsys)["cached"]


def test_another_order_is_another_run(own, capsys):
    images(own)
    first = run(capsys)
    swapped = ["Ant", "Sea Lion", *toy.NAMES[2:]]
    config(own, id2label=dict(enumerate(swapped)))
    second = run(capsys)
    assert second["run_id"] != first["run_id"]
    assert second["correct"] == 40  # the two classes that now have each other's names are wrong


def test_a_dataset_of_some_of_the_classes_is_scored_over_the_whole_head(own, capsys):
    images(own, toy.NAMES[:5])
    assert (run(capsys)["n"], run(capsys)["accuracy"]) == (20, 100.0)


def test_a_prediction_of_a_class_that_the_dataset_has_not_is_wrong(own, capsys):
    # The folder of the first class holds the colour of the sixth, which the dataset has no class for.
    images(own, toy.NAMES[:5])
    shutil.rmtree(own / "images" / "test" / toy.NAMES[0])
    toy.folder(own / "more", toy.NAMES[:6])
    shutil.copytree(own / "more" / "test" / toy.NAMES[5], own / "images" / "test" / toy.NAMES[0])
    assert run(capsys)["correct"] == 16
    (stored,) = (home() / "runs").rglob("*.json")
    result = json.loads(stored.read_text())["result"]
    assert set(result["predictions"]) - set(result["labels"]) == {5 + 5}  # above every class


def test_a_class_that_the_head_has_not_is_named(own, capsys):
    images(own, (*toy.NAMES[:4], "walrus"))
    assert "expected one output of the head for the class 'walrus', found none among 12" in run(capsys, code=2)


def test_the_resolution_is_that_of_the_positional_embedding(own, capsys):
    config(own, image_size=None)
    images(own, shape=(70, 70))
    found = run(capsys)
    assert (found["accuracy"], found["stated"]["resolution"]) == (100.0, "the file")
    (stored,) = (home() / "runs").rglob("*.json")
    assert json.loads(stored.read_text())["run"]["recipe"]["resolution"] == 32


@pytest.mark.parametrize(
    "more,message",
    [
        ("resolution = 64", "mine: resolution: expected one value, found 64 in checkpoints.toml and 32 in config.json"),
        ("heads = 2", "mine: heads: expected one value, found 2 in checkpoints.toml and 4 in config.json"),
        ("classes = 10", "mine: classes: expected one value, found 10 in checkpoints.toml and 12 in the file"),
        ("mean = 0.4", "expected mean and std, or neither"),
        ("std = [0.2, 0.2]", "std"),
        ('class_names = ["a", "b"]', "mine: classes_file: expected one value, found a, b in checkpoints.toml and 12"),
    ],
)
def test_an_entry_that_contradicts_the_files_is_refused(own, capsys, more, message):
    images(own)
    entry(own, more)
    assert message in run(capsys, code=2)


def test_heads_come_from_a_config_with_a_byte_order_mark_or_from_the_entry(own, capsys):
    images(own)
    path = own / "model" / "config.json"
    path.write_text("\ufeff" + path.read_text(), encoding="utf-8")
    first = run(capsys)
    assert (first["accuracy"], first["stated"]["heads"]) == (100.0, "config.json")
    config_without = {
        key: value for key, value in json.loads(path.read_text("utf-8-sig")).items() if "heads" not in key
    }
    path.write_text(json.dumps(config_without))
    assert "add heads = N to its entry in checkpoints.toml" in run(capsys, code=2)
    entry(own, "heads = 4\n")
    second = run(capsys)
    assert (second["run_id"], second["stated"]["heads"]) == (first["run_id"], "checkpoints.toml")


def test_a_malformed_config_is_one_line(own, capsys):
    images(own)
    path = own / "model" / "config.json"
    path.write_text("{")
    assert f"{path}: expected JSON, found" in run(capsys, code=2)


def test_a_preprocessor_decides_how_levels_are_normalised(own, capsys):
    """Trained on (x - 0.5) / 0.5: with another mean, two colours that differ by it are taken for each other."""
    images(own)
    first = run(capsys)
    where = own / "model" / "preprocessor_config.json"
    where.write_text(json.dumps({"image_mean": [0.5] * 3, "image_std": [0.5] * 3, "size": {"height": 32, "width": 32}}))
    assert run(capsys)["run_id"] == first["run_id"]  # the same input stated in another place
    where.write_text(json.dumps({"image_mean": [0.9, 0.1, 0.5], "image_std": [0.2, 0.3, 0.4], "resample": 3}))
    second = run(capsys)
    assert second["accuracy"] < 100
    assert second["stated"]["normalisation"] == "preprocessor_config.json"
    paths = {path.stem: path for path in (home() / "runs").rglob("*.json")}
    recipe = json.loads(paths[second["run_id"]].read_text())["run"]["recipe"]
    assert (recipe["mean"], recipe["std"]) == ([0.9, 0.1, 0.5], [0.2, 0.3, 0.4])
    assert (recipe["test_interpolation"], recipe["test_antialias"]) == ("bicubic", True)
    assert dict(recipe["sources"])["mean"] == "of the checkpoint: preprocessor_config.json"
