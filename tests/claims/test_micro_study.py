"""The micro study of the ViT paper: its networks, its learning rates and what stands for what."""

import json

import pytest

from claims.micro.tune import TABLE
from harness.core.claim import Claim
from harness.core.hypotheses import Better, Contender
from harness.evidence.micro import gather as micro
from harness.evidence.micro.proxies import checkpoint_of, proxies

CLAIM = Claim(id="c", title="t", quote="q", source="s")


VIT, BIT = Contender("ViT-L/16", "ImageNet-21k"), Contender("BiT-R152x4", "ImageNet-21k")


def test_every_run_uses_the_rate_that_was_chosen_and_only_judged_seeds():
    rates = json.loads(TABLE.read_text())["chosen"]
    for runs in micro.runs(Better(VIT, than=BIT, on="flowers102")).values():
        for run in runs.runs:
            assert run.recipe.learning_rate == rates[run.checkpoint.id][run.dataset.id]
            assert run.split == "test"
    assert not set(proxies().judged) & set(proxies().development)


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
