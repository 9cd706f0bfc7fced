"""The published costs of the ViT paper and of others: as printed, consistent, and their ratios."""

import json

import pytest

from harness.core.errors import ClaimsError
from harness.core.hypotheses import Contender
from harness.core.paper import paper
from harness.evidence.published import costs, load

K21, JFT = "ImageNet-21k", "JFT-300M"
DAYS = "TPUv3-core-days"


@pytest.mark.parametrize(
    "architecture, pretrain, days",
    [
        ("ViT-H/14", JFT, 2_500),
        ("ViT-L/16", JFT, 680),
        ("ViT-L/16", K21, 230),
        ("BiT-R152x4", JFT, 9_900),
        ("EfficientNet-L2", JFT, 12_300),
    ],
)
def test_core_days_are_those_of_table_2(architecture, pretrain, days):
    found = costs.costs(Contender(architecture, pretrain), DAYS)
    assert (found.value, found.unit) == (days, DAYS)
    assert "Table 2" in found.citation


def test_claim_4s_ratio_and_what_its_digits_allow():
    [found] = costs.ratios(Contender("ViT-L/16", JFT), Contender("BiT-R152x4", JFT), DAYS)
    # 0.68k is 675 to 685, 9.9k is 9,850 to 9,950: about a fifteenth.
    assert (found.value, found.low, found.high) == pytest.approx((680 / 9900, 675 / 9950, 685 / 9850))


def test_pretraining_flops_are_compared_at_equal_epochs():
    found = costs.ratios(Contender("ViT-L/16", JFT), Contender("R50+ViT-L/16", JFT), "exaFLOPs of pre-training")
    assert {each.a.setting: round(each.value, 3) for each in found} == {
        "7 epochs": round(783 / 859, 3),
        "14 epochs": round(1567 / 1668, 3),
    }
    none = costs.ratios(Contender("ViT-H/14", JFT), Contender("ViT-B/16", JFT), "exaFLOPs of pre-training")
    assert none == ()


def test_twice_the_epochs_cost_twice_the_flops():
    by_model = {}
    for cost in costs.load():
        if cost.table == "Table 6":
            by_model.setdefault(cost.architecture, {})[cost.setting] = cost.value
    twice = {name: found for name, found in by_model.items() if len(found) == 2}
    assert set(twice) == {"ViT-L/16", "BiT-R152x2", "R50+ViT-L/16"}
    for name, found in twice.items():
        # The hybrid's table has 1,668 for 2 x 859: the authors' own estimate.
        assert found["14 epochs"] / found["7 epochs"] == pytest.approx(2, rel=0.03), name


def test_every_model_with_a_cost_has_accuracies_in_the_same_table():
    figures = {(f.source, f.table, f.architecture, f.pretrain, f.variant, f.setting) for f in load()}
    for cost in costs.load():
        assert (
            cost.source,
            cost.table,
            cost.architecture,
            cost.pretrain,
            cost.variant,
            cost.setting,
        ) in figures, cost


def test_a_resolution_that_is_asked_for_is_that_of_the_cost():
    flops = "FLOPs an image"
    small, large = (costs.costs(Contender("ConvNeXt-B", K21, resolution=side), flops) for side in (224, 384))
    # Convolutions cost in proportion to the area.
    assert large.value / small.value == pytest.approx((384 / 224) ** 2, rel=0.01)
    assert len(costs.published_costs(Contender("ConvNeXt-B", K21), flops)) == 2
    with pytest.raises(ClaimsError, match=r"expected one published cost, found 2 .*at 224 pixels"):
        costs.costs(Contender("ConvNeXt-B", K21), flops)


def test_what_nobody_published_is_none():
    assert costs.costs(Contender("ViT-L/16", JFT), "dollars") is None
    assert costs.costs(Contender("ViT-B/16", JFT), DAYS) is None
    assert costs.ratios(Contender("ViT-B/16", JFT), Contender("BiT-R152x4", JFT), DAYS) == ()


def test_a_setting_tells_costs_of_one_model_apart():
    contender, of = Contender("ViT-L/16", JFT), "exaFLOPs of pre-training"
    assert [costs.costs(contender, f"{of}, {n} epochs").value for n in (7, 14)] == [783, 1567]
    with pytest.raises(ClaimsError, match=r"found 2 .*14 epochs.*name the setting"):
        costs.costs(contender, of)


def test_each_record_is_a_line_of_its_own():
    first, *records, last = paper().table("published/costs.json").read_text().splitlines()
    assert (first, last) == ("[", "]")
    assert [json.loads(record.rstrip(","))["printed"] for record in records] == [c.printed for c in costs.load()]
