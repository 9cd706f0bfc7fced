"""Expected verdicts and answers: read whole or refused in one line."""

import shutil

import pytest

from harness.core.claim import Claim
from harness.core.errors import ClaimsError
from harness.core.expected import expected, expected_answers, read_expected_file, recorded, require_files
from harness.core.hypotheses import Better, Contender, Expected

LOCKED = """
[test_claim9."A (X) > B (X) on d".micro]
verdict = "AGREES"
reason = "A 2, B 1"
hypothesis = "00ff"
rule = "rules 2; by itself"
machine = "some processor"
date = "2026-01-02"
evidence = ["run 1", "run 2"]
"""


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


def test_a_locked_record_holds_what_the_verdict_rests_on(tmp_path):
    assert read(tmp_path, LOCKED)["A (X) > B (X) on d"] == {
        "micro": Expected(
            "AGREES", "A 2, B 1", "00ff", "rules 2; by itself", ("run 1", "run 2"), "some processor", "2026-01-02"
        )
    }


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
        ('[test_claim9."h"]\nmicro = "CONFIRMED: fine"', "found 'CONFIRMED'"),
        ('[test_claim9."h".micro]\nverdict = "OPEN"\nprocessor = "x"', r"h.* micro: unknown key 'processor'"),
        ('[test_claim9."h".micro]\nreason = "r"', "h.* micro: key 'verdict' is missing; add it"),
        ("[test_claim9]\nh = 3", "expected lines SOURCE"),
        ("[test_claim9", "expected.toml: expected TOML, found"),
    ],
)
def test_malformed_records_are_one_line(tmp_path, text, message):
    with pytest.raises(ClaimsError, match=message) as caught:
        read(tmp_path, text)
    assert "\n" not in str(caught.value)


def test_a_missing_file_of_records_is_one_line_that_says_to_create_it(tmp_path):
    with pytest.raises(ClaimsError, match="expected the file of verdicts on record, found none; create"):
        expected(tmp_path / "test_claim9.py")


def test_a_file_of_records_is_read_anew_once_it_changed(tmp_path):
    assert read(tmp_path, "[test_claim9.h]\nmicro = 'REFUTED: first'\n")["h"]["micro"].reason == "first"
    assert read_expected_file(tmp_path / "expected.toml") is read_expected_file(tmp_path / "expected.toml")
    assert read(tmp_path, "[test_claim9.h]\nmicro = 'REFUTED: second, which is longer'\n")["h"]["micro"].reason == (
        "second, which is longer"
    )


def test_answers_on_record_stand_beside_the_verdicts(tmp_path):
    path = tmp_path / "expected.toml"
    assert expected_answers(path) == {}
    assert "answers" not in read(tmp_path, '[answers.c]\npublished = "MIXED"\nmicro = "OPEN"\n' + LOCKED)
    assert expected_answers(path) == {("c", "published"): "MIXED", ("c", "micro"): "OPEN"}


@pytest.mark.parametrize("text", ["[answers]\nc = 'MIXED'\n", "[answers.c]\nmicro = 3\n", "[answers.c.micro]\nx = 1\n"])
def test_malformed_answers_are_one_line(tmp_path, text):
    path = tmp_path / "expected.toml"
    path.write_text(text)
    with pytest.raises(ClaimsError, match=r'expected.toml \[answers.c\]: expected lines SOURCE = "ANSWER"'):
        expected_answers(path)


CLAIM_FILE = """
from harness.core.hypotheses import Better, Contender
from harness.core.claim import Claim

CLAIM = Claim(id="c", title="t", quote="q", source="s")
A, B = Contender("ViT-tiny", "bars"), Contender("ViT-tiny", "nothing")


@CLAIM.hypotheses([Better(A, than=B, on="digits")])
def test_better(hypothesis, judge):
    judge(hypothesis)


class TestMore:
    @CLAIM.hypotheses([Better(B, than=A, on="count")])
    def test_worse(self, hypothesis, judge):
        judge(hypothesis)
"""
FIRST, SECOND = "ViT-tiny (bars) > ViT-tiny (nothing) on digits", "ViT-tiny (nothing) > ViT-tiny (bars) on count"
RECORD = '= "REFUTED: A 1, B 2"'


def imported(tmp_path, text, known=""):
    """Return a claim file as a module, with records beside it, in the folder of the example's paper."""
    import importlib.util
    from pathlib import Path

    bars = Path(__file__).parents[2] / "examples" / "bars"
    folder = tmp_path / "paper"
    shutil.copytree(bars, folder, ignore=shutil.ignore_patterns("test_*.py", "__pycache__"))
    (folder / "test_mine.py").write_text(text)
    (folder / "expected.toml").write_text(known)
    spec = importlib.util.spec_from_file_location("test_mine", folder / "test_mine.py")
    module = importlib.util.module_from_spec(spec)
    spec.loader.exec_module(module)
    return module


def asked(tmp_path, known):
    """Return the questions of the claim file with records beside it."""
    from harness.evidence.questions import EvidenceRequest
    from harness.suite.selection import questions_in

    module = imported(tmp_path, CLAIM_FILE, known)
    return questions_in(module, module.CLAIM, EvidenceRequest())


def test_records_of_what_is_stated_are_taken(tmp_path):
    known = "\n".join(f'[test_mine."{name}"]\npublished {RECORD}\n"micro@jax" {RECORD}' for name in (FIRST, SECOND))
    found = asked(tmp_path, known)
    assert {q.hypothesis.id for q in found} == {FIRST, SECOND}
    assert {str(q.source) for q in found} == {"published", "micro"}
    assert {str(q.source) for q in found if q.expected} == {"published"}  # the micro study is asked on PyTorch


@pytest.mark.parametrize(
    "known, message",
    [
        (
            f'[test_mine."{FIRST.replace("tiny", "tyni")}"]\npublished {RECORD}',
            r"expected.toml \[test_mine\]: .* test_mine.py states, found 'ViT-tyni .*did you mean 'ViT-tiny ",
        ),
        (f'[test_mine."{FIRST} "]\npublished {RECORD}', "did you mean 'ViT-tiny "),
        (f'[test_mien."{FIRST}"]\npublished {RECORD}', r"\[test_mien\]: .*\(did you mean 'test_mine'\?\)"),
        (f'[test_mine."{FIRST}"]\npublishd {RECORD}', "publishd, which.*did you mean 'published'"),
        # Each publication had a verdict once; now they are judged together.
        (f'[test_mine."{FIRST}"]\n"published/readme" {RECORD}', "which does not judge it; these do"),
        (f'[test_mine."{FIRST}"]\n"gpu/paper" {RECORD}', "which does not judge it; these do"),
        (f'[test_mine."{FIRST}"]\n"micro@jaxx" {RECORD}', "unknown backend 'jaxx'"),
    ],
)
def test_records_that_judge_nothing_are_one_line(tmp_path, known, message):
    with pytest.raises(ClaimsError, match=message) as caught:
        asked(tmp_path, known)
    assert "\n" not in str(caught.value)


def test_a_record_of_released_checkpoints_may_be_of_another_protocol_that_exists(tmp_path):
    from harness.core.source import Source
    from harness.evidence.questions import require_source

    a, b = (Contender(name, "ImageNet-21k") for name in ("ViT-B/16", "ViT-B/32"))
    claim, better = Claim(id="c", title="t", quote="q", source="s"), Better(a, than=b, on="cifar10")
    judging = [Source("gpu", "paper")]
    require_source(claim, better, "gpu/notebook@jax", judging)
    with pytest.raises(ClaimsError, match="unknown recipe 'papre' .*did you mean 'paper'"):
        require_source(claim, better, "gpu/papre", judging)


@pytest.mark.parametrize("line, message", [
    ('publishd = "OPEN"', r"expected\.toml \[answers\.one\]: unknown source 'publishd' \(did you mean 'published'"),
    ('published = "SUPORTED"', r"\.toml \[answers\.one\]: unknown answer 'SUPORTED' \(did you mean 'SUPPORTED'"),
    ('"gpu/paper@jax" = "MIXED"', None),
])  # fmt: skip
def test_an_answer_on_record_has_a_source_and_a_name_that_exist(tmp_path, line, message):
    path = tmp_path / "expected.toml"
    path.write_text(f"[answers.one]\n{line}\n")
    if message is None:
        assert expected_answers(path) == {("one", "gpu/paper@jax"): "MIXED"}
        return
    with pytest.raises(ClaimsError, match=message):
        expected_answers(path)
    with pytest.raises(ClaimsError, match=message):  # as soon as the claim file is collected
        require_files(expected(str(tmp_path / "test_one.py")))


def test_answers_of_a_claim_that_no_file_states_are_one_line_in_a_session(tmp_path):
    (tmp_path / "test_mine.py").write_text(CLAIM_FILE)
    records = '[answers.c]\nmicro = "OPEN"\n'
    (tmp_path / "expected.toml").write_text(records)
    require_files(expected(str(tmp_path / "test_mine.py")))
    (tmp_path / "expected.toml").write_text(records + '[answers.cc]\nmicro = "OPEN"\n')
    with pytest.raises(ClaimsError, match=r"\[answers\.cc\]: expected the id of a claim .*\(did you mean 'c'\?\)"):
        require_files(expected(str(tmp_path / "test_mine.py")))
