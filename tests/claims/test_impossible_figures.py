"""Which published figures of the ViT paper's record are impossible, and that people see it."""

from dataclasses import replace

from harness.evidence.published import load
from harness.evidence.published.check import HEADER, cells, check
from tests.test_docs import DOCS, section
from tests.test_docs import cells as rows_of

# (source, table, architecture, pre-training, dataset, metric, figure), read off once and looked into one by one.
IMPOSSIBLE = [
    ("vit-paper", "Table 5", "ViT-L/16", "ImageNet-1k", "pets", "top1", 93.64),
    ("vit-paper", "Table 5", "ViT-L/32", "ImageNet-1k", "pets", "top1", 91.35),
    ("vit-paper", "Table 5", "ViT-B/16", "ImageNet-21k", "pets", "top1", 94.43),
    ("vit-paper", "Table 5", "ViT-L/16", "ImageNet-21k", "pets", "top1", 94.73),
    ("vit-paper", "Table 5", "ViT-L/32", "ImageNet-21k", "pets", "top1", 93.09),
    ("vit-paper", "Table 5", "ViT-H/14", "JFT-300M", "flowers102", "top1", 99.68),
    ("vit-paper", "Table 5", "ViT-H/14", "JFT-300M", "pets", "top1", 97.56),
    ("vit-paper", "Table 6", "BiT-R101x1", "JFT-300M", "pets", "top1", 94.08),
    ("bit-paper", "Table 2", "BiT-R152x4", "ImageNet-1k", "pets", "top1", 93.97),
    ("bit-paper", "Table 2", "BiT-R152x4", "ImageNet-1k", "flowers102", "top1", 89.89),
    ("bit-paper", "Table 2", "BiT-R152x4", "ImageNet-21k", "pets", "top1", 94.46),
    ("course", "notebooks/experiments/vit.json", "ViT-L/16", "ImageNet-21k", "cifar10", "top1", 99.05151757188499),
    ("course", "notebooks/experiments/vit.json", "ViT-L/16", "ImageNet-21k", "cifar100", "top1", 93.21086261980831),
    ("course", "notebooks/experiments/vit.json", "ViT-L/16", "ImageNet-21k", "pets", "top1", 93.21816770926766),
    ("course", "notebooks/experiments/vit.json", "ViT-L/16", "ImageNet-21k", "flowers102", "top1", 98.68847150259067),
    (
        "course",
        "notebooks/experiments/resnet.json",
        "BiT-R152x4",
        "ImageNet-21k",
        "flowers102",
        "top1",
        98.21428571428571,
    ),
    ("timm", "results/results-imagenet-real.csv", "ConvNeXt-L", "ImageNet-21k", "imagenet_real", "top1", 89.891),
    ("timm", "results/results-imagenet-real.csv", "BiT-R101x1", "ImageNet-21k", "imagenet_real", "top1", 87.678),
    ("timm", "results/results-imagenet-real.csv", "ViT-B/16", "ImageNet-21k", "imagenet_real", "top5", 97.447),
    ("timm", "results/results-imagenet-real.csv", "ViT-L/32", "ImageNet-21k", "imagenet_real", "top5", 97.368),
    ("timm-2021-01", "results/results-imagenet-real.csv", "ViT-B/32", "ImageNet-21k", "imagenet_real", "top1", 87.014),
    ("timm-2021-04", "results/results-imagenet-real.csv", "ViT-B/16", "ImageNet-21k", "imagenet_real", "top1", 88.389),
]


def test_the_impossible_figures_are_these():
    found = check()
    listed = [each.figure for each in found.impossible]
    assert [(f.source, f.table, f.architecture, f.pretrain, f.dataset, f.metric, f.value) for f in listed] == IMPOSSIBLE
    assert found.without_n + found.too_few_digits + found.possible + len(found.impossible) == len(load())


def test_what_they_suggest():
    suggested = {
        (each.figure.source, each.figure.architecture, each.figure.dataset, each.figure.value): each.suggests
        for each in check().impossible
    }
    # The course's ViT was scored in batches of 32, its ResNet in batches of 16; a last batch that is smaller counts
    # as much as the others.
    for dataset, value in (("cifar10", 99.05151757188499), ("pets", 93.21816770926766)):
        assert suggested["course", "ViT-L/16", dataset, value] == "a mean of batch means, batch 32"
    resnet = suggested["course", "BiT-R152x4", "flowers102", 98.21428571428571]
    assert resnet == "a mean of batch means, batch 16"
    # Table 5 has ViT-H/14 on JFT-300M from table 2, where it is the mean of three runs.
    for dataset, value in (("pets", 97.56), ("flowers102", 99.68)):
        assert suggested["vit-paper", "ViT-H/14", dataset, value].startswith("a mean of 3 runs: Table 2")
    timm = {said for (source, *_), said in suggested.items() if source.startswith("timm")}
    assert timm == {"rounded twice, first to one digit more"}
    assert suggested["vit-paper", "ViT-L/16", "pets", 93.64].startswith(
        "several runs, or other examples, e.g. 3,584 of"
    )


def test_a_figure_that_is_changed_is_noticed():
    [real] = [f for f in load() if f.source == "timm" and f.dataset == "imagenet" and f.value == 84.988]
    assert check([real]).possible == 1
    assert [each.figure.value for each in check([replace(real, value=84.989)]).impossible] == [84.989]


def test_examples_that_were_scored_count_not_the_test_set():
    [real] = [f for f in load() if f.source == "timm" and f.dataset == "imagenet" and f.value == 84.988]
    assert check([replace(real, value=84.989, scored=49_664)]).possible == 1


def test_the_page_lists_them():
    text = (DOCS / "published-figures.md").read_text()
    header, _, *rows = rows_of(section(text, "Impossible figures"))
    assert tuple(header) == HEADER
    assert [tuple(row) for row in rows] == [cells(each) for each in check().impossible]
    found = check()
    for count in (found.possible, found.too_few_digits, found.without_n, len(found.impossible)):
        assert f" {count} " in section(text, "Impossible figures").replace("\n", " ")
