import shutil
import subprocess

import pytest

from harness.report.html import page
from harness.report.html.page_rows import row_id
from harness.report.html.verdict_table import verdict_table
from harness.report.labels import LOOKS
from tests.report.html.test_browser import BROWSER, FLAGS
from tests.report.html.test_rendering import Reader
from tests.report.html.test_scale import unpacked
from tests.report.samples import NASTY, store, verdict

VERDICTS = store().sorted()


def rows_of(markup):
    return [values["data-row"] for name, values in Reader(markup).tags if "data-row" in values]


def test_every_verdict_has_a_line_that_leads_to_its_row():
    shown = verdict_table(VERDICTS, packed=False)
    assert rows_of(shown) == [row_id(one.key) for one in VERDICTS]
    assert all(f"{LOOKS[one.verdict].symbol} {LOOKS[one.verdict].word}" in Reader(shown).text for one in VERDICTS)
    claims = page.section(store())
    assert all(f'id="{row}"' in claims for row in rows_of(shown))


def test_a_large_table_is_compressed_and_complete():
    shown = verdict_table(VERDICTS, packed=True)
    assert rows_of(shown) == []
    (table,) = unpacked(shown)
    assert rows_of(table) == rows_of(verdict_table(VERDICTS, packed=False))


def test_names_stay_text():
    shown = verdict_table([verdict(claim=NASTY, source=f"gpu/{NASTY}", hypothesis=NASTY)], packed=False)
    assert "img" not in {name for name, _ in Reader(shown).tags}
    assert NASTY in Reader(shown).text


def test_a_page_without_verdicts_has_no_table():
    assert "results-table" not in page.document(page.section(store())).split("<script>")[0].split("</style>")[1]


USED = """
<script>
window.faults = [];
window.addEventListener("error", (event) => faults.push(event.message));
window.addEventListener("load", () => setTimeout(async () => {
  const settle = () => new Promise((done) => setTimeout(done, 50));
  const rows = () => [...document.querySelectorAll("#results-table tbody.results-table-row")];
  const body = () => rows().filter((one) => !one.hidden);
  for (let tries = 0; tries < 200 && !document.querySelector("#results-table button"); tries++) await settle();
  const all = body().length;
  const select = document.getElementById("filter-source");
  select.value = "micro";
  select.dispatchEvent(new Event("change"));
  const sources = new Set(body().map((one) => one.querySelector(".col-source").textContent));
  const few = body().length;
  body()[0].querySelector("button").click();
  await settle();
  const record = body()[0].querySelector(".extras-row");
  document.title = `used:${all},${[...sources]},${few},${Boolean(record.offsetParent)},`
    + `${record.textContent.includes("Evidence")},${faults.length}`;
}, 50));
</script>
"""


@pytest.mark.skipif(BROWSER is None, reason="neither chromium nor google-chrome is on PATH")
@pytest.mark.parametrize("unpacked_at_most", [1, 1000])
def test_the_table_is_filtered_and_a_row_opens(tmp_path, monkeypatch, unpacked_at_most):
    monkeypatch.setattr(page, "UNPACKED", unpacked_at_most)
    text = str(page.document(page.section(store()), VERDICTS))
    (tmp_path / "page.html").write_text(text.replace("</body>", f"{USED}</body>"), encoding="utf-8")
    profile = f"--user-data-dir={tmp_path / 'profile'}"
    command = [shutil.which(BROWSER), *FLAGS, profile, "--dump-dom", (tmp_path / "page.html").as_uri()]
    done = subprocess.run(command, capture_output=True, text=True, timeout=120)
    micro = sum(one.source == "micro" for one in VERDICTS)
    title = done.stdout.partition("<title>")[2].partition("</title>")[0]
    assert title == f"used:{len(VERDICTS)},micro,{micro},true,true,0"
