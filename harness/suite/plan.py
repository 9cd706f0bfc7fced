"""`--plan`: what a session would compute and cost; and the limit on its GPU hours."""

from __future__ import annotations

import contextlib
import sys
import warnings
from collections.abc import Callable, Iterator, Sequence
from typing import TYPE_CHECKING, Any

import pytest

from harness.core.errors import ClaimsError
from harness.core.paths import write_atomic
from harness.core.source import GPU
from harness.evidence.questions import measurements_of, micro_runs
from harness.judging.question import AnyQuestion
from harness.suite.options import asks_for_gpu, given, option
from harness.suite.selection import Selected, questions_of, report_folder
from harness.suite.session import SESSION, Session

if TYPE_CHECKING:
    from harness.cost.cpu_time import CpuTime
    from harness.cost.measured_time import MeasuredTime
    from harness.cost.plan import Plan

FILE = "plan.json"


@pytest.hookimpl(tryfirst=True)
def pytest_cmdline_main(config: pytest.Config) -> None:
    """Plan in this process, even with -n."""
    if option(config, "--plan"):
        for name, value in (("numprocesses", None), ("dist", "no"), ("tx", [])):
            if hasattr(config.option, name):
                setattr(config.option, name, value)


@pytest.hookimpl(tryfirst=True)
def pytest_runtestloop(session: pytest.Session) -> bool | None:
    """Print the plan in the place of running tests."""
    config = session.config
    if not option(config, "--plan") or config.option.collectonly or session.testsfailed or not session.items:
        return None
    try:
        questions = questions_of(session.items)
        found = plan_of(config, questions)
        folder = report_folder(config)
        micro = micro_times(config, questions)
        own = measured_times(config, questions)
        from harness.cost import cpu_time, measured_time
        from harness.cost.plan import to_json
        from harness.cost.table import text, wrapped

        write_atomic(folder / FILE, to_json(found, micro, own).encode())
    except ClaimsError as error:
        raise pytest.UsageError(str(error)) from None
    terminal: Any = config.pluginmanager.getplugin("terminalreporter")
    if terminal is not None:
        terminal.write_line("")
        width, lines = terminal._tw.fullwidth, []
        if any(each.source.kind == GPU for each in questions):
            lines = [*text(found, width).splitlines(), *power_and_price(config, questions)]
        jobs = config.stash[SESSION].config.jobs
        told = [*cpu_time.text(micro, jobs), *measured_time.text(own, jobs)]
        lines += [part for each in told for part in wrapped(each, width)]
        for line in lines:
            terminal.write_line(line)
        terminal.write_line(f"plan: {folder / FILE}")
    return True


def micro_times(config: pytest.Config, questions: Sequence[AnyQuestion]) -> list[CpuTime]:
    """Return what the micro study's runs of questions take on this machine."""
    from harness.cost.cpu_time import cpu_times, networks_of

    session = config.stash[SESSION]
    runs: list[Any] = []
    networks: dict[Any, Any] = {}
    for part in session.by_paper(questions):
        of_paper = micro_runs(part)
        runs += of_paper
        networks |= networks_of(of_paper)
    return cpu_times(runs, session.executor.store, session.config.home, networks)


def measured_times(config: pytest.Config, questions: Sequence[AnyQuestion]) -> list[MeasuredTime]:
    """Return what the measurements of own numbers that questions need take on this machine."""
    from harness.cost.measured_time import measured_times as times

    session = config.stash[SESSION]
    asked = [each for part in session.by_paper(questions) for each in measurements_of(part)]
    return times(asked, session.executor.store)


def power_and_price(config: pytest.Config, questions: Sequence[AnyQuestion]) -> list[str]:
    """Return which differences the session could find, and with more seeds for open questions what that could cost."""
    from harness.cost.table import hours
    from harness.evidence.released.detectable import detectable, lines

    session = config.stash[SESSION]
    found = [one for part in session.by_paper(questions) for one in detectable(part, session.looks[-1])]
    shown = lines(found)
    if len(session.looks) > 1:
        most = plan_of(config, questions, session.looks[-1])
        shown.append(
            f"--seeds auto: {session.looks[0]} seeds as above; if every question stays open, {session.looks[-1]} seeds"
            f" and {hours(most.hours) if most.card is not None else '?'} GPU hours."
        )
    return shown


def is_limited(config: pytest.Config, selected: Selected) -> bool:
    """Return whether a session computes on a card whose hours can be estimated."""
    on_card = option(config, "--device") != "cpu" or given(config, "--card")
    return asks_for_gpu(config, selected) and on_card


def check_gpu_budget(config: pytest.Config, questions: Sequence[AnyQuestion]) -> None:
    """Refuse a session that would take more GPU hours than allowed.

    Raises:
        ClaimsError: with how many hours it would take, and what to do.
    """
    from harness.cost.plan import require_within

    found = plan_of(config, questions)
    require_within(found, option(config, "--max-gpu-hours"))
    if found.unknown:
        line = f"--max-gpu-hours does not cover {found.unknown} runs, whose hours on this card are unknown; pass"
        line += f" --max-gpu-hours {option(config, '--max-gpu-hours'):g} --card NAME to estimate for a known card"
        warnings.warn(pytest.PytestWarning(line), stacklevel=2)


def plan_of(config: pytest.Config, questions: Sequence[AnyQuestion], seeds: int | None = None) -> Plan:
    """Return the plan of questions on the card that is named, else on the one at hand.

    Args:
        config: with the options.
        questions: what is asked.
        seeds: of final runs; None: as many as the session starts with.
    """
    from harness.cost.cards import card, card_at_hand
    from harness.cost.plan import plan
    from harness.evidence.released.needed_runs import planned
    from harness.fetch import settings

    session = config.stash[SESSION]
    name = option(config, "--card")
    rows = [
        row
        for part in session.by_paper(questions)
        for row in planned(part, seeds or session.seeds, session.executor.store)
    ]
    with counting(session) as progress:
        return plan(
            rows,
            card(name) if name else card_at_hand(),
            home=session.config.home,
            cache=settings().cache,
            price_per_hour=option(config, "--price-per-hour"),
            store=session.executor.store,
            progress=progress,
        )


@contextlib.contextmanager
def counting(session: Session) -> Iterator[Callable[[int, int, str], None]]:
    """Show on a terminal how far a plan is: the work of all networks of a paper takes minutes to count at first.

    Args:
        session: whose terminal.
    """
    from tqdm import tqdm

    with (
        session.outside_capture(),
        tqdm(desc="plan", unit="row", disable=None, leave=False, file=sys.__stderr__) as bar,
    ):

        def progress(done: int, total: int, label: str) -> None:
            bar.total, bar.n = total, done
            bar.set_postfix_str(label)

        yield progress
