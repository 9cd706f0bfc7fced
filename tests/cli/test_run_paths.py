"""`run` on a weights file and a folder of images, without any table: evaluated if the head has the folder's classes."""

import io
import json
import shutil

import numpy as np
import pytest
from PIL import Image

from harness.__main__ import main
from harness.catalog.checkpoint_files import file_of
from harness.catalog.checkpoints import checkpoint
from tests.data import making
from tests.models import weights

NAMES = ["zebra", "ant", "Sea Lion", "moth", "bee"]
SIDE, PATCH = 32, 8


@pytest.fixture(autouse=True)
def places(tmp_path, monkeypatch):
    for name in ("HOME", "DATA", "CACHE"):
        monkeypatch.setenv(f"VIT_CLAIMS_{name}", str(tmp_path / name.lower()))
    for name in ("VIT_CLAIMS_TABLES", "VIT_CLAIMS_WEIGHTS"):
        monkeypatch.delenv(name, raising=False)
    monkeypatch.setenv("VIT_CLAIMS_OFFLINE", "1")


@pytest.fixture(scope="module")
def saved(tmp_path_factory):
    """A transformers classifier, and images in folders named after what transformers itself predicts for them.

    Each image shows one colour; those whose first two logits lie close together are left out.
    """
    import torch
    from transformers import ViTConfig, ViTForImageClassification, ViTImageProcessor

    torch.manual_seed(3)
    config = ViTConfig(
        hidden_size=48,
        num_hidden_layers=2,
        num_attention_heads=4,
        intermediate_size=96,
        image_size=SIDE,
        patch_size=PATCH,
        hidden_act="gelu",
        layer_norm_eps=1e-6,
        id2label=dict(enumerate(NAMES)),
        label2id={name: number for number, name in enumerate(NAMES)},
        initializer_range=0.3,
    )
    model = ViTForImageClassification(config).eval()
    root = tmp_path_factory.mktemp("saved")
    levels = np.random.default_rng(5).integers(0, 256, (400, 4, 4, 3), dtype=np.uint8).repeat(8, 1).repeat(8, 2)
    inputs = torch.from_numpy((levels / 255 - 0.5) / 0.5).float().permute(0, 3, 1, 2)
    with torch.inference_mode():
        logits = model(inputs).logits
        model.classifier.bias -= logits.mean(0)  # so that every class is predicted for some image
        logits = logits - logits.mean(0)
    top = logits.topk(2).values
    sure = ((top[:, 0] - top[:, 1]) > 0.5 * (top[:, 0] - top[:, 1]).median()).nonzero()[:, 0].tolist()
    for number in sure:
        name = NAMES[int(logits[number].argmax())].lower().replace(" ", "_")
        making.put(root / "images" / name / f"{number:03d}.png", png(levels[number]))
    assert len(list((root / "images").iterdir())) == len(NAMES)
    model.save_pretrained(root / "model")
    ViTImageProcessor(size={"height": SIDE, "width": SIDE}).save_pretrained(root / "model")
    model.save_pretrained(root / "sharded", max_shard_size="40KB")
    shutil.copyfile(root / "model/preprocessor_config.json", root / "sharded/preprocessor_config.json")
    return root


def png(levels):
    buffer = io.BytesIO()
    Image.fromarray(levels).save(buffer, "png")
    return buffer.getvalue()


def split(images, root):
    """Class folders in train/ and test/: every fourth image is tested."""
    for number, path in enumerate(sorted(images.rglob("*.png"))):
        making.put(root / ("test" if number % 4 == 0 else "train") / path.parent.name / path.name, path.read_bytes())
    return root


def run(capsys, weights, images, *arguments, code=0):
    capsys.readouterr()
    command = ["run", "--checkpoint", str(weights), "--dataset", str(images), "--json", *map(str, arguments)]
    assert main(command) == code
    printed = capsys.readouterr()
    return json.loads(printed.out) if code == 0 else printed.err


@pytest.mark.parametrize("form", ["model", "model/model.safetensors", "sharded"])
def test_a_transformers_classifier_is_evaluated_in_the_order_of_its_own_labels(saved, capsys, tmp_path, form):
    images = split(saved / "images", tmp_path / "images")
    found = run(capsys, saved / form, images)
    assert (found["recipe"], found["accuracy"]) == ("evaluate", 100.0)
    assert found["n"] == len(list((images / "test").rglob("*.png")))
    assert run(capsys, saved / form, images, "--recipe", "evaluate") == found | {"cached": True}


def test_a_folder_without_train_and_test_is_read_too(saved, capsys):
    found = run(capsys, saved / "model", saved / "images", "--recipe", "evaluate")
    assert found["accuracy"] == 100.0
    images = len(list((saved / "images").rglob("*.png")))
    assert images // 6 < found["n"] < images // 4


def test_the_same_names_from_the_current_folder(saved, capsys, monkeypatch, tmp_path):
    monkeypatch.chdir(saved)
    found = run(capsys, "model", "images", "--recipe", "evaluate")
    assert run(capsys, "./model/model.safetensors", saved / "images", "--recipe", "evaluate")["cached"]
    assert found["accuracy"] == 100.0


def test_other_labels_in_config_json_are_another_run(saved, capsys, tmp_path):
    shutil.copytree(saved / "model", tmp_path / "model")
    first = run(capsys, tmp_path / "model", saved / "images", "--recipe", "evaluate")
    config = json.loads((tmp_path / "model/config.json").read_text())
    labels = config["id2label"]
    labels["0"], labels["1"] = labels["1"], labels["0"]
    config["label2id"] = {name: int(number) for number, name in labels.items()}
    (tmp_path / "model/config.json").write_text(json.dumps(config))
    second = run(capsys, tmp_path / "model", saved / "images", "--recipe", "evaluate")
    assert not second["cached"]
    assert second["run_id"] != first["run_id"]
    assert second["accuracy"] < 100


def test_weights_for_other_classes_are_fine_tuned_and_looked_up_when_gone(capsys, tmp_path):
    shutil.copyfile(file_of(checkpoint("micro-vit-s")), tmp_path / "mine.npz")
    for number in range(12):
        making.put(tmp_path / f"pictures/class{number % 2}/{number}.png", making.png(number, 20, 24))
    own = tmp_path / "tables"
    making.put(own / "recipes.toml", "[quick]\nbatch_size = 4\nresolution = 32\nsteps = 2\nlearning_rate = 0.1\n")
    with pytest.MonkeyPatch.context() as patch:
        patch.setenv("VIT_CLAIMS_TABLES", str(own))
        first = run(capsys, tmp_path / "mine.npz", tmp_path / "pictures", "--recipe", "quick")
        assert (first["recipe"], first["cached"]) == ("quick", False)
        (tmp_path / "mine.npz").unlink()
        told = run(capsys, tmp_path / "mine.npz", tmp_path / "pictures", "--recipe", "quick", code=2)
        assert told.count("\n") == 1
        assert "found no such file" in told
        assert "--stored gives" in told
        assert run(capsys, tmp_path / "mine.npz", tmp_path / "pictures", "--recipe", "quick", "--stored") == first | {
            "cached": True
        }


@pytest.mark.parametrize(
    ("content", "told"),
    [
        (weights.LFS, "a git-LFS pointer to a file of 345,592 bytes"),
        (weights.HTML, "an HTML page"),
        (b"", "found 0 bytes"),
        (weights.safetensors()[:-5], "a whole safetensors file"),
        (weights.npz()[:200], "a truncated or damaged one"),
    ],
)
def test_a_file_that_is_no_weights_is_named_in_one_line(saved, capsys, tmp_path, content, told):
    (tmp_path / "w.safetensors").write_bytes(content)
    found = run(capsys, tmp_path / "w.safetensors", saved / "images", code=2)
    assert told in found
    assert found.count("\n") == 1


def test_places_that_hold_nothing_are_named_in_one_line(saved, capsys, tmp_path):
    (tmp_path / "empty").mkdir()
    (tmp_path / "file").write_text("x")
    model, images = saved / "model", saved / "images"
    cases = [
        (tmp_path / "none.npz", images, "expected weights in"),
        (tmp_path / "empty", images, "expected one file of weights"),
        (model, tmp_path / "none", "found no such folder"),
        (model, tmp_path / "empty", "expected one folder of images per class"),
        (model, tmp_path / "file", "found a file"),
    ]
    for one, other, told in cases:
        found = run(capsys, one, other, code=2)
        assert told in found
        assert found.count("\n") == 1


def test_an_option_for_files_is_refused_for_an_id(saved, capsys):
    told = run(capsys, "micro-vit-s", saved / "images", "--heads", 3, code=2)
    assert "--heads: expected a FILE as --checkpoint, found the id micro-vit-s" in told


def test_what_a_file_leaves_open_is_asked_for_by_the_options_that_state_it(saved, capsys, tmp_path):
    shutil.copyfile(saved / "model" / "model.safetensors", tmp_path / "alone.safetensors")
    told = run(capsys, tmp_path / "alone.safetensors", saved / "images", code=2)
    assert "a FILE has no entry: give --heads instead\n" in told
    told = run(capsys, saved / "model", saved / "images", "--mean", 0.5, 0.5, code=2)
    assert told == "harness run: --mean: expected one number, or one per channel (3), found 2\n"
