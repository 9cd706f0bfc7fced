"""The pytest plugin: markers, one question per test, and the set-up of a session once its claims are collected.

Claims are recognised by what they state, wherever they lie: a session is one of claims if a test of a hypothesis is
among those selected, which is known after the collection. Under pytest-xdist only the workers collect; each hands what
it found to the controller in a file, for the controller refuses, limits and reports.
"""

from __future__ import annotations

import contextlib
import shutil
import signal
import sys
import threading
from collections.abc import Iterator, Sequence
from dataclasses import replace
from pathlib import Path
from typing import Any

import pytest

from harness.core.claim import Claim
from harness.core.config import read_config, use
from harness.core.errors import ClaimsError
from harness.core.hypotheses import Hypothesis
from harness.core.launcher import require_single_process
from harness.core.paths import make_folder
from harness.core.source import KINDS
from harness.judging.question import AnyQuestion
from harness.suite.options import (
    add_options,
    asks_for_gpu,
    option,
    request_of,
    require_used,
    require_values,
    usage_errors,
)
from harness.suite.progress import RunProgress
from harness.suite.refused import REFUSED
from harness.suite.selection import (
    FOLDER,
    HANDOVER,
    REPORT,
    Selected,
    computes_nothing,
    distributes,
    identifier,
    is_worker,
    questions_in,
    questions_of,
    report_folder,
    selection_of,
)
from harness.suite.session import SESSION, Session
from harness.suite.session_config import session_config
from harness.training.resume import saved

STOPPED = pytest.StashKey[bool]()
"""Whether a session was stopped before its end, as by Ctrl-C."""
PROGRESS = pytest.StashKey[RunProgress]()
"""On xdist's controller: what tells how far the runs are."""
pytest_plugins = [
    "harness.suite.verdict_fixtures",
    "harness.suite.plan",
    "harness.suite.collecting",
    "harness.suite.distribution",
]

MEANING = {
    "published": "judged on figures that others measured and published; seconds, no network",
    "micro": "judged by fine-tuning the embedded tiny checkpoints; minutes on a laptop CPU",
    "gpu": "judged by the paper's released checkpoints and datasets; needs an accelerator",
    "measured": "judged by numbers that functions of the paper's folder measure",
}


def pytest_addoption(parser: pytest.Parser) -> None:
    """Add the suite's options."""
    add_options(parser)


@pytest.hookimpl(tryfirst=True)
def pytest_configure(config: pytest.Config) -> None:
    """Register the markers, check the options and set up the session."""
    for kind in KINDS:
        config.addinivalue_line("markers", f"{kind}: {MEANING[kind]}")
    with usage_errors():
        require_values(config)
    config.stash[SESSION] = Session(request_of(config), lambda: outside_capture(config))


@pytest.hookimpl(tryfirst=True)
def pytest_collection_finish(session: pytest.Session) -> None:
    """Get ready for the claims that were selected, or refuse to judge them; a worker leaves that to its controller."""
    config = session.config
    selected = Selected(questions_of(session.items), len(session.items))
    if selected.questions and session.testsfailed == config.stash.get(REFUSED, 0):
        config.option.continue_on_collection_errors = True  # each is one line, and the others are judged
    if session.testsfailed and not config.option.continue_on_collection_errors:
        return  # pytest says what could not be collected
    if not is_worker(config):
        with usage_errors():
            get_ready(session, selected)
        return
    handover: dict[str, Any] = config.workerinput  # type: ignore[attr-defined]
    if FOLDER not in handover:
        return  # no claims were selected, because they are refused there
    try:
        if selected.questions:
            start(config, selected)
            selected = replace(selected, runs=tuple(config.stash[SESSION].executor.pending))
    except ClaimsError as error:
        selected = Selected(selected.questions, selected.tests, str(error))
    (Path(handover[FOLDER]) / str(handover["workerid"])).write_bytes(selected.encoded())


@pytest.hookimpl(optionalhook=True, tryfirst=True)
def pytest_xdist_node_collection_finished(node: Any, ids: Sequence[str]) -> None:
    """Prepare for the claims that a worker has selected; all workers select the same."""
    config = node.config
    session = config.pluginmanager.getplugin("session")
    if config.pluginmanager.has_plugin(REPORT):
        return
    file = config.stash[HANDOVER] / node.workerinput["workerid"]
    with usage_errors():
        selected = selection_of(file.read_bytes()) if file.exists() else Selected()
        get_ready(session, selected)


def get_ready(session: pytest.Session, selected: Selected) -> None:
    """Check that selected claims can be judged as asked, and start what judges and reports them.

    Args:
        session: of this process.
        selected: what it, or each of its workers, collected.

    Raises:
        ClaimsError: they can't.
    """
    config = session.config
    require_used(config, selected)
    if not selected.questions or config.option.collectonly:
        return
    start(config, selected)
    if selected.problem:
        raise ClaimsError(selected.problem)
    if computes_nothing(config):
        return
    from harness.suite.plan import check_gpu_budget, is_limited  # a plugin: pytest prepares its import

    if is_limited(config, selected):
        check_gpu_budget(config, selected.questions)
    try:
        make_folder(config.stash[SESSION].config.home)
    except ClaimsError as error:
        raise ClaimsError(f"--home: {error}") from None
    from harness.suite.html_page import start_page
    from harness.suite.report_plugin import ReportPlugin

    baseline = option(config, "--baseline")
    report = ReportPlugin(
        config,
        report_folder(config),
        asks_for_gpu(config, selected),
        home=config.stash[SESSION].config.home,
        baseline=None if baseline is None else config.invocation_params.dir / baseline,
    )
    config.pluginmanager.register(report, REPORT)
    start_page(session, report)
    follow_runs(config, selected)


def follow_runs(config: pytest.Config, selected: Selected) -> None:
    """Tell on a terminal how far the runs are that the workers of pytest-xdist compute."""
    terminal: Any = config.pluginmanager.getplugin("terminalreporter")
    if not selected.runs or not distributes(config) or terminal is None or not terminal.isatty():
        return
    store = config.stash[SESSION].executor.store
    config.stash[PROGRESS] = RunProgress([store.path(run_id) for run_id in selected.runs], terminal.write_line)
    config.stash[PROGRESS].start()


def start(config: pytest.Config, selected: Selected) -> None:
    """Set up what the session computes with, and plan every run that the selected tests need.

    Raises:
        ClaimsError: a launcher started this process, recipes or tables can't be used, or there is no accelerator.
    """
    require_single_process()
    use(read_config({"home": option(config, "--home"), "store": option(config, "--store")}))
    session = config.stash[SESSION]
    session.request.require()
    session.start(session_config(config, asks_for_gpu(config, selected)))
    if not computes_nothing(config) and not distributes(config):
        session.plan(selected.questions)


@pytest.hookimpl(tryfirst=True)
def pytest_keyboard_interrupt() -> None:
    """Let the session end after Ctrl-C: a second one would stop the report half-way, with a traceback."""
    if threading.current_thread() is threading.main_thread():
        signal.signal(signal.SIGINT, signal.SIG_IGN)


def pytest_sessionfinish(session: pytest.Session, exitstatus: int) -> None:
    """Note that the session was stopped, and stop telling how far its runs are."""
    session.config.stash[STOPPED] = exitstatus == pytest.ExitCode.INTERRUPTED
    if PROGRESS in session.config.stash:
        session.config.stash[PROGRESS].stop()


def pytest_unconfigure(config: pytest.Config) -> None:
    """Stop the processes that compute runs; say where a session that was stopped goes on."""
    if HANDOVER in config.stash:
        shutil.rmtree(config.stash[HANDOVER], ignore_errors=True)
    if SESSION not in config.stash or not config.stash[SESSION].started:
        return
    executor = config.stash[SESSION].executor
    executor.close()
    use(None)
    if config.stash.get(STOPPED, False) and not is_worker(config):
        left = sum(bool(saved(states)) for states in (executor.store.work / "states").glob("*"))
        if left:
            runs = f"{left} unfinished run{'s' * (left > 1)}"
            print(f"stopped: the state of {runs} is saved; the same command goes on from there", file=sys.stderr)


@contextlib.contextmanager
def outside_capture(config: pytest.Config) -> Iterator[None]:
    """Give the terminal back for a while, e.g. to a progress bar."""
    manager: Any = config.pluginmanager.getplugin("capturemanager")
    with manager.global_and_fixture_disabled() if manager else contextlib.nullcontext():
        yield


def pytest_generate_tests(metafunc: pytest.Metafunc) -> None:
    """Make one test per (hypothesis, source of evidence) of a function that states hypotheses."""
    stated: tuple[Claim, tuple[Hypothesis, ...]] | None = getattr(metafunc.function, "stated", None)
    if stated is None:
        return
    claim, hypotheses = stated
    if is_worker(metafunc.config) and FOLDER not in metafunc.config.workerinput:  # type: ignore[attr-defined]
        raise pytest.Collector.CollectError(
            f"{metafunc.module.__file__}: expected the plugin harness.suite.plugin in the main process, found it only"
            " in the workers; add -p harness.suite.plugin"
        )
    session = metafunc.config.stash[SESSION]
    try:
        asked = questions_in(metafunc.module, claim, session.request)
        session.state(claim, asked, Path(metafunc.module.__file__), getattr(metafunc.function, "statements", ()))
    except ClaimsError as error:
        raise pytest.Collector.CollectError(str(error)) from error
    name = metafunc.function.__name__
    own = [q for q in asked if q.family.function == name and q.hypothesis in hypotheses]
    metafunc.parametrize("question", [parameter(q) for q in own])


def parameter(question: AnyQuestion) -> Any:
    """Return the test parameter of a question: its id starts with the source."""
    return pytest.param(
        question, id=identifier(question), marks=[getattr(pytest.mark, name) for name in question.source.markers]
    )
