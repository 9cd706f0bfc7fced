"""Published costs: the reader against malformed files, which cost is whose, ratios against their rounding."""

import json

import pytest

from harness.core.errors import ClaimsError
from harness.core.hypotheses import Contender
from harness.evidence.published import costs

K21, JFT = "ImageNet-21k", "JFT-300M"
DAYS = "core-days"
FLOPS = "exaFLOPs of pre-training"

RECORD = {
    "source": "small-pictures",
    "table": "Table 2",
    "model": "Ours",
    "architecture": "ViT-L/16",
    "pretrain": JFT,
    "quantity": DAYS,
    "printed": "0.68k",
}


def read(tmp_path, *records):
    (tmp_path / "costs.json").write_text(json.dumps(records))
    return costs.read(tmp_path / "costs.json")


def test_a_cost_is_found_by_its_model_and_cites_its_table():
    found = costs.costs(Contender("ViT-L/16", JFT), DAYS)
    assert (found.value, found.unit) == (700, DAYS)
    assert found.citation == "The tests, Small pictures, Table 2, https://example.org/small-pictures"
    assert costs.costs(Contender("ViT-L/16", K21), DAYS).value == 200


def test_a_ratio_has_the_bounds_that_the_printed_digits_allow():
    [found] = costs.ratios(Contender("ViT-L/16", JFT), Contender("BiT-R152x4", JFT), DAYS)
    # 0.7k is 650 to 750, 9.9k is 9,850 to 9,950.
    assert (found.value, found.low, found.high) == pytest.approx((700 / 9900, 650 / 9950, 750 / 9850))


def test_ratios_are_of_equal_settings():
    found = costs.ratios(Contender("ViT-B/16", JFT), Contender("R50+ViT-B/16", JFT), FLOPS)
    assert {each.a.setting: each.value for each in found} == {"7 epochs": 55 / 106, "14 epochs": 110 / 200}
    assert costs.ratios(Contender("ViT-B/32", K21, "augreg"), Contender("ViT-L/16", JFT), FLOPS) == ()


def test_a_resolution_that_is_asked_for_is_that_of_the_cost():
    small, large = (
        costs.costs(Contender("ViT-B/32", K21, "augreg", resolution=side), "FLOPs an image") for side in (224, 384)
    )
    assert (small.value, large.value) == (4.4e9, 13e9)
    assert len(costs.published_costs(Contender("ViT-B/32", K21, "augreg"), "FLOPs an image")) == 2
    with pytest.raises(ClaimsError, match=r"expected one published cost, found 2 .*at 224 pixels"):
        costs.costs(Contender("ViT-B/32", K21, "augreg"), "FLOPs an image")


@pytest.mark.parametrize(
    "printed, value, bounds",
    [
        ("0.68k", 680, (675, 685)),
        ("2.5k", 2500, (2450, 2550)),
        ("55", 55, (54.5, 55.5)),
        ("4.5G", 4.5e9, (4.45e9, 4.55e9)),
        ("978.5", 978.5, (978.45, 978.55)),
    ],
)
def test_digits_say_how_far_a_number_was_rounded(tmp_path, printed, value, bounds):
    [found] = read(tmp_path, RECORD | {"printed": printed})
    assert found.value == pytest.approx(value)
    assert found.bounds == pytest.approx(bounds)


@pytest.mark.parametrize(
    "change, message",
    [
        ({"printed": "about 680"}, "record 1: printed: "),
        ({"printed": "-1"}, "record 1: printed: "),
        ({"printd": "1"}, "record 1: unknown key 'printd' .did you mean 'printed'"),
        ({"source": "small_pictures"}, "record 1: unknown source 'small_pictures' .did you mean 'small-pictures'"),
        ({"pretrain": "JFT"}, "record 1: unknown pretrain 'JFT'"),
    ],
)
def test_a_malformed_record_is_named_in_one_line(tmp_path, change, message):
    with pytest.raises(ClaimsError, match=message) as caught:
        read(tmp_path, RECORD | change)
    assert "\n" not in str(caught.value)


@pytest.mark.parametrize(
    "text, message", [("[{", "expected JSON"), ("{}", "expected a list"), ("[3]", "record 1: expected an object")]
)
def test_a_file_that_is_no_list_of_records_is_refused(tmp_path, text, message):
    (tmp_path / "costs.json").write_text(text)
    with pytest.raises(ClaimsError, match=message):
        costs.read(tmp_path / "costs.json")


def test_what_nobody_published_is_none():
    assert costs.costs(Contender("ViT-L/16", JFT), "dollars") is None
    assert costs.costs(Contender("ViT-B/16", JFT), DAYS) is None
    assert costs.costs(Contender("ViT-L/16", JFT, "augreg"), DAYS) is None
    assert costs.ratios(Contender("ViT-B/16", JFT), Contender("BiT-R152x4", JFT), DAYS) == ()


def test_a_setting_tells_costs_of_one_model_apart():
    contender = Contender("ViT-B/16", JFT)
    assert [costs.costs(contender, f"{FLOPS}, {n} epochs").value for n in (7, 14)] == [55, 110]
    with pytest.raises(ClaimsError, match=r"found 2 .*14 epochs.*name the setting"):
        costs.costs(contender, FLOPS)
