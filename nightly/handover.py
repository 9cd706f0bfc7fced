"""After a night's session: how it ended, what changed, and all that it hands over; the next night's baseline."""

from __future__ import annotations

import os
import shutil
from collections.abc import Mapping, Sequence
from dataclasses import replace
from pathlib import Path

from harness.core.errors import ClaimsError
from harness.core.paths import make_folder, write_atomic
from harness.report.comparison import Change, compare
from harness.report.job_summary import SUMMARY_FILE, escaped, listed
from harness.report.records import Records, read_records
from harness.report.verdict_store import load
from nightly.folders import HandedOver, Kept
from nightly.record import Ending, Night, ending, read, write

MOST = 50
"""Changes that an issue lists; more are counted."""


def hand_over(kept: Kept, out: HandedOver, environment: Mapping[str, str]) -> None:
    """Make what a night hands over; a night that finished becomes the baseline of the next.

    Args:
        kept: what stays between nights.
        out: what is handed over.
        environment: GITHUB_STEP_SUMMARY and GITHUB_OUTPUT name the files of a GitHub job, where there are any.

    Raises:
        ClaimsError: there was no night since the last report, or a record is damaged.
    """
    night = read(kept.record)
    if night is None:
        raise ClaimsError(f"{kept.record}: expected a night's record, found none; run make nightly first")
    if night.reported:
        raise ClaimsError(
            f"{kept.record}: expected a night without a report, found that the night of {night.started} has its own;"
            " run make nightly first"
        )
    how = ending(night, kept.report)
    make_folder(out.folder)
    baseline = read_records(kept.baseline) if kept.baseline.exists() else None
    judged = bool(load(kept.report).verdicts)
    found = reported(kept, out, how, baseline) if judged else ()
    changes = [each for each in found if each.decisive]
    lines = [f"# Night of {night.started[:10]}", listed(map(escaped, said(night, how, baseline, len(changes))))]
    if judged:
        lines.append((kept.report / SUMMARY_FILE).read_text())
    write_atomic(out.summary, ("\n\n".join(lines).rstrip() + "\n").encode())
    if changes:
        write_atomic(out.issue, issue(night, how, found, environment).encode())
    tell(environment, out, changed=bool(changes))
    if how == "finished" and judged:
        promote(out.bundle, kept.baseline)
    write(kept.record, replace(night, reported=True))


def reported(kept: Kept, out: HandedOver, how: Ending, baseline: Records | None) -> tuple[Change, ...]:
    """Make the bundle and copies of the report and its page; return what changed against the baseline."""
    from harness.cli.bundle import write as bundle
    from harness.core.config import home
    from harness.report.html.page import FILE
    from harness.report.rebuilding import rebuild
    from harness.runs.store import Store

    if how == "cut short":  # its session made no report: it is made of the verdicts that were logged
        rebuild(kept.report, store=Store(home()), baseline=baseline)
    bundle(out.bundle, kept.report)
    shutil.rmtree(out.report, ignore_errors=True)
    shutil.copytree(kept.report, out.report, ignore=shutil.ignore_patterns(".*"))
    make_folder(out.page.parent)
    shutil.copyfile(kept.report / FILE, out.page)
    return () if baseline is None else compare(baseline, read_records(kept.report))


def said(night: Night, how: Ending, baseline: Records | None, changes: int) -> list[str]:
    """Return how a night ended and whether anything changed, a line each."""
    on = "the next night goes on from what is stored"
    ended = {
        "finished": f"The night finished with exit code {night.exit_code}.",
        "stopped at the time limit": f"The night stopped at the time limit: what is left is NOT RUN, and {on}.",
        "cut short": f"The night was cut short ({code(night)}): {on}.",
    }[how]
    if baseline is None:
        against = "No night finished before this one, so there is nothing to compare with."
    else:
        against = f"{number(changes)} changed against the last night that finished."
    stays = [] if how == "finished" else ["The baseline stays that of the last night that finished."]
    before = [f"Before: {night.before}."] if night.before else []
    return [ended, against, *stays, *before]


def code(night: Night) -> str:
    """Return in words what ended a session."""
    if night.exit_code is None:
        return "it was killed"
    return f"signal {-night.exit_code}" if night.exit_code < 0 else f"exit code {night.exit_code}"


def number(changes: int) -> str:
    """Return how many answers and verdicts changed, in words."""
    if not changes:
        return "No answer and no verdict"
    return "1 answer or verdict" if changes == 1 else f"{changes} answers or verdicts"


def changed_lines(changes: Sequence[Change]) -> str:
    """Return changes as a list in Markdown."""
    more = [f"and {len(changes) - MOST} more"] if len(changes) > MOST else []
    return listed([*(escaped(str(each)) for each in changes[:MOST]), *more])


def issue(night: Night, how: Ending, found: Sequence[Change], environment: Mapping[str, str]) -> str:
    """Return the title of an issue and, from the third line on, its text."""
    changes = [each for each in found if each.decisive]
    besides = [each for each in found if not each.decisive]
    parts = [f"Nightly: {number(len(changes))} changed", f"The night of {night.started[:10]}: {how}."]
    parts.append(changed_lines(changes))
    if besides:
        parts += ["What else changed:", changed_lines(besides)]
    if run := environment.get("GITHUB_RUN_ID"):
        parts.append(f"{environment['GITHUB_SERVER_URL']}/{environment['GITHUB_REPOSITORY']}/actions/runs/{run}")
    parts.append("If this is meant, lock the verdicts; until then each night fails (CONTRIBUTING.md, After a change).")
    return "\n\n".join(parts) + "\n"


def tell(environment: Mapping[str, str], out: HandedOver, changed: bool) -> None:
    """Append the summary, and whether anything changed and there is a page, to the files that a GitHub job names."""
    if summary := environment.get("GITHUB_STEP_SUMMARY"):
        with Path(summary).open("a") as file:
            file.write(out.summary.read_text())
    if output := environment.get("GITHUB_OUTPUT"):
        with Path(output).open("a") as file:
            file.write(f"changed={str(changed).lower()}\npage={str(out.page.exists()).lower()}\n")


def promote(bundle: Path, baseline: Path) -> None:
    """Make a bundle the next night's baseline: the whole of it, or none."""
    beside = baseline.with_suffix(".new")
    shutil.copyfile(bundle, beside)
    os.replace(beside, baseline)
