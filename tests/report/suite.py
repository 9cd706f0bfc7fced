"""A folder with a small suite that reports verdicts as the project's own does, and real pytest sessions in it."""

import os
from pathlib import Path

from tests.forked import run_pytest

ROOT = Path(__file__).parents[2]
CLAIMS = ("test_claim1.py", "test_claim2.py")

CONFTEST = """
import os
import resource
from pathlib import Path

import pytest

from harness.core.errors import ClaimsError
from harness.suite.html_page import start_page
from harness.suite.report_plugin import ReportPlugin


@pytest.hookimpl(tryfirst=True)
def pytest_collection_finish(session):
    try:
        baseline = os.environ.get("BASELINE")
        report = ReportPlugin(
            session.config, session.config.rootpath / "reports", baseline=Path(baseline) if baseline else None
        )
    except ClaimsError as error:
        raise pytest.UsageError(str(error)) from None
    session.config.pluginmanager.register(report)
    start_page(session, report)
    if "ROOM" in os.environ:
        resource.setrlimit(resource.RLIMIT_FSIZE, (int(os.environ["ROOM"]), resource.RLIM_INFINITY))
"""

CLAIM = """
import dataclasses
import os

import pytest

from harness.report.judged import Judged
from tests.report.samples import store

STORE = store()
NAME = os.path.basename(__file__)[5:-3]
VERDICTS = [one for one in STORE.sorted() if one.claim == NAME]


@pytest.mark.parametrize("verdict", VERDICTS, ids=lambda one: f"{one.source} - {one.hypothesis}")
def test_claim(verdict, request):
    stated = tuple(sorted({one.hypothesis for one in VERDICTS} - {os.environ.get("UNSTATED")}))
    verdict = dataclasses.replace(verdict, date=os.environ.get("DAY", verdict.date))
    request.node.user_properties.append(Judged(verdict, STORE.claims[NAME], stated).as_property())
    if verdict.verdict != "REPRODUCED":
        pytest.xfail(verdict.reason)
"""

NASTY = """
import pytest

from harness.report.judged import Judged
from tests.report.samples import CLAIM_2, NASTY, store, verdict


@pytest.mark.parametrize("value", [1], ids=[NASTY])
def test_fails(value, request):
    nasty = verdict(claim="claim2", hypothesis=NASTY, reason=NASTY, source="gpu/nasty", citations=(NASTY,))
    stated = (NASTY, *(one.hypothesis for one in store().sorted()))
    request.node.user_properties.append(Judged(nasty, CLAIM_2, stated).as_property())
    print(NASTY)
    raise AssertionError(NASTY)
"""


def write_suite(folder):
    """Write the small suite and return its folder."""
    files = {"conftest.py": CONFTEST, "test_claim1.py": CLAIM, "test_claim2.py": CLAIM, "test_nasty.py": NASTY}
    for name, text in files.items():
        (folder / name).write_text(text)
    (folder / "pytest.ini").write_text("[pytest]\n")
    return folder


def run(folder, *arguments, **environment):
    """Run pytest in a folder, in a process of its own, and return what it did."""
    inherited = {name: value for name, value in os.environ.items() if not name.startswith(("PYTEST", "VIT_CLAIMS"))}
    environment = inherited | {"PYTHONPATH": str(ROOT), "OMP_NUM_THREADS": "1"} | environment
    return run_pytest("-p", "no:cacheprovider", *arguments, cwd=folder, environment=environment, timeout=120)


def record_of(folder):
    """Return the bytes of the verdicts.json of a suite."""
    return (folder / "reports" / "verdicts.json").read_bytes()
