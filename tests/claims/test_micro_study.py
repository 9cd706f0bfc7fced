"""The micro study of the ViT paper: its networks, its learning rates and what stands for what."""

import json

import pytest

from claims.micro.tune import TABLE
from harness.catalog.checkpoints import checkpoint
from harness.catalog.datasets import dataset
from harness.catalog.recipes import resolve
from harness.core.claim import Claim
from harness.core.hypotheses import Better, Contender
from harness.core.run import Run
from harness.evidence.micro import gather as micro
from harness.evidence.micro.proxies import checkpoint_of, networks_of, proxies
from harness.runs.run import measure
from harness.runs.store import Store

CLAIM = Claim(id="c", title="t", quote="q", source="s")


VIT, BIT = Contender("ViT-L/16", "ImageNet-21k"), Contender("BiT-R152x4", "ImageNet-21k")


def test_every_run_uses_the_rate_that_was_chosen_and_only_judged_seeds():
    rates = json.loads(TABLE.read_text())["chosen"]
    for runs in micro.runs(Better(VIT, than=BIT, on="flowers102")).values():
        for run in runs.runs:
            assert run.recipe.learning_rate == rates[run.checkpoint.id][run.dataset.id]
            assert run.split == "test"
            assert run.seed in proxies().all_judged
    assert not set(proxies().all_judged) & set(proxies().development)


def test_seeds_are_spread_over_the_networks_that_were_pre_trained_several_times():
    corpora = ("ImageNet-1k", "ImageNet-21k", "JFT-300M")
    for contender in (Contender(net, corpus) for net in ("ViT-L/16", "BiT-R152x4") for corpus in corpora):
        other = BIT if contender == VIT else VIT
        (planned,) = (
            of for (who, _), of in micro.runs(Better(contender, than=other, on="pets")).items() if who == contender
        )
        seeds = [run.seed for run in planned.runs]
        assert len(set(seeds)) == len(seeds)
        assert seeds[:3] == [8, 9, 10]  # as before there were others: these runs keep their ids
        assert {run.checkpoint.id for run in planned.runs} == {each.checkpoint for each in networks_of(contender)}
        assert len({run.recipe.learning_rate for run in planned.runs}) == 1


@pytest.mark.parametrize(
    "contender, expected",
    [
        (Contender("ViT-L/16", "JFT-300M"), "micro-vit-l"),
        (Contender("BiT-R152x4", "ImageNet-1k"), "micro-bit-s"),
        (Contender("R50+ViT-B/16", "ImageNet-21k"), "micro-hybrid-m"),
        (Contender("ViT-L/16", "ImageNet-21k", "augreg"), None),
        (Contender("ViT-H/14", "JFT-300M"), None),
    ],
)
def test_proxies(contender, expected):
    assert checkpoint_of(contender) == expected


def test_a_linear_classifier_of_a_pre_trained_networks_features_knows_most_digits(tmp_path):
    shipped, digits, store = checkpoint("micro-bit-l"), dataset("digits"), Store(tmp_path)
    many, few = (Run(shipped, digits, resolve(f"fewshot-{shots}", shipped, digits), 0) for shots in (25, 1))
    found = measure(many, store)
    assert found.n == 797
    assert found.accuracy > 80  # nearest centroids of the features alone have as much
    assert measure(few, store).accuracy < found.accuracy
