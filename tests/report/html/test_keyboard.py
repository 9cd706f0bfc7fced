"""The page used by keyboard alone: real key presses in a headless browser."""

import json

import pytest

from tests.report.html.devtools import opened
from tests.report.html.test_browser import BROWSER, FLAGS

pytestmark = pytest.mark.skipif(BROWSER is None, reason="neither chromium nor google-chrome is on PATH")

TAB, ENTER, DOWN = ("Tab", 9), ("Enter", 13, "\r"), ("ArrowDown", 40)
STOP = """((one) => {
  const { outlineStyle, outlineWidth } = getComputedStyle(one);
  const seen = outlineStyle !== "none" && parseFloat(outlineWidth) > 0;
  return [seen, one.matches(SELECTOR), one.outerHTML.slice(0, 120)];
})(document.activeElement)"""


@pytest.fixture
def page(nasty, tmp_path):
    """Return the page of a session with its table of tests, in a browser."""
    flags = [flag for flag in FLAGS if not flag.startswith("--virtual-time-budget")]
    address = (nasty[0] / "reports" / "report.html").as_uri()
    with opened(BROWSER, [*flags, f"--user-data-dir={tmp_path / 'profile'}"], address) as page:
        page.until("document.querySelector('#results-table button')")
        yield page


def tab_until(page, selector, most=200):
    """Press Tab until what has the focus matches a selector; every stop on the way must be seen to have it."""
    for _ in range(most):
        page.press(*TAB)
        seen, reached, stop = page.value(STOP.replace("SELECTOR", json.dumps(selector)))
        assert seen, f"no outline around {stop}"
        if reached:
            return
    raise AssertionError(f"{most} presses of Tab did not reach {selector}")


def test_a_claim_is_opened_with_tab_and_enter(page):
    tab_until(page, "#claim-claim1 > summary")
    assert not page.value("document.querySelector('#claim-claim1').open")
    page.press(*ENTER)
    page.until("document.querySelector('#claim-claim1').open")
    page.until("document.querySelector('#claim-claim1 .sources')")
    assert page.value("document.activeElement.matches('#claim-claim1 > summary')")  # Tab goes on from there


def test_the_table_is_filtered_and_a_row_opened_with_keys_alone(page):
    tab_until(page, "#filter-claim")
    page.press(*DOWN)
    page.press(*TAB)
    assert page.value("document.activeElement.id") == "filter-source"
    rows = "[...document.querySelectorAll('#results-table tbody.results-table-row:not([hidden])')]"
    chosen = page.value("document.querySelector('#filter-claim').value")
    assert chosen == "claim1"
    assert set(page.value(f"{rows}.map((row) => row.querySelector('.col-claim').textContent)")) == {chosen}
    tab_until(page, "#results-table .col-result button")
    assert page.value("document.activeElement.getAttribute('aria-expanded')") == "false"
    page.press(*ENTER)
    page.until("document.activeElement.getAttribute('aria-expanded') === 'true'")
    page.until("document.activeElement.closest('tbody').querySelector('.opened')?.offsetParent")
    page.press(*ENTER)
    page.until("document.activeElement.getAttribute('aria-expanded') === 'false'")
