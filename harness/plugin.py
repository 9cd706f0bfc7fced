"""The pytest side: options, markers, one question per test, and the report."""

from __future__ import annotations

import contextlib
import re
from collections.abc import Iterator
from functools import cache
from types import ModuleType
from typing import Any

import pytest

from harness.claim import Claim, Hypothesis
from harness.errors import ClaimsError
from harness.executor import cores
from harness.home import home, make_folder
from harness.questions import KINDS, questions
from harness.session import SESSION, Session
from harness.verdict import Question

pytest_plugins = ["fixtures.checkpoints", "fixtures.datasets", "fixtures.evidence"]

MEANING = {
    "published": "judged on figures that others measured and published; seconds, no network",
    "micro": "judged by fine-tuning the embedded tiny checkpoints; minutes on a laptop CPU",
    "gpu": "judged by the paper's released checkpoints and datasets; needs an accelerator",
}
NOT_IN_IDS = re.compile(r"[^\w.,@+=<>/ -]")


def pytest_addoption(parser: pytest.Parser) -> None:
    """Add the suite's options."""
    group = parser.getgroup("vit-claims", "claims and their verdicts")
    group.addoption(
        "--home",
        metavar="DIR",
        help="where runs, downloads and locks lie (default: $VIT_CLAIMS_HOME, else the user cache)",
    )
    group.addoption(
        "--report-dir", metavar="DIR", default="reports", help="where the report goes, relative to rootdir (reports)"
    )
    group.addoption("--jobs", type=int, metavar="N", help="processes that compute runs (default: one per core)")
    group.addoption(
        "--strict-verdicts",
        action="store_true",
        help="INCONCLUSIVE and NOT RUN fail, for a nightly that must not go green by doing nothing",
    )


@pytest.hookimpl(tryfirst=True)
def pytest_configure(config: pytest.Config) -> None:
    """Register the markers and set up the session and, where claims are run, the report."""
    for kind in KINDS:
        config.addinivalue_line("markers", f"{kind}: {MEANING[kind]}")
    on_worker = hasattr(config, "workerinput")
    jobs = config.getoption("--jobs")
    if jobs is not None and jobs < 1:
        raise pytest.UsageError(f"--jobs: expected at least 1, found {jobs}")
    config.stash[SESSION] = Session(
        home(config.getoption("--home")), 0 if on_worker else jobs or cores(), lambda: outside_capture(config)
    )
    if runs_claims(config) and not config.option.collectonly and not on_worker:
        from harness.report.plugin import ReportPlugin, configure

        try:
            make_folder(config.stash[SESSION].executor.store.home)
        except ClaimsError as error:
            raise pytest.UsageError(f"--home: {error}") from None
        folder = config.rootpath / config.getoption("--report-dir")
        configure(config, folder)
        config.pluginmanager.register(ReportPlugin(config, folder), "vit-claims-report")


def pytest_unconfigure(config: pytest.Config) -> None:
    """Stop the processes that compute runs."""
    if SESSION in config.stash:
        config.stash[SESSION].executor.close()


def runs_claims(config: pytest.Config) -> bool:
    """Tell whether a path that pytest was given holds the claims (so that `pytest tests` writes no report)."""
    claims = config.rootpath / "claims"
    given = [(config.invocation_params.dir / argument.split("::")[0]).absolute() for argument in config.args]
    return any(path == claims or claims in path.parents or path in claims.parents for path in given)


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
    try:
        asked = questions_in(metafunc.module, claim)
    except ClaimsError as error:
        raise pytest.Collector.CollectError(str(error)) from None
    metafunc.config.stash[SESSION].state(claim, asked)
    metafunc.parametrize("question", [parameter(q) for q in asked if q.hypothesis in hypotheses])


@cache
def questions_in(module: ModuleType, claim: Claim) -> tuple[Question, ...]:
    """Return every question that a module's test functions put for a claim, in the order they stand."""
    stated = [getattr(function, "stated", None) for function in vars(module).values()]
    hypotheses = [hypothesis for found in stated if found and found[0] == claim for hypothesis in found[1]]
    return questions(claim, hypotheses)


def parameter(question: Question) -> Any:
    """Return the test parameter of a question: its id starts with the source, its marks say what is recorded."""
    marks = [getattr(pytest.mark, question.kind)]
    if question.recorded:
        from fixtures.evidence import Refuted, Unsettled

        name, reason = question.recorded
        # `raises` keeps crashes red and any other verdict a failure.
        expected = Refuted if name == "REFUTED" else Unsettled
        marks.append(pytest.mark.xfail(reason=f"recorded as {name}: {reason}", raises=expected, strict=True))
    identifier = NOT_IN_IDS.sub("", f"{question.source} - {question.hypothesis.id}")
    return pytest.param(question, id=identifier, marks=marks)


def pytest_collection_finish(session: pytest.Session) -> None:
    """Plan every run that the selected tests need."""
    if session.config.option.collectonly:
        return
    parameters = [getattr(item, "callspec").params for item in session.items if hasattr(item, "callspec")]  # noqa: B009
    asked = [found for found in (each.get("question") for each in parameters) if isinstance(found, Question)]
    try:
        session.config.stash[SESSION].plan(asked)
    except ClaimsError as error:
        raise pytest.UsageError(str(error)) from None
