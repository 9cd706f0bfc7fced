"""ConvNeXt against ViT (arXiv:2201.03545; the course's "things to try"): are the newer CNNs better than ViT?"""

from harness.core.claim import Average, Better, Claim, Contender, Statement

CLAIM = Claim(
    id="convnext",
    title="ConvNeXt is better than ViT",
    quote="You can try to find the code and verify that these CNNs are actually able to get better results than ViT.",
    source="the course's experiments, things to try; ConvNeXt: arXiv:2201.03545v2, table 1",
)

IMAGENET = ("imagenet", "imagenet_real")
SIZES = {"ConvNeXt-S": "ViT-S/16", "ConvNeXt-B": "ViT-B/16", "ConvNeXt-L": "ViT-L/16"}


def pair(convnext, sets, side, variant="augreg"):
    """A ConvNeXt and the ViT nearest in size, pre-trained on the same images, tested at the same resolution."""
    return Contender(convnext, sets, resolution=side), Contender(SIZES[convnext], sets, variant, side)


def better(convnext, sets, side, on, variant="augreg"):
    a, b = pair(convnext, sets, side, variant)
    return Better(a, than=b, on=on)


AT_384 = tuple(better(size, "ImageNet-21k", 384, "imagenet") for size in ("ConvNeXt-B", "ConvNeXt-L"))
# AugReg has no L/16 of ImageNet-1k alone.
ON_1K = tuple(better(size, "ImageNet-1k", 224, "imagenet") for size in ("ConvNeXt-S", "ConvNeXt-B"))
# Fine-tuned alike: each family by the session's protocol, from weights pre-trained on ImageNet-21k alone.
SMALL = ("cifar10", "cifar100", "pets", "flowers102")
ON_SMALL = tuple(better("ConvNeXt-B", "ImageNet-21k", None, d) for d in SMALL)


@CLAIM.answered_by(
    Statement(
        CLAIM.quote,
        "pre-trained on ImageNet-21k, ConvNeXt-B and -L are more accurate on ImageNet than AugReg ViTs of their size",
        Average(AT_384, named="ConvNeXt > AugReg ViT (ImageNet-21k, 384 px) on average over sizes B and L on imagenet"),
    ),
    Statement(
        CLAIM.quote,
        "trained on ImageNet-1k alone, ConvNeXt-S and -B are more accurate on ImageNet than AugReg ViTs of their size",
        Average(ON_1K, named="ConvNeXt > AugReg ViT (ImageNet-1k, 224 px) on average over sizes S and B on imagenet"),
    ),
    Statement(
        CLAIM.quote,
        "fine-tuned on four small datasets, ConvNeXt-B is more accurate than AugReg's ViT-B/16 on average",
        Average(ON_SMALL),
    ),
)
def test_claim(hypothesis, judge):
    judge(hypothesis)


@CLAIM.hypotheses(better(size, "ImageNet-21k", 384, d) for size in SIZES for d in IMAGENET)
def test_convnext_beats_augreg_vit(hypothesis, judge):
    judge(hypothesis)


# The ViT paper's own weights, an older recipe than either.
@CLAIM.hypotheses(better("ConvNeXt-B", "ImageNet-21k", 384, d, "orig") for d in IMAGENET)
def test_convnext_beats_the_papers_vit(hypothesis, judge):
    judge(hypothesis)


@CLAIM.hypotheses(ON_SMALL)
def test_convnext_beats_augreg_vit_after_fine_tuning(hypothesis, judge):
    judge(hypothesis)


@CLAIM.hypotheses(better("ConvNeXt-B", "ImageNet-21k", None, d, "orig") for d in SMALL)
def test_convnext_beats_the_papers_vit_after_fine_tuning(hypothesis, judge):
    judge(hypothesis)
