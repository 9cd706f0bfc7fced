"""Networks that a function of the paper's folder makes: their weights, their heads, and what does not fit."""

import copy

import numpy as np
import pytest
import torch
from safetensors.torch import save_file

from harness.catalog.checkpoint_files import pinned
from harness.catalog.checkpoints import checkpoint
from harness.core.errors import ClaimsError
from harness.core.paper import using
from harness.core.specs import Checkpoint, build
from harness.models.load import build_checkpoint, build_checkpoint_flax, weights_of

MODULE = """
from torch import nn

def net():
    return nn.Sequential(nn.Flatten(), nn.Linear(12, 5), nn.BatchNorm1d(5), nn.ReLU(), nn.Linear(5, 4))

def headless():
    return nn.Sequential(nn.Conv2d(3, 4, 1))

def nothing():
    return 3

def raises():
    raise ValueError("too deep")
"""
ENTRY = {"id": "mine", "architecture": "net", "pretrained_on": "-", "model": "my_models:net"}


@pytest.fixture
def folder(tmp_path):
    (tmp_path / "paper.toml").write_text("")
    (tmp_path / "my_models.py").write_text(MODULE)
    (tmp_path / "checkpoints.toml").write_text(
        '[mine]\narchitecture = "net"\npretrained_on = "-"\nmodel = "my_models:net"\nfile = "w.safetensors"\n'
    )
    with using(tmp_path):
        yield tmp_path


def network():
    space = {}
    exec(MODULE, space)
    torch.manual_seed(1)
    return space["net"]()


def entry(**changed):
    return build(Checkpoint, ENTRY | changed, "test")


@pytest.mark.parametrize("ending", ["safetensors", "pth", "th", "bin", "npz"])
def test_a_module_of_the_folder_gets_the_weights_of_a_file(folder, ending):
    given, path = network().eval(), folder / f"w.{ending}"
    state = {f"net.{name}": tensor for name, tensor in given.state_dict().items()}
    if ending == "npz":
        np.savez(path, **{name: tensor.numpy() for name, tensor in state.items() if tensor.ndim})
    elif ending == "safetensors":
        save_file(state, path)
    else:
        torch.save(state, path)
    found = entry(prefix="net.")
    model = build_checkpoint(found, weights_of(found, path)).eval()
    images = torch.rand(2, 3, 2, 2)
    assert torch.equal(model(images), given(images))
    tuned = build_checkpoint(found, weights_of(found, path), classes=7)
    assert tuned(images).shape == (2, 7)
    assert not tuned.get_classifier().weight.any()


def test_a_beginning_that_all_names_share_is_no_wrapper_of_a_module_that_has_it(folder):
    (folder / "my_models.py").write_text(
        MODULE + "class Held(nn.Module):\n    def __init__(self):\n        super().__init__()\n"
        "        self.model = net()\n    def forward(self, x):\n        return self.model(x)\n"
    )
    save_file({f"model.{name}": tensor for name, tensor in network().state_dict().items()}, folder / "w.safetensors")
    found = entry(model="my_models:Held")
    images = torch.rand(2, 3, 2, 2)
    model = build_checkpoint(found, weights_of(found, folder / "w.safetensors")).eval()
    assert torch.equal(model(images), network().eval()(images))


def test_a_function_may_import_the_folders_modules_when_it_is_called(folder):
    (folder / "late.py").write_text("def net():\n    import my_models\n    return my_models.net()\n")
    save_file(network().state_dict(), folder / "w.safetensors")
    found = entry(model="late:net")
    assert len(build_checkpoint(found, weights_of(found, folder / "w.safetensors"))) == 5


TWINS = """
from torch import nn

class Net(nn.Module):
    def __init__(self):
        super().__init__()
        self.conv1, self.conv2 = nn.Conv2d(3, 4, 1), nn.Conv2d(4, 4, 1)
        self.fc1, self.fc2 = nn.Linear(4, 5), nn.Linear(5, 2)
"""


@pytest.mark.parametrize(
    ("nested", "changed"),
    [
        (lambda state: state, {}),
        (lambda state: {"model": state, "epoch": 3}, {}),
        (lambda state: {"model": state, "model_ema": state}, {"weights": "model_ema"}),
        (lambda state: {f"{part}.{k}": v for part in ("student", "teacher") for k, v in state.items()},
         {"prefix": "teacher."}),
        (lambda state: {f"{part}.{k}": v for part in ("student", "teacher") for k, v in state.items()},
         {"weights": "teacher"}),
    ],
)  # fmt: skip
def test_layers_that_all_have_the_same_tensors_are_no_sets_of_weights(folder, nested, changed):
    (folder / "twins.py").write_text(TWINS)
    space = {}
    exec(TWINS, space)
    given = space["Net"]()
    torch.save(nested(given.state_dict()), folder / "w.pth")
    found = entry(model="twins:Net", **changed)
    model = build_checkpoint(found, weights_of(found, folder / "w.pth"))
    assert all(torch.equal(model.state_dict()[name], tensor) for name, tensor in given.state_dict().items())


def test_a_network_of_transformers_is_made_by_a_function_of_the_folder(folder):
    from transformers import ViTConfig, ViTForImageClassification

    size = {"hidden_size": 8, "num_hidden_layers": 1, "num_attention_heads": 2, "intermediate_size": 16}
    size |= {"image_size": 8, "patch_size": 4, "num_labels": 3}
    (folder / "my_models.py").write_text(
        "from transformers import ViTConfig, ViTForImageClassification\n"
        "class Net(ViTForImageClassification):\n    def forward(self, images):\n"
        f"        return super().forward(images).logits\ndef net():\n    return Net(ViTConfig(**{size}))\n"
    )
    given = ViTForImageClassification(ViTConfig(**size)).eval()
    save_file(given.state_dict(), folder / "w.safetensors")
    found, images = entry(), torch.rand(2, 3, 8, 8)
    model = build_checkpoint(found, weights_of(found, folder / "w.safetensors")).eval()
    assert torch.equal(model(images), given(images).logits)
    assert build_checkpoint(found, weights_of(found, folder / "w.safetensors"), classes=7)(images).shape == (2, 7)


@pytest.mark.parametrize("name", ["ViT", "ResNet"])
def test_a_class_of_transformers_is_made_by_the_config_beside_its_weights(folder, name):
    import transformers

    sizes = {
        "ViT": {"hidden_size": 8, "num_hidden_layers": 1, "num_attention_heads": 2, "intermediate_size": 16},
        "ResNet": {"embedding_size": 4, "hidden_sizes": [8], "depths": [1], "layer_type": "basic"},
    }
    config = getattr(transformers, f"{name}Config")(image_size=8, patch_size=4, num_labels=3, **sizes[name])
    given = getattr(transformers, f"{name}ForImageClassification")(config).eval()
    given.save_pretrained(folder / "saved")
    found = entry(model=f"transformers:{name}ForImageClassification", file="saved/model.safetensors")
    images, weights = torch.rand(2, 3, 8, 8), weights_of(found, folder / "saved" / "model.safetensors")
    model = build_checkpoint(found, weights).eval()
    assert torch.equal(model(images), given(images).logits)
    averaged = copy.deepcopy(model)
    with torch.no_grad():
        next(averaged.parameters()).zero_()
    assert torch.equal(model(images), given(images).logits)
    assert build_checkpoint(found, weights, classes=7).eval()(images).shape == (2, 7)
    short = {name: array for name, array in weights.items() if not name.startswith("classifier")}
    with pytest.raises(ClaimsError, match=rf"expected the weights of {name}ForImageClassification .*, found 2 missing"):
        build_checkpoint(found, short)
    before = pinned(found).model_sha256
    text = (folder / "saved" / "config.json").read_text()
    (folder / "saved" / "config.json").write_text(text.replace("8", "9"))
    assert pinned(found).model_sha256 != before  # what makes the network is part of its identity
    (folder / "saved" / "config.json").unlink()
    with pytest.raises(ClaimsError, match=f"expected the config.json of {name}ForImageClassification beside its"):
        build_checkpoint(found, weights)


def test_a_name_that_timm_does_not_know_is_one_line_that_says_how(folder):
    with pytest.raises(ClaimsError, match="knows, found 'google/vit-base-patch16-224'; .* model = .my_models:net"):
        build_checkpoint(entry(model="google/vit-base-patch16-224"), {"a": np.zeros(1, np.float32)})


def test_its_identity_is_that_of_source_and_weights(folder):
    save_file(network().state_dict(), folder / "w.safetensors")
    first = pinned(checkpoint("mine"))
    assert (first.family, first.layout, first.shipped, len(first.sha256)) == ("other", "own", True, 64)
    (folder / "my_models.py").write_text(MODULE + "\n")
    second = pinned(checkpoint("mine"))
    assert (first.sha256, first.model_sha256 == second.model_sha256) == (second.sha256, False)
    save_file({name: 2 * tensor for name, tensor in network().state_dict().items()}, folder / "w.safetensors")
    assert pinned(checkpoint("mine")).sha256 != first.sha256


@pytest.mark.parametrize(
    ("changed", "said"),
    [
        ({"model": "my_model:net"}, r"expected the module my_model.py in .* \(did you mean 'my_models'\?\)"),
        ({"model": "my_models:nett"}, r"unknown function 'nett' \(did you mean 'net'\?\)"),
        ({"model": "my_models:nothing"}, r"expected my_models:nothing to return a torch module .*, found builtins.int"),
        ({"model": "my_models:raises"}, "checkpoint mine: my_models:raises: ValueError: too deep, at my_models.py:14"),
        ({"model": "my_models:headless"}, "mine: expected 2 tensors, found 2 missing; first: 0.bias"),
    ],
)
def test_what_does_not_fit_is_one_line(folder, changed, said):
    save_file(network().state_dict(), folder / "w.safetensors")
    with pytest.raises(ClaimsError, match=said) as found:
        build_checkpoint(entry(**changed), weights_of(entry(**changed), folder / "w.safetensors"))
    assert "\n" not in str(found.value)


def test_a_network_without_a_linear_layer_gets_no_head(folder):
    found = entry(model="my_models:headless")
    with pytest.raises(ClaimsError, match="expected a network with a linear layer"):
        build_checkpoint(found, {"0.weight": np.zeros((4, 3, 1, 1), "f4"), "0.bias": np.zeros(4, "f4")}, classes=2)


def test_a_torch_module_does_not_run_on_jax(folder):
    line = "to return a Flax module .* for the backend jax, found torch.nn.*; return one, or use the backend torch"
    with pytest.raises(ClaimsError, match=line):
        build_checkpoint_flax(entry(), {})


def test_a_name_without_a_function_is_one_of_timm_s(folder):
    found = entry(model="resnet18")
    assert (found.model, found.timm, found.layout, found.semantics) == ("", "resnet18", "timm", "timm")
    with pytest.raises(ClaimsError, match="layout"):
        build(Checkpoint, ENTRY | {"model": "", "family": "other", "layout": "own"}, "test")
