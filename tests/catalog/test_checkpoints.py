"""The zoo: what a claim names is found, sources are what they say."""

from pathlib import Path

import pytest

from harness.catalog import checkpoint_files, checkpoints
from harness.core.errors import ClaimsError
from harness.core.hypotheses import Contender


@pytest.fixture(autouse=True)
def clean(monkeypatch):
    monkeypatch.delenv("VIT_CLAIMS_WEIGHTS", raising=False)


def sources_of(entry):
    (material,) = checkpoint_files.materials(entry)
    return material.sources


def test_where_a_head_has_a_datasets_classes_the_authors_own_fine_tuning_is_evaluated():
    vit = Contender("ViT-L/16", "ImageNet-21k")
    assert checkpoints.resolve(vit, "imagenet").id == "vit-l16-in21k-in1k-384"
    assert checkpoints.resolve(vit, "cifar10").id == "vit-l16-in21k"
    assert checkpoints.resolve(Contender("BiT-R152x4", "ImageNet-21k"), "imagenet_real").id == "bit-m-r152x4-in1k"
    # This one was never fine-tuned on ImageNet by its authors: it is the run that fine-tunes it.
    hybrid = Contender("R50+ViT-L/32", "ImageNet-21k")
    assert checkpoints.resolve(hybrid, "imagenet").id == "hybrid-r50-l32-in21k"
    augreg = Contender("ViT-B/16", "ImageNet-21k", "augreg", 384)
    assert checkpoints.resolve(augreg, "imagenet").id == "augreg-b16-in21k-in1k-384"
    assert checkpoints.find("ViT-L/16", "ImageNet-1k", "sam").id == "sam-l16"


def test_a_contender_that_the_zoo_lacks_is_refused_with_what_there_is():
    with pytest.raises(ClaimsError, match=r"augreg.*architectures ViT-B/16, ViT-B/32$"):
        checkpoints.find("ViT-H/14", "ImageNet-21k", "augreg")
    with pytest.raises(ClaimsError, match=r"R50\+ViT-L/32.*there are: hybrid-r50-l32-in21k$"):
        checkpoints.find("R50+ViT-L/32", "ImageNet-21k", tuned=True)
    with pytest.raises(
        ClaimsError, match=r"ViT-L/16 \(ImageNet21k, orig\), found none in the tables; there are: none$"
    ):
        checkpoints.find("ViT-L/16", "ImageNet21k")


def test_what_was_never_released_says_so_and_cannot_be_fetched(tmp_path):
    jft = [entry for entry in checkpoints.checkpoints().values() if entry.pretrained_on == "JFT-300M"]
    assert len(jft) == 2
    for entry in jft:
        assert checkpoint_files.state(entry, tmp_path) == "never released"
        assert not entry.sources
        with pytest.raises(ClaimsError, match=entry.id):
            checkpoint_files.file_of(entry, tmp_path)


def test_sources_keep_their_order_and_their_doubts():
    released = [entry for entry in checkpoints.checkpoints().values() if entry.sources]
    for entry in released:
        assert [str(source) for source in sources_of(entry)] == list(entry.sources)
        assert {str(source) for source in sources_of(entry) if not source.confirmed} == set(entry.unconfirmed)
    assert [source.confirmed for source in sources_of(checkpoints.checkpoint("vit-l16-in21k-in1k-384"))] == [
        True,
        False,
    ]
    # One place refuses anonymous users: wherever anyone else has the weights, it is not the only source.
    only = {entry.id for entry in released if checkpoint_files.only_by_hand(entry)}
    assert only == {"sam-l16", "hybrid-r50-l32-in21k"}


def test_sources_are_parsed():
    hub = checkpoints.source("hub:google/vit-base-patch16-224@abc123/model.safetensors")
    assert (hub.repo, hub.revision, hub.file) == ("google/vit-base-patch16-224", "abc123", "model.safetensors")
    plain = checkpoints.source("hub:timm/vit_base_r50_s16_224.orig_in21k/sub/model.safetensors", confirmed=False)
    assert (plain.repo, plain.revision, plain.file, plain.confirmed) == (
        "timm/vit_base_r50_s16_224.orig_in21k",
        None,
        "sub/model.safetensors",
        False,
    )
    bucket = checkpoints.source("gs://vit_models/imagenet21k/R50+ViT-B_16.npz")
    assert bucket.address == "https://storage.googleapis.com/vit_models/imagenet21k/R50+ViT-B_16.npz"
    mine = checkpoints.source("file:~/weights/x y.npz")
    assert mine.file == Path.home() / "weights" / "x y.npz"
    for wrong in ("hub:onlyname", "http://example.org/x.npz", "s3://x/y", "file://host/x.npz", "file:x.npz"):
        with pytest.raises(ClaimsError, match="expected hub:OWNER/NAME"):
            checkpoints.source(wrong)


def table(path, **values):
    import json

    path.write_text("[x]\n" + "".join(f"{key} = {json.dumps(value)}\n" for key, value in values.items()))
    return path


ENTRY = {"family": "vit", "architecture": "ViT-B/16", "pretrained_on": "ImageNet-21k", "layout": "vit-npz"}


def test_an_entry_must_lead_to_weights_and_its_doubts_to_its_sources(tmp_path):
    with pytest.raises(ClaimsError, match="expected a file, sources or never_released"):
        checkpoints.all_of((table(tmp_path / "a.toml", **ENTRY),), None)
    other = {"sources": ["gs://b/x.npz"], "unconfirmed": ["gs://b/y.npz"]}
    with pytest.raises(ClaimsError, match=r"unconfirmed: expected some of its sources, found gs://b/y\.npz"):
        checkpoints.all_of((table(tmp_path / "b.toml", **ENTRY, **other),), None)
    first = table(tmp_path / "c.toml", **ENTRY, sources=["gs://b/x.npz"])
    second = table(tmp_path / "d.toml", **ENTRY, sources=["gs://b/x.npz"])
    with pytest.raises(ClaimsError, match=r"d\.toml \[x\]: expected a new id"):
        checkpoints.all_of((first, second), None)


def test_a_release_without_an_entry_of_its_own_is_the_one_that_stands_for_it():
    shared = checkpoints.find("ViT-B/16", "ImageNet-21k", "augreg-recommended", tuned=True)
    assert shared == checkpoints.find("ViT-B/16", "ImageNet-21k", "augreg", tuned=True)
    assert shared.variant == "augreg"


RUNS = """
["bit-{task}-run{run}"]
family = "bit"
architecture = "BiT-R152x4"
pretrained_on = "ImageNet-21k"
layout = "bit-npz"
variant = "tuned"
tuned_on = "{dataset}"
sources = ["gs://open/{task}-{run}.npz"]
["bit-{task}-run{run}".each]
task = [{ task = "blossoms", dataset = "flowers" }, { task = "textures", dataset = "vtab-dtd" }]
run = ["2", "0", "1"]
"""


def test_files_that_were_released_fine_tuned_are_the_contenders_runs_on_their_own_dataset(tmp_path, monkeypatch):
    (tmp_path / "checkpoints.toml").write_text(RUNS)
    monkeypatch.setenv("VIT_CLAIMS_TABLES", str(tmp_path))
    tuned = Contender("BiT-R152x4", "ImageNet-21k", "tuned")
    textures = [f"bit-textures-run{run}" for run in range(3)]
    assert [each.id for each in checkpoints.resolve_all(tuned, "vtab-dtd")] == textures
    assert checkpoints.resolve(tuned, "vtab-dtd").id == textures[0]
    # The claims' name of a dataset may be another than its id.
    assert [each.id for each in checkpoints.tuned_runs(tuned, "flowers102")] == [
        f"bit-blossoms-run{run}" for run in range(3)
    ]
    assert all(checkpoints.fine_tuned(checkpoints.checkpoint(name)) for name in textures)
    assert len({checkpoints.checkpoint(name).upstream for name in textures}) == 1
    # The release to fine-tune is what it was, and on another dataset these files are nobody's.
    own = Contender("BiT-R152x4", "ImageNet-21k")
    assert [each.id for each in checkpoints.resolve_all(own, "vtab-dtd")] == ["bit-m-r152x4"]
    with pytest.raises(ClaimsError, match=r"found none .*; there are: files fine-tuned on flowers, vtab-dtd$"):
        checkpoints.resolve(tuned, "cifar10")
