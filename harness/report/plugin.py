"""The report as a part of a pytest session: verdicts in as tests report, the page and the tables out at its end."""

from __future__ import annotations

import html
import json
import os
from collections.abc import Iterator
from pathlib import Path
from typing import Any

import pytest

from harness.claim import Claim, Verdict
from harness.errors import ClaimsError
from harness.report import page, tables, terminal
from harness.report.book import HISTORY_FILE, Book, Key, load, locked, save
from harness.report.history import History
from harness.report.markup import tag
from harness.report.records import decode
from harness.report.rows import badge
from harness.report.whole_page import whole_page

PAGE = "report.html"


def configure(config: pytest.Config, folder: Path) -> None:
    """Point pytest-html at the report folder, before its own configuration reads the options.

    Raises:
        pytest.UsageError: the folder can't be written, or holds a damaged record: nothing is overwritten.
    """
    try:
        folder.mkdir(parents=True, exist_ok=True)
        probe = folder / f".write-{os.getpid()}"
        probe.touch()
        probe.unlink()
    except OSError as error:
        raise pytest.UsageError(
            f"--report-dir: expected a folder that can be written, found {folder}: {error.strerror};"
            " choose another --report-dir"
        ) from None
    try:
        load(folder)
    except ClaimsError as error:
        raise pytest.UsageError(str(error)) from None
    config.option.htmlpath = config.option.htmlpath or str(folder / PAGE)
    config.option.self_contained_html = True


class ReportPlugin:
    """Collects the verdicts that test reports carry and writes the report; lives on the xdist controller.

    A test report carries `user_properties` ("verdict", JSON), ("claim", JSON) and ("stated", JSON list of the
    claim's hypothesis ids): xdist ships them from the workers.
    """

    def __init__(self, config: pytest.Config, folder: Path):
        self.config = config
        self.folder = folder
        self.history = History(folder / HISTORY_FILE)
        self.book = Book()
        self.fresh: set[Key] = set()
        self.stated: dict[str, list[str]] = {}
        self.problems: list[str] = []
        self.notes: list[str] = []
        """What a reader must be told and what is no fault, e.g. a damaged result that was computed again."""
        self.written = True
        """Whether the page could be written."""
        self._verdicts: dict[str, Verdict] = {}

    def pytest_runtest_logreport(self, report: pytest.TestReport) -> None:
        """Take the verdict of a test from the first of its reports that carries one."""
        carried = dict(report.user_properties)
        if "verdict" not in carried or report.nodeid in self._verdicts:
            return
        verdict = decode(Verdict, str(carried["verdict"]), report.nodeid)
        claim = decode(Claim, str(carried["claim"]), report.nodeid)
        self._verdicts[report.nodeid] = verdict
        self.notes += [str(text) for name, text in report.user_properties if name == "note"]
        for line in (str(text) for name, text in report.user_properties if name == "problem"):
            self._problem(line)
        self.fresh.add(verdict.key)
        self.book.add([claim, verdict])
        try:
            if claim.id not in self.stated:
                self.history.append(claim)
            self.history.append(verdict)
        except ClaimsError as error:
            self._problem(str(error))
        self.stated[claim.id] = json.loads(str(carried["stated"]))

    @pytest.hookimpl(wrapper=True, trylast=True)
    def pytest_sessionfinish(self, session: pytest.Session) -> Iterator[None]:
        """Write verdicts.json and the tables, then let pytest-html write its page.

        The innermost wrapper: the terminal's own still says how the session went when the page can't be written.
        """
        self._write_record()
        try:
            with whole_page(self.config):
                yield
        except OSError as error:
            self.written = False
            self._problem(
                f"{self.config.option.htmlpath}: expected to write the page, found: {error.strerror};"
                " free some space or choose another --report-dir, then run again"
            )
        if self.problems and session.exitstatus == pytest.ExitCode.OK:
            session.exitstatus = pytest.ExitCode.TESTS_FAILED

    def _write_record(self) -> None:
        self.history.close()
        try:
            with locked(self.folder):
                merged = load(self.folder)
                # What the history could not take is only here.
                merged.add([*self.book.claims.values(), *self.book.verdicts.values()])
                merged.keep_stated(self.stated)
                self.fresh = {key for key in self.fresh if merged.verdicts.get(key) == self.book.verdicts.get(key)}
                self.book = merged
                save(self.folder, merged)
                tables.write(self.folder, merged)
        except ClaimsError as error:
            self._problem(str(error))

    def _problem(self, line: str) -> None:
        # A full disk is said once, not once for each verdict.
        if line not in self.problems:
            self.problems.append(line)

    def pytest_terminal_summary(self, terminalreporter: Any) -> None:
        """Print the table of verdicts and where the report is."""
        terminalreporter.section("verdicts")
        for line in terminal.table(self.book, self.fresh):
            terminalreporter.write_line(line)
        for note in self.notes:
            terminalreporter.write_line(f"Note: {note}")
        for problem in self.problems:
            terminalreporter.write_line(f"Problem: {problem}", red=True)
        terminalreporter.write_line("")
        if self.written:
            terminalreporter.write_line(f"report: {self.config.option.htmlpath}")
        else:
            terminalreporter.write_line("report: no page was written; what was there before is as it was")

    def pytest_sessionstart(self, session: pytest.Session) -> None:
        """Escape the environment, which pytest-html puts into the page as markup."""
        from pytest_metadata.plugin import metadata_key

        found = session.config.stash[metadata_key]
        escaped = escape(dict(found))
        found.clear()
        found.update(escaped)

    def pytest_html_report_title(self, report: Any) -> None:
        """Name the page."""
        report.title = page.TITLE

    def pytest_html_results_summary(self, prefix: list[str]) -> None:
        """Put the claims section on the page; its style sheet moves it to the top."""
        prefix.append(page.VIEWPORT)
        prefix.append(page.section(self.book, self.fresh, self.problems))

    def pytest_html_results_table_header(self, cells: list[str]) -> None:
        """Add a column for the verdict."""
        cells.insert(1, '<th class="sortable" data-column-type="verdict">Verdict</th>')

    def pytest_html_results_table_row(self, report: Any, cells: list[str]) -> None:
        """Escape the test's id, which pytest-html does not, and show its verdict."""
        cells[1] = tag("td", report.nodeid, class_="col-testId")
        verdict = self._verdicts.get(report.nodeid)
        cells.insert(1, tag("td", badge(verdict) if verdict else "", class_="col-verdict"))

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
