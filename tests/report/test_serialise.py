import json

import pytest

from harness.core.claim import Claim
from harness.core.errors import ClaimsError
from harness.core.verdict import Verdict
from harness.report.serialise import check_finite, from_json, to_json, to_values
from tests.report.samples import CLAIM_1, NASTY, store, verdict


@pytest.mark.parametrize("record", [CLAIM_1, *store().sorted()], ids=lambda record: type(record).__name__)
def test_a_record_survives_its_line(record):
    line = to_json(record)
    assert "\n" not in line
    assert line.isascii()
    assert from_json(type(record), line, "test") == record


def test_text_survives_whatever_it_holds():
    odd = verdict(reason=f"{NASTY}\n\t\u2028 ünï ✓ \x00")
    assert from_json(Verdict, to_json(odd), "test") == odd


def test_values_are_plain_json():
    values = to_values(verdict())
    assert json.loads(json.dumps(values)) == values
    assert values["sides"][1]["n"] == 10_000


@pytest.mark.parametrize("figure", [float("nan"), float("inf"), float("-inf")])
def test_a_figure_that_json_lacks_is_refused(figure):
    with pytest.raises(ClaimsError, match=r"verdict on .*\.p: expected finite numbers"):
        to_json(verdict(p=figure))


def test_the_place_of_a_figure_that_is_not_finite_is_named():
    with pytest.raises(ClaimsError, match=r"top\.a\.b: expected finite"):
        check_finite({"a": [{"b": float("inf")}]}, "top")


BAD = {
    "cut off": (to_json(verdict())[:-5], "column"),
    "a list": ("[]", "expected a JSON object, found list"),
    "NaN": (to_json(verdict()).replace("1.09,", "NaN,"), "found NaN"),
    "an unknown key": (to_json(verdict()).replace('"reason"', '"raeson"'), "raeson"),
    "an unknown verdict": (to_json(verdict()).replace("REPRODUCED", "PROVED"), "PROVED"),
    "text for a figure": (to_json(verdict()).replace("1.09,", '"much",'), "much"),
}


@pytest.mark.parametrize("text, message", BAD.values(), ids=BAD)
def test_what_is_no_verdict_is_refused_in_one_line(text, message):
    with pytest.raises(ClaimsError) as caught:
        from_json(Verdict, text, "here")
    assert str(caught.value).startswith("here")
    assert message in str(caught.value)
    assert "\n" not in str(caught.value)


def test_a_claim_is_no_verdict():
    with pytest.raises(ClaimsError):
        from_json(Claim, to_json(verdict()), "here")
