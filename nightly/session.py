"""A night's session: pytest with the options of a nightly job, its output kept, what stops it passed on."""

from __future__ import annotations

import contextlib
import os
import shlex
import shutil
import signal
import subprocess
import sys
from collections.abc import Iterator, Sequence
from dataclasses import dataclass, replace
from datetime import UTC, datetime
from pathlib import Path
from types import FrameType

from harness.core.errors import ClaimsError
from harness.core.paths import held, make_folder
from harness.report.verdict_store import LOG_FILE
from nightly.folders import HandedOver, Kept
from nightly.record import Night, read, write


@dataclass(frozen=True)
class Asked:
    """What a night is to do."""

    claims: str
    """The paper's folder, or claim files in it."""
    select: str
    """pytest's -m."""
    workers: str
    """pytest's -n: a number, or auto."""
    hours: str = ""
    """--time-limit; "": none."""
    arguments: str = ""
    """Further arguments of pytest, quoted as in a shell."""


def command(asked: Asked, kept: Kept) -> list[str]:
    """Return the arguments of pytest.

    Raises:
        ClaimsError: the further arguments can't be split.
    """
    try:
        more = shlex.split(asked.arguments)
    except ValueError as error:
        raise ClaimsError(f"NIGHTLY_ARGUMENTS: expected arguments of pytest, found: {error}; correct them") from None
    baseline = ["--baseline", str(kept.baseline)] if kept.baseline.exists() else []
    limit = ["--time-limit", asked.hours] if asked.hours else []
    base = [*shlex.split(asked.claims), "-m", asked.select, "-n", asked.workers, "--strict-verdicts"]
    return [*base, "--report-dir", str(kept.report), *baseline, *limit, *more]


def run(asked: Asked, kept: Kept, out: HandedOver) -> int:
    """Run a night's session and return an exit code: pytest's, or 128 and the signal that ended it.

    Raises:
        ClaimsError: another night runs, or the folders can't be used.
    """
    from filelock import Timeout

    arguments = command(asked, kept)
    make_folder(kept.report)
    try:
        with held(kept.lock, timeout=0):
            shutil.rmtree(out.folder, ignore_errors=True)
            make_folder(out.folder)
            log = kept.report / LOG_FILE
            night = Night(
                started=datetime.now(UTC).isoformat(timespec="seconds"),
                command=shlex.join(["pytest", *arguments]),
                log_bytes=log.stat().st_size if log.exists() else 0,
                before=unreported(kept),
            )
            write(kept.record, night)
            print(night.command, flush=True)
            code = pytest(arguments, out.log)
            write(kept.record, replace(night, exit_code=code))
    except Timeout:
        raise ClaimsError(f"{kept.lock}: expected that no other night runs, found one; wait until it ends") from None
    return code if code >= 0 else 128 - code


def unreported(kept: Kept) -> str:
    """Return what became of the night before if its report was not made, else ""."""
    last = read(kept.record)
    if last is None or last.reported:
        return ""
    how = "was killed" if last.exit_code is None else f"ended with exit code {last.exit_code}, but made no report"
    return f"the night of {last.started[:10]} {how}; this one goes on from what it stored"


def pytest(arguments: Sequence[str], log: Path) -> int:
    """Run pytest; print what it prints, keep it in a file, and return its exit code, or minus a signal."""
    with log.open("wb", buffering=0) as file:  # whatever ends this process, the file has it
        # A group of its own: Ctrl-C on a terminal, and what stops a job, reach it once, through this process.
        process = subprocess.Popen(
            [sys.executable, "-m", "pytest", *arguments],
            stdout=subprocess.PIPE,
            stderr=subprocess.STDOUT,
            start_new_session=True,
            preexec_fn=_listen,
        )
        assert process.stdout is not None
        with passed_on(process):
            while chunk := os.read(process.stdout.fileno(), 1 << 16):
                file.write(chunk)
                sys.stdout.buffer.write(chunk)
                sys.stdout.flush()
            return process.wait()


def _listen() -> None:
    """Let SIGINT end the new process in order: what a shell started in the background would ignore it."""
    signal.signal(signal.SIGINT, signal.SIG_DFL)


@contextlib.contextmanager
def passed_on(process: subprocess.Popen[bytes]) -> Iterator[None]:
    """Pass SIGINT and SIGTERM on in the place of ending: to a process and all that it started, as Ctrl-C.

    By that pytest saves what is computed, and writes its report; SIGTERM would end it at once.
    """

    def send(number: int, frame: FrameType | None) -> None:
        del number, frame
        with contextlib.suppress(ProcessLookupError):
            os.killpg(process.pid, signal.SIGINT)

    before = {number: signal.signal(number, send) for number in (signal.SIGINT, signal.SIGTERM)}
    try:
        yield
    finally:
        for number, handler in before.items():
            signal.signal(number, handler)
