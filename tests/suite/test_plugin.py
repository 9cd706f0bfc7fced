"""The suite as pytest runs it: outcomes of verdicts, options, exit codes, and the same content under xdist."""

import json
import os
import re
import shutil
import subprocess
import sys

import pytest

from tests.forked import run_pytest
from tests.suite.calling import LOAD, PAPER, ROOT

CLAIM_FILE = """
from harness.core.claim import Claim
from harness.core.hypotheses import Better, Contender
from harness.core.expected import expected

CLAIM = Claim(id="t", title="<b>t</b>", quote="q", source="s", not_verifiable={"JFT-300M": "never released"})
EXPECTED = expected(__file__)
K21 = "ImageNet-21k"
B16, B32 = (Contender(name, K21, "augreg", 384) for name in ("ViT-B/16", "ViT-B/32"))


@CLAIM.hypotheses([Better(B16, than=B32, on="imagenet"), Better(B32, than=B16, on="imagenet")], EXPECTED)
def test_sizes(hypothesis, judge):
    judge(hypothesis)


JFT = Contender("ViT-L/16", "JFT-300M"), Contender("BiT-R152x4", "JFT-300M")


@CLAIM.hypotheses([Better(JFT[0], than=JFT[1], on="cifar10")], EXPECTED)
def test_open(hypothesis, judge):
    judge(hypothesis)
"""
RECORD = 'published = "REFUTED: as published"'


@pytest.fixture
def suite(tmp_path):
    """Return a function that runs a small suite with the plugin, from another folder than the project's."""
    claims = tmp_path / "claims"
    claims.mkdir()
    (claims / "test_t.py").write_text(CLAIM_FILE)
    (tmp_path / "conftest.py").write_text('pytest_plugins = ["harness.suite.plugin"]\n')
    (tmp_path / "pytest.ini").write_text("[pytest]\n")

    def run(*arguments, known=""):
        (claims / "expected.toml").write_text(known)
        return pytest_in(tmp_path, "claims", "--home", tmp_path / "home", "-p", "no:cacheprovider", *arguments)

    run.root = tmp_path
    return run


def pytest_in(folder, *arguments):
    environment = os.environ | {"PYTHONPATH": str(ROOT)}
    return run_pytest(*map(str, arguments), cwd=folder, environment=environment, timeout=300)


def outcomes(done):
    return {word: int(count) for count, word in re.findall(r"(\d+) (passed|failed|xfailed|skipped|error)", done.stdout)}


def against(better, than):
    a, b = (f"ViT-{name} (ImageNet-21k, augreg, 384 px)" for name in (better, than))
    return f'[test_t."{a} > {b} on imagenet"]\n{RECORD}\n'


def test_verdicts_become_outcomes(suite):
    done = suite("-m", "not micro")
    # B/16 > B/32 holds, the reverse is refuted, the JFT comparison is open and can't be run.
    assert done.returncode == 1
    assert outcomes(done) == {"passed": 1, "failed": 1, "xfailed": 1, "skipped": 3}
    assert re.search(r"^REFUTED: ViT-B/32 .* minus ViT-B/16 .* points", done.stdout, re.MULTILINE)
    assert "Traceback" not in done.stdout
    verdicts = json.loads((suite.root / "reports" / "verdicts.json").read_text())["verdicts"]
    gpu = next(v for v in verdicts if v["source"] == "gpu")
    assert (gpu["verdict"], gpu["reason"]) == ("NOT VERIFIABLE", "JFT-300M: never released")


def test_what_is_recorded_is_expected_and_a_change_of_verdict_fails(suite):
    refuted = against("B/32", "B/16")
    assert suite("-m", "published", known=refuted).returncode == 0
    # Recorded as open, but refuted; recorded as refuted, but reproduced: both are changes.
    for known, failing in (
        (refuted.replace("REFUTED", "INCONCLUSIVE"), "B/32"),
        (refuted + against("B/16", "B/32"), "B/16"),
    ):
        done = suite("-m", "published", known=known)
        assert done.returncode == 1
        assert outcomes(done)["failed"] == 1
        was = "INCONCLUSIVE" if failing == "B/32" else "REFUTED"
        assert re.search(rf"^changed: published: was {was} \(as published\), is RE.*ViT-{failing}", done.stdout, re.M)


def test_strict_verdicts_fail_what_is_not_decided_and_not_on_record(suite):
    known = against("B/32", "B/16")
    done = suite("-m", "published", "--strict-verdicts", known=known)
    assert done.returncode == 1
    assert outcomes(done)["failed"] == 1
    assert "INCONCLUSIVE: ViT-L/16" in done.stdout


def test_a_malformed_record_stops_the_collection_in_one_line(suite):
    done = suite(known='[test_t."h"]\nmicro = "REPRODUCED"')
    assert done.returncode == 2
    assert "expected \"VERDICT: reason with figures\", found 'REPRODUCED'" in done.stdout


def test_the_report_lies_where_it_is_told_relative_to_rootdir(suite):
    assert suite("-m", "not micro", "-k", "JFT", "--report-dir", "elsewhere").returncode == 0
    assert (suite.root / "elsewhere" / "report.html").exists()
    assert not (suite.root / "reports").exists()


@pytest.mark.parametrize("workers", [(), ("-n", "2")], ids=["one process", "two workers"])
@pytest.mark.parametrize(
    "arguments, message",
    [
        (("--report-dir", "/proc/nowhere"), "--report-dir: expected a folder that can be written, found /proc/nowhere"),
        (
            ("--home", "/etc/passwd/below"),
            "--home: /etc/passwd/below: expected a folder that can be written, found: Not a",
        ),
        (("--jobs", "0"), "--jobs: expected at least 1, found 0"),
    ],
    ids=["read-only report folder", "no home", "no jobs"],
)
def test_bad_options_are_usage_errors(suite, arguments, message, workers):
    done = suite(*arguments, *workers)
    assert done.returncode == 4
    assert message in done.stderr
    assert "Traceback" not in done.stdout + done.stderr
    assert "INTERNALERROR" not in done.stdout + done.stderr


def test_two_workers_reach_the_same_verdicts(suite):
    contents = []
    for workers in ((), ("-n", "2")):
        suite("-m", "not micro", "--report-dir", "r", *workers)
        listed = json.loads((suite.root / "r" / "verdicts.json").read_text())["verdicts"]
        contents.append([{key: value for key, value in v.items() if key != "date"} for v in listed])
    assert contents[0] == contents[1]


def test_collecting_and_the_project_s_own_tests_write_no_report(suite):
    assert suite("--collect-only").returncode == 0
    assert not (suite.root / "reports").exists()
    (suite.root / "tests").mkdir()
    # Something else may be called `stated`, too.
    content = "class X:\n    def stated(self): ...\n\ndef test_x():\n    assert True\n"
    (suite.root / "tests" / "test_x.py").write_text(content)
    for workers in ((), ("-n", "2")):
        assert pytest_in(suite.root, "tests", "-p", "no:cacheprovider", *workers).returncode == 0
    assert not (suite.root / "reports").exists()


def test_published_evidence_imports_no_framework(tmp_path):
    claims = shutil.copytree(PAPER, tmp_path / "paper")
    arguments = [*LOAD, str(claims), "-m", "published", "-q", "--report-dir", str(tmp_path), "-p", "no:cacheprovider"]
    code = (
        f"import sys, pytest\npytest.main({arguments})\n"
        "others = ('torch', 'timm', 'jax', 'transformers', 'torchvision', 'sklearn', 'pandas')\n"
        "print([m for m in others if m in sys.modules])"
    )
    done = subprocess.run([sys.executable, "-c", code], capture_output=True, text=True, cwd=ROOT)
    assert done.stdout.splitlines()[-1] == "[]", done.stdout[-2000:]
    assert (tmp_path / "report.html").exists()
