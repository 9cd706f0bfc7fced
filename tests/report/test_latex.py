import re

import pytest

from harness.report.latex import escaped, write_latex
from harness.report.verdict_store import VerdictStore
from tests.report.samples import store, verdict


def cells(path):
    """Return the cells of a table's body."""
    body = path.read_text().split(r"\endlastfoot")[1].split(r"\end{longtable}")[0]
    return [
        [cell.strip() for cell in re.split(r"(?<!\\)&", line)] for line in body.strip().split(r"\\") if line.strip()
    ]


def test_every_verdict_is_a_row_with_its_interval_and_adjusted_p(tmp_path):
    made = store()
    written = write_latex(tmp_path, made)
    assert {path.name for path in written} == {"answers.tex", "claim1.tex", "claim2.tex"}
    rows = cells(tmp_path / "tables" / "claim1.tex")
    verdicts = [one for one in made.sorted() if one.claim == "claim1"]
    assert [row[2] for row in rows] == [one.verdict for one in verdicts]
    (row,) = [row for row in rows if row[0].endswith(r"\textgreater{} BiT-R152x4 (ImageNet-21k) on CIFAR-100")]
    assert row[1:5] == ["published", "REPRODUCED", "+4.71 [+3.57, +5.85]", r"99.5 \%"]
    assert [row[1:] for row in cells(tmp_path / "tables" / "answers.tex")] == [
        [each.source, each.answer] for each in made.answers()
    ]


@pytest.mark.parametrize("char", "\\~^<>&%$#_{}")
def test_what_means_something_to_latex_is_escaped(char):
    text = escaped(f"a{char}b")
    assert text.startswith("a\\")
    assert re.fullmatch(r"a\\(text[a-z]+\{\}|.)b", text)


def test_a_ratio_has_no_interval(tmp_path):
    made = VerdictStore()
    made.add([verdict(kind="Ratio", estimate=0.0687, low=None, high=None, level=None, p=None)])
    write_latex(tmp_path, made)
    assert cells(tmp_path / "tables" / "claim1.tex")[0][3:] == ["0.0687", "", ""]
