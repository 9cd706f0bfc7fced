"""Claims are judged and reported wherever pytest is called from, and whatever plugins it has."""

import shutil

import pytest

from tests.suite.calling import (
    CLAIM_FILE,
    HYPOTHESIS,
    LOAD,
    PAPER,
    ROOT,
    call,
    publications,
    refused,
    reported,
    verdicts,
    write_claims,
)

CONFTEST = """
def pytest_addoption(pluginmanager):
    pluginmanager.import_plugin("harness.suite.plugin")
"""
PUBLISHED = ("-m", "published", "-q")


@pytest.mark.parametrize(
    "cwd, arguments, report",
    [
        (".", ("mine/test_mine.py",), "reports"),
        ("mine", ("test_mine.py",), "mine/reports"),
        ("empty", ("../mine/test_mine.py::test_sizes",), "reports"),
        ("mine", (), "mine/reports"),
        (".", ("mine", "--rootdir", "elsewhere"), "elsewhere/reports"),
        (".", ("mine", "-c", "elsewhere/other.ini"), "elsewhere/reports"),
        (".", ("project", "mine"), "project/reports"),
        ("mine", ("--pyargs", "test_mine"), "mine/reports"),
        ("empty", ("../mine", "-n", "2", "--import-mode", "importlib"), "reports"),
    ],
)
def test_a_claim_file_is_judged_wherever_it_lies(tmp_path, cwd, arguments, report):
    write_claims(tmp_path / "mine")
    for folder in ("empty", "elsewhere"):
        (tmp_path / folder).mkdir()
    (tmp_path / "elsewhere" / "other.ini").write_text("[pytest]\n")
    write_claims(tmp_path / "project", "def test_other(): ...\n", "test_other.py")
    (tmp_path / "project" / "pytest.ini").write_text("[pytest]\nmarkers = published\n")
    done = call(tmp_path / cwd, *LOAD, *PUBLISHED, *arguments, PYTHONPATH=f"{ROOT}:{tmp_path / 'mine'}")
    assert done.returncode == 0, done.stdout + done.stderr
    assert reported(tmp_path / report)
    assert f"report: {tmp_path / report / 'report.html'}" in done.stdout


@pytest.mark.parametrize("name", ["../out", "out"])
def test_a_report_folder_stays_where_it_is_the_second_time(tmp_path, name):
    write_claims(tmp_path / "a" / "mine")
    for _ in range(2):
        done = call(tmp_path / "a" / "mine", *LOAD, *PUBLISHED, "test_mine.py", "--report-dir", name)
        assert done.returncode == 0, done.stdout + done.stderr
    assert {path.parent for path in tmp_path.rglob("verdicts.json")} == {(tmp_path / "a" / "mine" / name).resolve()}
    assert len((tmp_path / "a" / "mine" / name / "verdicts.jsonl").read_text().splitlines()) == 2 * 2  # claim, verdict


@pytest.mark.parametrize(
    "cwd, arguments",
    [
        ("docs", ("../paper/test_claim2.py",)),
        (".", ("paper/test_claim2.py", "--rootdir", "paper")),
        ("paper", ("test_claim2.py", "-c", "/dev/null")),
        ("..", ("{root}/paper/test_claim2.py", "-n", "2")),
        ("docs", ("--pyargs", "paper.test_claim2")),
    ],
)
def test_a_paper_s_claims_are_judged_by_its_tables_from_anywhere(tmp_path, cwd, arguments):
    root = tmp_path / "project"
    shutil.copytree(PAPER, root / "paper")
    (root / "docs").mkdir()
    figures = root / "paper" / "published" / "figures.json"
    figures.write_text(figures.read_text().replace("small-pictures", "moved"))
    sources = root / "paper" / "published" / "sources.toml"
    sources.write_text(sources.read_text().replace("[small-pictures]", "[moved]"))
    asked = [argument.format(root=root) for argument in arguments]
    found = {"report": tmp_path / "report", "home": tmp_path / "home"}
    options = (*PUBLISHED, "-k", "pets", "--report-dir", found["report"])
    done = call(root / cwd, *LOAD, *asked, *options, home=found["home"], PYTHONPATH=f"{ROOT}:{root}")
    assert done.returncode == 0, done.stdout + done.stderr
    assert publications(found["report"]) == {"moved/table-2", "moved/table-5"}


ALONE = {"PYTEST_DISABLE_PLUGIN_AUTOLOAD": "1"}
"""An environment in which pytest loads no plugin that it is not told of."""


def test_a_conftest_found_during_the_collection_loads_the_plugin(tmp_path):
    write_claims(tmp_path / "deep" / "mine")
    (tmp_path / "deep" / "mine" / "conftest.py").write_text(CONFTEST)
    done = call(tmp_path, *PUBLISHED, **ALONE)
    assert done.returncode == 0, done.stdout + done.stderr
    assert reported(tmp_path / "reports")
    # There the process that hands out tests has never seen the file.
    done = call(tmp_path, "-p", "xdist.plugin", "-n", "2", **ALONE)
    assert done.returncode != 0
    assert "add -p harness.suite.plugin" in done.stdout
    assert "INTERNALERROR" not in done.stdout


def test_without_the_plugin_a_claim_file_says_which_one_it_needs(tmp_path):
    write_claims(tmp_path)
    done = call(tmp_path, "test_mine.py", **ALONE)
    assert done.returncode == 2
    assert (
        "expected the plugin harness.suite.plugin, which judges claims, found that pytest has not loaded it"
        in done.stdout
    )
    assert "fixture" not in done.stdout


def test_hypotheses_stated_in_a_class_are_judged(tmp_path):
    head, _, test = CLAIM_FILE.partition("@CLAIM")
    body = f"@CLAIM{test}".replace("test_sizes(", "test_sizes(self, ").replace("\n", "\n    ")
    write_claims(tmp_path, f"{head}class TestSizes:\n    {body}".rstrip() + "\n")
    done = call(tmp_path, *LOAD, *PUBLISHED)
    assert done.returncode == 0, done.stdout + done.stderr
    assert reported(tmp_path / "reports")


def test_two_files_that_state_one_claim_keep_each_other_s_verdicts(tmp_path):
    write_claims(tmp_path)
    swapped = CLAIM_FILE.replace("Better(B16, than=B32", "Better(B32, than=B16")
    write_claims(tmp_path, swapped, "test_other.py")
    call(tmp_path, *LOAD, *PUBLISHED)
    assert list(verdicts(tmp_path / "reports").values()) == ["REPRODUCED", "REFUTED"]


@pytest.mark.parametrize(
    "arguments, environment, missing",
    [
        (("-p", "no:html"), {}, "pytest-html is not loaded"),
        (("-p", "no:metadata"), {}, "pytest-metadata is not loaded"),
        ((), {"PYTEST_DISABLE_PLUGIN_AUTOLOAD": "1"}, "pytest-html is not loaded"),
        (("-p", "no:xdist"), {}, None),
        (("-s", "-x"), {}, None),
    ],
)
def test_verdicts_and_tables_come_whatever_plugins_are_loaded(tmp_path, arguments, environment, missing):
    write_claims(tmp_path)
    done = call(tmp_path, *LOAD, *PUBLISHED, *arguments, **environment)
    assert done.returncode == 0, done.stdout + done.stderr
    assert reported(tmp_path / "reports")
    notes = [line for line in done.stdout.splitlines() if line.startswith("Note: ")]
    assert len(notes) == (missing is not None)
    assert missing is None or missing in notes[0]
    stated = HYPOTHESIS.replace(">", "&gt;").replace("on imagenet", "on ImageNet")
    assert stated in (tmp_path / "reports" / "report.html").read_text()


def test_without_a_terminal_what_is_missing_is_said_on_stderr(tmp_path):
    write_claims(tmp_path)
    done = call(tmp_path, *LOAD, "-m", "published", "-p", "no:terminal", "-p", "no:html")
    assert done.returncode == 0, done.stdout + done.stderr
    assert reported(tmp_path / "reports")
    assert done.stderr.startswith("Note: pytest-html is not loaded")


FORKED = """
import json
import os

import pytest
from _pytest import runner


@pytest.hookimpl(tryfirst=True)
def pytest_runtest_protocol(item):
    hook, config = item.ihook, item.config
    out, into = os.pipe()
    pid = os.fork()
    if pid == 0:
        try:
            reports = runner.runtestprotocol(item, log=False)
            values = [config.hook.pytest_report_to_serializable(config=config, report=one) for one in reports]
            with os.fdopen(into, "w") as file:
                json.dump(values, file)
        finally:
            os._exit(0)
    os.close(into)
    with os.fdopen(out) as file:
        content = file.read()
    os.waitpid(pid, 0)
    for values in json.loads(content):
        hook.pytest_runtest_logreport(report=config.hook.pytest_report_from_serializable(config=config, data=values))
    return True
"""


def test_verdicts_of_tests_that_run_in_forked_processes_are_reported(tmp_path):
    """As pytest-forked does, which does not run with this pytest."""
    write_claims(tmp_path)
    (tmp_path / "conftest.py").write_text(FORKED)
    done = call(tmp_path, *LOAD, *PUBLISHED)
    assert done.returncode == 0, done.stdout + done.stderr
    assert reported(tmp_path / "reports")


@pytest.mark.parametrize("arguments, code", [(("-k", "nothing"), 5), (("--co",), 0), (("test_other.py",), 0)])
def test_a_session_that_judges_nothing_leaves_the_report_as_it_was(tmp_path, arguments, code):
    write_claims(tmp_path)
    write_claims(tmp_path, "def test_other(): ...\n", "test_other.py")
    assert call(tmp_path, *LOAD, *PUBLISHED).returncode == 0
    before = {path: path.read_bytes() for path in (tmp_path / "reports").rglob("*") if path.is_file()}
    assert call(tmp_path, *LOAD, "-q", *arguments).returncode == code
    assert {path: path.read_bytes() for path in (tmp_path / "reports").rglob("*") if path.is_file()} == before


@pytest.mark.parametrize("marks, code", [("gpu", 1), ("gpu and not micro", 1), ("gpu or published", 0)])
def test_a_session_for_the_released_checkpoints_that_judges_nothing_fails_and_says_so_first(tmp_path, marks, code):
    write_claims(tmp_path)
    done = call(tmp_path, *LOAD, "-q", "-m", marks, "--device", "cpu", VIT_CLAIMS_OFFLINE="1")
    assert done.returncode == code, done.stdout + done.stderr
    assert "1 skipped" in done.stdout
    first = done.stdout.split(" verdicts ===")[1].splitlines()[1]
    assert first.startswith("nothing was judged: 1 of 1 gpu questions are NOT RUN, ") == bool(code)
    assert "NOT RUN" in verdicts(tmp_path / "reports").values()


def test_collection_errors_leave_the_report_as_it_was(tmp_path):
    write_claims(tmp_path)
    write_claims(tmp_path, "import nonsense_that_is_nowhere\n", "test_other.py")
    done = call(tmp_path, *LOAD, *PUBLISHED)
    assert done.returncode == 2
    assert not (tmp_path / "reports").exists()


@pytest.mark.parametrize("workers", [(), ("-n", "2")], ids=["one process", "two workers"])
@pytest.mark.parametrize("environment", [{"WORLD_SIZE": "2", "RANK": "0"}, {"RANK": "1"}], ids=str)
def test_a_launcher_s_variables_are_refused_at_once(tmp_path, environment, workers):
    write_claims(tmp_path)
    done = call(tmp_path, *LOAD, "-q", *workers, **environment)
    assert refused(done, "expected pytest to be started without a launcher"), done.stdout + done.stderr
    assert not (tmp_path / "reports").exists()
