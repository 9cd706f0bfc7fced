import os
import signal
import subprocess
import sys
import time

import pytest

from harness.core.errors import ClaimsError
from harness.core.paths import held
from nightly.folders import HandedOver, Kept
from nightly.record import Night, read, write
from nightly.session import Asked, command, run, unreported
from tests.nightly.making import ROOT

ASKED = Asked("claims", "gpu", "auto")
WAITS = """
import time


def test_that_takes_all_night():
    print("started", flush=True)
    time.sleep(120)
"""


def test_a_night_compares_with_the_last_one_that_finished_if_there_is_one(tmp_path):
    kept = Kept(tmp_path)
    plain = ["claims", "-m", "gpu", "-n", "auto", "--strict-verdicts", "--report-dir", str(tmp_path / "report")]
    assert command(ASKED, kept) == plain
    kept.baseline.touch()
    assert command(ASKED, kept) == [*plain, "--baseline", str(tmp_path / "baseline.zip")]


def test_the_time_limit_and_further_arguments_are_handed_on(tmp_path):
    asked = Asked("claims/test_a.py claims/test_b.py", "micro or gpu", "0", "8.5", "--seeds auto -k 'a or b'")
    found = command(asked, Kept(tmp_path))
    assert found[:3] == ["claims/test_a.py", "claims/test_b.py", "-m"]
    assert found[-6:] == ["--time-limit", "8.5", "--seeds", "auto", "-k", "a or b"]


def test_arguments_that_can_not_be_split_are_one_line(tmp_path):
    with pytest.raises(ClaimsError, match=r"^NIGHTLY_ARGUMENTS: expected arguments of pytest, found: No closing quot"):
        command(Asked("claims", "gpu", "auto", arguments="-k 'a"), Kept(tmp_path))


def test_two_nights_at_once_are_refused_and_leave_the_first_alone(tmp_path):
    kept, out = Kept(tmp_path / "kept"), HandedOver(tmp_path / "out")
    out.folder.mkdir()
    out.log.write_text("of the first")
    with held(kept.lock), pytest.raises(ClaimsError, match="expected that no other night runs, found one"):
        run(ASKED, kept, out)
    assert out.log.read_text() == "of the first"
    assert read(kept.record) is None


@pytest.mark.parametrize(
    ("code", "reported", "line"),
    [
        (None, False, "the night of 2030-01-02 was killed; this one goes on from what it stored"),
        (0, False, "the night of 2030-01-02 ended with exit code 0, but made no report; this one goes on from what it"),
        (0, True, ""),
        (1, True, ""),
    ],
)
def test_a_night_without_a_report_is_told_by_the_next(tmp_path, code, reported, line):
    kept = Kept(tmp_path)
    assert unreported(kept) == ""
    write(kept.record, Night("2030-01-02T03:04:05+00:00", "pytest", 0, code, reported))
    assert unreported(kept).startswith(line)
    assert bool(unreported(kept)) == bool(line)


def test_a_damaged_record_is_one_line(tmp_path):
    kept = Kept(tmp_path)
    for text in ("{", "{}", "[]"):
        kept.record.write_text(text)
        with pytest.raises(ClaimsError, match=r"night\.json: expected .*; remove it$"):
            read(kept.record)


def test_what_stops_a_night_reaches_its_session_which_ends_in_order(tmp_path):
    (tmp_path / "test_waits.py").write_text(WAITS)
    code = (
        "import sys; from pathlib import Path; from nightly.session import pytest;"
        "sys.exit(pytest(['-p', 'no:cacheprovider', '-s', 'test_waits.py'], Path('night.log')))"
    )
    process = subprocess.Popen(
        [sys.executable, "-c", code],
        cwd=tmp_path,
        env=os.environ | {"PYTHONPATH": str(ROOT)},
        stdout=subprocess.PIPE,
        text=True,
    )
    try:
        until = time.monotonic() + 60
        while time.monotonic() < until and "started" not in log_of(tmp_path):
            time.sleep(0.1)
        assert "started" in log_of(tmp_path)
        process.send_signal(signal.SIGTERM)
        printed, _ = process.communicate(timeout=60)
    finally:
        process.kill()
    assert process.returncode == pytest.ExitCode.INTERRUPTED
    assert "KeyboardInterrupt" in printed
    assert printed == log_of(tmp_path)


def log_of(folder):
    file = folder / "night.log"
    return file.read_text() if file.exists() else ""
