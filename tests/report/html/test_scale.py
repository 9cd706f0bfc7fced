"""A page of thousands of verdicts: compressed, complete, and built in the time that 10,000 allow."""

import base64
import gzip
import re
import shutil
import subprocess
import time

import pytest

from harness.core.claim import Claim, StatementRecord
from harness.report.html import page
from harness.report.html.page_rows import row_id
from harness.report.verdict_store import VerdictStore
from tests.report.html.test_browser import BROWSER, FLAGS
from tests.report.samples import NASTY, ROWS, store, verdict

NUMBER, CLAIMS = 1600, 8
SHARE = NUMBER / 10_000
"""Of what 10,000 verdicts may take: 40 seconds, and 12 MB with pytest-html's table, which takes nine of them."""


def hypothesis(number):
    return f"ViT-{number}/16 (ImageNet-21k) > BiT-R152x4 (ImageNet-21k) on cifar10"


@pytest.fixture(scope="module")
def many():
    """Return many verdicts on a few claims, each claim answered by the first of its own."""
    made = VerdictStore()
    for number in range(CLAIMS):
        answer = StatementRecord(hypothesis(number), "q", "ViT is better")
        made.add([Claim(id=f"claim{number}", title=NASTY, quote=NASTY, source="table 1", statements=(answer,))])
    made.add(
        verdict(claim=f"claim{k % CLAIMS}", hypothesis=hypothesis(k), rows=ROWS if k % 2 else ()) for k in range(NUMBER)
    )
    return made


def unpacked(markup):
    """Return what the page's script would unpack."""
    return [gzip.decompress(base64.b64decode(text)).decode() for text in re.findall(r'data-packed="([^"]*)"', markup)]


def test_a_large_page_is_small_complete_and_built_in_time(many):
    start = time.process_time()
    shown = page.section(many)
    assert time.process_time() - start < 40 * SHARE + 2  # the first page of a process loads matplotlib
    assert len(shown) < 3e6 * SHARE + 60_000  # the style sheet and the first screen are in it
    claims = unpacked(shown)
    assert len(claims) == CLAIMS
    text = "".join(claims)
    assert all(f'id="{row_id(key)}"' in text for key in many.verdicts)
    assert "<img" not in text
    # The answers are in sight without unpacking anything.
    assert shown.partition('<details class="card"')[0].count('<p class="sentence">') == CLAIMS


def test_a_large_page_is_the_same_each_time(many):
    assert page.section(many) == page.section(many)


def test_a_small_page_is_not_compressed():
    assert "data-packed" not in page.section(store())


@pytest.mark.skipif(BROWSER is None, reason="neither chromium nor google-chrome is on PATH")
def test_a_compressed_claim_unfolds_in_a_browser(tmp_path, monkeypatch):
    monkeypatch.setattr(page, "UNPACKED", 1)
    open_and_count = """
    <script>
    window.addEventListener("load", () => {
      document.querySelector('.answers a[href="#claim-claim1"]').click();
      setTimeout(() => {
        const claim = document.querySelector("#claim-claim1");
        const shown = [...claim.querySelectorAll("tr[class^=row-]")].filter((one) => one.offsetParent);
        document.title = `rows:${claim.open},${shown.length}`;
      }, 500);
    });
    </script>
    """
    text = str(page.document(page.section(store()))).replace("</body>", f"{open_and_count}</body>")
    (tmp_path / "page.html").write_text(text, encoding="utf-8")
    profile = f"--user-data-dir={tmp_path / 'profile'}"
    command = [shutil.which(BROWSER), *FLAGS, profile, "--dump-dom", (tmp_path / "page.html").as_uri()]
    done = subprocess.run(command, capture_output=True, text=True, timeout=120)
    expected = sum(one.claim == "claim1" for one in store().sorted())
    assert f"rows:true,{expected}" in done.stdout
