"""Claim 1 (section 4.2, table 2): after large-scale pre-training ViT outperforms state-of-the-art CNNs."""

from harness.core.claim import All, Average, Better, Claim, Close, Contender, Statement

CLAIM = Claim(
    id="claim1",
    title="ViT outperforms state-of-the-art CNNs after pre-training on large data",
    quote="The smaller ViT-L/16 model pre-trained on JFT-300M outperforms BiT-L (which is pre-trained on the same"
    " dataset) on all tasks, while requiring substantially less computational resources to train.",
    source="arXiv:2010.11929v2, section 4.2 and table 2",
    not_verifiable={"JFT-300M": "neither the dataset nor the checkpoints pre-trained on it were released"},
)

JFT = Contender("ViT-L/16", "JFT-300M"), Contender("BiT-R152x4", "JFT-300M")
# What was released: the same architectures pre-trained on ImageNet-21k. ImageNet is the authors' 384
# pixels for ViT; BiT has its own recipe.
PUBLIC = Contender("ViT-L/16", "ImageNet-21k"), Contender("BiT-R152x4", "ImageNet-21k")
PUBLIC_384 = Contender("ViT-L/16", "ImageNet-21k", resolution=384), PUBLIC[1]

IMAGENET = ("imagenet", "imagenet_real")
TRANSFER = ("cifar10", "cifar100", "pets", "flowers102")
ON_JFT = tuple(Better(JFT[0], than=JFT[1], on=d) for d in (*IMAGENET, *TRANSFER, "vtab1k"))
ON_PUBLIC_IMAGENET = tuple(Better(PUBLIC_384[0], than=PUBLIC_384[1], on=d) for d in IMAGENET)
# An average takes each set of images once: ReaL has ImageNet's, and VTAB is itself a mean.
FIVE = tuple(each for each in ON_JFT if each.on not in ("imagenet_real", "vtab1k"))
ON_PUBLIC = tuple(Better(PUBLIC[0], than=PUBLIC[1], on=d) for d in TRANSFER)

# Top-1 accuracy in percent, ViT-L/16 pre-trained on ImageNet-21k, fine-tuned at 384 pixels (table 5).
TABLE_5 = {"cifar10": 99.16, "cifar100": 93.44, "pets": 94.73, "flowers102": 99.61}
TABLE_5_IMAGENET = {"imagenet": 85.15, "imagenet_real": 88.40}
# Percentage points. Two runs of the authors' code differ by up to 0.4 (CIFAR-100); the course trains
# at 224 pixels with a smaller batch. No other recipe is judged by the paper's figures.
WITHIN = {"paper": 0.5, "code": 0.5, "evaluate": 0.5, "notebook": 1.0, "notebook-vit": 1.0}
COURSE = "Vision Transformer outperforms state of the art CNNs on various classification tasks after pretraining on large datasets"  # noqa: E501
INSTEAD = "public ImageNet-21k weights in place of JFT-300M"


@CLAIM.answered_by(
    Statement(CLAIM.quote, "ViT-L/16 is more accurate than BiT-L on all seven tasks", All(ON_JFT)),
    Statement(COURSE, "ViT-L/16 is more accurate than BiT-L on average over five tasks", Average(FIVE)),
    Statement(
        COURSE, "ViT-L/16 is more accurate than BiT-M R152x4 on average over four tasks", Average(ON_PUBLIC), INSTEAD
    ),
)
def test_claim(hypothesis, judge):
    judge(hypothesis)


@CLAIM.hypotheses(ON_JFT)
def test_vit_outperforms_bit(hypothesis, judge):
    judge(hypothesis)


@CLAIM.hypotheses(ON_PUBLIC_IMAGENET)
def test_vit_outperforms_bit_on_imagenet_with_public_pretraining(hypothesis, judge):
    judge(hypothesis)


@CLAIM.hypotheses(ON_PUBLIC)
def test_vit_outperforms_bit_with_public_pretraining(hypothesis, judge):
    judge(hypothesis)


@CLAIM.hypotheses((Close(PUBLIC_384[0], to=v, on=d, within=WITHIN) for d, v in TABLE_5_IMAGENET.items()))
def test_vit_accuracy_on_imagenet_is_as_published(hypothesis, judge):
    judge(hypothesis)


@CLAIM.hypotheses((Close(PUBLIC[0], to=v, on=d, within=WITHIN) for d, v in TABLE_5.items()))
def test_vit_accuracy_is_as_published(hypothesis, judge):
    judge(hypothesis)
