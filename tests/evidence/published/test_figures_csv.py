"""A paper's published figures as a table: read, checked, and judged like those of figures.json."""

import pytest

from harness.core.claim import Better, Claim, Contender
from harness.core.errors import ClaimsError
from harness.core.paper import using
from harness.core.source import Source
from harness.evidence.published.check import check
from harness.evidence.published.figures import load, of_paper, publications
from harness.evidence.published.gather import PublishedFigures
from harness.judging.judge import judge
from harness.judging.question import Question

HEADER = "contender,dataset,metric,value,n,runs,spread,citation\n"
ROWS = (
    'Forest (none),digits,,97.40,,5,0.2,"Breiman, table 1, https://example.org/paper"\n'
    'Tree,digits,top1,85.00,500,,,"Breiman, table 1, https://example.org/paper"\n'
)


@pytest.fixture
def write(tmp_path):
    (tmp_path / "paper.toml").write_text("[test_examples]\ndigits = 1000\n")
    (tmp_path / "published").mkdir()

    def written(text):
        (tmp_path / "published" / "figures.csv").write_text(text)
        of_paper.__globals__["read_once"].cache_clear()

    with using(tmp_path):
        yield written


def test_rows_are_figures_with_their_sources(write):
    write(HEADER + ROWS)
    a, b = load()
    assert (a.architecture, a.pretrain, a.value, a.seeds, a.std, a.scored) == ("Forest", "none", 97.4, 5, 0.2, None)
    assert (b.architecture, b.pretrain, b.variant, b.metric, b.scored) == ("Tree", "", "orig", "top1", 500)
    (source,) = publications().values()
    assert (source.id, source.title, source.url) == ("breiman-table-1", "Breiman, table 1", "https://example.org/paper")


def test_they_are_judged(write):
    write(HEADER + ROWS)
    claim = Claim(id="c", title="t", quote="q", source="s")
    hypothesis = Better(Contender("Forest", "none"), than=Contender("Tree"), on="digits")
    question = Question(claim, hypothesis, Source("published"))
    found = judge(question, found=PublishedFigures().gather(question))
    assert (found.verdict, found.estimate) == ("REPRODUCED", pytest.approx(12.4))


def test_an_impossible_number_of_right_examples_is_found(write):
    write(HEADER + ROWS.replace("85.00,500", "85.13,500"))
    assert [each.figure.value for each in check().impossible] == [85.13]


@pytest.mark.parametrize(
    ("text", "said"),
    [
        (
            HEADER + ROWS.replace("85.00", "850"),
            "figures.csv, line 3: value: expected a value less than or equal to 100",
        ),
        (HEADER + ROWS.replace("85.00", "high"), "line 3: value: expected a number, found 'high'"),
        (HEADER + ROWS.replace("85.00", ""), "line 3: value: expected a value, found an empty cell"),
        (HEADER + ROWS.replace("500", "5.5"), "line 3: n: expected a whole number, found '5.5'"),
        (HEADER + ROWS.replace("500", "nan"), "line 3: n: expected a number, found 'nan'"),
        (HEADER + ROWS.replace("500,", "500,inf", 1), "expected a number, found 'inf'"),
        (HEADER.replace("spread", "spraed") + ROWS, r"unknown column 'spraed' \(did you mean 'spread'\?\)"),
        (HEADER.replace("dataset", "n") + ROWS, "expected one column 'dataset', found 0"),
        (HEADER + ROWS.replace("Tree,digits", "Tree,digts"), r"unknown dataset 'digts' \(did you mean 'digits'\?\)"),
        (HEADER + ROWS.replace("https://", ""), "line 2: citation: expected words with an https address"),
        (HEADER + "Tree,digits\n", "line 2: expected 8 cells, found 2"),
        (HEADER + ROWS.replace("Tree", "Tree (a"), "line 3: contender: expected NAME or NAME"),
    ],
)
def test_a_row_that_is_no_figure_is_one_line(write, text, said):
    write(text)
    with pytest.raises(ClaimsError, match=said) as found:
        load()
    assert "\n" not in str(found.value)


def test_tables_of_one_address_are_no_independent_evidence(write, tmp_path):
    (tmp_path / "paper.toml").write_text(
        'address = "https://example.org/paper"\n[test_examples]\ndigits = 1000\n[defaults]\npublication = "ho-2020"\n'
    )
    (tmp_path / "published" / "sources.toml").write_text(
        '[known]\ntitle = "t"\nurl = "https://example.org/known"\nkind = "repo"\nrecipe = "r"\ntables = [["a", ""]]\n'
    )
    write(
        HEADER
        + ROWS
        + ROWS.replace("table 1", "table 2")
        + 'A,digits,,90,,,,"x, https://example.org/known/"\n'
        + 'A,digits,,90,,,,"Ho 2020, table 3, https://example.org/elsewhere"\n'
        + 'A,digits,,90,,,,"Hoover, https://example.org/other"\n'
    )
    found = [(each, publications()[each.source]) for each in load()]
    ids = [source.id for _, source in found]
    assert ids == [*["breiman-table-1"] * 2, *["breiman-table-2"] * 2, "known", "ho-2020-table-3", "hoover"]
    clusters = [source.cluster_of(figure) for figure, source in found]
    assert len(set(clusters[:4])) == 1
    assert len(set(clusters)) == 4
    origins = [source.origin_of(figure) for figure, source in found]
    assert origins == [*["paper"] * 4, "replication", "paper", "replication"]
