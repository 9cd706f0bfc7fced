"""`--plan`: what a session would compute and cost, before anything is paid; and the limit on what it may cost."""

from __future__ import annotations

import importlib.util
import warnings
from collections.abc import Iterable, Sequence
from pathlib import Path
from types import ModuleType
from typing import TYPE_CHECKING, Any

import pytest

from harness.errors import ClaimsError
from harness.home import write_atomic
from harness.selection import asks_for_gpu, computes_nothing, identifier, questions_in, questions_of
from harness.session import SESSION
from harness.verdict import Question

if TYPE_CHECKING:
    from harness.cost.plan import Plan

FILE = "plan.json"
MOST_HOURS = 12.0


def pytest_addoption(parser: pytest.Parser) -> None:
    """Add the plan's options."""
    group = parser.getgroup("vit-claims")
    group.addoption(
        "--plan",
        action="store_true",
        help="compute nothing: print what the gpu evidence needs and costs, and write plan.json to the report folder",
    )
    group.addoption("--card", metavar="NAME", help="plan for a card, e.g. h100, a100, rtx4090, t4 (the one at hand)")
    group.addoption(
        "--price-per-hour", type=float, metavar="X", help="of the card, in any currency, for the plan's sum"
    )
    group.addoption(
        "--max-gpu-hours",
        type=float,
        metavar="H",
        default=MOST_HOURS,
        help=f"-m gpu: refuse a session that would take longer on the card ({MOST_HOURS:g})",
    )


@pytest.hookimpl(tryfirst=True)
def pytest_cmdline_main(config: pytest.Config) -> None:
    """Plan in this process, whatever -n says."""
    if config.getoption("--plan"):
        for name, value in (("numprocesses", None), ("dist", "no"), ("tx", [])):
            if hasattr(config.option, name):
                setattr(config.option, name, value)


@pytest.hookimpl(tryfirst=True)
def pytest_runtestloop(session: pytest.Session) -> bool | None:
    """Print the plan in the place of running tests."""
    config = session.config
    if not config.getoption("--plan") or config.option.collectonly:
        return None
    try:
        found = plan_of(config, questions_of(session.items))
        folder = config.rootpath / config.getoption("--report-dir")
        from harness.cost.plan import to_json
        from harness.cost.text import text

        write_atomic(folder / FILE, to_json(found).encode())
    except ClaimsError as error:
        raise pytest.UsageError(str(error)) from None
    terminal: Any = config.pluginmanager.getplugin("terminalreporter")
    terminal.write_line("")
    for line in text(found, terminal._tw.fullwidth).splitlines():
        terminal.write_line(line)
    terminal.write_line(f"plan: {folder / FILE}")
    return True


def pytest_collection_finish(session: pytest.Session) -> None:
    """Refuse a session that would cost too much, before its first run."""
    config = session.config
    if is_limited(config) and not hasattr(config, "workerinput") and not distributes(config):
        refuse_dear(config, questions_of(session.items))


@pytest.hookimpl(optionalhook=True)
def pytest_xdist_node_collection_finished(node: Any, ids: Sequence[str]) -> None:
    """Refuse a session that would cost too much, under pytest-xdist: here its controller learns what was collected."""
    if is_limited(node.config):
        refuse_dear(node.config, questions_named(node.config, ids))


def is_limited(config: pytest.Config) -> bool:
    """Tell whether a session computes on a card whose hours can be reckoned."""
    on_card = config.getoption("--device") != "cpu" or config.getoption("--card")
    return bool(asks_for_gpu(config) and on_card and not computes_nothing(config))


def distributes(config: pytest.Config) -> bool:
    """Tell whether this process only hands tests to xdist workers."""
    return getattr(config.option, "dist", "no") != "no"


def questions_named(config: pytest.Config, ids: Iterable[str]) -> list[Question]:
    """Return the questions behind test ids, which all that the controller of xdist knows of what it runs."""
    asking = config.stash[SESSION].asking
    known: dict[str, Question] = {}
    for file in sorted({test.partition("::")[0] for test in ids}):
        module = imported(config.rootpath / file)
        stated = (value.stated[0] for value in vars(module).values() if hasattr(value, "stated"))
        for claim in {claim.id: claim for claim in stated}.values():
            known |= {identifier(question): question for question in questions_in(module, claim, asking)}
    named = (test.partition("[")[2].rstrip("]") for test in ids)
    return [known[name] for name in named if name in known]


def imported(path: Path) -> ModuleType:
    """Return a claim file as a module of its own: xdist's controller imports none of the tests that it hands out."""
    spec = importlib.util.spec_from_file_location(f"_planned_{path.stem}", path)
    assert spec is not None
    assert spec.loader is not None
    module = importlib.util.module_from_spec(spec)
    spec.loader.exec_module(module)
    return module


def refuse_dear(config: pytest.Config, questions: Sequence[Question]) -> None:
    """Refuse a session that would take more GPU hours than allowed.

    Raises:
        pytest.UsageError: with how many hours it would take, and what to do.
    """
    from harness.cost.plan import require_within

    try:
        found = plan_of(config, questions)
        require_within(found, config.getoption("--max-gpu-hours"))
    except ClaimsError as error:
        raise pytest.UsageError(str(error)) from None
    if found.unknown:
        line = f"--max-gpu-hours does not cover {found.unknown} runs, whose hours on this card are unknown; --card NAME"
        warnings.warn(pytest.PytestWarning(f"{line} reckons with one that is known"), stacklevel=2)


def plan_of(config: pytest.Config, questions: Sequence[Question]) -> Plan:
    """Return the plan of questions on the card that is named, else on the one at hand."""
    from harness.cost.cards import card, card_at_hand
    from harness.cost.plan import plan
    from harness.fetch import settings
    from harness.gpu.plan import planned

    session = config.stash[SESSION]
    name = config.getoption("--card")
    return plan(
        planned(questions, session.seeds, session.executor.store),
        card(name) if name else card_at_hand(),
        home=session.means.home,
        cache=settings().cache,
        price_per_hour=config.getoption("--price-per-hour"),
    )
