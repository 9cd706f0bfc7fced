"""The checkpoints of the ViT paper: what its claims need is there, names agree with timm's registry."""

import re

import pytest

from harness.catalog import checkpoint_files, checkpoints
from harness.catalog.claim_files import claims
from harness.core.errors import ClaimsError
from harness.core.hypotheses import Contender, terms_of
from harness.core.paper import using
from harness.fetch.sources import Hub, Url
from tests.claims import PAPER

with using(PAPER):
    STATED = [term for _, hypotheses in claims().values() for h in hypotheses for term in terms_of(h)]
    RELEASED = [entry for entry in checkpoints.checkpoints().values() if entry.sources and not entry.tuned_on]


def test_every_contender_of_every_claim_resolves():
    assert len(STATED) > 100
    for contender, dataset in STATED:
        found = checkpoints.resolve(contender, dataset)
        assert (found.architecture, found.pretrained_on) == (contender.architecture, contender.pretrained_on)
        assert found.never_released or found.sources


def test_the_counts_are_those_of_the_papers():
    count = {}
    for entry in checkpoints.checkpoints().values():
        key = (entry.family, entry.pretrained_on, entry.variant, checkpoints.fine_tuned(entry))
        count[key] = count.get(key, 0) + bool(entry.sources)
    assert count["bit", "ImageNet-1k", "orig", False] == 6
    assert count["bit", "ImageNet-21k", "orig", False] == 6
    assert count["bit", "ImageNet-21k", "orig", True] == 6
    assert count["bit", "ImageNet-21k", "vtab1k", True] == 5 * 19 * 3
    assert count["vit", "ImageNet-21k", "orig", False] == 5
    assert count["vit", "ImageNet-1k", "sam", False] == 4
    assert count["hybrid", "ImageNet-21k", "orig", False] == 3
    assert count["convnext", "ImageNet-1k", "orig", False] == 4  # no XL
    assert count["convnext", "ImageNet-21k", "orig", True] == 10


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
        if entry.tuned_on
    ]
    assert sorted(ours) == sorted(addresses)


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


@pytest.fixture(autouse=True)
def clean(monkeypatch):
    monkeypatch.delenv("VIT_CLAIMS_WEIGHTS", raising=False)


def sources_of(entry):
    (material,) = checkpoint_files.materials(entry)
    return material.sources


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


def test_a_contender_that_the_zoo_lacks_is_refused_with_what_there_is():
    with pytest.raises(ClaimsError, match=r"augreg.*architectures .*ViT-S/16"):
        checkpoints.find("ViT-H/14", "ImageNet-21k", "augreg")
    with pytest.raises(ClaimsError, match=r"ViT-H/14.*there are: vit-h14-in21k$"):
        checkpoints.find("ViT-H/14", "ImageNet-21k", tuned=True)


def test_what_was_never_released_says_so_and_cannot_be_fetched(tmp_path):
    jft = [entry for entry in checkpoints.checkpoints().values() if entry.pretrained_on == "JFT-300M"]
    assert len(jft) == 15
    for entry in (*jft, checkpoints.checkpoint("hybrid-r50-l16-in21k")):
        assert checkpoint_files.state(entry, tmp_path) == "never released"
        assert not entry.sources
        with pytest.raises(ClaimsError, match=entry.id):
            checkpoint_files.file_of(entry, tmp_path)


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


def test_an_estimate_is_four_bytes_for_each_of_the_papers_parameters():
    # arXiv:2010.11929, table 1: 86M, 307M and 632M parameters, without the head (rounded; L/16 has 303M or 304M).
    for name, millions in (("vit-b16-in21k", 86), ("vit-l16-in21k", 307), ("vit-h14-in21k", 632)):
        entry = checkpoints.checkpoint(name)
        width = {86: 768, 307: 1024, 632: 1280}[millions]
        (material,) = checkpoint_files.materials(entry)
        body = material.estimate - 4 * entry.classes * (width + 1)
        assert body == pytest.approx(4e6 * millions, rel=0.015)
    assert checkpoint_files.estimate(checkpoints.checkpoint("vit-l16-jft")) is None


def test_a_recommended_augreg_file_without_an_entry_of_its_own_is_timms():
    own = checkpoints.find("ViT-L/16", "ImageNet-21k", "augreg-recommended")
    shared = checkpoints.find("ViT-S/16", "ImageNet-21k", "augreg-recommended")
    assert own.variant == "augreg-recommended"
    assert shared == checkpoints.find("ViT-S/16", "ImageNet-21k", "augreg")
