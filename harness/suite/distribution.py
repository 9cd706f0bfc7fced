"""A session under pytest-xdist: how many workers there are, which accelerator each has, and what if one dies."""

from __future__ import annotations

import contextlib
import tempfile
import time
from pathlib import Path
from typing import Any

import pytest

from harness.suite.options import option, usage_errors
from harness.suite.selection import FOLDER, HANDOVER, REPORT, computes_nothing, is_worker, selects_gpu
from harness.suite.session_config import ACCELERATORS, DEADLINE
from harness.training import accelerators

CARDS = pytest.StashKey[tuple[str, ...]]()
"""On the controller: the accelerators that there are."""
HELD = pytest.StashKey[dict[str, str]]()
"""On the controller: the accelerator of each worker."""
BEGUN = pytest.StashKey[float]()
"""On the controller: when the session began, as time.time() counts."""
CRASHED = pytest.StashKey[set[str]]()
"""On the controller: tests that are run again, because their worker died."""
AGAIN = "begun again"
"""The outcome of a test whose worker died: another one runs it."""


@pytest.hookimpl(tryfirst=True)
def pytest_cmdline_main(config: pytest.Config) -> None:
    """Let workers that have nothing left to do take tests from the others, unless --dist says otherwise."""
    if not is_worker(config) and getattr(config.option, "numprocesses", None) and config.option.dist == "no":
        config.option.dist = "worksteal"


@pytest.hookimpl(optionalhook=True, tryfirst=True)
def pytest_xdist_auto_num_workers(config: pytest.Config) -> int | None:
    """Return the number of workers of `-n auto`: the accelerators where they compute; None: as many as cores."""
    return len(cards_of(config)) or None


@pytest.hookimpl(optionalhook=True)
def pytest_configure_node(node: Any) -> None:
    """Send a worker the path at which it leaves what it selects, and the accelerator that it has to itself.

    A worker can't look for one: that may start CUDA, before it has one of its own. One that takes the place of a
    worker that died is given that one's.
    """
    config, stash = node.config, node.config.stash
    if HANDOVER not in stash:
        stash[HANDOVER] = Path(tempfile.mkdtemp(prefix="vit-claims-"))
        stash[BEGUN] = time.time()
    node.workerinput[FOLDER] = str(stash[HANDOVER])
    hours = option(config, "--time-limit")
    node.workerinput[DEADLINE] = None if hours is None else stash[BEGUN] + 3600 * hours
    held = stash.setdefault(HELD, {})
    found = cards_of(config)
    if found:
        taken = list(held.values())
        held[node.workerinput["workerid"]] = min(found, key=taken.count)
    node.workerinput[ACCELERATORS] = [held[node.workerinput["workerid"]]] if found else []


def cards_of(config: pytest.Config) -> tuple[str, ...]:
    """Return the accelerators that workers share, as CUDA_VISIBLE_DEVICES calls them; none where they compute none."""
    if CARDS not in config.stash:
        looks = selects_gpu(config) and not computes_nothing(config) and option(config, "--device") == "auto"
        found = accelerators.visible() if looks else ()
        with usage_errors():
            config.stash[CARDS] = accelerators.grouped(found, option(config, "--gpus-per-run"))
    return config.stash[CARDS]


@pytest.hookimpl(optionalhook=True, tryfirst=True)
def pytest_testnodedown(node: Any, error: object | None) -> None:
    """Give the accelerator of a worker that ended to the next one."""
    del error
    node.config.stash.get(HELD, {}).pop(node.workerinput["workerid"], None)


@pytest.hookimpl(optionalhook=True)
def pytest_handlecrashitem(crashitem: str, report: Any, sched: Any) -> None:
    """Run the test again whose worker died; the second time it fails.

    What the worker computed is not lost: its lock on the run ended with it, and another one goes on from the run's
    last state.
    """
    config = report.node.config
    plugin: Any = config.pluginmanager.getplugin(REPORT)
    crashed = config.stash.setdefault(CRASHED, set())
    if plugin is None or crashitem in crashed:
        return
    with contextlib.suppress(NotImplementedError):  # some ways of distributing tests can't take one back: it fails
        sched.mark_test_pending(crashitem)
        crashed.add(crashitem)
    if crashitem not in crashed:
        return
    plugin.notes.append(f"{report.longrepr}; another worker went on from the last state of its run")
    report.outcome = AGAIN


def pytest_report_teststatus(report: Any) -> tuple[str, str, str] | None:
    """Show a test that is run again as such."""
    return (AGAIN, "R", "BEGUN AGAIN") if report.outcome == AGAIN else None
