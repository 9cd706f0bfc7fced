"""The pytest side: options, markers, one question per test, and the report."""

from __future__ import annotations

import contextlib
import os
import re
import signal
import sys
import threading
from collections.abc import Iterator
from typing import Any

import pytest

from harness import accelerators
from harness.backends import Execution
from harness.backends.states import saved
from harness.claim import Claim, Hypothesis
from harness.errors import ClaimsError
from harness.executor import cores
from harness.home import VARIABLE as HOME
from harness.home import home, make_folder
from harness.questions import KINDS, Asking
from harness.selection import asks_for_gpu, computes_nothing, identifier, questions_in, questions_of, runs_claims
from harness.session import SESSION, Means, Session
from harness.spec import BACKENDS
from harness.verdict import FEWEST_SEEDS, Question

STOPPED = pytest.StashKey[bool]()
"""Whether a session was stopped before its end, as by Ctrl-C."""
pytest_plugins = [
    "fixtures.checkpoints",
    "fixtures.datasets",
    "fixtures.evidence",
    "harness.plan_plugin",
    "harness.collecting",
]

MEANING = {
    "published": "judged on figures that others measured and published; seconds, no network",
    "micro": "judged by fine-tuning the embedded tiny checkpoints; minutes on a laptop CPU",
    "gpu": "judged by the paper's released checkpoints and datasets; needs an accelerator",
}


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
        "--backend",
        choices=("torch", "jax", "both"),
        default="torch",
        help="framework that computes runs; both: each, and whether they agree (torch)",
    )
    group.addoption(
        "--recipe",
        metavar="NAME",
        default="notebook",
        help="-m gpu: whose recipes released checkpoints are fine-tuned by: notebook (the course's), paper, code,"
        " short-500, short-1000, or any recipe (notebook)",
    )
    group.addoption("--seeds", type=int, metavar="N", default=3, help="-m gpu: seeds of the final runs (3)")
    group.addoption(
        "--device",
        choices=("auto", "cpu"),
        default="auto",
        help="-m gpu: auto asks for an accelerator; cpu computes without one, very slowly (auto)",
    )
    group.addoption("--compile", action="store_true", help="-m gpu: compile models (torch.compile)")
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
    for option, value in (("--jobs", config.getoption("--jobs")), ("--seeds", config.getoption("--seeds"))):
        if value is not None and value < 1:
            raise pytest.UsageError(f"{option}: expected at least 1, found {value}")
    if 1 < config.getoption("--seeds") < FEWEST_SEEDS:
        raise pytest.UsageError(
            f"--seeds: expected 1, or {FEWEST_SEEDS} or more, found {config.getoption('--seeds')}: with fewer than"
            f" {FEWEST_SEEDS} the examples of one run are compared, and the others would be computed for nothing"
        )
    asking = Asking(config.getoption("--backend"), config.getoption("--recipe"))
    if runs_claims(config):
        try:
            asking.require()
        except ClaimsError as error:
            raise pytest.UsageError(str(error)) from None
    config.stash[SESSION] = Session(means(config), asking, lambda: outside_capture(config))
    if runs_claims(config) and not computes_nothing(config) and not on_worker:
        from harness.report.plugin import ReportPlugin, configure

        try:
            make_folder(config.stash[SESSION].executor.store.home)
        except ClaimsError as error:
            raise pytest.UsageError(f"--home: {error}") from None
        folder = config.rootpath / config.getoption("--report-dir")
        configure(config, folder)
        config.pluginmanager.register(ReportPlugin(config, folder), "vit-claims-report")


def means(config: pytest.Config) -> Means:
    """Return what a session computes with.

    Raises:
        pytest.UsageError: the released checkpoints are asked for, and there is no accelerator to compute on.
    """
    on_worker = hasattr(config, "workerinput")
    asked, device, backend = asks_for_gpu(config), config.getoption("--device"), config.getoption("--backend")
    wanted = BACKENDS if backend == "both" else (backend,)
    chosen: tuple[str, ...] = ()
    refuses: dict[str, str] = {}
    if not asked or computes_nothing(config):
        refuses = dict.fromkeys(wanted, "no stored result, and none is computed without -m gpu")
    elif device == "auto":
        chosen = accelerators.visible(choosing=on_worker)
        if not chosen and "torch" in wanted:
            refuses["torch"] = "PyTorch finds no accelerator here"
        if "jax" in wanted and not accelerators.jax_has_one():
            refuses["jax"] = "JAX finds no accelerator here"
        elif "jax" in wanted:
            chosen = chosen or ("0",)  # one that only JAX can use
        if set(refuses) == set(wanted):
            raise pytest.UsageError(
                f"-m gpu: expected an accelerator, found none ({'; '.join(refuses.values())}); run it on a machine with"
                " a GPU, or see what it would cost there with --plan --card h100"
            )
    if on_worker and chosen:
        # One accelerator for each worker; before CUDA starts in this process.
        number = int(re.sub(r"\D", "", config.workerinput["workerid"]) or 0)  # type: ignore[attr-defined]
        chosen = (chosen[number % len(chosen)],)
        os.environ[accelerators.VARIABLE] = chosen[0]
    jobs = config.getoption("--jobs")
    place = home(config.getoption("--home"))
    os.environ[HOME] = str(place)  # for all that looks for data and pins, here and in the processes started from here
    return Means(
        home=place,
        jobs=0 if on_worker else jobs or cores(),
        accelerators=chosen,
        refuses=tuple(refuses.items()),
        fetches=set(refuses) != set(wanted),
        execution=Execution(compile=config.getoption("--compile")),
        seeds=config.getoption("--seeds"),
    )


@pytest.hookimpl(tryfirst=True)
def pytest_keyboard_interrupt() -> None:
    """Let the session end after Ctrl-C: a second one would stop the report half-way, with a traceback."""
    if threading.current_thread() is threading.main_thread():
        signal.signal(signal.SIGINT, signal.SIG_IGN)


def pytest_sessionfinish(session: pytest.Session, exitstatus: int) -> None:
    """Note that the session was stopped."""
    session.config.stash[STOPPED] = exitstatus == pytest.ExitCode.INTERRUPTED


def pytest_unconfigure(config: pytest.Config) -> None:
    """Stop the processes that compute runs; say where a session that was stopped goes on."""
    if SESSION not in config.stash:
        return
    executor = config.stash[SESSION].executor
    executor.close()
    if config.stash.get(STOPPED, False) and not hasattr(config, "workerinput"):
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
    try:
        asked = questions_in(metafunc.module, claim, metafunc.config.stash[SESSION].asking)
    except ClaimsError as error:
        raise pytest.Collector.CollectError(str(error)) from None
    metafunc.config.stash[SESSION].state(claim, asked)
    metafunc.parametrize("question", [parameter(q) for q in asked if q.hypothesis in hypotheses])


def parameter(question: Question) -> Any:
    """Return the test parameter of a question: its id starts with the source, its marks say what is recorded."""
    marks = [getattr(pytest.mark, question.kind)]
    if question.recorded:
        from fixtures.evidence import Refuted, Unsettled

        name, reason = question.recorded
        # `raises` keeps crashes red and any other verdict a failure.
        expected = Refuted if name == "REFUTED" else Unsettled
        marks.append(pytest.mark.xfail(reason=f"recorded as {name}: {reason}", raises=expected, strict=True))
    return pytest.param(question, id=identifier(question), marks=marks)


def pytest_collection_finish(session: pytest.Session) -> None:
    """Plan every run that the selected tests need."""
    config = session.config
    if computes_nothing(config):
        return
    try:
        config.stash[SESSION].plan(questions_of(session.items))
    except ClaimsError as error:
        raise pytest.UsageError(str(error)) from None
