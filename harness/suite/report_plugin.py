"""The report of a pytest session: it collects verdicts as tests report them, and writes page and tables at the end."""

from __future__ import annotations

import html
import os
import sys
import time
from collections import Counter
from collections.abc import Collection, Iterator, Mapping, Sequence
from datetime import UTC, datetime
from pathlib import Path
from typing import Any

import pytest
from markupsafe import Markup

from harness.core.errors import ClaimsError
from harness.core.paths import write_atomic
from harness.core.source import GPU, Source
from harness.core.verdict import Verdict
from harness.report import export, page, terminal
from harness.report.about import Took
from harness.report.background import background
from harness.report.judged import judged_in
from harness.report.labels import LOOKS
from harness.report.page_rows import row_id
from harness.report.rendering import render
from harness.report.verdict_log import VerdictLog
from harness.report.verdict_store import HISTORY_FILE, Key, VerdictStore, load, locked, save, says
from harness.runs.store import Store
from harness.suite.listed_tests import leave_out
from harness.suite.session import SESSION
from harness.suite.whole_page import whole_page

PAGE = "report.html"
COLUMNS = (
    ("result", "Result"),
    ("claim", "Claim"),
    ("source", "Source"),
    ("verdict", "Verdict"),
    ("testId", "Test"),
    ("duration", "Duration"),
)
"""Of pytest-html's table: (its name of what a column sorts by, the head)."""


def require_writable(folder: Path) -> VerdictStore:
    """Refuse a report folder before anything is judged for it; return what it holds.

    Raises:
        ClaimsError: it can't be written, or holds a damaged record: nothing is overwritten.
    """
    try:
        folder.mkdir(parents=True, exist_ok=True)
        probe = folder / f".write-{os.getpid()}"
        probe.touch()
        probe.unlink()
    except OSError as error:
        raise ClaimsError(
            f"--report-dir: expected a folder that can be written, found {folder}: {error.strerror};"
            " choose another --report-dir"
        ) from None
    return load(folder)


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
    config.option.htmlpath = config.option.htmlpath or str(report.folder / PAGE)
    config.option.self_contained_html = True
    before = config.pluginmanager.get_plugins()
    html_plugin.pytest_configure(config)
    for started in config.pluginmanager.get_plugins() - before:
        if isinstance(started, BaseReport):
            started.pytest_sessionstart(session)
            started.pytest_collection_finish(session)


class ReportPlugin:
    """Collects the verdicts that test reports carry and writes the report; lives on the xdist controller.

    A test that judged a hypothesis says so in one property of its reports (`harness.report.judged`).

    Raises:
        ClaimsError: the folder can't be written, or holds a damaged record.
    """

    def __init__(self, config: pytest.Config, folder: Path, asks_for_gpu: bool = False):
        self.before = require_writable(folder)
        """What the folder held before this session."""
        self.start, self._started = datetime.now(UTC), time.monotonic()
        self.config = config
        self.asks_for_gpu = asks_for_gpu
        """Whether the released checkpoints were asked for by name, to be computed."""
        self.folder = folder
        self.log = VerdictLog(folder / HISTORY_FILE)
        self.store = VerdictStore()
        self.fresh: set[Key] = set()
        self.stated: dict[str, tuple[str, ...]] = {}
        self.problems: list[str] = []
        self.notes: list[str] = []
        """What a reader must be told and what is no fault, e.g. a damaged result that was computed again."""
        self.written = True
        """Whether the page could be written."""
        self._table: dict[str, Any] = {}
        """What pytest-html puts into its table."""
        self._verdicts: dict[str, Verdict] = {}
        self._answers: dict[tuple[str, str], str] = {}
        """Answers on record, by claim and source."""
        self._answering: dict[tuple[str, str], tuple[str, ...]] = {}
        """Ids of the hypotheses that answer a claim, by claim and source."""

    def pytest_runtest_logreport(self, report: pytest.TestReport) -> None:
        """Take the verdict of a test from the first of its reports that carries one."""
        if report.nodeid in self._verdicts:
            return
        try:
            judged = judged_in(report.user_properties, report.nodeid)
        except ClaimsError as error:
            self._problem(str(error))
            return
        if judged is None:
            return
        verdict, claim = judged.verdict, judged.claim
        self._verdicts[report.nodeid] = verdict
        self.notes += judged.notes
        for line in judged.problems:
            self._problem(line)
        self.fresh.add(verdict.key)
        self.store.add([claim, verdict])
        try:
            if claim.id not in self.stated:
                self.log.append(claim)
            self.log.append(verdict)
        except ClaimsError as error:
            self._problem(str(error))
        self.stated[claim.id] = judged.stated
        self._answers |= {(claim.id, source): name for source, name in judged.answers}
        self._answering |= {(claim.id, source): hypotheses for source, hypotheses in judged.answering}

    @pytest.hookimpl(wrapper=True, trylast=True)
    def pytest_sessionfinish(self, session: pytest.Session) -> Iterator[None]:
        """Write verdicts.json and the tables, then let pytest-html write its page.

        The innermost wrapper: the terminal's own still says how the session went when the page can't be written.
        """
        self._write_record()
        try:
            with whole_page(self.config):
                yield
            if not self.config.pluginmanager.has_plugin("html"):
                write_atomic(self.page, page.document(self._section()).encode())
        except ClaimsError as error:
            self.written = False
            self._problem(str(error))
        except OSError as error:
            self.written = False
            self._problem(
                f"{self.page}: expected to write the page, found: {error.strerror};"
                " free some space or choose another --report-dir, then run again"
            )
        if (self.problems or self.nothing_judged()) and session.exitstatus == pytest.ExitCode.OK:
            session.exitstatus = pytest.ExitCode.TESTS_FAILED
        if not self.config.pluginmanager.has_plugin("terminalreporter"):
            for line in [*map("Note: {}".format, self.notes), *map("Problem: {}".format, self.problems)]:
                print(line, file=sys.stderr)

    @property
    def page(self) -> Path:
        """The file of the page."""
        return Path(getattr(self.config.option, "htmlpath", None) or self.folder / PAGE)

    def nothing_judged(self) -> str:
        """Return that nothing was judged of the released checkpoints that were asked for, and why; else "".

        What was never released needs no session to be known, and is no judgement of this one.
        """
        of_gpu = [one for one in self._verdicts.values() if Source.parse(one.source).kind == GPU]
        idle = [one for one in of_gpu if one.verdict == "NOT RUN"]
        judged = any(one.verdict not in ("NOT RUN", "NOT VERIFIABLE") for one in self._verdicts.values())
        if not self.asks_for_gpu or not idle or judged:
            return ""
        ((reason, count),) = Counter(one.reason for one in idle).most_common(1)
        most = f"{count} of them: " if len(idle) > 1 else ""
        return f"nothing was judged: {len(idle)} of {len(of_gpu)} gpu questions are NOT RUN, {most}{reason}"

    def _write_record(self) -> None:
        self.log.close()
        try:
            with locked(self.folder):
                merged = load(self.folder)
                # What the history could not take is only here.
                merged.add([*self.store.claims.values(), *self.store.verdicts.values()])
                merged.keep_stated(self.stated)
                self.fresh = {key for key in self.fresh if merged.verdicts.get(key) == self.store.verdicts.get(key)}
                self.store = merged
                for line in changed_answers(self._answers, self._answering, merged, self.fresh):
                    self._problem(line)
                save(self.folder, merged)
                export.write(self.folder, merged)
        except ClaimsError as error:
            self._problem(str(error))

    def _problem(self, line: str) -> None:
        # A full disk is said once, not once for each verdict.
        if line not in self.problems:
            self.problems.append(line)

    def pytest_terminal_summary(self, terminalreporter: Any) -> None:
        """Print the table of verdicts and where the report is."""
        terminalreporter.section("verdicts")
        if idle := self.nothing_judged():
            terminalreporter.write_line(idle, red=True)
            terminalreporter.write_line("")
        if answers := terminal.answers(self.store, terminalreporter._tw.fullwidth):
            for line in (*answers, ""):
                terminalreporter.write_line(line)
        for line in terminal.table(self.store, self.fresh):
            terminalreporter.write_line(line)
        for note in self.notes:
            terminalreporter.write_line(f"Note: {note}")
        for problem in self.problems:
            terminalreporter.write_line(f"Problem: {problem}", red=True)
        terminalreporter.write_line("")
        if self.written:
            terminalreporter.write_line(f"report: {self.page}")
        else:
            terminalreporter.write_line("report: no page was written; what was there before is as it was")

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
        prefix.append(self._section())

    def _section(self) -> Markup:
        session = self.config.stash.get(SESSION, None)
        store = Store(session.config.home) if session and session.started else None
        took = Took(self.start, time.monotonic() - self._started)
        found = background(self.store, self.folder, store, before=self.before, took=took)
        return page.section(self.store, self.fresh, self.problems, found)

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
        verdict = self._verdicts.get(report.nodeid)
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


def changed_answers(
    recorded: Mapping[tuple[str, str], str],
    answering: Mapping[tuple[str, str], Sequence[str]],
    store: VerdictStore,
    fresh: Collection[Key],
) -> list[str]:
    """Return which answers differ from those on record, a line each: was, is, and the sentence.

    An answer that no verdict of this session bears on is not looked at, nor one that is not whole: a statement that
    was never selected here, or is NOT RUN, changes nothing.

    Args:
        recorded: answers on record, by claim and source.
        answering: ids of the hypotheses that answer a claim, by claim and source.
        store: all verdicts.
        fresh: keys of the verdicts of this session.
    """
    lines = []
    for each in store.answers():
        was = recorded.get(each.key)
        keys = [(each.claim, hypothesis, each.source) for hypothesis in answering.get(each.key, ())]
        found = [store.verdicts.get(key) for key in keys]
        whole = all(verdict is not None and says(verdict) for verdict in found)
        if was not in (None, each.answer) and whole and any(key in fresh for key in keys):
            lines.append(f"{each.claim}, {each.source}: the answer was {was}, is {each.answer}; {each.sentence}")
    return lines


def escape(value: Any) -> Any:
    """Return plain values with every text in them escaped for HTML."""
    if isinstance(value, dict):
        return {escape(key): escape(item) for key, item in value.items()}
    if isinstance(value, (list, tuple)):
        return [escape(item) for item in value]
    return html.escape(value) if isinstance(value, str) else value
