"""The zoo: what the claims need is there, names agree with timm's registry, sources are what they say."""

import re
from pathlib import Path

import pytest

from harness.catalog import checkpoint_files, checkpoints
from harness.catalog.claim_files import claims
from harness.core.errors import ClaimsError
from harness.core.hypotheses import Contender
from harness.fetch.sources import Hub, Url

RELEASED = [
    entry for entry in checkpoints.checkpoints().values() if entry.sources and not entry.variant.startswith("vtab1k/")
]


@pytest.fixture(autouse=True)
def clean(monkeypatch):
    monkeypatch.delenv("VIT_CLAIMS_WEIGHTS", raising=False)


def sources_of(entry):
    (material,) = checkpoint_files.materials(entry)
    return material.sources


STATED = [(c, h.on) for _, hypotheses in claims().values() for h in hypotheses for c in h.contenders]


@pytest.mark.paper
def test_every_contender_of_every_claim_resolves():
    assert len(STATED) > 100
    for contender, dataset in STATED:
        found = checkpoints.resolve(contender, dataset)
        assert (found.architecture, found.pretrained_on) == (contender.architecture, contender.pretrained_on)
        assert found.never_released or found.sources


@pytest.mark.paper
def test_on_imagenet_the_authors_own_fine_tuning_is_evaluated():
    vit = Contender("ViT-L/16", "ImageNet-21k")
    assert checkpoints.resolve(vit, "imagenet").id == "vit-l16-in21k-in1k-384"
    assert checkpoints.resolve(vit, "cifar10").id == "vit-l16-in21k"
    assert checkpoints.resolve(Contender("BiT-R152x4", "ImageNet-21k"), "imagenet_real").id == "bit-m-r152x4-in1k"
    # H/14 was never fine-tuned on ImageNet by its authors: it is the run that fine-tunes it.
    assert checkpoints.resolve(Contender("ViT-H/14", "ImageNet-21k"), "imagenet").id == "vit-h14-in21k"
    small = Contender("ViT-S/16", "ImageNet-21k", "augreg", 224)
    assert checkpoints.resolve(small, "imagenet").id == "augreg-s16-in21k-in1k-224"
    larger = Contender("ViT-S/16", "ImageNet-1k", "augreg", 384)
    assert checkpoints.resolve(larger, "imagenet").id == "augreg-s16-in1k-384"
    assert checkpoints.find("ViT-B/32", "ImageNet-1k", "sam").id == "sam-b32"


@pytest.mark.paper
def test_a_contender_that_the_zoo_lacks_is_refused_with_what_there_is():
    with pytest.raises(ClaimsError, match=r"augreg.*architectures .*ViT-S/16"):
        checkpoints.find("ViT-H/14", "ImageNet-21k", "augreg")
    with pytest.raises(ClaimsError, match=r"ViT-H/14.*there are: vit-h14-in21k$"):
        checkpoints.find("ViT-H/14", "ImageNet-21k", tuned=True)


@pytest.mark.paper
def test_what_was_never_released_says_so_and_cannot_be_fetched(tmp_path):
    jft = [entry for entry in checkpoints.checkpoints().values() if entry.pretrained_on == "JFT-300M"]
    assert len(jft) == 15
    for entry in (*jft, checkpoints.checkpoint("hybrid-r50-l16-in21k")):
        assert checkpoint_files.state(entry, tmp_path) == "never released"
        assert not entry.sources
        with pytest.raises(ClaimsError, match=entry.id):
            checkpoint_files.file_of(entry, tmp_path)


@pytest.mark.paper
def test_the_counts_are_those_of_the_papers():
    count = {}
    for entry in checkpoints.checkpoints().values():
        key = (entry.family, entry.pretrained_on, entry.variant.split("/")[0], checkpoints.fine_tuned(entry))
        count[key] = count.get(key, 0) + bool(entry.sources)
    assert count["bit", "ImageNet-1k", "orig", False] == 6
    assert count["bit", "ImageNet-21k", "orig", False] == 6
    assert count["bit", "ImageNet-21k", "orig", True] == 6
    assert count["bit", "ImageNet-21k", "vtab1k", False] == 5 * 19 * 3
    assert count["vit", "ImageNet-21k", "orig", False] == 5
    assert count["vit", "ImageNet-1k", "sam", False] == 4
    assert count["hybrid", "ImageNet-21k", "orig", False] == 3
    assert count["convnext", "ImageNet-1k", "orig", False] == 4  # no XL
    assert count["convnext", "ImageNet-21k", "orig", True] == 10


@pytest.mark.paper
def test_vtab_files_are_those_of_the_readme():
    readme = (
        "https://storage.googleapis.com/bit_models/vtab/BiT-M-{R50x1,R101x1,R50x3,R101x3,R152x4}-run{0,1,2}-{caltech101,"
        "diabetic_retinopathy,dtd,oxford_flowers102,oxford_iiit_pet,resisc45,sun397,cifar100,eurosat,patch_camelyon,"
        "smallnorb-elevation,svhn,dsprites-orientation,smallnorb-azimuth,clevr-distance,clevr-count,dmlab,kitti-distance,"
        "dsprites-xpos}.npz"
    )
    addresses = [""]
    for part in re.split(r"(\{[^}]*\})", readme):
        options = part[1:-1].split(",") if part.startswith("{") else [part]
        addresses = [start + option for start in addresses for option in options]
    ours = [
        checkpoint_files.materials(entry)[0].sources[0].address
        for entry in checkpoints.checkpoints().values()
        if entry.variant.startswith("vtab1k/")
    ]
    assert sorted(ours) == sorted(addresses)


@pytest.mark.paper
def test_names_agree_with_the_registry_of_the_installed_timm():
    from timm.models import get_pretrained_cfg

    named = [entry for entry in RELEASED if entry.timm]
    assert len(named) > 60
    for entry in named:
        registered = get_pretrained_cfg(entry.timm)
        repos = [source.repo for source in sources_of(entry) if isinstance(source, Hub)]
        assert registered.hf_hub_id in repos, entry.id
        assert registered.num_classes in (entry.classes, 0), entry.id  # 0: uploaded without the authors' zero head
        if entry.family != "bit":  # BiT has no positional embedding; timm's sizes are those of its evaluation
            assert registered.input_size[-1] == entry.resolution, entry.id
        if registered.url and "github.com" not in registered.url:
            addresses = [source.address for source in sources_of(entry) if isinstance(source, Url)]
            assert registered.url in addresses, entry.id


def test_weights_that_the_authors_made_run_with_the_reference_semantics_whatever_their_file_format():
    for entry in RELEASED:
        through_timm_only = entry.family == "convnext" or entry.variant == "augreg2"
        assert entry.semantics == ("timm" if through_timm_only else "reference"), entry.id


@pytest.mark.paper
def test_sources_keep_their_order_and_their_doubts():
    for entry in RELEASED:
        assert [str(source) for source in sources_of(entry)] == list(entry.sources)
        assert {str(source) for source in sources_of(entry) if not source.confirmed} == set(entry.unconfirmed)
        assert entry.citation
        doubts = [not source.confirmed for source in sources_of(entry)]
        assert doubts == sorted(doubts), entry.id  # what is known to answer comes first
    # The bucket refuses anonymous users: wherever anyone else has the weights, it is not the only source.
    only = {entry.id for entry in RELEASED if checkpoint_files.only_by_hand(entry)}
    assert {"sam-l16", "hybrid-r50-l32-in21k", "hybrid-r26-b32-in21k"} <= only
    assert not {entry.id for entry in RELEASED if entry.timm} & only


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


@pytest.mark.paper
def test_a_recommended_augreg_file_without_an_entry_of_its_own_is_timms():
    own = checkpoints.find("ViT-L/16", "ImageNet-21k", "augreg-recommended")
    shared = checkpoints.find("ViT-S/16", "ImageNet-21k", "augreg-recommended")
    assert own.variant == "augreg-recommended"
    assert shared == checkpoints.find("ViT-S/16", "ImageNet-21k", "augreg")
