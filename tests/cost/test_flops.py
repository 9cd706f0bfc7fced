"""FLOPs against formulas written out here, and against figures that others counted or published."""

import json

import pytest

from harness.catalog.checkpoints import checkpoint
from harness.core.errors import ClaimsError
from harness.cost import cache
from harness.cost.flops import Work, work
from harness.cost.networks import Network, network
from harness.models.architectures import BitArchitecture, HybridStem, ViTArchitecture


def products(terms):
    return 2 * sum(terms)


def vit_terms(tokens, width, depth, mlp):
    """Multiply-adds of the blocks: query, key, value and output; the two products of attention; the MLP."""
    return [depth * (4 * tokens * width**2 + 2 * tokens**2 * width + 2 * tokens * width * mlp)]


@pytest.mark.parametrize("resolution", [32, 40])
def test_vit_is_counted_as_by_hand(resolution):
    width, depth, mlp, patch, classes = 48, 3, 80, 8, 7
    of = Network(ViTArchitecture(width, depth, 4, mlp, (patch, patch), (4, 4), 1))
    patches = (resolution // patch) ** 2
    embedding = patches * 3 * patch**2 * width
    forward = products([embedding, *vit_terms(patches + 1, width, depth, mlp), width * classes])
    found = work(of, resolution)
    assert found.test_flops(classes) == forward
    assert found.train_flops(classes) == 3 * forward - 2 * embedding  # the images need no gradient
    assert found.with_head(classes) - found.with_head(0) == (width + 1) * classes


def test_bit_is_counted_as_by_hand():
    of = Network(BitArchitecture(stem_width=32, stages=((2, 128), (1, 256)), classes=1))
    root = 16 * 16 * 7 * 7 * 3 * 32  # 32 pixels, stride 2; then the max-pool leaves 8 x 8
    first = 64 * (32 * 32 + 9 * 32 * 32 + 32 * 128 + 32 * 128)  # with the projection
    second = 64 * (128 * 32 + 9 * 32 * 32 + 32 * 128)
    third = 64 * 128 * 64 + 16 * (9 * 64 * 64 + 64 * 256 + 128 * 256)  # the stride is on the 3 x 3
    forward = products([root, first, second, third, 256 * 5])
    found = work(of, 32)
    assert found.test_flops(5) == forward
    assert found.train_flops(5) == 3 * forward - 2 * root


def test_hybrid_is_counted_with_its_stem():
    of = Network(ViTArchitecture(64, 2, 2, 128, (1, 1), (4, 4), 1, stem=HybridStem(32, (1,))))
    root = 8 * 8 * 7 * 7 * 3 * 32
    unit = 16 * (32 * 32 + 9 * 32 * 32 + 32 * 128 + 32 * 128)
    forward = products([root, unit, 16 * 128 * 64, *vit_terms(17, 64, 2, 128), 64 * 3])
    assert work(of, 16).test_flops(3) == forward
    assert work(of, 16).train_flops(3) == 3 * forward - 2 * root


def test_depthwise_convolutions_are_not_overstated():
    found = work(network(checkpoint("convnext-t-in1k")), 224)
    # arXiv:2201.03545, table 9: ConvNeXt-T, 28 M parameters ("29M" there), 4.5 G multiply-adds.
    assert found.test_flops(1000) / 2e9 == pytest.approx(4.5, abs=0.05)
    assert found.with_head(1000) / 1e6 == pytest.approx(28.6, abs=0.1)
    assert found.training == pytest.approx(3 * found.forward, rel=0.01)


@pytest.mark.parametrize(
    "name, resolution, gflop",
    # MECHANICS, "Cost": counted on the released networks before this code was written.
    [("vit-l16-in21k", 224, 369), ("vit-l16-in21k", 384, 1146), ("bit-m-r152x4", 128, 358)],
)
def test_the_papers_networks_cost_what_was_counted_before(name, resolution, gflop):
    assert work(network(checkpoint(name)), resolution).train_flops(10) / 1e9 == pytest.approx(gflop, abs=0.6)


def test_parameters_are_those_of_the_file():
    for name in ("micro-vit-l", "micro-bit-m", "micro-hybrid-m"):
        found = checkpoint(name)
        from harness.catalog.checkpoint_files import file_of
        from harness.models.load import official

        held = official(file_of(found))
        classes = next(array.shape[-1] for key, array in held.items() if key.endswith(("head/bias", "conv2d/bias")))
        pre_logits = sum(array.size for key, array in held.items() if key.startswith("pre_logits"))
        assert work(network(found), 32).with_head(classes) == sum(a.size for a in held.values()) - pre_logits


def test_a_resolution_that_a_hybrid_does_not_take_is_refused():
    with pytest.raises(ClaimsError, match="expected a resolution that is a multiple of 32x32"):
        work(network(checkpoint("hybrid-r50-l32-in21k")), 230)


def test_counts_are_kept_in_the_home_folder(tmp_path, monkeypatch):
    of = Network(ViTArchitecture(32, 1, 2, 64, (4, 4), (2, 2), 1))
    monkeypatch.setattr(cache, "_counts", {})  # as in another process
    first = work(of, 8, tmp_path)
    (file,) = (tmp_path / cache.FOLDER).iterdir()
    stored = json.loads(file.read_text())
    stored["counted"]["forward"] = 1
    file.write_text(json.dumps(stored))
    cache._counts.clear()
    assert work(of, 8, tmp_path).forward == 1  # the file is what was read
    for damaged in ("", "{}", json.dumps(stored | {"counted": {"forward": -1}})):
        file.write_text(damaged)
        cache._counts.clear()
        assert work(of, 8, tmp_path) == first
    assert cache.get("something else", Work, tmp_path) is None


def test_a_home_that_cannot_be_written_only_costs_the_next_session_its_count(tmp_path, monkeypatch):
    of = Network(ViTArchitecture(32, 1, 2, 64, (4, 4), (2, 2), 1))
    monkeypatch.setattr(cache, "_counts", {})
    (tmp_path / "home").write_text("a file")
    assert work(of, 8, tmp_path / "home") == work(of, 8)
    assert (tmp_path / "home").read_text() == "a file"
