import pytest

from harness.suite.held_script import HELD, held


def written(finished):
    """Return the page of a small suite as pytest-html wrote it, and as it was left."""
    text = (finished[0] / "reports" / "report.html").read_text(encoding="utf-8")
    return text.replace(HELD, "<script>"), text


def test_only_pytest_htmls_own_script_is_held_back(finished):
    original, left = written(finished)
    assert original != left
    assert held(original) == left
    after = left.split(HELD)[1]
    assert after.lstrip().startswith("(function(")  # pytest-html's, bundled
    assert "<script" not in after
    assert left.count("<script>") == 1  # the page's own


@pytest.mark.parametrize("text", ["", "<script>a()</script>", '<div id="other"></div><script>a()</script>'])
def test_a_page_of_another_form_stays_as_it_is(text):
    assert held(text) == text
