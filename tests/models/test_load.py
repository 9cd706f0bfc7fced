"""Loaders: files as transformers and timm write them give the logits that those libraries compute."""

import json
import pickle
from dataclasses import replace
from functools import partial

import numpy as np
import pytest
import torch
from safetensors.torch import load_file, save_file
from timm.models import create_model
from timm.models.resnetv2 import _create_resnetv2_bit
from torch import nn

from harness.catalog.checkpoints import checkpoint
from harness.core.errors import ClaimsError
from harness.core.specs import Checkpoint
from harness.models import convert, file_kinds, load, npz, npz_layout, released
from tests.models import reference
from tests.models.torch.test_build import ARCHITECTURES

SMALL = {"embed_dim": 64, "depth": 2, "num_heads": 2, "num_classes": 5, "pretrained": False}
BIT = {"layers": [2, 1], "channels": (128, 256), "stem_chs": 32, "num_classes": 5, "pretrained": False}


pytestmark = pytest.mark.usefixtures("one_thread")


def images(side=32, n=2):
    return np.random.default_rng(1).uniform(-1, 1, (n, side, side, 3)).astype(np.float32)


def theirs(model, x):
    with torch.inference_mode():
        return model.eval()(torch.from_numpy(x.transpose(0, 3, 1, 2).copy()))


def at_random(model):
    """Give every parameter a value that matters to the logits."""
    generator = torch.Generator().manual_seed(0)
    with torch.no_grad():
        for parameter in model.parameters():
            noise = torch.randn(parameter.shape, generator=generator)
            scale = 1 / np.sqrt(parameter[0].numel()) if parameter.ndim > 1 else 0.2
            parameter.copy_(scale * noise + (parameter if parameter.ndim == 1 else 0))
    return model


def written(model, path):
    save_file({name: tensor.contiguous() for name, tensor in model.state_dict().items()}, path)
    return path


def transformers_vit(kind, folder, **changed):
    import transformers

    config = transformers.ViTConfig(
        hidden_size=64,
        num_hidden_layers=2,
        num_attention_heads=2,
        intermediate_size=96,
        image_size=32,
        patch_size=8,
        num_labels=5,
        hidden_act="gelu_pytorch_tanh",
        layer_norm_eps=1e-6,
        **changed,
    )
    model = at_random(getattr(transformers, kind)(config)).eval()
    model.save_pretrained(folder)
    return model, folder / "model.safetensors"


def test_a_transformers_classifier_gives_its_logits(tmp_path):
    model, path = transformers_vit("ViTForImageClassification", tmp_path)
    arrays = load.official(path)  # the number of heads comes from config.json
    x = images()
    found = load.logits(load.build(arrays), x)
    assert np.abs(found - theirs(model, x).logits.numpy()).max() < 1e-5
    assert found.std() > 0.1
    # The same weights as a PyTorch file (no pickle is run), and in the authors' own layout.
    torch.save(load_file(path), tmp_path / "pytorch_model.bin")
    assert load.digest(load.official(tmp_path / "pytorch_model.bin")) == load.digest(arrays)
    npz.write(tmp_path / "vit.npz", arrays)
    assert load.digest(load.official(tmp_path / "vit.npz")) == load.digest(arrays)
    # A fetched file has no suffix: its content says what it is.
    for name, kind in (("model.safetensors", "safetensors"), ("pytorch_model.bin", "pytorch"), ("vit.npz", "npz")):
        (tmp_path / name).rename(tmp_path / "weights")
        assert file_kinds.kind_of(tmp_path / "weights") == kind
        assert load.digest(load.official(tmp_path / "weights")) == load.digest(arrays)


def test_a_transformers_model_without_a_head_gives_its_features_and_a_zero_head(tmp_path):
    model, path = transformers_vit("ViTModel", tmp_path)
    with pytest.raises(ClaimsError, match="expected a head, found none"):
        load.official(path)
    arrays = load.official(path, classes=7)
    assert not any(key.startswith("pre_logits") for key in arrays)  # the pooler belongs to no head
    x = images()
    built = load.build(arrays)
    with torch.inference_mode():
        tokens = built.eval().forward_features(torch.from_numpy(x.transpose(0, 3, 1, 2).copy()))
        features = built.forward_head(tokens, pre_logits=True)
    assert (features - theirs(model, x).last_hidden_state[:, 0]).abs().max() < 1e-5
    assert features.std() > 0.1
    assert load.logits(built, x).shape == (2, 7)
    assert not load.logits(built, x).any()


def test_a_pooler_in_a_classifiers_file_changes_nothing(tmp_path):
    model, path = transformers_vit("ViTForImageClassification", tmp_path)
    pooled, _ = transformers_vit("ViTModel", tmp_path / "pooled")
    pooler = {f"vit.{name}": value for name, value in pooled.state_dict().items() if name.startswith("pooler.")}
    assert len(pooler) == 2
    save_file(load_file(path) | pooler, path)
    x = images()
    found = load.logits(load.build(load.official(path)), x)
    assert np.abs(found - theirs(model, x).logits.numpy()).max() < 1e-5


def test_a_timm_vit_gives_its_logits_under_the_reference_semantics(tmp_path):
    tanh = partial(nn.GELU, approximate="tanh")
    vit = create_model("vit_tiny_patch16_224", img_size=32, patch_size=8, act_layer=tanh, **SMALL)
    path, x = written(at_random(vit), tmp_path / "model.safetensors"), images()
    arrays = load.official(path, heads=2)
    assert np.abs(load.logits(load.build(arrays), x) - theirs(vit, x).numpy()).max() < 1e-5
    stock = create_model("vit_tiny_patch16_224", img_size=32, patch_size=8, **SMALL)
    stock.load_state_dict(vit.state_dict())
    built = load.build(arrays, semantics="timm")
    assert np.abs(load.logits(built, x) - theirs(stock, x).numpy()).max() < 1e-6
    difference = np.abs(theirs(stock, x).numpy() - theirs(vit, x).numpy()).max()
    assert 1e-5 < difference < 1e-2  # the exact GELU is another function


# The stem only, three stages and four, as the registry's models have them.
HYBRIDS = [("vit_tiny_r_s16_p8_224", 64), ("vit_base_r50_s16_224", 32), ("vit_small_r26_s32_224", 64)]


@pytest.mark.parametrize(("name", "side"), HYBRIDS)
def test_a_timm_hybrid_gives_its_logits_and_the_reference_differs_by_its_epsilons_and_gelu(name, side, tmp_path):
    hybrid = at_random(create_model(name, img_size=side, **SMALL))
    path, x = written(hybrid, tmp_path / "model.safetensors"), images(side)
    arrays = load.official(path, heads=2)
    expected = theirs(hybrid, x).numpy()
    assert np.abs(load.logits(load.build(arrays, semantics="timm"), x) - expected).max() < 1e-5
    second = reference.logits(arrays, npz_layout.describe(arrays), x)
    found = load.logits(load.build(arrays), x)
    assert np.abs(found - second).max() < 2e-5
    assert 1e-5 < np.abs(found - expected).max() < 0.1


def test_a_timm_bit_gives_its_logits_and_the_reference_differs_by_its_epsilon(tmp_path):
    bit = at_random(_create_resnetv2_bit("resnetv2_50x1_bit", **BIT))
    with torch.no_grad():
        for module in bit.modules():
            if isinstance(module, nn.Conv2d):
                module.weight.mul_(1e-3)  # so small that the epsilon of weight standardisation counts
    path, x = written(bit, tmp_path / "model.safetensors"), images(40)
    arrays = load.official(path)
    expected = theirs(bit, x).numpy()
    assert np.abs(load.logits(load.build(arrays, semantics="timm"), x) - expected).max() < 1e-6
    second = reference.logits(arrays, npz_layout.describe(arrays), x)
    found = load.logits(load.build(arrays), x)
    assert np.abs(found - second).max() < 2e-5
    assert np.abs(found - expected).max() > 1e-5


@pytest.mark.parametrize(
    "family, architecture, name",
    [
        ("vit", "ViT-Ti/16", "vit_tiny_patch16_224.augreg_in21k"),
        ("hybrid", "R+ViT-Ti/16", "vit_tiny_r_s16_p8_224.augreg_in21k"),
        ("hybrid", "R26+ViT-S/32", "vit_small_r26_s32_224.augreg_in21k"),
        ("hybrid", "R50+ViT-B/16", "vit_base_r50_s16_224.orig_in21k"),
        ("bit", "BiT-R101x3", "resnetv2_101x3_bit.goog_in21k"),
    ],
)
def test_the_registrys_models_have_exactly_the_arrays_of_the_papers_architecture(family, architecture, name):
    input_and_head = {"resolution": 224, "classes": 21843}
    found = Checkpoint("x", family, architecture, "ImageNet-21k", "timm", timm=name, **input_and_head)
    with torch.device("meta"):
        model = create_model(found.timm, pretrained=False)
    # Zeros that take no memory, in the shapes that the released files have.
    tensors = {name: np.broadcast_to(np.float32(0), tensor.shape) for name, tensor in model.state_dict().items()}
    heads = getattr(released.expected(found), "heads", None)
    arrays = convert.to_official(tensors, classes=found.classes, heads=heads)
    shapes = {key: array.shape for key, array in npz_layout.canonical(arrays).items()}
    assert shapes == npz_layout.expected_shapes(released.expected(found))
    released.require(found, npz_layout.describe(arrays))


def facebook_names(state):
    """ConvNeXt's parameters under the names of its authors' files."""
    renamed = {}
    for name, tensor in state.items():
        parts = name.split(".")
        if parts[0] == "stem":
            name = ".".join(["downsample_layers", "0", *parts[1:]])
        elif parts[0] == "stages" and parts[2] == "downsample":
            name = ".".join(["downsample_layers", parts[1], *parts[3:]])
        elif parts[0] == "stages":
            name = ".".join(["stages", parts[1], *parts[3:]])
        name = name.replace("conv_dw", "dwconv").replace("mlp.fc", "pwconv")
        renamed[name.replace("head.norm", "norm").replace("head.fc", "head")] = tensor
    return renamed


@pytest.fixture(scope="module")
def convnext(tmp_path_factory):
    torch.manual_seed(0)
    model = create_model("convnext_atto", pretrained=False, num_classes=1000)
    return model, written(model, tmp_path_factory.mktemp("convnext") / "model.safetensors")


def test_a_convnext_runs_as_timm_runs_it_from_either_naming(convnext, tmp_path):
    model, path = convnext
    x = images(32, 1)
    arrays = load.read_file(path).arrays
    built = load.build(arrays, semantics="timm", timm="convnext_atto")
    expected = theirs(model, x).numpy()
    assert np.abs(load.logits(built, x) - expected).max() < 1e-6
    torch.save({"model": facebook_names(model.state_dict())}, tmp_path / "authors.pth")
    again = load.read_file(tmp_path / "authors.pth").arrays
    assert "downsample_layers.0.0.weight" in again
    built = load.build(again, semantics="timm", timm="convnext_atto")
    assert np.abs(load.logits(built, x) - expected).max() < 1e-6
    fresh = load.build(arrays, semantics="timm", timm="convnext_atto", classes=3)
    assert np.array_equal(load.logits(fresh, x), np.zeros((1, 3)))
    with pytest.raises(ClaimsError, match="expected a ViT, hybrid or BiT"):
        load.official(path)


def test_timms_vit_takes_another_resolution_and_not_any():
    arrays = reference.weights(ARCHITECTURES["vit"])
    built = load.build(arrays, semantics="timm", resolution=48)
    assert load.logits(built, images(48)).shape == (2, 5)
    assert (
        np.abs(load.logits(built, images(48)) - load.logits(load.build(arrays, resolution=48), images(48))).max() > 1e-3
    )  # bicubic against the reference's bilinear interpolation
    with pytest.raises(ClaimsError, match="pre_logits of width 64"):
        load.build(reference.weights(ARCHITECTURES["vit-pre-logits"]), semantics="timm")


DAMAGE = {
    "missing": (lambda t: t.pop("norm.weight"), "missing"),
    "left over": (lambda t: t.update({"extra.weight": torch.zeros(3)}), "left over"),
    "another shape": (lambda t: t.update({"norm.weight": torch.zeros(63)}), "expected shape"),
    "not finite": (lambda t: t["norm.weight"].mul_(float("nan")), "finite"),
    "a deeper file": (lambda t: t.update({"blocks.2.norm1.weight": torch.zeros(64)}), "missing"),
}


@pytest.mark.parametrize("name", DAMAGE)
def test_damaged_weights_are_refused_in_one_line(name, tmp_path):
    vit = create_model("vit_tiny_patch16_224", img_size=32, patch_size=8, **SMALL)
    tensors = {key: value.clone() for key, value in vit.state_dict().items()}
    change, words = DAMAGE[name]
    change(tensors)
    save_file(tensors, tmp_path / "model.safetensors")
    with pytest.raises(ClaimsError, match=words) as raised:
        load.official(tmp_path / "model.safetensors", heads=2)
    assert "\n" not in str(raised.value)


@pytest.mark.parametrize("name", ["missing", "left over", "another shape", "not finite"])
def test_damaged_weights_are_refused_with_timms_semantics_too(name, convnext):
    tensors = {key.replace("head.norm", "norm"): value.clone() for key, value in convnext[0].state_dict().items()}
    change, words = DAMAGE[name]
    change(tensors)
    arrays = {
        key.replace("norm.weight", "head.norm.weight") if key == "norm.weight" else key: v.numpy()
        for key, v in tensors.items()
    }
    if "norm.bias" in arrays:
        arrays["head.norm.bias"] = arrays.pop("norm.bias")
    with pytest.raises(ClaimsError, match=words):
        load.build(arrays, semantics="timm", timm="convnext_atto")
    with pytest.raises(ClaimsError, match="a model that timm knows"):
        load.build(arrays, semantics="timm", timm="convnext_none")


class Planted:
    """A pickle that would run code when read."""

    def __reduce__(self):
        return (open, ("planted", "w"))


def test_pickles_and_torn_files_are_refused(tmp_path, monkeypatch, recwarn):
    monkeypatch.chdir(tmp_path)
    (tmp_path / "pytorch_model.bin").write_bytes(pickle.dumps({"w": Planted()}, protocol=2))
    torch.save({"w": Planted()}, tmp_path / "model.pth")
    for name in ("pytorch_model.bin", "model.pth"):
        with pytest.raises(ClaimsError, match="tensors only, found pickled objects, which are never loaded; save"):
            load.read_file(tmp_path / name)
    assert not (tmp_path / "planted").exists()
    for number, content in enumerate((b"\x80\x04K", b"\x80\x02t.", pickle.dumps([1], protocol=5))):
        (tmp_path / f"{number}.pth").write_bytes(content)
        with pytest.raises(ClaimsError, match="^.*expected .*tensors.*$") as caught:
            load.read_file(tmp_path / f"{number}.pth")
        assert "\n" not in str(caught.value)
    assert not recwarn.list  # torch's own words of it
    torch.save({"w": torch.zeros(3).to_sparse()}, tmp_path / "sparse.pth")
    with pytest.raises(ClaimsError, match="expected plain tensors, found: "):
        load.read_file(tmp_path / "sparse.pth")
    torch.save({"w": torch.nn.Parameter(torch.ones(3))}, tmp_path / "parameters.pth")
    assert load.read_file(tmp_path / "parameters.pth").arrays["w"].tolist() == [1, 1, 1]
    torch.save({"w": [1, 2]}, tmp_path / "lists.pth")
    with pytest.raises(ClaimsError, match="expected tensors by name"):
        load.read_file(tmp_path / "lists.pth")
    save_file({"w": torch.zeros(100)}, tmp_path / "whole.safetensors")
    torn = (tmp_path / "whole.safetensors").read_bytes()[:-7]
    (tmp_path / "torn.safetensors").write_bytes(torn)
    with pytest.raises(ClaimsError, match="whole safetensors file"):
        load.read_file(tmp_path / "torn.safetensors")
    (tmp_path / "notes.txt").write_text("x")
    with pytest.raises(ClaimsError, match="found another kind of file"):
        load.read_file(tmp_path / "notes.txt")


def test_half_precision_is_read_as_float32(tmp_path):
    vit = create_model("vit_tiny_patch16_224", img_size=32, patch_size=8, **SMALL).to(torch.bfloat16)
    held = load.read_file(written(vit, tmp_path / "model.safetensors"))
    assert held.dtype == "bfloat16"
    assert {str(array.dtype) for array in held.arrays.values()} == {"float32"}


def test_a_checkpoints_file_must_hold_its_model(tmp_path):
    entry = checkpoint("augreg-b16-in21k-in1k-384")
    small = reference.weights(ARCHITECTURES["vit"])
    npz.write(tmp_path / "vit.npz", small)
    with pytest.raises(ClaimsError, match=r"expected ViT-B/16 with width 768, found 64; these are weights of another"):
        load.weights_of(entry, tmp_path / "vit.npz")
    npz.write(tmp_path / "bit.npz", reference.weights(ARCHITECTURES["bit"]))
    with pytest.raises(ClaimsError, match="expected a file of family vit, found family bit"):
        load.weights_of(entry, tmp_path / "bit.npz")
    own = replace(entry, architecture="a small one", classes=5, resolution=32)
    assert load.weights_of(own, tmp_path / "vit.npz").keys() == small.keys()
    wide = npz_layout.describe(small)
    with pytest.raises(ClaimsError, match="grid"):
        released.require(entry, replace(released.expected(entry), grid=(14, 14)))
    released.require(entry, replace(released.expected(entry), representation_size=768))
    assert released.parameters(wide) == sum(array.size for array in small.values())


def test_heads_are_asked_for_where_the_file_cannot_say(tmp_path):
    vit = create_model("vit_tiny_patch16_224", img_size=32, patch_size=8, **SMALL)
    path = written(vit, tmp_path / "model.safetensors")
    with pytest.raises(ClaimsError, match="say how many heads"):
        load.official(path)
    (tmp_path / "config.json").write_text(json.dumps({"num_attention_heads": 2}))
    assert npz_layout.describe(load.official(path)).heads == 2
    with pytest.raises(ClaimsError, match="expected 7 heads"):
        load.official(path, heads=7)
