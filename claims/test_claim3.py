"""Claim 3 (section 4.4, figure 5, table 6): the hybrid of ResNet and ViT can beat both."""

from harness.core.claim import Better, Claim, Contender
from harness.core.expected import expected

EXPECTED = expected(__file__)
CLAIM = Claim(
    id="claim3",
    title="The hybrid can perform better than both the ResNet and ViT",
    quote="Second, hybrids slightly outperform ViT at small computational budgets, but the difference vanishes for"
    " larger models.",
    source="arXiv:2010.11929v2, section 4.4, figure 5 and table 6",
    not_verifiable={
        "JFT-300M": "neither the dataset nor the checkpoints pre-trained on it were released",
        "R50+ViT-L/16": "its checkpoints were never released; the paper has it for JFT-300M only",
    },
)

DATASETS = ("imagenet", "imagenet_real", "cifar10", "cifar100", "pets", "flowers102")
JFT, K21 = "JFT-300M", "ImageNet-21k"
HYBRID = Contender("R50+ViT-B/16", JFT)


@CLAIM.hypotheses((Better(HYBRID, than=Contender("ViT-B/16", JFT), on=d) for d in DATASETS), EXPECTED)
def test_hybrid_beats_vit(hypothesis, judge):
    judge(hypothesis)


# Table 6 names no ResNet as the hybrid's baseline; R152x2 is the largest that was trained for as many epochs.
@CLAIM.hypotheses((Better(HYBRID, than=Contender("BiT-R152x2", JFT), on=d) for d in DATASETS), EXPECTED)
def test_hybrid_beats_resnet(hypothesis, judge):
    judge(hypothesis)


# At L/16 the quoted sentence itself expects no difference: what is refuted or open there agrees with it.
@CLAIM.hypotheses(
    (
        Better(Contender(f"R50+{vit}", JFT), than=Contender(vit, JFT), on=d)
        for vit in ("ViT-B/32", "ViT-L/32", "ViT-L/16")
        for d in DATASETS
    ),
    EXPECTED,
)
def test_hybrid_beats_vit_at_other_sizes(hypothesis, judge):
    judge(hypothesis)


PUBLIC = Contender("R50+ViT-B/16", K21)


@CLAIM.hypotheses((Better(PUBLIC, than=Contender("ViT-B/16", K21), on=d) for d in DATASETS), EXPECTED)
def test_hybrid_beats_vit_with_public_pretraining(hypothesis, judge):
    judge(hypothesis)


# Its own kind of ResNet, and the one of claim 1, which the course compares it with.
@CLAIM.hypotheses(
    (Better(PUBLIC, than=Contender(f"BiT-{r}", K21), on=d) for r in ("R50x1", "R152x4") for d in DATASETS),
    EXPECTED,
)
def test_hybrid_beats_resnet_with_public_pretraining(hypothesis, judge):
    judge(hypothesis)
