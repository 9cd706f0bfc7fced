"""The `judge` fixture: how a test ends for each verdict, with what is on record of it, with and without strictness."""

import re

import pytest

from tests.suite.calling import LOAD, call, write_claims

CLAIM_FILE = """
import dataclasses

import pytest

from harness.core.claim import Claim
from harness.core.hypotheses import Close, Contender, Expected
from harness.core.verdict import Verdict
from harness.judging.digest import hypothesis_digest

CLAIM = Claim(id="mine", title="t", quote="q", source="s")
B16 = Contender("ViT-B/16", "ImageNet-21k", "augreg", 384)
FIGURES = ("csv: 86 ± 0.1",)
RUNS, OTHERS = ("00000000000000a1 11",), ("00000000000000a1 22",)


def by_hand(verdict):
    return Expected(verdict, "as published")


def locked(verdict, **more):
    rested = {"hypothesis": "DIGEST", "rule": "rules 2; by itself", "evidence": FIGURES}
    return Expected(verdict, "as locked", **rested | more)


# name: (verdict, what is on record, other fields of the verdict)
CASES = {
    "holds": ("REPRODUCED", None, {}),
    "refuted": ("REFUTED", None, {}),
    "disagrees": ("DISAGREES", None, {}),
    "refuted-by-hand": ("REFUTED", by_hand("REFUTED"), {}),
    "refuted-locked": ("REFUTED", locked("REFUTED"), {}),
    "open": ("INCONCLUSIVE", None, {}),
    "open-micro": ("OPEN", None, {}),
    "open-by-hand": ("INCONCLUSIVE", by_hand("INCONCLUSIVE"), {}),
    "open-locked": ("INCONCLUSIVE", locked("INCONCLUSIVE"), {}),
    "not-run": ("NOT RUN", None, {}),
    "not-run-recorded": ("NOT RUN", by_hand("REPRODUCED"), {}),
    "not-verifiable": ("NOT VERIFIABLE", None, {}),
    "changed-by-hand": ("REPRODUCED", by_hand("REFUTED"), {}),
    "changed-locked": ("REPRODUCED", locked("INCONCLUSIVE", rule="rules 1; by itself"), {}),
    "changed-figure": ("REPRODUCED", locked("REPRODUCED", evidence=("csv: 85 ± 0.1",)), {}),
    "changed-elsewhere": (
        "REPRODUCED",
        locked("REFUTED", evidence=RUNS, machine="another processor"),
        {"evidence": OTHERS},
    ),
    "post-hoc": ("REPRODUCED", None, {"registered": "post hoc"}),
    "preregistered": ("REPRODUCED", None, {"registered": "preregistered on 2026-02-01"}),
}
STATED = {
    name: Close(B16, to=80 + number / 4, on="imagenet", within={"evaluate": 1}) for number, name in enumerate(CASES)
}


def recorded():
    found = {}
    for name, (_, record, _) in CASES.items():
        if record is not None:
            digest = hypothesis_digest(STATED[name])
            found[STATED[name].id] = {
                "published": dataclasses.replace(record, hypothesis=digest if record.hypothesis else "")
            }
    return found


@pytest.fixture
def verdict(question):
    name = next(name for name, stated in STATED.items() if stated.id == question.hypothesis.id)
    word, _, more = CASES[name]
    return Verdict(
        **{
            "claim": "mine", "hypothesis": question.hypothesis.id, "kind": "Close", "dataset": "imagenet",
            "source": "published", "verdict": word, "reason": f"<{name}>", "evidence": FIGURES,
            "rule": "rules 2; by itself", "digest": hypothesis_digest(question.hypothesis),
        } | more
    )


for name, stated in STATED.items():

    @CLAIM.hypotheses([stated], recorded())
    def test_case(hypothesis, judge):
        judge(hypothesis)

    test_case.__name__ = f"test_{name.replace('-', '_')}"
    globals()[test_case.__name__] = test_case
del test_case
"""

# name: (how the test ends, how it ends with --strict-verdicts, what it says)
ENDS = {
    "holds": ("PASSED", "PASSED", ""),
    "refuted": ("FAILED", "FAILED", "REFUTED: <refuted>"),
    "disagrees": ("FAILED", "FAILED", "DISAGREES: <disagrees>"),
    "refuted-by-hand": ("XFAIL", "XFAIL", "REFUTED: <refuted-by-hand>"),
    "refuted-locked": ("XFAIL", "XFAIL", "REFUTED: <refuted-locked>"),
    "open": ("XFAIL", "FAILED", "INCONCLUSIVE: <open>"),
    "open-micro": ("XFAIL", "FAILED", "OPEN: <open-micro>"),
    "open-by-hand": ("XFAIL", "FAILED", "INCONCLUSIVE: <open-by-hand>"),
    "open-locked": ("XFAIL", "XFAIL", "INCONCLUSIVE: <open-locked>"),
    "not-run": ("SKIPPED", "SKIPPED", "NOT RUN: <not-run>"),
    "not-run-recorded": ("SKIPPED", "FAILED", "NOT RUN: <not-run-recorded>"),
    "not-verifiable": ("SKIPPED", "SKIPPED", "NOT VERIFIABLE: <not-verifiable>"),
    "changed-by-hand": ("FAILED", "FAILED", "changed: published: was REFUTED (as published), is REPRODUCED"),
    "changed-locked": ("FAILED", "FAILED", "because the rule was rules 1; by itself, is rules 2; by itself"),
    "changed-figure": (
        "FAILED",
        "FAILED",
        "still REPRODUCED, because the evidence changed: csv: 85 ± 0.1 is now csv: 86",
    ),
    "changed-elsewhere": ("PASSED", "FAILED", "gave other predictions on another processor"),
    "post-hoc": ("PASSED", "FAILED", "post hoc: the hypothesis is not locked as it is stated; REPRODUCED: <post-hoc>"),
    "preregistered": ("PASSED", "PASSED", ""),
}


@pytest.fixture(scope="module", params=[False, True], ids=["lenient", "strict"])
def session(request, tmp_path_factory):
    """Return whether a session was strict, how each case ended in it, and what it printed."""
    folder = write_claims(tmp_path_factory.mktemp("judged"), CLAIM_FILE)
    strict = ["--strict-verdicts"] if request.param else []
    done = call(folder, *LOAD, "-m", "published", "-v", "-rA", "-p", "no:html", *strict, COLUMNS="400")
    ended = dict(re.findall(r"::test_(\w+)\[[^\n]*\] (PASSED|FAILED|XFAIL|SKIPPED|ERROR)", done.stdout))
    return request.param, {name.replace("_", "-"): word for name, word in ended.items()}, done.stdout


@pytest.mark.parametrize("case", ENDS)
def test_a_test_ends_as_its_verdict_and_the_record_say(session, case):
    strict, ended, output = session
    plain, if_strict, said = ENDS[case]
    assert ended[case] == (if_strict if strict else plain)
    if ended[case] != "PASSED":
        assert said in output


def test_every_case_was_judged_and_none_shows_a_traceback(session):
    _, ended, output = session
    assert set(ended) == set(ENDS)
    assert "Traceback" not in output
    assert "verdict_fixtures.py" not in output


def test_a_test_that_never_calls_judge_is_an_error(tmp_path):
    """Its verdict would not count: it would pass whatever the evidence says."""
    folder = write_claims(tmp_path, CLAIM_FILE.replace("        judge(hypothesis)\n", "        pass\n"))
    done = call(folder, *LOAD, "-m", "published", "-q", "-p", "no:html", "-k", "test_refuted or test_open")
    assert done.returncode == 1
    assert done.stdout.count("expected the test to call judge(hypothesis), found that it ended without; add it") >= 7
    assert "7 passed, " in done.stdout
    assert "7 errors" in done.stdout
