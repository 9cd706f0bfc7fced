"""Claim 2 (section 4.3, figure 3, table 5): ViT improves with the size of the pre-training set."""

import itertools

from harness.core.claim import All, Average, Better, Claim, Contender, Increasing, Interaction, Statement

CLAIM = Claim(
    id="claim2",
    title="ViT improves with the size of the pre-training set",
    quote="We find that large scale training trumps inductive bias. Our Vision Transformer (ViT) attains excellent"
    " results when pre-trained at sufficient scale and transferred to tasks with fewer datapoints.",
    source="arXiv:2010.11929v2, section 1; measured in section 4.3, figure 3 and table 5",
    not_verifiable={"JFT-300M": "neither the dataset nor the checkpoints pre-trained on it were released"},
)

SETS = ("ImageNet-1k", "ImageNet-21k", "JFT-300M")
DATASETS = ("imagenet", "imagenet_real", "cifar10", "cifar100", "pets", "flowers102")


def rising(architecture, sets=SETS):
    """The same architecture pre-trained on ever larger sets."""
    return tuple(Contender(architecture, pretrained_on) for pretrained_on in sets)


VIT, BIT = rising("ViT-L/16"), rising("BiT-R152x4")
COURSE = "The performance of the Vision Transformer on the classification task after fine tuning improves with the increase of the pretraining dataset size"  # noqa: E501
# AugReg: one training procedure on both sets, the fair comparison of released weights. The original
# in1k weights were never released, and SAM's differ in the optimiser, too.
AUGREG = tuple(
    Better(Contender(a, "ImageNet-21k", "augreg", side), than=Contender(a, "ImageNet-1k", "augreg", side), on=d)
    for a in ("ViT-S/16", "ViT-B/32", "ViT-B/16")
    for side in (224, 384)
    for d in ("imagenet", "imagenet_real")
)
# An average takes each set of images once: ReaL has ImageNet's.
FIVE = tuple(d for d in DATASETS if d != "imagenet_real")
STEPS = All(tuple(Average(tuple(Better(b, than=a, on=d) for d in FIVE)) for a, b in itertools.pairwise(VIT)))
GAINS = Average(tuple(Interaction((VIT[0], VIT[2]), (BIT[0], BIT[2]), d) for d in FIVE))
MEAN_GAIN = Average(
    tuple(each for each in AUGREG if each.on == "imagenet"),
    named="AugReg ViTs (ImageNet-21k) > AugReg ViTs (ImageNet-1k) on average over six pairs on imagenet",
)


@CLAIM.answered_by(
    Statement(COURSE, "on average over five tasks ViT-L/16 gains from each larger pre-training set", STEPS),
    Statement(CLAIM.quote, "ViT-L/16 gains more than BiT-R152x4 from ImageNet-1k to JFT-300M", GAINS),
    Statement(COURSE, "ViTs gain from ImageNet-1k to ImageNet-21k", MEAN_GAIN, "AugReg's public weights"),
)
def test_claim(hypothesis, judge):
    judge(hypothesis)


@CLAIM.hypotheses(Increasing(rising("ViT-L/16"), on=d) for d in DATASETS)
def test_vit_large_16_improves(hypothesis, judge):
    judge(hypothesis)


OTHER_SIZES = ("ViT-L/32", "ViT-B/16", "ViT-B/32")


@CLAIM.hypotheses(Increasing(rising(a), on=d) for a in OTHER_SIZES for d in DATASETS)
def test_other_sizes_improve(hypothesis, judge):
    judge(hypothesis)


# ViT-H/14 has no figures for ImageNet-1k.
@CLAIM.hypotheses(Increasing(rising("ViT-H/14", SETS[1:]), on=d) for d in DATASETS)
def test_vit_huge_improves(hypothesis, judge):
    judge(hypothesis)


@CLAIM.hypotheses(AUGREG)
def test_augreg_improves(hypothesis, judge):
    judge(hypothesis)


# Few-shot linear evaluation (section 4.3, figure 4): frozen features, fitted in closed form to a few images a class.
FEW_SHOT = tuple(f"imagenet_{shots}shot" for shots in (5, 10, 25))


@CLAIM.hypotheses(Increasing(VIT, on=d) for d in FEW_SHOT)
def test_few_shot_accuracy_improves(hypothesis, judge):
    judge(hypothesis)


# What the course compares: SAM's weights are the only ViT of the paper's sizes that was released for ImageNet-1k
# alone. They differ in the optimiser, too, so this speaks of the released weights, not of the pre-training set.
SAM = [(Contender(a, "ImageNet-21k"), Contender(a, "ImageNet-1k", "sam")) for a in ("ViT-L/16", *OTHER_SIZES)]


@CLAIM.hypotheses((Better(large, than=sam, on=d) for large, sam in SAM for d in DATASETS))
def test_released_in21k_beats_released_sam(hypothesis, judge):
    judge(hypothesis)


# The CNN for comparison: BiT-S against BiT-M.
@CLAIM.hypotheses(
    Better(Contender(a, "ImageNet-21k"), than=Contender(a, "ImageNet-1k"), on=d)
    for a in ("BiT-R50x1", "BiT-R101x1", "BiT-R152x4")
    for d in DATASETS
)
def test_bit_improves(hypothesis, judge):
    judge(hypothesis)
