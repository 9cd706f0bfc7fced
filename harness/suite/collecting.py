"""Report a claim file that can't be read in one line with its place, not with a traceback."""

from __future__ import annotations

from collections.abc import Generator
from pathlib import Path

import pytest
from _pytest.reports import CollectErrorRepr
from pydantic import ValidationError

from harness.core import claim as stated
from harness.core.errors import ClaimsError, printable
from harness.core.specs import fault


@pytest.hookimpl(wrapper=True)
def pytest_make_collect_report(
    collector: pytest.Collector,
) -> Generator[None, pytest.CollectReport, pytest.CollectReport]:
    """Report a malformed hypothesis of a claim file in one line."""
    report = yield
    call = getattr(report, "call", None)  # pytest leaves it there on its way to collect_one_node
    if report.failed and call is not None and call.excinfo is not None:
        error = call.excinfo.value
        if isinstance(error, (ClaimsError, ValidationError)):
            line = (
                str(error)
                if isinstance(error, ClaimsError)
                else printable(fault(error, getattr(stated, error.title, None)))
            )
            report.longrepr = CollectErrorRepr(f"{place(call.excinfo, collector.path)}: {line}")
    return report


def place(found: pytest.ExceptionInfo[BaseException], path: Path) -> str:
    """Return the line of a file that led to an error, as FILE:LINE; the file alone where none did."""
    inside = [entry for entry in found.traceback if Path(str(entry.path)) == path]
    return f"{path}:{inside[-1].lineno + 1}" if inside else str(path)
