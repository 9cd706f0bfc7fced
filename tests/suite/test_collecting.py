"""What a claim file states that is malformed is one line in pytest's output."""

import pytest

from tests.suite.calling import LOAD, call
from tests.suite.test_plugin import CLAIM_FILE, suite  # noqa: F401

LINES = {
    'id="t"': (
        'id="../x"',
        r"test_t.py:6: Claim: id: String should match pattern '^[a-z0-9_]+$', found '../x'",
    ),
    'on="imagenet")]': ("on=3)]", "test_t.py:12: Better: on: expected a valid string, found 3"),
    "than=B32": (
        "then=B32",
        "test_t.py:12: Better: unknown argument 'then' (did you mean 'than'?); expected one of: a,",
    ),
    ', on="imagenet"), Better': ("), Better", "test_t.py:12: Better: the argument 'on' is missing; add it"),
    # An argument that was given by position is named, too, and a value that is no text is named by what it says.
    "Better(B16, than": ("Better(K21, than", "test_t.py:12: Better: a: expected Contender, found 'ImageNet-21k'"),
    "Better(B16, than=B32": ("Better(B32, than=B32", "test_t.py:12: Better: expected two contenders, found ViT-B/32"),
    '[Better(B16, than=B32, on="imagenet"), Better(B32, than=B16, on="imagenet")]': (
        'Better(B16, than=B32, on="imagenet")',
        "test_t.py:12: t: expected a list of hypotheses, found Better; put it in brackets",
    ),
    "@CLAIM.hypotheses([Better(JFT[0]": (
        '@CLAIM.answered_by([Better(JFT[0], than=JFT[1], on="cifar10")])\n@CLAIM.hypotheses([Better(JFT[0]',
        "test_t.py:20: t: answered_by: expected Statement(...) each, found list; correct it",
    ),
    '[Better(JFT[0], than=JFT[1], on="cifar10")]': (
        '"AB"',
        "test_t.py:20: t: expected a list of hypotheses, found str",
    ),
    ', than=JFT[1], on="cifar10")]': (
        ', than=JFT[1], on="cifar10")][:0]',
        "test_t.py:20: t: expected at least one hypothesis, found an empty list; nothing would be judged",
    ),
    "[Better(JFT[0], than": (
        "[JFT[0]] + [Better(JFT[0], than",
        "test_t.py:20: t: expected hypotheses, e.g. Better(...),",
    ),
}


@pytest.mark.parametrize("right", LINES)
def test_a_malformed_statement_is_one_line_with_its_place(right, suite):  # noqa: F811
    wrong, line = LINES[right]
    (suite.root / "claims" / "test_t.py").write_text(CLAIM_FILE.replace(right, wrong))
    done = suite()
    assert done.returncode == 2
    assert line in done.stdout
    assert "pydantic" not in done.stdout + done.stderr
    assert "Traceback" not in done.stdout + done.stderr


@pytest.mark.parametrize("workers", [(), ("-n", "2")], ids=["one process", "two workers"])
def test_two_papers_with_one_claim_id_and_a_measure_without_a_paper_are_one_line_each(tmp_path, workers):
    text = (
        "from harness.core.claim import Better, Claim, Contender\n"
        'CLAIM = Claim(id="same", title="t", quote="q", source="s", measure="{}")\n'
        '@CLAIM.hypotheses([Better(Contender("A"), than=Contender("B"), on="d")])\n'
        "def test(hypothesis, judge):\n    judge(hypothesis)\n"
    )
    for name in ("a", "b", "c"):
        (tmp_path / name).mkdir()
        (tmp_path / name / f"test_{name}.py").write_text(text.format("mine:number"))
        (tmp_path / name / "mine.py").write_text("def number(contender, dataset, seed): return [seed > 1, True]\n")
    for name in ("a", "b"):
        (tmp_path / name / "paper.toml").write_text("")
    done = call(tmp_path, *LOAD, tmp_path, "-q", *workers)
    assert done.returncode == 1
    assert "same: expected a claim of one paper, found the id in" in done.stdout
    assert "same: expected a paper.toml beside" in done.stdout
    assert "1 xfailed, 2 errors" in done.stdout, done.stdout


def test_a_paper_whose_tables_are_malformed_is_one_line_and_others_are_judged(tmp_path):
    text = (
        "from harness.core.claim import Better, Claim, Contender\n"
        "from siblings import ON\n"
        'CLAIM = Claim(id="c{0}", title="t", quote="q", source="s"{1})\n'
        "@CLAIM.hypotheses([Better(Contender('A'), than=Contender('B'), on=ON)])\n"
        "def test(hypothesis, judge):\n    import siblings\n    judge(hypothesis)\n"
    )
    for name, measure, paper in (
        ("a", ', measure="mine:number"', ""),
        ("b", ', measure="mine:number"', "[measures.m]\nfunctoin = 'mine:number'\n"),
        ("c", "", "[test_examples]\nd = 1000\n"),
        ("d", ', measure="mine:number"', ""),
    ):
        (tmp_path / name / "published").mkdir(parents=True)
        # Two papers may have modules, and claim files, of one name.
        (tmp_path / name / "test_it.py").write_text(text.format(name, measure))
        (tmp_path / name / "siblings.py").write_text(f"ON = 'the data of {name}'" if name != "c" else "ON = 'd'")
        (tmp_path / name / "mine.py").write_text("def number(contender, dataset, seed): return [seed > 1, True]\n")
        (tmp_path / name / "paper.toml").write_text(paper)
    (tmp_path / "c/published/figures.csv").write_text("contender,dataset,value,citation\nA,d,850,https://example.org\n")
    done = call(tmp_path, *LOAD, tmp_path, "-q", "-rA")
    assert "unknown key 'functoin' (did you mean 'function'?)" in done.stdout, done.stdout
    assert "figures.csv, line 2: value: expected a value less than or equal to 100, found 850.0" in done.stdout
    assert [done.stdout.count(f"B on the data of {name}") > 0 for name in "ad"] == [True, True], done.stdout
    assert (done.returncode, "2 xfailed" in done.stdout) == (1, True), done.stdout
    assert "Traceback" not in done.stdout + done.stderr
