"""What config.json says of a network is honoured, or refused in one line where it can't be or the weights differ."""

import json
from dataclasses import replace

import numpy as np
import pytest
import torch
from safetensors.torch import save_file
from timm.models import create_model
from torch import nn

from harness.core.errors import ClaimsError
from harness.core.run import identity
from harness.core.specs import Checkpoint
from harness.models import convert, load, npz, npz_layout
from tests.models import reference
from tests.models.test_load import SMALL, at_random, images, theirs, written
from tests.models.torch.test_build import ARCHITECTURES

pytestmark = pytest.mark.usefixtures("one_thread")


def saved(folder, **changed):
    """A classifier as transformers saves it, and its path; small activations, so that epsilons count."""
    import transformers

    sizes = {"hidden_size": 64, "num_hidden_layers": 2, "num_attention_heads": 4, "intermediate_size": 96}
    config = transformers.ViTConfig(**sizes | {"image_size": 32, "patch_size": 8, "num_labels": 5} | changed)
    model = at_random(transformers.ViTForImageClassification(config)).eval()
    with torch.no_grad():
        model.vit.embeddings.patch_embeddings.projection.weight.mul_(1e-2)
        for name, parameter in model.named_parameters():
            if "embeddings" in name:
                parameter.mul_(1e-2)
    model.save_pretrained(folder)
    return model, folder / "model.safetensors"


def edited(path, **changed):
    config = path.parent / "config.json"
    config.write_text(json.dumps(json.loads(config.read_text(encoding="utf-8")) | changed), encoding="utf-8")


def entry(**changed):
    values = {"id": "mine", "family": "vit", "architecture": "Mine", "pretrained_on": "-", "layout": "transformers"}
    return Checkpoint(**values | changed)


def completed(found, path):
    return load.with_numerics(found, load.read_file(path).config)


def ours(found, path, backend, side=32, x=None):
    """Logits of a run's network before training, as the engine of a backend builds it."""
    arrays = load.weights_of(found, path)
    x = images() if x is None else x
    if backend == "torch":
        return load.logits(load.build_checkpoint(found, arrays, resolution=side), x)
    from harness.models.flax import build

    params, architecture = load.build_checkpoint_flax(found, arrays, resolution=side)
    return build.logits(build.network(architecture), params, x)


STATED = {
    "transformers' defaults": ({}, {"activation": "gelu", "layer_norm_epsilon": 1e-12}),
    "the authors'": ({"hidden_act": "gelu_pytorch_tanh", "layer_norm_eps": 1e-6}, {}),
    "another epsilon": ({"hidden_act": "gelu_new", "layer_norm_eps": 1e-3}, {"layer_norm_epsilon": 1e-3}),
}


@pytest.mark.parametrize("backend", ["torch", "jax"])
@pytest.mark.parametrize("name", STATED)
def test_the_librarys_logits_with_the_numerics_that_it_states(name, backend, tmp_path):
    changed, fields = STATED[name]
    model, path = saved(tmp_path, **changed)
    found = completed(entry(heads=4), path)
    assert identity(found) == identity(entry(heads=4)) | fields
    expected = theirs(model, images()).logits.numpy()
    assert expected.std() > 0.1
    assert np.abs(ours(found, path, backend) - expected).max() < 2e-5
    if fields:
        with pytest.raises(ClaimsError, match="expected the numerics"):
            load.weights_of(entry(heads=4), path)
        (tmp_path / "config.json").unlink()  # the authors' are others
        assert np.abs(ours(entry(heads=4), path, backend) - expected).max() > 1e-4


def test_what_an_entry_states_of_the_numerics_must_be_what_config_json_does(tmp_path):
    _, path = saved(tmp_path)
    with pytest.raises(ClaimsError, match=r"of its config\.json \(gelu, epsilon 1e-12\), found those of its entry"):
        completed(entry(activation="gelu_tanh"), path)
    assert completed(entry(activation="gelu"), path).layer_norm_epsilon == 1e-12
    assert completed(entry(semantics="timm"), path) == entry(semantics="timm")


@pytest.mark.parametrize("encoding", ["utf-8", "utf-8-sig", "utf-16"])
def test_a_byte_order_mark_hides_nothing(encoding, tmp_path):
    _, path = saved(tmp_path)
    config = tmp_path / "config.json"
    config.write_text(config.read_text(encoding="utf-8"), encoding=encoding)
    assert npz_layout.describe(load.official(path)).heads == 4


def test_heads_are_never_guessed_from_the_width(tmp_path):
    vit = create_model("vit_small_patch16_224", img_size=32, depth=1, num_heads=12, num_classes=2)
    path = written(at_random(vit), tmp_path / "model.safetensors")
    mine = entry(layout="timm")
    with pytest.raises(
        ClaimsError, match=r"width 384 does not state, found none; say how many heads: heads = N in checkpoints"
    ):
        load.weights_of(mine, path)
    tanh = [module for module in vit.modules() if isinstance(module, nn.GELU)]
    for module in tanh:
        module.approximate = "tanh"
    expected = theirs(vit, images()).numpy()
    assert np.abs(ours(replace(mine, heads=12), path, "torch") - expected).max() < 1e-5
    assert np.abs(ours(replace(mine, heads=6), path, "torch") - expected).max() > 1e-3
    # The name of a released architecture says how many.
    with pytest.raises(ClaimsError, match=r"expected ViT-S/16 with 6 heads, found heads = 12"):
        load.weights_of(replace(mine, architecture="ViT-S/16", heads=12), path)


@pytest.mark.parametrize(
    ("config", "heads"),
    [
        ({"architecture": "vit_small_patch16_224"}, 6),
        ({"architecture": "vit_small_patch16_224", "model_args": {"num_heads": 12}}, 12),
        ({"architecture": "vit_small_patch16_224.augreg_in21k", "num_classes": 2}, 6),
    ],
)
def test_timms_config_says_how_many_heads(config, heads, tmp_path):
    vit = create_model("vit_small_patch16_224", img_size=32, depth=1, num_classes=2)
    path = written(vit, tmp_path / "model.safetensors")
    (tmp_path / "config.json").write_text(json.dumps(config))
    assert npz_layout.describe(load.official(path)).heads == heads
    with pytest.raises(ClaimsError, match=rf"expected 3 heads, as given, found {heads} stated here"):
        load.official(path, heads=3)


REFUSED = {
    "heads that do not divide": ({"num_attention_heads": 5}, "expected 5 heads"),
    "other heads": ({"num_attention_heads": -1}, "num_attention_heads: expected a number above 0, found -1"),
    "width": ({"hidden_size": 128}, "hidden_size: expected 128, as stated here, found weights of 64"),
    "depth": ({"num_hidden_layers": 12}, "num_hidden_layers: expected 12, as stated here, found weights of 2"),
    "MLP": ({"intermediate_size": 64}, "intermediate_size: expected 64, as stated here, found weights of 96"),
    "patch": ({"patch_size": 16}, "patch_size: expected 16x16, as stated here, found weights of 8x8"),
    "image": ({"image_size": [64, 64]}, "image_size: expected 64x64, as stated here, found weights of 32x32"),
    "no image": ({"image_size": "large"}, "image_size: expected pixels, or height and width, found 'large'"),
    "channels": ({"num_channels": 1}, "num_channels: expected 1, as stated here, found weights of 3"),
    "classes": (
        {"id2label": {"0": "a", "1": "b"}},
        "number of classes: expected 2, as stated here, found weights of 5",
    ),
}
NUMERICS = {
    "activation": ({"hidden_act": "relu"}, "hidden_act: expected a GELU .*, found 'relu'"),
    "quick GELU": ({"hidden_act": "quick_gelu"}, "hidden_act: expected a GELU .*, found 'quick_gelu'"),
    "a list": ({"hidden_act": ["gelu"]}, "hidden_act: expected a GELU"),
    "epsilon": ({"layer_norm_eps": "small"}, "layer_norm_eps: expected a number between 0 and 1, found 'small'"),
    "another model": ({"model_type": "deit"}, r"model_type: expected a ViT \(.*\), found 'deit'"),
}


@pytest.mark.parametrize("name", REFUSED)
def test_a_contradiction_between_config_json_and_the_weights_is_refused(name, tmp_path):
    changed, words = REFUSED[name]
    _, path = saved(tmp_path)
    edited(path, **changed)
    with pytest.raises(ClaimsError, match=words) as caught:
        load.official(path)
    assert "\n" not in str(caught.value)
    assert "config.json" in str(caught.value) or "heads" in words


@pytest.mark.parametrize("name", NUMERICS)
def test_numerics_that_are_not_computed_here_are_refused(name, tmp_path):
    changed, words = NUMERICS[name]
    _, path = saved(tmp_path)
    edited(path, **changed)
    with pytest.raises(ClaimsError, match=words):
        completed(entry(), path)


@pytest.mark.parametrize("content", [b"", b"{", b"[]", b"\xff\xfe{", b'{"num_attention_heads": 4'])
def test_a_malformed_config_json_is_an_error(content, tmp_path):
    _, path = saved(tmp_path)
    (tmp_path / "config.json").write_bytes(content)
    with pytest.raises(ClaimsError, match=r"config\.json: expected (a )?JSON") as caught:
        load.official(path, heads=4)
    assert "\n" not in str(caught.value)


def test_projections_without_biases_are_refused(tmp_path):
    _, path = saved(tmp_path, qkv_bias=False)
    with pytest.raises(ClaimsError, match=r"query, key and value projections with biases, found none \(qkv_bias\)"):
        load.official(path)


@pytest.mark.parametrize("name", ["vit", "hybrid-3-stages", "bit"])
def test_a_network_for_one_channel_is_refused_by_a_run(name, tmp_path):
    architecture = replace(ARCHITECTURES[name], channels=1)
    npz.write(tmp_path / "w.npz", reference.weights(architecture))
    mine = entry(layout="vit-npz", family=architecture.family, classes=5)
    with pytest.raises(ClaimsError, match="expected a network for images with 3 channels, .* found one for 1$"):
        load.weights_of(mine, tmp_path / "w.npz")


def as_jeonsworld(arrays):
    """The authors' arrays under the names of jeonsworld/ViT-pytorch (models/modeling.py, `load_from`)."""
    names = {
        "cls": "transformer.embeddings.cls_token",
        npz_layout.POSITIONS: "transformer.embeddings.position_embeddings",
        "embedding": "transformer.embeddings.patch_embeddings",
        "Transformer/encoder_norm": "transformer.encoder.encoder_norm",
        "head": "head",
    }
    parts = {"LayerNorm_0": "attention_norm", "LayerNorm_2": "ffn_norm"}
    parts |= {"MlpBlock_3/Dense_0": "ffn.fc1", "MlpBlock_3/Dense_1": "ffn.fc2"}
    parts |= {f"MultiHeadDotProductAttention_1/{name}": f"attn.{name}" for name in ("query", "key", "value", "out")}
    for layer in range(4):
        block = f"transformer.encoder.layer.{layer}"
        names |= {f"Transformer/encoderblock_{layer}/{key}": f"{block}.{name}" for key, name in parts.items()}
    found = {}
    for key, array in arrays.items():
        place, _, kind = key.rpartition("/")
        if key in names:
            found[names[key]] = torch.from_numpy(array)
            continue
        width = array.shape[-1] if place.endswith("out") or kind != "kernel" else array.shape[0]
        flat = array.reshape(-1) if kind != "kernel" else array
        if kind == "kernel" and array.ndim == 3:
            flat = array.reshape(width, width)
        turned = flat.transpose(3, 2, 0, 1) if flat.ndim == 4 else flat.T
        found[f"{names[place]}.{'bias' if kind == 'bias' else 'weight'}"] = torch.from_numpy(turned.copy())
    return found


@pytest.mark.parametrize("before", ["", "module."])
def test_jeonsworlds_layout_is_read_with_its_head(before, tmp_path):
    architecture = ARCHITECTURES["vit"]
    arrays = reference.weights(architecture)
    state = {f"{before}{name}": tensor for name, tensor in as_jeonsworld(arrays).items()}
    torch.save(state, tmp_path / "checkpoint.bin")
    held = load.read_file(tmp_path / "checkpoint.bin")
    assert (held.layout, convert.headless(held.arrays)) == ("jeonsworld", False)
    with pytest.raises(ClaimsError, match="say how many heads"):
        load.official(tmp_path / "checkpoint.bin")
    found = load.official(tmp_path / "checkpoint.bin", heads=architecture.heads)
    assert load.digest(found) == load.digest(arrays)
    expected = reference.logits(arrays, architecture, images())
    assert np.abs(load.logits(load.build(found), images()) - expected).max() < 1e-5


def test_jeonsworlds_hybrids_are_refused_for_they_compute_something_else(tmp_path):
    state = as_jeonsworld(reference.weights(ARCHITECTURES["vit"]))
    state["transformer.embeddings.hybrid_model.root.conv.weight"] = torch.zeros(64, 3, 7, 7)
    torch.save(state, tmp_path / "checkpoint.bin")
    with pytest.raises(ClaimsError, match=r"expected a ViT without a ResNet in this layout, found .*hybrid_model"):
        load.official(tmp_path / "checkpoint.bin", heads=2)


def test_a_transformers_model_of_timm_is_read(tmp_path):
    vit = at_random(create_model("vit_tiny_patch16_224", img_size=32, patch_size=8, **SMALL))
    save_file({f"timm_model.{name}": value for name, value in vit.state_dict().items()}, tmp_path / "model.safetensors")
    held = load.official(tmp_path / "model.safetensors", heads=2)
    built = load.build(held, semantics="timm")
    assert np.abs(load.logits(built, images()) - theirs(vit, images()).numpy()).max() < 1e-6
