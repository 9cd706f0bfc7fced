from dataclasses import replace

import pytest

from harness.catalog.checkpoints import checkpoint
from harness.core.errors import ClaimsError
from harness.core.specs import Checkpoint
from harness.cost.networks import module, network
from harness.models.architectures import ViTArchitecture
from harness.models.initialise import initial_arrays
from harness.models.npz import write


def own(tmp_path, architecture="mine"):
    path = tmp_path / "mine.npz"
    return Checkpoint(
        id="mine",
        family="vit",
        architecture=architecture,
        pretrained_on="mine",
        layout="vit-npz",
        sources=(f"file:{path}",),
    ), path


def test_an_architecture_is_known_by_its_name_without_the_file():
    found = network(replace(checkpoint("vit-l16-in21k"), architecture="ViT-H/14")).architecture
    assert (found.width, found.depth, found.patch) == (1280, 32, (14, 14))


def test_any_other_is_read_from_its_file_if_that_is_here(tmp_path):
    mine, path = own(tmp_path)
    with pytest.raises(ClaimsError, match="mine: expected an architecture whose name says its sizes, or the file"):
        network(mine, tmp_path)
    written = ViTArchitecture(32, 2, 4, 48, (8, 8), (3, 3), 5, representation_size=32)
    write(path, initial_arrays(written, 0))
    found = network(mine, tmp_path).architecture
    assert (found.width, found.depth, found.heads, found.mlp_size, found.grid) == (32, 2, 4, 48, (3, 3))
    with pytest.raises(ClaimsError, match="fetch it to know its cost"):
        network(mine)  # without a cache to look into


def test_modules_have_shapes_and_no_values():
    for found in (checkpoint("micro-hybrid-m"), replace(checkpoint("vit-b16-in21k"), semantics="timm")):
        built = module(network(found), 64, 9)
        assert {each.device.type for each in built.parameters()} == {"meta"}
        assert built.get_classifier().out_features == 9
        assert built.patch_embed.img_size == (64, 64)
