"""Any network of timm's: evaluated on the input that timm's registry or config.json states, as timm does it itself."""

import argparse
import json

import numpy as np
import pytest
import timm
import torch
from PIL import Image
from safetensors.torch import save_file
from timm.data import create_transform, resolve_data_config

from harness.catalog import checkpoints
from harness.catalog.checkpoint_files import file_of
from harness.catalog.checkpoints import checkpoint
from harness.catalog.stated import complete
from harness.cli.run import asked_run, compute
from harness.core.config import home
from harness.core.errors import ClaimsError
from harness.core.specs import Checkpoint
from harness.data.load import load
from harness.models.load import weights_of
from harness.runs.store import Store
from harness.training.torch.device import DeviceContext
from harness.training.torch.evaluation import eval_inputs
from harness.training.torch.network import network
from tests.cli import toy

inputs_of = eval_inputs
del eval_inputs  # not a test

SIDE = 64
ENTRY = """
[mine]
family = "{family}"
architecture = "{name}"
pretrained_on = "nothing"
layout = "timm"
timm = "{name}"
file = "model.safetensors"
class_names = {names}
{more}
"""
DATA = """
[colours]
title = "Colours"
reader = "folder"
path = "images"
classes = 12
train = 48
test = 48
dev_fraction = 0.25
"""
NETWORKS = {
    "resnet10t": ("other", "resolution = 64", {}),
    "convnext_atto": ("convnext", "resolution = 64", {}),
    "vit_tiny_patch16_224": ("vit", 'semantics = "timm"', {"img_size": SIDE}),
    "regnetx_002": ("other", "resolution = 64", {}),
}


@pytest.fixture
def own(tmp_path, monkeypatch):
    folder = tmp_path / "own"
    toy.folder(folder / "images", shape=(90, 110))
    (folder / "datasets.toml").write_text(DATA)
    monkeypatch.setenv("VIT_CLAIMS_TABLES", str(folder))
    for name in ("HOME", "DATA", "CACHE"):
        monkeypatch.setenv(f"VIT_CLAIMS_{name}", str(tmp_path / name.lower()))
    monkeypatch.setenv("VIT_CLAIMS_OFFLINE", "1")
    return folder


def entry(own, name, family, more=""):
    text = ENTRY.format(family=family, name=name, names=list(toy.NAMES), more=more)
    (own / "checkpoints.toml").write_text(text)
    checkpoints.all_of.cache_clear()


def saved(own, name, **sizes):
    """A network whose random weights tell images apart: statistics of batch normalisation are those of the images."""
    torch.manual_seed(0)
    model = timm.create_model(name, pretrained=False, num_classes=12, **sizes)
    with torch.no_grad():
        model.train()
        model(torch.randn(16, 3, SIDE, SIDE))
        for parameter in model.get_classifier().parameters():
            parameter.normal_()
    save_file(model.state_dict(), own / "model.safetensors")
    return model.eval()


def asked(recipe="evaluate", **more):
    values = dict.fromkeys(("learning_rate", "resolution", "heads", "weights", "timm", "mean", "std", "classes_file"))
    values |= {"seed": 0, "backend": "torch", "split": "test"} | more
    return asked_run(argparse.Namespace(checkpoint="mine", dataset="colours", recipe=recipe, **values))


def ours(run):
    """Inputs and network of a run."""
    (inputs,) = inputs_of(load(run).test, run.recipe, range(1), DeviceContext(torch.device("cpu")))
    return inputs, network(run, weights_of(run.checkpoint, file_of(checkpoint("mine")))).eval()


def theirs(model, own, **config):
    """What timm's own transform makes of the same files."""
    transform = create_transform(**resolve_data_config(config, model=model), is_training=False)
    return torch.stack([transform(Image.open(path)) for path in sorted((own / "images" / "test").rglob("*.png"))])


def levels_apart(found, expected, std):
    """The largest difference of inputs, in levels of 255."""
    return float(((found - expected).abs() * torch.tensor(std).reshape(1, -1, 1, 1) * 255).max())


@pytest.mark.parametrize("name", NETWORKS)
def test_logits_are_those_of_timm_with_its_own_transform(own, name):
    family, more, sizes = NETWORKS[name]
    model = saved(own, name, **sizes)
    entry(own, name, family, more)
    run = asked()
    expected = theirs(model, own, input_size=(3, SIDE, SIDE))
    inputs, built = ours(run)
    cfg = model.pretrained_cfg
    # Pillow rounds after each direction of a resize, PyTorch at the end.
    assert levels_apart(inputs, expected, cfg["std"]) < 2.1
    with torch.no_grad():
        wanted = model(expected)
        assert wanted.std(dim=0).max() > 0.05  # images are told apart
        assert torch.allclose(built(expected), wanted, atol=1e-5 * float(wanted.std()))
        assert (built(inputs).argmax(1) == wanted.argmax(1)).float().mean() > 0.95
    assert np.broadcast_to(run.recipe.mean, 3).tolist() == list(cfg["mean"])
    assert np.broadcast_to(run.recipe.std, 3).tolist() == list(cfg["std"])
    assert run.recipe.test_crop_share == cfg["crop_pct"]
    assert dict(run.checkpoint.stated)["normalisation"] == "timm's pretrained_cfg"
    assert run.recipe.resolution == SIDE


def test_a_config_of_timms_comes_before_its_registry(own):
    model = saved(own, "resnet10t")
    cfg = {"input_size": [3, SIDE, SIDE], "mean": [0.1, 0.2, 0.3], "std": [0.3, 0.2, 0.1], "interpolation": "bilinear"}
    cfg |= {"crop_pct": 0.8, "crop_mode": "center"}
    text = json.dumps({"architecture": "resnet10t", "num_classes": 12, "pretrained_cfg": cfg})
    (own / "config.json").write_text("\ufeff" + text, encoding="utf-8")
    entry(own, "resnet10t", "other")
    run = asked()
    expected = theirs(model, own, **{key: tuple(v) if isinstance(v, list) else v for key, v in cfg.items()})
    assert levels_apart(ours(run)[0], expected, cfg["std"]) < 2.1
    assert dict(run.checkpoint.stated)["normalisation"] == "config.json"
    entry(own, "resnet10t", "other", "mean = [0.5, 0.5, 0.5]\nstd = [0.3, 0.2, 0.1]")
    with pytest.raises(
        ClaimsError, match=r"mean: expected one value, found 0.5, 0.5, 0.5 in checkpoints.toml and 0.1, 0.2"
    ):
        asked()


def test_a_network_with_batch_normalisation_is_fine_tuned_and_its_batch_is_never_split(own):
    saved(own, "resnet10t")
    entry(own, "resnet10t", "other")
    (own / "recipes.toml").write_text(
        "[quick]\nbatch_size = 24\nresolution = 32\nsteps = 25\nlearning_rate = 0.3\nwarmup_steps = 5\nflip = true\n"
    )
    from harness.catalog import recipes

    recipes.definitions.cache_clear()
    run = asked("quick")
    assert (run.outputs, run.class_order) == ((), "")
    assert run.recipe.mean == (0.485, 0.456, 0.406)
    result = compute(run, Store(home()), "cpu")
    assert result.accuracy > 60  # chance is 8.3
    from harness.runs.run import compute as computed
    from harness.training.api import Execution

    with pytest.raises(ClaimsError, match="batch normalisation asks for, found a micro-batch of 5"):
        computed(run, Execution(micro_batch=5))


def test_jax_refuses_timms_semantics_by_name(own):
    saved(own, "convnext_atto")
    entry(own, "convnext_atto", "convnext", "resolution = 64")
    with pytest.raises(ClaimsError, match="mine: expected the reference's semantics, the only ones of the backend jax"):
        compute(asked(backend="jax"), Store(home()), "cpu")


def test_what_the_registry_does_not_know_is_refused(own):
    saved(own, "resnet10t")
    entry(own, "resnet_none", "other")
    with pytest.raises(
        ClaimsError,
        match="mine: timm: expected a model that timm knows, found 'resnet_none'; .* model = .my_models:net",
    ):
        asked()


def test_a_timm_file_that_says_nothing_of_its_input_is_not_evaluated(own):
    saved(own, "vit_tiny_patch16_224", img_size=SIDE)
    entry(own, "", "vit", "heads = 3")
    with pytest.raises(ClaimsError, match="mine: expected a stated normalisation of the input, found none"):
        asked()
    entry(own, "", "vit", "heads = 3\nmean = [0.5, 0.5, 0.5]\nstd = [0.5, 0.5, 0.5]")
    assert dict(asked().checkpoint.stated)["normalisation"] == "checkpoints.toml"


def test_the_heads_of_a_timm_vit_are_those_of_its_model(own):
    saved(own, "vit_tiny_patch16_224", img_size=SIDE)
    found = complete(
        Checkpoint("x", "vit", "tiny", "-", "timm", timm="vit_tiny_patch16_224"), own / "model.safetensors"
    )
    assert (found.heads, found.resolution, found.classes) == (3, SIDE, 12)


def test_released_checkpoints_are_as_the_tables_have_them(tmp_path):
    released = checkpoint("vit-b16-in21k")
    assert complete(released, tmp_path / "nothing here") is released
