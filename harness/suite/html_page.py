"""pytest-html's page of a session: the claims section on top, and a table of tests with what each judged."""

from __future__ import annotations

import html
from typing import TYPE_CHECKING, Any

import pytest

from harness.report.html import page
from harness.report.html.page_rows import row_id
from harness.report.html.rendering import render
from harness.report.labels import LOOKS
from harness.suite.listed_tests import leave_out

if TYPE_CHECKING:
    from harness.suite.report_plugin import ReportPlugin

COLUMNS = (
    ("result", "Result"),
    ("claim", "Claim"),
    ("source", "Source"),
    ("verdict", "Verdict"),
    ("testId", "Test"),
    ("duration", "Duration"),
)
"""Of pytest-html's table: (its name of what a column sorts by, the head)."""


def start_page(session: pytest.Session, report: ReportPlugin) -> None:
    """Start pytest-html's page late: at the session's start it was not known that there would be claims to judge.

    Without pytest-html the page has the verdicts alone, and the report says so.
    """
    config = session.config
    html_plugin = config.pluginmanager.getplugin("html")
    if html_plugin is None:
        report.notes.append(
            "pytest-html is not loaded, so the page has no list of tests; verdicts, tables and history are complete"
        )
        return
    from pytest_html.basereport import BaseReport
    from pytest_metadata.plugin import metadata_key

    # pytest-html puts the environment into the page as markup, and can't do without one.
    config.stash[metadata_key] = escape(dict(config.stash.get(metadata_key, {})))
    if not config.pluginmanager.has_plugin("metadata"):
        report.notes.append("pytest-metadata is not loaded, so the page does not describe the environment")
    for page_of_all in [plugin for plugin in config.pluginmanager.get_plugins() if isinstance(plugin, BaseReport)]:
        config.pluginmanager.unregister(page_of_all)
    config.pluginmanager.register(HtmlPage(report))
    config.option.htmlpath = config.option.htmlpath or str(report.folder / page.FILE)
    config.option.self_contained_html = True
    before = config.pluginmanager.get_plugins()
    html_plugin.pytest_configure(config)
    for started in config.pluginmanager.get_plugins() - before:
        if isinstance(started, BaseReport):
            started.pytest_sessionstart(session)
            started.pytest_collection_finish(session)


class HtmlPage:
    """Puts the claims section on pytest-html's page and what tests judged into its table.

    Args:
        report: of the session.
    """

    def __init__(self, report: ReportPlugin):
        self.report = report
        self._table: dict[str, Any] = {}
        """What pytest-html puts into its table."""

    @pytest.hookimpl(optionalhook=True)
    def pytest_html_report_title(self, report: Any) -> None:
        """Name the page, and fold what is no fault."""
        report.title = page.TITLE
        self._table = report.data
        report.set_data("renderCollapsed", ["passed", "skipped", "xfailed", "xpassed", "rerun"])

    @pytest.hookimpl(optionalhook=True)
    def pytest_html_results_summary(self, prefix: list[str], summary: list[str], postfix: list[str]) -> None:
        """Put the claims section on the page; its style sheet moves it to the top. Filters stand before the table."""
        summary.append(render("filters"))
        summary.append(render("left_out", number=leave_out(self._table.get("tests", {}))))
        postfix.append(page.script())
        prefix.append(page.VIEWPORT)
        prefix.append(self.report.section())

    @pytest.hookimpl(optionalhook=True)
    def pytest_html_results_table_header(self, cells: list[str]) -> None:
        """Name the columns: claim, source and verdict are what the table can be filtered by."""
        cells[:] = [
            # What can be filtered by is not sorted by, too: pytest-html keeps each such cell twice.
            render("head_cell", name=name, head=head, sortable=name not in ("claim", "source")).strip()
            for name, head in COLUMNS
        ]

    @pytest.hookimpl(optionalhook=True)
    def pytest_html_results_table_row(self, report: Any, cells: list[str]) -> None:
        """Escape the test's id, which pytest-html does not, and show what it judged."""
        if report.passed and report.when != "call":
            return  # pytest-html lists no set-up and no teardown that passed
        result, _, duration, *_ = cells
        verdict = self.report.verdict_of(report.nodeid)
        cells[:] = [
            result,
            render("text_cell", name="claim", text=verdict.claim if verdict else ""),
            render("text_cell", name="source", text=verdict.source if verdict else ""),
            render(
                "verdict_cell",
                look=LOOKS[verdict.verdict] if verdict else None,
                row=row_id(verdict.key) if verdict else "",
            ),
            render("id_cell", nodeid=report.nodeid),
            duration,
        ]

    @pytest.hookimpl(optionalhook=True)
    def pytest_html_results_table_html(self, report: Any, data: list[str]) -> None:
        """Keep the page small: what passed, or ended as its verdict says, needs no log beside the verdict."""
        if not report.failed:
            data.clear()


def escape(value: Any) -> Any:
    """Return plain values with every text in them escaped for HTML."""
    if isinstance(value, dict):
        return {escape(key): escape(item) for key, item in value.items()}
    if isinstance(value, (list, tuple)):
        return [escape(item) for item in value]
    return html.escape(value) if isinstance(value, str) else value
