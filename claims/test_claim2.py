"""Claim 2 (section 4.3, figure 3, table 5): ViT improves with the size of the pre-training set."""

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
FIVE = tuple(d for d in DATASETS if d != "imagenet_real")  # an average takes each set of images once
VITS = ("ViT-L/16", "ViT-L/32", "ViT-B/16", "ViT-B/32", "ViT-H/14")
BITS = ("BiT-R50x1", "BiT-R101x1", "BiT-R152x4")
RISING = {a: tuple(Contender(a, s) for s in SETS[a == "ViT-H/14" :]) for a in VITS + BITS}  # no H/14 of ImageNet-1k
VIT, BIT = RISING["ViT-L/16"], RISING["BiT-R152x4"]
COURSE = "The performance of the Vision Transformer on the classification task after fine tuning improves with the increase of the pretraining dataset size"  # noqa: E501
AUGREG = tuple(  # one procedure on both sets, the fair comparison of released weights
    Better(Contender(a, SETS[1], "augreg", side), than=Contender(a, SETS[0], "augreg", side), on=d)
    for a in ("ViT-S/16", "ViT-B/32", "ViT-B/16")
    for side in (224, 384)
    for d in ("imagenet", "imagenet_real")
)
STEPS = All(tuple(Average(tuple(Better(VIT[i + 1], than=VIT[i], on=d) for d in FIVE)) for i in (0, 1)))
GAINS = Average(tuple(Interaction((VIT[0], VIT[2]), (BIT[0], BIT[2]), d) for d in FIVE))
MEAN_GAIN = Average(
    AUGREG[::2], "AugReg ViTs (ImageNet-21k) > AugReg ViTs (ImageNet-1k) on average over six pairs on imagenet"
)


def apart(better):
    """Networks are tested on ImageNet as released and fine-tuned to the others, which is another question."""
    sets = {"ImageNet": DATASETS[:2], "four small datasets": DATASETS[2:]}
    return {f"{a} on {name}": [Better(*better[a], d) for d in of] for a in better for name, of in sets.items()}


@CLAIM.answered_by(
    Statement(COURSE, "on average over five tasks ViT-L/16 gains from each larger pre-training set", STEPS),
    Statement(CLAIM.quote, "ViT-L/16 gains more than BiT-R152x4 from ImageNet-1k to JFT-300M", GAINS),
    Statement(COURSE, "ViTs gain from ImageNet-1k to ImageNet-21k", MEAN_GAIN, "AugReg's public weights"),
)
def test_claim(hypothesis, judge):
    judge(hypothesis)


@CLAIM.hypotheses(Increasing(VIT, on=d) for d in DATASETS)
def test_vit_large_16_improves(hypothesis, judge):
    judge(hypothesis)


@CLAIM.hypotheses({a: [Increasing(RISING[a], on=d) for d in DATASETS] for a in VITS[1:]})
def test_other_sizes_improve(hypothesis, judge):
    judge(hypothesis)


@CLAIM.hypotheses(AUGREG)
def test_augreg_improves(hypothesis, judge):
    judge(hypothesis)


# Few-shot linear evaluation (section 4.3, figure 4): frozen features, fitted in closed form to a few images a class.
@CLAIM.hypotheses(Increasing(VIT, on=d) for d in ("imagenet_5shot", "imagenet_10shot", "imagenet_25shot"))
def test_few_shot_accuracy_improves(hypothesis, judge):
    judge(hypothesis)


# What the course compares: the only ViTs of these sizes released for ImageNet-1k alone are SAM's, another optimiser's.
@CLAIM.hypotheses(apart({a: (RISING[a][1], Contender(a, SETS[0], "sam")) for a in VITS[:4]}))
def test_released_in21k_beats_released_sam(hypothesis, judge):
    judge(hypothesis)


@CLAIM.hypotheses(apart({a: (RISING[a][1], RISING[a][0]) for a in BITS}))  # the CNN
def test_bit_improves(hypothesis, judge):
    judge(hypothesis)
