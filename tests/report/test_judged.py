import pytest

from harness.core.errors import ClaimsError
from harness.report.judged import PROPERTY, Judged, judged_in
from tests.report.samples import CLAIM_1, NASTY, verdict

JUDGED = Judged(verdict(), CLAIM_1, (verdict().hypothesis, NASTY), ("a result was damaged",))


def test_a_record_travels_as_one_property_of_plain_text():
    name, text = JUDGED.as_property()
    assert name == "vit-claims"
    assert type(text) is str
    assert judged_in([("other", 1), (name, text)], "test_a") == JUDGED


def test_a_test_that_judged_nothing_carries_nothing():
    assert judged_in([("verdict", "REPRODUCED")], "test_a") is None


@pytest.mark.parametrize(
    "old, new, message",
    [
        ('"stated"', '"said"', "unknown key 'said'"),
        ('"REPRODUCED"', '"PROVED"', "found 'PROVED'"),
        ('{"verdict"', "{verdict", "expected JSON"),
        ("1.09", "NaN", "expected finite numbers"),
    ],
)
def test_what_is_no_such_record_is_refused_in_one_line(old, new, message):
    text = JUDGED.as_property()[1]
    damaged = text.replace(old, new)
    assert damaged != text
    with pytest.raises(ClaimsError, match=message) as caught:
        judged_in([(PROPERTY, damaged)], "test_a")
    assert str(caught.value).startswith("test_a")
    assert "\n" not in str(caught.value)
