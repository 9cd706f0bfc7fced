"""Collect claim files, with the modules of their own folders; one that can't be read is one line with its place."""

from __future__ import annotations

import contextlib
import sys
from collections.abc import Generator, Iterator
from pathlib import Path

import pytest
from _pytest.reports import CollectErrorRepr
from pydantic import ValidationError

from harness.core import claim as stated
from harness.core.errors import ClaimsError, printable
from harness.core.own_modules import on_path
from harness.core.paper import folder_of
from harness.core.specs import fault
from harness.suite.refused import REFUSED


@pytest.hookimpl(wrapper=True)
def pytest_make_collect_report(
    collector: pytest.Collector,
) -> Generator[None, pytest.CollectReport, pytest.CollectReport]:
    """Report a malformed hypothesis of a claim file in one line."""
    with beside(collector):
        report = yield
    call = getattr(report, "call", None)  # pytest leaves it there on its way to collect_one_node
    if report.failed and call is not None and call.excinfo is not None:
        error = call.excinfo.value
        if isinstance(error, ValidationError) or isinstance(error.__cause__ or error, ClaimsError):
            collector.config.stash[REFUSED] = collector.config.stash.get(REFUSED, 0) + 1
        if isinstance(error, (ClaimsError, ValidationError)):
            line = (
                str(error)
                if isinstance(error, ClaimsError)
                else printable(fault(error, getattr(stated, error.title, None)))
            )
            report.longrepr = CollectErrorRepr(f"{place(call.excinfo, collector.path)}: {line}")
    return report


@contextlib.contextmanager
def beside(collector: pytest.Collector) -> Iterator[None]:
    """Import a paper's claim file with the modules of its folder, whatever those of another paper are called."""
    folder = folder_of(collector.path) if isinstance(collector, pytest.Module) else None
    if folder is None or (folder / "__init__.py").exists():  # of a package, whose modules have names of their own
        yield
        return
    with on_path(folder):
        yield
    if collector.config.getoption("importmode") == "prepend" and str(folder) not in sys.path:
        sys.path.insert(0, str(folder))  # as pytest does


def place(found: pytest.ExceptionInfo[BaseException], path: Path) -> str:
    """Return the line of a file that led to an error, as FILE:LINE; the file alone where none did."""
    inside = [entry for entry in found.traceback if Path(str(entry.path)) == path]
    return f"{path}:{inside[-1].lineno + 1}" if inside else str(path)
