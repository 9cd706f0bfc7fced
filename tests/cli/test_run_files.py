"""`run` and `logits` on the same weights in every kind of file: the same predictions; what is open is refused."""

import json

import numpy as np
import pytest
import torch
from safetensors.torch import save_file

from harness.__main__ import main
from harness.catalog.checkpoint_files import file_of
from harness.catalog.checkpoints import checkpoint
from harness.core.errors import ClaimsError
from harness.models import load, npz, npz_layout
from harness.models.torch import build
from tests.cli import command
from tests.cli.own_images import write_images
from tests.data import making
from tests.models.test_hub_config import as_jeonsworld

DATA = """
[photographs]
title = "Photographs"
reader = "folder"
path = "images"
classes = 10
train = 40
test = 20
dev_fraction = 0.25
protocol = "class folders"
"""
ENTRY = {"family": "vit", "architecture": "Mine", "pretrained_on": "-", "layout": "timm", "mean": 0.5, "std": 0.5}


@pytest.fixture(scope="module")
def arrays():
    return load.official(file_of(checkpoint("micro-vit-s")))


@pytest.fixture
def tables(tmp_path, monkeypatch):
    folder = tmp_path / "own"
    making.put(folder / "datasets.toml", DATA)
    write_images(folder, monkeypatch)
    return folder


def as_timm(arrays):
    return {name: value.clone() for name, value in build.load(arrays).state_dict().items()}


def other(arrays):
    return {name: torch.zeros_like(value) for name, value in as_timm(arrays).items()}


def shards(arrays, folder):
    """A folder with an index and two shards."""
    folder.mkdir()
    state = as_timm(arrays)
    halves = [sorted(state)[::2], sorted(state)[1::2]]
    listed = {}
    for number, names in enumerate(halves, 1):
        file = f"model-0000{number}-of-00002.safetensors"
        save_file({name: state[name] for name in names}, folder / file)
        listed |= dict.fromkeys(names, file)
    making.put(folder / "model.safetensors.index.json", json.dumps({"metadata": {}, "weight_map": listed}))


def two_sets(arrays, path):
    ema = {f"module.{name}": value for name, value in as_timm(arrays).items()}
    torch.save({"model": other(arrays), "model_ema": ema, "epoch": 4}, path)


def tree(arrays, path):
    counts = {"opt/state/step": np.int32(7)}
    np.savez(path, **{f"opt/target/{key}": array for key, array in arrays.items()}, **counts)


def hub(arrays, folder):
    """timm's names and, in a config.json with a byte-order mark, the number of heads."""
    folder.mkdir()
    save_file(as_timm(arrays), folder / "model.safetensors")
    (folder / "config.json").write_text(json.dumps({"num_attention_heads": 2}), encoding="utf-8-sig")


def jeonsworld(arrays, path):
    torch.save({f"module.{name}": value for name, value in as_jeonsworld(arrays).items()}, path)


FILES = {
    "two sets": (two_sets, "w.pth", {"weights": "model_ema", "heads": 2}),
    "shards": (shards, "sharded", {"heads": 2}),
    "a tree": (tree, "w.npz", {"layout": "vit-npz"}),
    "a folder": (hub, "hub", {}),
    "jeonsworld": (jeonsworld, "w.bin", {"layout": "jeonsworld", "heads": 2}),
}


def listed(tables, **fields):
    values = ENTRY | fields
    making.put(
        tables / "checkpoints.toml",
        "[mine]\n" + "".join(f"{key} = {json.dumps(value)}\n" for key, value in values.items()),
    )


def run(capsys, *arguments, recipe="evaluate", code=0):
    words = ["run", "--checkpoint", "mine", "--dataset", "photographs", "--recipe", recipe, "--json", *arguments]
    assert main(words) == code
    printed = capsys.readouterr()
    return json.loads(printed.out.splitlines()[-1]) if code == 0 else printed.err


@pytest.mark.parametrize("backend", ["torch", "jax"])
def test_the_same_weights_in_any_file_give_the_same_predictions(backend, tables, arrays, capsys):
    npz.write(tables / "plain.npz", arrays)
    listed(tables, file="plain.npz", layout="vit-npz")
    expected = run(capsys, "--backend", backend)
    x = np.random.default_rng(0).uniform(-1, 1, (2, 32, 32, 3)).astype(np.float32)
    np.savez(tables / "x.npz", images=x)

    def logits(file, *more):
        out = tables / "l.npz"
        words = ("logits", tables / file, "--images", tables / "x.npz", "--out", out, "--backend", backend, *more)
        assert command(*words) == 0
        with np.load(out) as found:
            return found["logits"]

    plain = logits("plain.npz")
    ids = {expected["run_id"]}
    for write, file, fields in FILES.values():
        write(arrays, tables / file)
        listed(tables, file=file, **fields)
        found = run(capsys, "--backend", backend)
        assert found["predictions_sha256"] == expected["predictions_sha256"]
        ids.add(found["run_id"])
        given = {name: value for name, value in fields.items() if name in ("weights", "heads")}
        assert np.array_equal(logits(file, *(word for name, v in given.items() for word in (f"--{name}", v))), plain)
    assert len(ids) == 1 + len(FILES)


def test_another_set_of_the_same_file_is_another_run(tables, arrays, capsys):
    two_sets(arrays, tables / "w.pth")
    found = {}
    for name in ("model", "model_ema"):
        listed(tables, file="w.pth", heads=2, weights=name)
        found[name] = run(capsys)
    assert found["model"]["run_id"] != found["model_ema"]["run_id"]
    assert found["model"]["predictions_sha256"] != found["model_ema"]["predictions_sha256"]
    listed(tables, file="w.pth", heads=2)
    message = run(capsys, code=2)
    assert 'say which with weights = "model_ema" in checkpoints.toml or --weights model_ema' in message
    assert message.count("\n") == 1


def test_what_the_file_does_not_say_and_what_does_not_fit_is_refused(tables, arrays, capsys):
    save_file(as_timm(arrays), tables / "w.safetensors")
    listed(tables, file="w.safetensors")
    assert "heads = N" in run(capsys, code=2)
    grey = npz_layout.describe(arrays)
    narrow = arrays | {"embedding/kernel": arrays["embedding/kernel"][:, :, :1]}
    assert grey.channels == 3
    npz.write(tables / "grey.npz", narrow)
    listed(tables, file="grey.npz", layout="vit-npz")
    assert "channels" in (message := run(capsys, code=2))
    assert message.count("\n") == 1
    np.savez(tables / "x.npz", images=np.zeros((1, 32, 32, 3), np.float32))
    words = ("logits", tables / "grey.npz", "--images", tables / "x.npz", "--out", tables / "l.npz")
    with pytest.raises(ClaimsError, match="expected images of 1 channels, found 3"):
        command(*words)


@pytest.mark.parametrize("backend", ["torch", "jax"])
def test_a_classifier_of_transformers_is_fine_tuned_with_its_own_numerics(backend, tables, capsys):
    from tests.models.test_hub_config import saved

    saved(tables / "hub", num_labels=10)
    making.put(tables / "recipes.toml", "[quick]\nbatch_size = 8\nresolution = 32\nsteps = 3\nlearning_rate = 0.1\n")
    listed(tables, file="hub", layout="transformers")
    first = run(capsys, "--backend", backend, recipe="quick")
    config = tables / "hub" / "config.json"
    values = json.loads(config.read_text())
    assert (values["hidden_act"], values["layer_norm_eps"]) == ("gelu", 1e-12)
    config.write_text(json.dumps(values | {"hidden_act": "gelu_new", "layer_norm_eps": 1e-2}))
    second = run(capsys, "--backend", backend, recipe="quick")
    assert first["run_id"] != second["run_id"]
    assert not second["cached"]
