"""`python -m harness inspect`: what a file describes, for files of every layout."""

import json

import numpy as np
import pytest
import torch
from safetensors.torch import save_file
from timm.models import create_model

from harness.core.errors import ClaimsError
from harness.models import npz
from tests.cli import command
from tests.models import reference
from tests.models.torch.test_build import ARCHITECTURES, NEWER_NAMES


def inspect(capsys, path, *more):
    assert command("inspect", path, "--json", *more) == 0
    return json.loads(capsys.readouterr().out)


@pytest.mark.parametrize("name", ARCHITECTURES)
def test_an_npz_file_describes_itself(name, tmp_path, capsys):
    architecture = ARCHITECTURES[name]
    arrays = reference.weights(architecture)
    npz.write(tmp_path / "w.npz", arrays)
    found = inspect(capsys, tmp_path / "w.npz")
    assert found["family"] == architecture.family
    assert found["parameters"] == sum(array.size for array in arrays.values())
    assert (found["dtype"], found["classes"], found["semantics"]) == ("float32", 5, "reference")
    if name == "bit":
        assert (found["layout"], found["units"], found["stage_widths"]) == ("bit-npz", [1, 2, 1], [128, 128, 256])
        assert (found["stem_width"], found["resolution"], found["heads"]) == (32, None, None)
        return
    assert found["layout"] == "vit-npz"
    assert [found[key] for key in ("width", "depth", "heads", "mlp_size")] == [64, 2, 2, 96]
    assert found["patch"] == list(architecture.patch)
    assert found["resolution"] == [architecture.grid[0] * architecture.cell[0]] * 2
    assert found["pre_logits"] == architecture.representation_size
    assert found["units"] == (list(architecture.stem.stages) if architecture.stem else None)


def test_newer_key_names_and_half_precision_are_read(tmp_path, capsys):
    arrays = reference.weights(ARCHITECTURES["vit-pre-logits"])
    newer = {}
    for key, array in arrays.items():
        for old, new in NEWER_NAMES.items():
            key = key.replace(old, new)
        newer[key] = array.astype(np.float16)
    npz.write(tmp_path / "w.npz", newer)
    found = inspect(capsys, tmp_path / "w.npz")
    assert (found["depth"], found["pre_logits"], found["dtype"]) == (2, 48, "float16")


def test_a_timm_file_describes_itself(tmp_path, capsys):
    model = create_model("vit_tiny_patch16_224", img_size=64, depth=2, num_classes=0)
    save_file(model.state_dict(), tmp_path / "model.safetensors")
    assert inspect(capsys, tmp_path / "model.safetensors")["heads"] is None  # nothing states them
    found = inspect(capsys, tmp_path / "model.safetensors", "--heads", 3)
    assert (found["layout"], found["family"], found["semantics"]) == ("timm", "vit", "reference")
    assert (found["width"], found["heads"], found["patch"], found["resolution"]) == (192, 3, [16, 16], [64, 64])
    assert found["classes"] is None
    assert found["parameters"] == sum(parameter.numel() for parameter in model.parameters())


def test_a_convnext_file_describes_itself(tmp_path, capsys):
    with torch.device("meta"):
        model = create_model("convnext_atto", num_classes=7)
    save_file({k: torch.zeros(v.shape) for k, v in model.state_dict().items()}, tmp_path / "model.safetensors")
    found = inspect(capsys, tmp_path / "model.safetensors")
    assert (found["family"], found["semantics"], found["classes"]) == ("convnext", "timm", 7)
    assert (found["units"], found["stage_widths"]) == ([2, 2, 6, 2], [40, 80, 160, 320])


def test_the_text_says_what_there_is_and_leaves_out_what_there_is_not(tmp_path, capsys):
    npz.write(tmp_path / "w.npz", reference.weights(ARCHITECTURES["bit"]))
    assert command("inspect", tmp_path / "w.npz") == 0
    rows = dict(line.split("  ", 1) for line in capsys.readouterr().out.splitlines())
    assert rows["units per stage"].strip() == "1, 2, 1"
    assert not {"heads", "patch", "pre-logits width"} & rows.keys()


@pytest.mark.parametrize("names", [("model", "model_ema"), ("student", "teacher")])
def test_every_set_of_weights_is_listed(names, tmp_path, capsys):
    model = create_model("vit_tiny_patch16_224", img_size=64, depth=2, num_classes=4)
    path = tmp_path / "checkpoint.pth"
    torch.save({"epoch": 7, **{name: model.state_dict() for name in names}}, path)
    assert sorted(inspect(capsys, path)["sets"]) == list(names)
    found = inspect(capsys, path, "--weights", names[1], "--heads", 3)
    assert (found["weights"], found["classes"], found["heads"]) == (names[1], 4, 3)
    assert command("inspect", path) == 0
    printed = capsys.readouterr().out
    assert printed.startswith(f"2 sets of weights; choose one with --weights: {', '.join(names)}\n")
    assert printed.count("not stated by the file nor a config.json beside it (--heads N)") == 2


def test_damaged_and_strange_files_are_refused(tmp_path):
    arrays = reference.weights(ARCHITECTURES["vit"])
    npz.write(tmp_path / "short.npz", {key: arrays[key] for key in arrays if "MlpBlock_3/Dense_1" not in key})
    save_file({"layer.weight": torch.zeros(2, 2)}, tmp_path / "other.safetensors")
    np.savez(tmp_path / "pickled.npz", w=np.array([{}], dtype=object))
    for name, words in (
        ("short.npz", "missing"),
        ("other.safetensors", "expected a ViT, hybrid, BiT or ConvNeXt"),
        ("pickled.npz", "without pickles"),
        ("absent.npz", "No such file"),
    ):
        with pytest.raises(ClaimsError, match=words):
            command("inspect", tmp_path / name)
