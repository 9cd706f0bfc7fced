"""The page as a browser shows it: headless Chromium, with no network to go to."""

import html
import json
import re
import shutil
import subprocess

import pytest

from tests.report.samples import NASTY

BROWSER = shutil.which("chromium") or shutil.which("google-chrome")
pytestmark = pytest.mark.skipif(BROWSER is None, reason="neither chromium nor google-chrome is on PATH")

FLAGS = (
    *("--headless", "--no-sandbox", "--disable-gpu", "--disable-quic", "--no-first-run", "--disable-sync"),
    *("--disable-background-networking", "--disable-component-update", "--hide-scrollbars"),
    *("--virtual-time-budget=5000", "--dump-dom"),
)

# Runs after the page's own scripts and tells the frame around it what it finds.
PROBE = """
<script>
window.addEventListener("load", () => setTimeout(() => {
  const all = (selector) => [...document.querySelectorAll(selector)];
  const box = (one) => {
    const { left, top, width, height } = one.getBoundingClientRect();
    return { left, top, width, height };
  };
  const named = ["#title", "#claims", "#claim-claim1", "#results-table", "#environment"];
  const address = (one) => ["src", "href", "data", "xlink:href"].map((name) => one.getAttribute(name)).find(Boolean);
  all("#claims details").forEach((one) => { one.open = true; });  // what is folded must fit, too
  const tables = all("#claims .sources table, #claims .matrix").filter((one) => one.offsetParent);
  parent.postMessage({
    boxes: Object.fromEntries(named.map((name) => [name, box(document.querySelector(name))])),
    plots: all("#claims .plot svg").map(box),
    loads: all("[src], link[href], object[data], use").map(address).filter(Boolean),
    fetched: performance.getEntriesByType("resource").map((one) => one.name),
    images: all("img, image").map(address).filter(Boolean),
    rows: all("#results-table .collapsible").map((one) => [...one.children].map((cell) => cell.textContent)),
    extras: all("#results-table .extras-row").filter((one) => one.offsetParent).map((one) => one.textContent.trim()),
    environment: all("#environment td").map((one) => one.textContent),
    verdicts: all("#claims .sources tr[class^=row-]").length,
    scroll: document.documentElement.scrollWidth,
    window: window.innerWidth,
    hidden: tables.map((one) => one.scrollWidth - one.closest(".scroll").clientWidth),
    title: document.title,
  }, "*");
}, 50));
</script>
"""

# One start of the browser shows the page at both widths; what the probes find travels in the title.
FRAMES = """
<!DOCTYPE html><title>waiting</title>
<script>
const found = {};
window.addEventListener("message", (event) => {
  found[event.data.window] = event.data;
  document.title = "probe:" + JSON.stringify(found);
});
</script>
<iframe src="page.html" width="1280" height="900" style="border: 0"></iframe>
<iframe src="page.html" width="400" height="900" style="border: 0"></iframe>
"""


@pytest.fixture(scope="module")
def seen(nasty, tmp_path_factory):
    """Return what a probe in a copy of the page finds, by width of the window."""
    original = (nasty[0] / "reports" / "report.html").read_text(encoding="utf-8")
    assert original.count("</body>") == 1
    folder = tmp_path_factory.mktemp("browser")
    (folder / "page.html").write_text(original.replace("</body>", f"{PROBE}</body>"), encoding="utf-8")
    (folder / "frames.html").write_text(FRAMES, encoding="utf-8")
    command = [BROWSER, *FLAGS, f"--user-data-dir={folder / 'profile'}", (folder / "frames.html").as_uri()]
    done = subprocess.run(command, capture_output=True, timeout=120)
    title = re.search(r"<title[^>]*>probe:(.*?)</title>", done.stdout.decode(), re.DOTALL)
    assert title, done.stderr.decode()[-2000:]
    found = {int(width): values for width, values in json.loads(html.unescape(title[1])).items()}
    assert set(found) == {1280, 400}
    return found


WIDTHS = pytest.mark.parametrize("width", [1280, 400])


@WIDTHS
def test_the_page_needs_nothing_but_itself(seen, width):
    assert all(target.startswith(("#", "data:")) for target in seen[width]["loads"])
    assert seen[width]["fetched"] == []
    assert "#claim1-" in "".join(seen[width]["loads"])  # the probe does see references


@WIDTHS
def test_the_claims_come_first_and_the_session_after_them(seen, width):
    boxes = seen[width]["boxes"]
    tops = {name: box["top"] for name, box in boxes.items()}
    assert tops["#title"] < tops["#claims"] < tops["#claim-claim1"] < tops["#results-table"] < tops["#environment"]
    assert tops["#claims"] < 120
    assert boxes["#claims"]["height"] > 1000


@WIDTHS
def test_nothing_makes_the_whole_page_scroll_sideways(seen, width):
    assert seen[width]["scroll"] <= width


@WIDTHS
def test_the_tables_of_verdicts_fit_the_window(seen, width):
    assert len(seen[width]["hidden"]) >= 4
    assert max(seen[width]["hidden"]) <= 0


@WIDTHS
def test_the_figures_are_shown_at_a_legible_size(seen, width):
    assert len(seen[width]["plots"]) == 2
    assert all(box["width"] >= 800 and box["height"] > 80 for box in seen[width]["plots"])


def test_the_results_table_is_filled_with_outcomes_verdicts_and_ids(seen):
    rows = seen[1280]["rows"]
    assert len(rows) == 20  # nineteen verdicts on claim 1 and the failure
    verdicts = [row[1] for row in rows]
    assert verdicts.count("✓ reproduced") == 5
    assert verdicts.count("⊘ not verifiable") == 7
    failed = [row for row in rows if row[0] == "Failed"]
    assert len(failed) == 1
    assert "<img src=x onerror=" in failed[0][2]


def test_only_what_has_a_log_can_be_unfolded(seen):
    (log,) = seen[1280]["extras"]
    assert f"AssertionError: {NASTY}" in log


def test_every_verdict_has_its_row_among_the_claims(seen):
    assert seen[1280]["verdicts"] == 21


def test_no_name_becomes_markup(seen):
    assert seen[1280]["images"] == []
    assert seen[1280]["title"] == "Verification report"  # the payload would have changed it
    assert NASTY in "".join(seen[1280]["environment"])
