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


def test_two_papers_with_one_claim_id_and_a_measure_without_a_paper_are_one_line_each(tmp_path):
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
    done = call(tmp_path, *LOAD, tmp_path, "-q", "--continue-on-collection-errors")
    assert "same: expected a claim of one paper, found the id in" in done.stdout
    assert "same: expected a paper.toml beside" in done.stdout
    assert "1 xfailed, 2 errors" in done.stdout, done.stdout
