"""The report of a pytest session: it collects verdicts as tests report them, and writes page and tables at the end."""

from __future__ import annotations

import os
import shlex
import sys
import time
from collections import Counter
from collections.abc import Collection, Iterator, Mapping, Sequence
from dataclasses import replace
from datetime import UTC, datetime
from pathlib import Path
from typing import Any

import pytest
from markupsafe import Markup

from harness.core.errors import ClaimsError
from harness.core.paths import write_atomic
from harness.core.source import GPU, Source
from harness.core.verdict import Verdict
from harness.report import terminal
from harness.report.bundle import read_note
from harness.report.comparison import Change, compare
from harness.report.html import page
from harness.report.html.about import Took
from harness.report.html.background import LAST, background
from harness.report.judged import judged_in
from harness.report.records import Records, origins, read_folder, read_records
from harness.report.run_records import RunRecord, gathered
from harness.report.session_record import SessionRecord, session_record
from harness.report.verdict_log import VerdictLog
from harness.report.verdict_store import HISTORY_FILE, LOG_FILE, Key, VerdictStore, locked, says
from harness.report.writing import write_records
from harness.runs.store import Store
from harness.suite.session import POSTPONED
from harness.suite.whole_page import whole_page


def require_writable(folder: Path) -> Records:
    """Return the records in a report folder; refuse it before anything is judged for it.

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
    return read_folder(folder)


class ReportPlugin:
    """Collects the verdicts that test reports carry and writes the report; lives on the xdist controller.

    A test that judged a hypothesis says so in one property of its reports (`harness.report.judged`).

    Args:
        config: of the session.
        folder: of the report.
        asks_for_gpu: whether the released checkpoints were asked for by name, to be computed.
        home: where the results of runs lie; None: nowhere.
        baseline: the folder or bundle of a report that this one is compared with.

    Raises:
        ClaimsError: the folder can't be written, or holds a damaged record; the baseline can't be read.
    """

    def __init__(
        self,
        config: pytest.Config,
        folder: Path,
        asks_for_gpu: bool = False,
        home: Path | None = None,
        baseline: Path | None = None,
    ):
        self.before = require_writable(folder)
        """What the folder held before this session."""
        self.baseline = None if baseline is None else read_records(baseline)
        self.home = home
        self.start, self._started = datetime.now(UTC), time.monotonic()
        self.changes: tuple[Change, ...] = ()
        """What changed against the baseline, or without one against the report before the session."""
        self.config = config
        self.asks_for_gpu = asks_for_gpu
        self.folder = folder
        self.log = VerdictLog(folder / LOG_FILE)
        self.store = VerdictStore()
        self.fresh: set[Key] = set()
        self.stated: dict[str, tuple[str, ...]] = {}
        self.problems: list[str] = []
        self.notes: list[str] = []
        """What a reader must be told and what is no fault, e.g. a damaged result that was computed again."""
        self.written = True
        """Whether the page could be written."""
        self._runs: Mapping[str, RunRecord] = {}
        """Those behind the report's verdicts, by id."""
        self._sessions: tuple[SessionRecord, ...] = ()
        """Those of the folder, this one last."""
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
            self.problem(str(error))
            return
        if judged is None:
            return
        verdict, claim = judged.verdict, judged.claim
        self._verdicts[report.nodeid] = verdict
        self.notes += judged.notes
        for line in judged.problems:
            self.problem(line)
        self.fresh.add(verdict.key)
        self.store.add([claim, verdict])
        try:
            if claim.id not in self.stated:
                self.log.append(claim)
            self.log.append(verdict)
        except ClaimsError as error:
            self.problem(str(error))
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
                write_atomic(self.page, page.document(self.section(), self.store.sorted()).encode())
        except ClaimsError as error:
            self.written = False
            self.problem(str(error))
        except OSError as error:
            self.written = False
            self.problem(
                f"{self.page}: expected to write the page, found: {error.strerror};"
                " free some space or choose another --report-dir, then run again"
            )
        if (self.problems or self.nothing_judged() or self.differs) and session.exitstatus == pytest.ExitCode.OK:
            session.exitstatus = pytest.ExitCode.TESTS_FAILED
        if not self.config.pluginmanager.has_plugin("terminalreporter"):
            for line in [*map("Note: {}".format, self.notes), *map("Problem: {}".format, self.problems)]:
                print(line, file=sys.stderr)

    def verdict_of(self, nodeid: str) -> Verdict | None:
        """Return what a test judged, None if it judged nothing."""
        return self._verdicts.get(nodeid)

    @property
    def page(self) -> Path:
        """The file of the page."""
        return Path(getattr(self.config.option, "htmlpath", None) or self.folder / page.FILE)

    def nothing_judged(self) -> str:
        """Return that nothing was judged of the released checkpoints that were asked for, and why; else "".

        What was never released needs no session to be known, and is no judgement of this one.
        """
        of_gpu = [one for one in self._verdicts.values() if Source.parse(one.source).kind == GPU]
        idle = [one for one in of_gpu if one.verdict == "NOT RUN"]
        judged = any(one.verdict not in ("NOT RUN", "NOT VERIFIABLE") for one in self._verdicts.values())
        if not self.asks_for_gpu or not idle or judged:
            return ""
        if all(one.reason.startswith(POSTPONED) for one in idle):
            return ""  # the next session goes on
        ((reason, count),) = Counter(one.reason for one in idle).most_common(1)
        most = f"{count} of them: " if len(idle) > 1 else ""
        return f"nothing was judged: {len(idle)} of {len(of_gpu)} gpu questions are NOT RUN, {most}{reason}"

    @property
    def differs(self) -> bool:
        """Whether an answer or a verdict differs from the baseline that was named."""
        return self.baseline is not None and any(change.decisive for change in self.changes)

    def _write_record(self) -> None:
        self.log.close()
        try:
            with locked(self.folder):
                merged = read_folder(self.folder)
                # What the log could not take is only here.
                merged.store.add([*self.store.claims.values(), *self.store.verdicts.values()])
                merged.store.keep_stated(self.stated)
                self.store = self._with_fresh(merged.store)
                results = None if self.home is None else Store(self.home, self.notes.append)
                merged.runs, damaged = gathered(merged.store.verdicts.values(), results, merged.runs)
                self._runs = merged.runs
                self.notes += damaged
                self.notes += origins(merged.runs)
                merged.store.notes += origins(merged.runs)
                if (note := read_note(self.folder)) is not None:
                    merged.store.notes.append(str(note))
                self.changes = self._compared(merged)
                named = "" if self.baseline is None else str(self.baseline.place)
                lines = [str(change) for change in self.changes]
                self._sessions = merged.sessions
                merged.store.history_bytes = self._append_session(named, lines)
                write_records(self.folder, merged, lines, named, self.problems)
        except ClaimsError as error:
            self.problem(str(error))

    def _with_fresh(self, merged: VerdictStore) -> VerdictStore:
        """Return the merged verdicts, having noted which are fresh and which answers differ from those on record."""
        self.fresh = {key for key in self.fresh if merged.verdicts.get(key) == self.store.verdicts.get(key)}
        for line in changed_answers(self._answers, self._answering, merged, self.fresh):
            self.problem(line)
        return merged

    @property
    def _first(self) -> bool:
        """Whether there is nothing to compare with: no baseline was named, and there was no report before."""
        return self.baseline is None and not self.before.store.verdicts

    def _compared(self, merged: Records) -> tuple[Change, ...]:
        """Return what changed; nothing where there was no report before and no baseline was named."""
        return () if self._first else compare(self.baseline or self.before, merged)

    def _append_session(self, baseline: str, changed: Sequence[str]) -> int:
        """Append a line on this session to the history; return where it ends."""
        history = VerdictLog(self.folder / HISTORY_FILE)
        record = session_record(
            self.store.verdicts.values(),
            self.store.answers(),
            judged=len(self._verdicts),
            seconds=time.monotonic() - self._started,
            command=shlex.join(["pytest", *self.config.invocation_params.args]),
            changed=changed,
            baseline=baseline,
            problems=self.problems,
        )
        self._sessions = (*self._sessions, record)
        try:
            history.append(record)
        except ClaimsError as error:
            self.problem(str(error))
        finally:
            history.close()
        return history.end

    def problem(self, line: str) -> None:
        """Note what went wrong, for the terminal and the page."""
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
                terminalreporter.write_line(line, **terminal.colour(line))
        for line in terminal.table(self.store, self.fresh):
            terminalreporter.write_line(line)
        if refuted := terminal.refuted(self.store, self.fresh):
            for line in ("", *refuted):
                terminalreporter.write_line(line, red=bool(line))
        if self.baseline is not None or self.changes:
            terminalreporter.write_line("")
            for line in terminal.changed(self.changes, None if self.baseline is None else str(self.baseline.place)):
                terminalreporter.write_line(line)
            terminalreporter.write_line("")
        for note in self.notes:
            terminalreporter.write_line(f"Note: {note}")
        for problem in self.problems:
            terminalreporter.write_line(f"Problem: {problem}", red=True)
        terminalreporter.write_line("")
        if self.written:
            terminalreporter.write_line(f"report: {self.page}")
        else:
            terminalreporter.write_line("report: no page was written; what was there before is as it was")

    def section(self) -> Markup:
        """Return the claims section of the page."""
        found = background(
            self.store,
            self.folder,
            self._runs,
            None if self.home is None else Store(self.home),
            took=Took(self.start, time.monotonic() - self._started),
            changed=self.changes,
            since="" if self._first else str(self.baseline.place) if self.baseline else LAST,
            sessions=self._sessions,
        )
        found = replace(found, notes=tuple(dict.fromkeys(self.notes)))
        return page.section(self.store, self.fresh, self.problems, found)


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
