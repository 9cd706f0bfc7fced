"""The ViT paper's claims are judged wherever pytest is called from."""

import dataclasses
import subprocess
import sys

import pytest

from claims import test_claim2
from harness.core.hypotheses import datasets_of
from harness.evidence.questions import EvidenceRequest, answer
from harness.report.verdict_store import load
from harness.suite.plugin import questions_in
from tests.report.suite import run
from tests.suite.calling import ROOT, call, verdicts
from tests.test_imports import HEAVY

PUBLISHED = ("-m", "published", "-q")


@pytest.mark.parametrize(
    "cwd, arguments",
    [
        ("docs", ("../claims/test_claim2.py",)),
        (".", ("claims/test_claim2.py", "--rootdir", "claims")),
        ("claims", ("test_claim2.py", "-c", "/dev/null")),
        ("..", ("{root}/claims/test_claim2.py", "-n", "2")),
        ("docs", ("--pyargs", "claims.test_claim2", "-p", "harness.suite.plugin")),
    ],
)
def test_the_project_s_own_claims_are_judged_from_anywhere(tmp_path, cwd, arguments):
    asked = [argument.format(root=ROOT) for argument in arguments]
    done = call(
        ROOT / cwd, *asked, *PUBLISHED, "-k", "pets and SAM or pets", "--report-dir", tmp_path, home=tmp_path / "home"
    )
    assert done.returncode == 0, done.stdout + done.stderr
    found = verdicts(tmp_path)
    assert len(found) == 7
    assert all("pets" in hypothesis for hypothesis, _ in found)


def test_collecting_the_claims_imports_no_heavy_library():
    code = (
        "import pytest; assert pytest.main(['claims', '--collect-only', '-q', '-p', 'no:cacheprovider']) == 0\n"
        f"import sys\nprint([name for name in {HEAVY} if name in sys.modules])"
    )
    done = subprocess.run([sys.executable, "-c", code], capture_output=True, text=True, cwd=ROOT, check=True)
    assert done.stdout.strip().splitlines()[-1] == "[]"


def test_published_evidence_imports_no_framework(tmp_path):
    arguments = ["claims", "-m", "published", "-q", "--report-dir", str(tmp_path), "-p", "no:cacheprovider"]
    code = (
        f"import sys, pytest\npytest.main({arguments})\n"
        "others = ('torch', 'timm', 'jax', 'transformers', 'torchvision', 'sklearn', 'pandas')\n"
        "print([m for m in others if m in sys.modules])"
    )
    done = subprocess.run([sys.executable, "-c", code], capture_output=True, text=True, cwd=ROOT)
    assert done.stdout.splitlines()[-1] == "[]", done.stdout[-2000:]
    assert (tmp_path / "report.html").exists()


def test_two_workers_report_of_the_project_s_own_claims_what_the_evidence_says(tmp_path):
    options = ("-n", "2", "--report-dir", str(tmp_path / "reports"), "--home", str(tmp_path / "home"))
    done = run(ROOT, "claims/test_claim2.py", "-m", "published", "-k", "pets or cifar100", *options)
    assert done.returncode in (0, 1), done.stdout + done.stderr  # as recorded or not
    assert "INTERNALERROR" not in done.stdout
    asked = [
        question
        for question in questions_in(test_claim2, test_claim2.CLAIM, EvidenceRequest())
        if question.source.kind == "published" and {"pets", "cifar100"} & set(datasets_of(question.hypothesis))
    ]
    # None of a published figure is computed: nothing provides results.
    expected = [dataclasses.replace(answer(question, None), date="") for question in asked]
    found = load(tmp_path / "reports")
    assert len(expected) >= 6
    assert {key: dataclasses.replace(one, date="") for key, one in found.verdicts.items()} == {
        one.key: one for one in expected
    }
    [claim] = found.claims.values()
    assert dataclasses.replace(claim, statements=()) == test_claim2.CLAIM
    assert [each.hypothesis for each in claim.statements] == [each.by.id for each in test_claim2.test_claim.statements]
