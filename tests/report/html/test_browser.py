"""The page as a browser shows it: headless Chromium, from a file, with no network to go to."""

import html
import json
import os
import re
import shutil
import subprocess
from pathlib import Path

import pytest

from tests.report.samples import NASTY

BROWSER = shutil.which("chromium") or shutil.which("google-chrome")
AXE = Path(os.environ.get("AXE_CORE", Path(__file__).parents[3] / ".axe/node_modules/axe-core/axe.min.js"))
"""What checks accessibility; `make axe` fetches it."""
pytestmark = pytest.mark.skipif(BROWSER is None, reason="neither chromium nor google-chrome is on PATH")
needs_axe = pytest.mark.skipif(not AXE.is_file(), reason=f"axe-core is not at {AXE}; make axe fetches it")

FLAGS = (
    *("--headless", "--no-sandbox", "--disable-gpu", "--disable-quic", "--no-first-run", "--disable-sync"),
    *("--disable-background-networking", "--disable-component-update", "--hide-scrollbars"),
    *("--host-resolver-rules=MAP * ~NOTFOUND", "--virtual-time-budget=20000"),
)
DARK = "--blink-settings=preferredColorScheme=0"

# Before the page's own scripts: what goes wrong while they run.
WATCH = """
<script>
window.faults = [];
window.addEventListener("error", (event) => window.faults.push(event.message));
window.addEventListener("unhandledrejection", (event) => window.faults.push(String(event.reason)));
console.error = (...said) => window.faults.push(said.join(" "));
</script>
"""

# Runs after the page's own scripts and tells the frame around it what it finds.
PROBE = """
<script>
window.addEventListener("load", () => setTimeout(async () => {
  const all = (selector) => [...document.querySelectorAll(selector)];
  const one = (selector) => document.querySelector(selector);
  const settle = () => new Promise((done) => setTimeout(done, 50));
  const until = async (holds) => { for (let tries = 0; tries < 200 && !holds(); tries++) await settle(); };
  const box = (one) => {
    const { left, top, width, height, bottom } = one.getBoundingClientRect();
    return { left, top, width, height, bottom };
  };
  const shown = (selector) => all(selector).filter((one) => one.offsetParent);
  const address = (one) => ["src", "href", "data", "xlink:href"].map((name) => one.getAttribute(name)).find(Boolean);
  const found = { window: window.innerWidth };

  // As it opens.
  found.answers = all(".answer").map((one) => [one.innerText, box(one).bottom]);
  found.folded = all("details.card").every((one) => !one.open);
  found.inert = one(".card table") === null;
  await until(() => one("#results-table .collapsible") && !one("details noscript"));
  found.extras = shown("#results-table .extras-row").map((one) => one.textContent.trim());
  found.colors = ["html", "body", ".card"].map((name) => getComputedStyle(one(name)).backgroundColor);
  found.ink = getComputedStyle(document.body).color;

  // A link opens the claim it leads to.
  one('.answers a[href="#claim-claim1"]').click();
  await settle();
  found.opened = one("#claim-claim1").open;

  // The table of tests: filters, then a row by mouse, then by keyboard.
  const rows = () => shown("#results-table .collapsible");
  const choose = (name, value) => {
    const select = one(`#filter-${name}`);
    select.value = value;
    select.dispatchEvent(new Event("change"));
    return rows().map((row) => row.querySelector(`.col-${name}`).textContent);
  };
  found.choices = ["claim", "source", "verdict"].map((name) => [...one(`#filter-${name}`).options].map((o) => o.value));
  found.micro = choose("source", "micro");
  one('#results-table th[data-column-type="verdict"] button').click();  // sorting draws the table anew
  await settle();
  found.micro_sorted = rows().map((row) => row.querySelector(".col-source").textContent);
  choose("source", "");
  found.reproduced = choose("verdict", "✓ reproduced");
  choose("verdict", "");
  const row = rows().find((row) => row.parentElement.classList.contains("passed"));
  row.querySelector(".col-claim").click();
  await settle();
  const record = row.nextElementSibling;
  const plots = record.querySelectorAll("svg.iv").length;
  found.record = { shown: Boolean(record.offsetParent), text: record.textContent, plots };
  const button = row.querySelector("button");
  button.focus();
  found.reached = document.activeElement === button && button.tabIndex === 0;
  found.expanded = button.getAttribute("aria-expanded");
  button.click();  // what Enter and the space bar do to a button
  await settle();
  found.closed = [!record.offsetParent, button.getAttribute("aria-expanded")];

  // Everything unfolded must fit, too.
  all("#claims details").forEach((one) => { one.open = true; });
  await settle();
  const named = ["#title", "#claims", "#claim-claim1", "#results-table", "#environment"];
  found.boxes = Object.fromEntries(named.map((name) => [name, box(document.querySelector(name))]));
  found.plots = all("#claims svg.iv").map(box);
  const scale = (one) => box(one).width / one.viewBox.baseVal.width;
  found.charts = all("#claims .chart svg").map((one) => ({ ...box(one), scale: scale(one) }));
  found.loads = all("[src], link[href], object[data], use").map(address).filter(Boolean);
  const fetched = performance.getEntriesByType("resource").map((one) => one.name);
  found.fetched = fetched.filter((name) => !name.endsWith("axe.js"));
  found.images = all("img, image").map(address).filter(Boolean);
  found.rows = all("#results-table .collapsible").map((one) => [...one.children].map((cell) => cell.textContent));
  found.environment = all("#environment td").map((one) => one.textContent);
  found.verdicts = all("#claims .sources tr[class^=row-]").length;
  found.scroll = document.documentElement.scrollWidth;
  found.wide = shown("#claims table").filter((one) => box(one).left + box(one).width > window.innerWidth + 1).length;
  found.title = document.title;
  const violations = window.axe ? (await axe.run()).violations : [];
  found.axe = violations.map((one) => [one.impact, one.id, one.nodes.map((node) => node.html)]);
  found.faults = window.faults;
  parent.postMessage(found, "*");
}, 50));
</script>
"""

# One start of the browser shows the page at several widths; what the probes find travels in the title.
FRAMES = """
<!DOCTYPE html><title>waiting</title>
<script>
const found = {};
window.addEventListener("message", (event) => {
  found[event.data.window] = event.data;
  document.title = "probe:" + JSON.stringify(found);
});
</script>
"""
FRAME = '<iframe src="page.html" width="{}" height="900" style="border: 0"></iframe>'


def look(page, folder, widths, *flags):
    """Return what the probe finds in a copy of a page, by width of the window."""
    original = page.read_text(encoding="utf-8")
    assert original.count("</body>") == original.count("<head>") == 1
    axe = ""
    if AXE.is_file():
        shutil.copy(AXE, folder / "axe.js")
        axe = '<script src="axe.js"></script>'
    probed = original.replace("<head>", f"<head>{WATCH}").replace("</body>", f"{axe}{PROBE}</body>")
    (folder / "page.html").write_text(probed, encoding="utf-8")
    (folder / "frames.html").write_text(FRAMES + "".join(map(FRAME.format, widths)), encoding="utf-8")
    profile = f"--user-data-dir={folder / 'profile'}"
    command = [BROWSER, *FLAGS, *flags, profile, "--dump-dom", (folder / "frames.html").as_uri()]
    done = subprocess.run(command, capture_output=True, timeout=120)
    title = re.search(r"<title[^>]*>probe:(.*?)</title>", done.stdout.decode(), re.DOTALL)
    assert title, done.stderr.decode()[-2000:]
    found = {int(width): values for width, values in json.loads(html.unescape(title[1])).items()}
    assert set(found) == set(widths)
    return found


@pytest.fixture(scope="module")
def page(nasty):
    """Return the page of a session with nasty names, a failure and a claim that is answered."""
    return nasty[0] / "reports" / "report.html"


@pytest.fixture(scope="module")
def seen(page, tmp_path_factory):
    """Return what a probe finds, by width of the window."""
    return look(page, tmp_path_factory.mktemp("browser"), (1400, 400))


@pytest.fixture(scope="module")
def dark(page, tmp_path_factory):
    """Return what a probe finds where the system prefers dark."""
    return look(page, tmp_path_factory.mktemp("dark"), (1400,), DARK)[1400]


WIDTHS = pytest.mark.parametrize("width", [1400, 400])


@WIDTHS
def test_the_page_needs_nothing_but_itself_and_nothing_goes_wrong(seen, width):
    assert all(target.startswith(("#", "data:")) or target == "axe.js" for target in seen[width]["loads"])
    assert seen[width]["fetched"] == []
    assert seen[width]["faults"] == []


def test_the_first_screen_holds_the_answer_of_every_claim(seen):
    answers = seen[1400]["answers"]
    assert len(answers) == 2
    assert "leave open whether ViT is better than BiT on both tasks" in answers[0][0]
    assert "The micro study disagrees" in answers[1][0]
    assert all(bottom <= 900 for _, bottom in answers)
    assert seen[1400]["folded"]


@WIDTHS
def test_the_claims_come_first_and_the_session_after_them(seen, width):
    tops = {name: box["top"] for name, box in seen[width]["boxes"].items()}
    assert tops["#title"] < tops["#claims"] < tops["#claim-claim1"] < tops["#results-table"] < tops["#environment"]
    assert tops["#claims"] - tops["#title"] < 120


@WIDTHS
def test_nothing_scrolls_sideways(seen, width):
    assert seen[width]["scroll"] <= width
    assert seen[width]["wide"] == 0


@WIDTHS
def test_every_figure_is_visible_and_its_text_is_as_large_as_drawn(seen, width):
    assert len(seen[width]["plots"]) > 20
    assert all(box["width"] >= 90 and box["height"] >= 20 for box in seen[width]["plots"])
    assert seen[width]["charts"]
    # Charts are drawn with letters of 11 pixels and more.
    assert all(chart["scale"] >= 0.95 and chart["height"] > 80 for chart in seen[width]["charts"])


def test_the_results_table_is_filled_with_outcomes_claims_sources_verdicts_and_ids(seen):
    rows = seen[1400]["rows"]
    assert len(rows) == 20  # nineteen verdicts on claim 1 and the failure
    verdicts = [row[3] for row in rows]
    assert verdicts.count("✓ reproduced") == 5
    assert verdicts.count("⊘ not verifiable") == 7
    failed = [row for row in rows if row[0] == "Failed"]
    assert len(failed) == 1
    assert failed[0][1:3] == ["claim2", "gpu/nasty"]
    assert "<img src=x onerror=" in failed[0][4]


@WIDTHS
def test_the_table_is_filtered_by_claim_source_and_verdict(seen, width):
    claims, sources, verdicts = seen[width]["choices"]
    assert claims == ["", "claim1", "claim2"]
    assert sources == ["", "gpu", "gpu/nasty", "micro", "published"]
    assert "✓ reproduced" in verdicts
    assert seen[width]["micro"] == seen[width]["micro_sorted"] == ["micro"] * 3
    assert seen[width]["reproduced"] == ["✓ reproduced"] * 5


@WIDTHS
def test_a_row_opens_to_its_figure_and_record_and_the_keyboard_reaches_it(seen, width):
    record = seen[width]["record"]
    assert record["shown"]
    assert record["plots"] >= 1
    assert "Evidence" in record["text"]
    assert "Show it among the claim's verdicts" in record["text"]
    assert seen[width]["reached"]
    assert seen[width]["expanded"] == "true"
    assert seen[width]["closed"] == [True, "false"]


@WIDTHS
def test_a_folded_claim_costs_nothing_until_the_page_has_loaded(seen, width):
    assert seen[width]["inert"]


@WIDTHS
def test_a_link_opens_the_claim_that_it_leads_to(seen, width):
    assert seen[width]["opened"]


def test_only_the_failure_is_open_at_first(seen):
    (log,) = seen[1400]["extras"]
    assert f"AssertionError: {NASTY}" in log


def test_every_verdict_has_its_row_among_the_claims(seen):
    # One row was opened in the table of tests, where its record is a copy.
    assert seen[1400]["verdicts"] == 21


def test_no_name_becomes_markup(seen):
    assert seen[1400]["images"] == []
    assert seen[1400]["title"] == "Verification report"  # the payload would have changed it
    assert NASTY in "".join(seen[1400]["environment"])


def luminance(color):
    """Return the relative luminance of a CSS colour, roughly."""
    red, green, blue = (int(part) / 255 for part in re.findall(r"\d+", color)[:3])
    return 0.2126 * red**2.2 + 0.7152 * green**2.2 + 0.0722 * blue**2.2


def test_a_dark_system_gets_a_dark_page(seen, dark):
    assert luminance(seen[1400]["ink"]) < 0.05 < 0.8 < luminance(seen[1400]["colors"][2])
    assert luminance(dark["ink"]) > 0.6
    assert luminance(dark["colors"][0]) < 0.05
    assert luminance(dark["colors"][2]) < 0.05
    assert dark["faults"] == []


@needs_axe
@WIDTHS
def test_axe_finds_nothing(seen, width):
    assert seen[width]["axe"] == []


@needs_axe
def test_axe_finds_nothing_in_the_dark(dark):
    assert dark["axe"] == []


def test_it_prints_on_a_few_pages(page, tmp_path):
    printed = tmp_path / "page.pdf"
    profile = f"--user-data-dir={tmp_path / 'profile'}"
    subprocess.run(
        [BROWSER, *FLAGS, profile, f"--print-to-pdf={printed}", page.as_uri()], capture_output=True, timeout=120
    )
    pages = len(re.findall(rb"/Type\s*/Page\b", printed.read_bytes()))
    assert 1 <= pages <= 15
