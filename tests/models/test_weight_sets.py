"""Which tensors of a training checkpoint are the weights: wrappers, several sets, an optimiser's state."""

import argparse

import numpy as np
import pytest
import torch
from safetensors.torch import save_file
from timm.models import create_model
from torch.optim.swa_utils import AveragedModel

from harness.core.errors import ClaimsError
from harness.models import load, npz, npz_layout
from tests.models import reference
from tests.models.torch.test_build import ARCHITECTURES

VIT = {"img_size": 32, "patch_size": 8, "embed_dim": 64, "depth": 1, "num_heads": 2, "num_classes": 5}


def vit(seed=0):
    torch.manual_seed(seed)
    return create_model("vit_tiny_patch16_224", pretrained=False, **VIT)


@pytest.fixture(scope="module")
def models():
    return vit(0), vit(1)


def saved(content, tmp_path):
    """A path of what a training script would write, as safetensors where that can hold it."""
    plain = all(isinstance(value, torch.Tensor) for value in content.values())
    path = tmp_path / ("w.safetensors" if plain else "w.pth")
    (save_file if plain else torch.save)(content, path)
    return path


def digest(path, **options):
    return load.digest(load.official(path, heads=2, **options))


def named(model, before):
    return {f"{before}{name}": value.clone() for name, value in model.state_dict().items()}


PREFIXES = ["", "module.", "_orig_mod.", "module._orig_mod.", "_orig_mod.module.", "model.", "net.module.", "backbone."]


@pytest.mark.parametrize("before", PREFIXES)
def test_wrappers_before_the_names_are_left_out(before, models, tmp_path):
    expected = digest(saved(models[0].state_dict(), tmp_path))
    assert digest(saved(named(models[0], before), tmp_path)) == expected
    torch.save({"state_dict": named(models[0], before), "epoch": 3}, tmp_path / "nested.pth")
    assert digest(tmp_path / "nested.pth") == expected


def test_the_wrappers_that_libraries_write_are_read(models, tmp_path):
    expected = digest(saved(models[0].state_dict(), tmp_path))
    compiled = torch.compile(models[0])
    average = AveragedModel(models[0])  # with the count n_averaged
    for number, wrapped in enumerate((compiled, torch.nn.DataParallel(models[0]), average)):
        torch.save(wrapped.state_dict(), tmp_path / f"{number}.pth")
        assert digest(tmp_path / f"{number}.pth") == expected
    blocks = {k.replace("blocks.0.", "blocks.0._orig_mod."): v for k, v in models[0].state_dict().items()}
    torch.save(blocks, tmp_path / "blocks.pth")
    assert digest(tmp_path / "blocks.pth") == expected
    parted = named(models[0], "backbone.")
    parted = {k.replace("backbone.head.", "head."): v for k, v in parted.items()}
    torch.save(parted, tmp_path / "parted.pth")
    assert digest(tmp_path / "parted.pth") == expected


def test_a_training_checkpoint_of_timm_is_read(models, tmp_path):
    optimiser = torch.optim.SGD(models[0].parameters(), 0.1, momentum=0.9)
    for parameter in models[0].parameters():
        parameter.grad = torch.ones_like(parameter)
    weights = {name: value.clone() for name, value in models[0].state_dict().items()}
    optimiser.step()  # the state has momentum now
    content = {
        "epoch": 1,
        "arch": "vit",
        "state_dict": weights,
        "optimizer": optimiser.state_dict(),
        "args": argparse.Namespace(lr=0.1, model="vit"),
        "amp_scaler": {"scale": 1.0, "_growth_tracker": torch.tensor(0)},
        "statistics": {"mean": torch.zeros(3), "std": torch.ones(3)},
        "state_dict_ema": None,
    }
    torch.save(content, tmp_path / "w.pth")
    models[0].load_state_dict(weights)
    assert digest(tmp_path / "w.pth") == digest(saved(weights, tmp_path))


TWO = {
    "timm": lambda a, b: {"state_dict": named(a, ""), "state_dict_ema": named(b, "module."), "epoch": 3},
    "DeiT": lambda a, b: {"model": named(a, ""), "model_ema": named(b, ""), "scaler": {}},
    "DINO": lambda a, b: {"student": named(a, "module."), "teacher": named(b, "")},
    "deep": lambda a, b: {"run": {"net": named(a, ""), "swa": named(b, "")}},
    "flat": lambda a, b: named(a, "model.") | named(b, "model_ema.module."),
    "Lightning": lambda a, b: {"state_dict": named(a, "model.") | named(b, "ema.model."), "loops": {}},
    "top": lambda a, b: named(a, "") | {"ema": named(b, "")},
    "flat top": lambda a, b: named(a, "") | named(b, "ema."),
}
NAMES = {
    "timm": ("state_dict", "state_dict_ema"),
    "DeiT": ("model", "model_ema"),
    "DINO": ("student", "teacher"),
    "deep": ("run.net", "run.swa"),
    "flat": ("model", "model_ema"),
    "Lightning": ("state_dict.model", "state_dict.ema"),
    "top": ("top", "ema"),
    "flat top": ("top", "ema"),
}


@pytest.mark.parametrize("kind", TWO)
def test_one_of_two_sets_must_be_named(kind, models, tmp_path):
    path, names = saved(TWO[kind](*models), tmp_path), NAMES[kind]
    with pytest.raises(ClaimsError, match="expected one set of weights, found 2: ") as caught:
        digest(path)
    message = str(caught.value)
    assert "\n" not in message
    assert ", ".join(sorted(names)) in message
    assert f'weights = "{max(names)}" in checkpoints.toml or --weights {max(names)}' in message
    assert set(load.sets_of(path)) == set(names)
    for model, name in zip(models, names, strict=True):
        (tmp_path / name).mkdir()
        assert digest(path, weights=name) == digest(saved(model.state_dict(), tmp_path / name))
    with pytest.raises(ClaimsError, match=r"expected the weights 'modle'.*, found these sets: .*; correct `weights`"):
        digest(path, weights="modle")


def test_a_name_is_refused_where_there_is_one_set_without_one(models, tmp_path):
    with pytest.raises(ClaimsError, match="found these sets: one without a name; correct `weights`, or leave it out"):
        digest(saved(models[0].state_dict(), tmp_path), weights="model_ema")


def test_a_parameter_under_two_names_is_refused(models, tmp_path):
    content = models[0].state_dict() | {"norm._orig_mod.weight": torch.zeros(64)}
    with pytest.raises(ClaimsError, match=r"expected each parameter once, found norm\.weight under two names"):
        digest(saved(content, tmp_path))


def test_other_networks_with_two_sets_are_told_apart_too(tmp_path):
    torch.manual_seed(0)
    net = create_model("resnet10t", pretrained=False, num_classes=3)
    path = tmp_path / "w.pth"
    save_file(named(net, "model.") | named(net, "ema."), path)
    assert set(load.sets_of(path)) == {"model", "ema"}
    save_file(named(net, ""), path)
    assert load.sets_of(path) == ("",)
    held = load.read_file(path).arrays
    assert held.keys() == {name for name in net.state_dict() if not name.endswith("num_batches_tracked")}


def tree(arrays, before):
    return {f"{before}{key}": array for key, array in arrays.items()}


@pytest.mark.parametrize("name", ["vit", "hybrid-3-stages", "bit"])
@pytest.mark.parametrize("before", ["params/", "opt/target/"])
def test_trees_of_training_are_read_from_npz_files(name, before, tmp_path):
    arrays = reference.weights(ARCHITECTURES[name])
    moments = {f"opt/state/param_states/{key}/momentum": 0 * array for key, array in arrays.items()}
    moments |= {f"opt_state/0/mu/{key}": 0 * array for key, array in arrays.items()}
    counts = {"opt/state/step": np.int32(7), "extra/rng": np.zeros(2, np.uint32)}
    np.savez(tmp_path / "w.npz", **tree(arrays, before), **moments, **counts)
    found = load.official(tmp_path / "w.npz")
    assert found.keys() == npz_layout.canonical(arrays).keys()
    assert load.digest(found) == load.digest(arrays)


def test_of_two_trees_in_an_npz_file_one_must_be_named(tmp_path):
    first, second = (reference.weights(ARCHITECTURES["vit"], seed) for seed in (0, 1))
    np.savez(tmp_path / "w.npz", **tree(first, "params/"), **tree(second, "ema_params/"))
    with pytest.raises(ClaimsError, match="found 2: ema_params, params"):
        load.official(tmp_path / "w.npz")
    assert load.digest(load.official(tmp_path / "w.npz", weights="ema_params")) == load.digest(second)


def test_bfloat16_of_npz_files_is_read(tmp_path):
    import ml_dtypes

    arrays = reference.weights(ARCHITECTURES["vit"])
    np.savez(tmp_path / "w.npz", **{key: array.astype(ml_dtypes.bfloat16) for key, array in arrays.items()})
    held = load.read_file(tmp_path / "w.npz")
    assert held.dtype == "bfloat16"
    for key, array in arrays.items():
        expected = torch.from_numpy(array).to(torch.bfloat16).float().numpy()
        assert held.arrays[key].dtype == np.float32
        assert np.array_equal(held.arrays[key], expected)
    npz.write(tmp_path / "again.npz", dict(held.arrays))  # plain float32 from here on
    np.savez(tmp_path / "bytes.npz", **{"embedding/kernel": np.zeros((2, 2), "V4")})
    with pytest.raises(ClaimsError, match="expected floating-point weights, found dtype"):
        load.read_file(tmp_path / "bytes.npz")
