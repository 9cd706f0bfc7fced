"""Expected verdicts of hypotheses: read whole or refused in one line."""

import pytest

from harness.core.claim import Claim
from harness.core.errors import ClaimsError
from harness.core.expected import expected, recorded
from harness.core.hypotheses import Better, Contender, Expected


def read(tmp_path, text):
    (tmp_path / "expected.toml").write_text(text)
    return expected(str(tmp_path / "test_claim9.py"))


def test_records_reach_their_hypotheses(tmp_path):
    records = read(tmp_path, '[test_claim9."A (X) > B (X) on d"]\nmicro = "REFUTED: A 1, B 2"\n[other]\n')
    assert records == {"A (X) > B (X) on d": {"micro": Expected("REFUTED", "A 1, B 2")}}
    claim = Claim(id="c", title="t", quote="q", source="s")

    @claim.hypotheses([Better(Contender("A", "X"), than=Contender("B", "X"), on=on) for on in "de"], records)
    def test(hypothesis, judge):
        judge(hypothesis)

    first, second = test.stated[1]
    assert dict(first.expected)["micro"].verdict == "REFUTED"
    assert second.expected == ()


def test_old_spellings_are_read_with_a_line_that_says_what_to_write(tmp_path):
    record = {"micro": Expected("REFUTED", "A 1, B 2")}
    (tmp_path / "known.toml").write_text('[test_claim9."A (X) > B (X) on d"]\nmicro = "REFUTED: A 1, B 2"\n')
    with pytest.warns(FutureWarning, match="known.toml is now expected.toml"):
        assert expected(str(tmp_path / "test_claim9.py")) == {"A (X) > B (X) on d": record}
    (tmp_path / "known.toml").rename(tmp_path / "expected.toml")
    with pytest.warns(FutureWarning, match="expected.recorded is now harness.core.expected.expected"):
        records = recorded(str(tmp_path / "test_claim9.py"))
    a, b = Contender("A", "X"), Contender("B", "X")
    with pytest.warns(FutureWarning, match="known= of a hypothesis is now expected="):
        old = Better(a, than=b, on="d", known=record)
    assert old == Better(a, than=b, on="d", expected=record)
    claim = Claim(id="c", title="t", quote="q", source="s")
    with pytest.warns(FutureWarning, match="known= of Claim.hypotheses is now expected="):
        test = claim.hypotheses([Better(a, than=b, on="d")], known=records)(lambda: None)
    assert test.stated[1] == (old,)


@pytest.mark.filterwarnings("error")
def test_the_new_file_is_read_before_an_old_one_beside_it(tmp_path):
    (tmp_path / "known.toml").write_text("[test_claim9.h]\nmicro = 'REFUTED: old'\n")
    assert read(tmp_path, "[test_claim9.h]\nmicro = 'REFUTED: new'\n")["h"]["micro"].reason == "new"


@pytest.mark.parametrize(
    "text, message",
    [
        ('[test_claim9."h"]\nmicro = "REFUTED"', "expected \"VERDICT: reason with figures\", found 'REFUTED'"),
        (
            '[test_claim9."h"]\nmicro = "REPRODUCED: fine"',
            "expected 'REFUTED' or 'INCONCLUSIVE', found 'REPRODUCED'",
        ),
        ("[test_claim9]\nh = 3", "expected lines SOURCE"),
        ("[test_claim9", "expected.toml: expected TOML, found"),
    ],
)
def test_malformed_records_are_one_line(tmp_path, text, message):
    with pytest.raises(ClaimsError, match=message) as caught:
        read(tmp_path, text)
    assert "\n" not in str(caught.value)


CLAIM_FILE = """
from harness.core.claim import Claim
from harness.core.hypotheses import Better, Contender
from harness.core.expected import expected

CLAIM = Claim(id="c", title="t", quote="q", source="s")
A, B = Contender("ViT-B/16", "ImageNet-21k", "augreg", 384), Contender("ViT-B/32", "ImageNet-21k", "augreg", 384)


@CLAIM.hypotheses([Better(A, than=B, on="imagenet")], expected(__file__))
def test_better(hypothesis, judge):
    judge(hypothesis)


class TestMore:
    @CLAIM.hypotheses([Better(B, than=A, on="imagenet")], expected(__file__))
    def test_worse(self, hypothesis, judge):
        judge(hypothesis)
"""
FIRST, SECOND = (
    f"ViT-B/{a} (ImageNet-21k, augreg, 384 px) > ViT-B/{b} (ImageNet-21k, augreg, 384 px) on imagenet"
    for a, b in ((16, 32), (32, 16))
)
RECORD = '= "REFUTED: A 1, B 2"'


def asked(tmp_path, known):
    """Return the questions of a claim file with records beside it."""
    import importlib.util

    from harness.evidence.questions import EvidenceRequest
    from harness.suite.selection import questions_in

    (tmp_path / "test_mine.py").write_text(CLAIM_FILE)
    (tmp_path / "expected.toml").write_text(known)
    spec = importlib.util.spec_from_file_location("test_mine", tmp_path / "test_mine.py")
    module = importlib.util.module_from_spec(spec)
    spec.loader.exec_module(module)
    return questions_in(module, module.CLAIM, EvidenceRequest())


def test_records_of_what_is_stated_are_taken(tmp_path):
    known = "\n".join(
        f'[test_mine."{name}"]\n"published/csv" {RECORD}\n"gpu/paper" {RECORD}\n"gpu/notebook@jax" {RECORD}'
        for name in (FIRST, SECOND)
    )
    found = asked(tmp_path, known)
    assert {q.hypothesis.id for q in found} == {FIRST, SECOND}
    assert {str(q.source) for q in found if q.expected} == {"published/csv"}  # gpu/notebook is asked on PyTorch


@pytest.mark.parametrize(
    "known, message",
    [
        (
            f'[test_mine."{FIRST.replace("B/16", "B/61")}"]\n"published/csv" {RECORD}',
            r"expected.toml \[test_mine\]: .* test_mine.py states, found 'ViT-B/61 .*did you mean 'ViT-B/16 ",
        ),
        (f'[test_mine."{FIRST} "]\n"published/csv" {RECORD}', "did you mean 'ViT-B/16 "),
        (
            f'[test_mien."{FIRST}"]\n"published/csv" {RECORD}',
            r"\[test_mien\]: .*\(did you mean 'test_mine'\?\)",
        ),
        (
            f'[test_mine."{FIRST}"]\n"published/cs" {RECORD}',
            "published/cs, which.*did you mean 'published/csv'",
        ),
        (f'[test_mine."{FIRST}"]\n"gpu/papre" {RECORD}', "unknown recipe 'papre' .*did you mean 'paper'"),
        (f'[test_mine."{FIRST}"]\n"gpu" {RECORD}', "which does not judge it; these do"),
        (f'[test_mine."{FIRST}"]\n"gpu/paper@jaxx" {RECORD}', "unknown backend 'jaxx'"),
    ],
)
def test_records_that_judge_nothing_are_one_line(tmp_path, known, message):
    with pytest.raises(ClaimsError, match=message) as caught:
        asked(tmp_path, known)
    assert "\n" not in str(caught.value)
