"""Models in several files: read whole from their folder or index, a lone shard refused."""

import json
import shutil

import numpy as np
import pytest
import torch
from safetensors.torch import load_file, save_file

from harness.core.errors import ClaimsError
from harness.models import load
from harness.models.shards import place_of
from tests.models.test_load import images, theirs, transformers_vit

pytestmark = pytest.mark.usefixtures("one_thread")
INDEX = "model.safetensors.index.json"


@pytest.fixture(scope="module")
def sharded(tmp_path_factory):
    """A classifier as transformers saves it in shards, in float16."""
    folder = tmp_path_factory.mktemp("sharded")
    model, _ = transformers_vit("ViTForImageClassification", folder)
    for path in folder.iterdir():
        path.unlink()
    model.half().save_pretrained(folder, max_shard_size="100KB")
    assert len(list(folder.glob("model-*-of-*.safetensors"))) > 1
    return model.float(), folder


@pytest.fixture
def copy(sharded, tmp_path):
    return shutil.copytree(sharded[1], tmp_path / "copy")


def logits(path):
    return load.logits(load.build(load.official(path)), images())


def test_a_folder_and_an_index_give_the_librarys_logits(sharded):
    model, folder = sharded
    expected = theirs(model, images()).logits.numpy()
    assert load.read_file(folder).dtype == "float16"
    assert np.abs(logits(folder) - expected).max() < 1e-5
    assert np.array_equal(logits(folder / INDEX), logits(folder))
    place = place_of(folder)
    assert place.files == (folder / INDEX, *sorted(folder.glob("*-of-*.safetensors")))
    assert place.size == sum(path.stat().st_size for path in place.files[1:])


def test_pytorchs_shards_are_read_too(sharded, copy):
    listed = json.loads((copy / INDEX).read_text())["weight_map"]
    moved = {
        name: file.replace("model-", "pytorch_model-").replace(".safetensors", ".bin") for name, file in listed.items()
    }
    for path in copy.glob("*.safetensors"):
        torch.save(
            load_file(path), copy / path.name.replace("model-", "pytorch_model-").replace(".safetensors", ".bin")
        )
        path.unlink()
    (copy / INDEX).unlink()
    index = json.dumps({"metadata": {}, "weight_map": moved})
    (copy / "pytorch_model.bin.index.json").write_text(index, encoding="utf-8-sig")
    assert np.array_equal(logits(copy), logits(sharded[1]))
    assert load.read_file(copy).dtype == "float16"


def test_a_lone_shard_is_refused_by_name(sharded):
    shards = sorted(sharded[1].glob("*-of-*.safetensors"))
    words = rf"found shard 2 of {len(shards)}; name the folder or the index {INDEX}$"
    with pytest.raises(ClaimsError, match=words):
        load.read_file(shards[1])


def test_shards_that_do_not_fit_their_index_are_refused(copy):
    first, second, *_ = sorted(copy.glob("*-of-*.safetensors"))
    held = load_file(first)
    save_file(held | {"more": torch.zeros(1)}, first)
    with pytest.raises(ClaimsError, match=rf"expected in the shard {first.name} no more, which it holds; fetch"):
        load.read_file(copy)
    gone = min(held)
    save_file({name: value for name, value in held.items() if name != gone}, first)
    with pytest.raises(ClaimsError, match=rf"expected in the shard {first.name} {gone}, which is missing; fetch"):
        load.read_file(copy)
    save_file(held, first)
    second.unlink()
    with pytest.raises(ClaimsError, match=rf"found 1 missing; first: {second.name}; fetch it, too"):
        load.read_file(copy)


BAD_INDICES = {
    "no JSON": ("{", "expected JSON, found: "),
    "no map": ('{"metadata": {}}', "expected weights, or the index of their shards"),
    "empty": ('{"weight_map": {}}', "expected weights, or the index of their shards"),
    "numbers": ('{"weight_map": {"a": 1}}', "expected weights, or the index of their shards"),
    "elsewhere": ('{"weight_map": {"a": "../model.safetensors"}}', "expected names of files beside it"),
}


@pytest.mark.parametrize("name", BAD_INDICES)
def test_a_malformed_index_is_refused_in_one_line(name, tmp_path):
    text, words = BAD_INDICES[name]
    (tmp_path / INDEX).write_text(text)
    with pytest.raises(ClaimsError, match=words) as caught:
        load.read_file(tmp_path)
    assert "\n" not in str(caught.value)


def test_a_folder_must_leave_no_choice(tmp_path):
    with pytest.raises(
        ClaimsError, match=r"expected a folder with a weights file, e\.g\. model\.safetensors, found none"
    ):
        load.read_file(tmp_path)
    save_file({"w": torch.ones(2)}, tmp_path / "epoch10.safetensors")
    assert load.read_file(tmp_path).place.path.name == "epoch10.safetensors"
    torch.save({"w": torch.zeros(2)}, tmp_path / "epoch20.pth")
    with pytest.raises(
        ClaimsError, match=r"expected one weights file, found 2: epoch10\.safetensors, epoch20\.pth; name one"
    ):
        load.read_file(tmp_path)
    torch.save({"w": torch.zeros(3)}, tmp_path / "pytorch_model.bin")
    torch.save({}, tmp_path / "training_args.bin")
    assert load.read_file(tmp_path).arrays["w"].shape == (3,)
    (tmp_path / "pytorch_model.bin.index.json").write_text('{"weight_map": {"w": "pytorch_model.bin"}}')
    with pytest.raises(ClaimsError, match=r"found pytorch_model\.bin, pytorch_model\.bin\.index\.json; name the one"):
        load.read_file(tmp_path)
